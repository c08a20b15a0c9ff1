"""The command line."""
import argparse
import json
import shutil
import signal
import subprocess
import sys
import time

from .lab import ROOT, Lab, build, report_missing
from .machine import Placement, describe
from .plot import write_plots
from .report import report
from .runner import Timing, run, say
from .specials import SPECIALS
from .workloads import WORKLOADS

EVERYTHING = {name: it.title for name, it in WORKLOADS.items()} | {name: it[0] for name, it in SPECIALS.items()}


def arguments():
    parser = argparse.ArgumentParser(
        prog="bin/bench",
        description="Measures thrust beside nginx and bare hyper on this machine, and writes tables in Markdown.",
        epilog="Workloads:\n" + "\n".join(f"  {name:12} {title}" for name, title in EVERYTHING.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="what to measure (all)")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is told (3)")
    parser.add_argument("--secs", type=int, default=2, help="of load a measurement (2)")
    parser.add_argument("--cores", choices=("pin", "free"), default="pin",
                        help="pin: the server has a core for itself; free: all share all (pin)")
    parser.add_argument("--thrust", action="append", default=[], metavar="NAME=BINARY",
                        help="a thrust that is built already; several are compared with the first")
    parser.add_argument("--only", default="", metavar="SERVER,…", help="only these, by the names in the tables")
    parser.add_argument("--plot", action="store_true", help="how cost grows, as SVG in docs/")
    parser.add_argument("--json", metavar="FILE", help="all samples, too")
    parser.add_argument("--self-test", action="store_true",
                        help="does each workload once and briefly, with a debug build; says whether all of it works")
    options = parser.parse_args()
    unknown = set(options.workloads) - set(EVERYTHING)
    if unknown:
        parser.error("unknown workload: " + ", ".join(sorted(unknown)))
    if not all("=" in it for it in options.thrust):
        parser.error("--thrust NAME=BINARY")
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    report_missing(say)
    try:
        built = build(options.self_test, with_thrust=not options.thrust)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"bin/bench: {error}")
        return 1
    lab = Lab(Placement(options.cores == "pin"), built)
    try:
        return self_test(lab) if options.self_test else compare(lab, options)
    except KeyboardInterrupt:
        return 130
    finally:
        lab.close()


def compare(lab, options):
    given = (it.split("=", 1) for it in options.thrust)
    thrusts = {name: shutil.which(binary) or binary for name, binary in given} or {"thrust": lab.thrust}
    timing = Timing(rounds=options.rounds, seconds=options.secs)
    samples = []
    print(setting(lab, timing), flush=True)
    for workload in options.workloads or EVERYTHING:
        found = run(lab, workload, thrusts, options.only.split(",") if options.only else (), timing)
        samples += found
        print(report(workload, found, next(iter(thrusts))), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(dict(machine=describe(), cores=options.cores, samples=samples), file, indent=1)
    if options.plot:
        for path in write_plots(samples, ROOT / "docs"):
            say(f"Written: {path.relative_to(ROOT)}")
    return 0


def setting(lab, timing):
    cores = "one core for the server, the others for load and backend" if lab.placement.pinned else "all cores shared"
    many = timing.rounds > 1
    load = f"medians of {timing.rounds} rounds of {timing.seconds} s" if many else f"one round of {timing.seconds} s"
    return f"{describe()}; {cores}; {load}; {time.strftime('%Y-%m-%d')}.\n"


def self_test(lab):
    """Each workload, but nothing that takes long: thrust and the ceilings, few connections, small caches."""
    timing = Timing(rounds=1, seconds=1, warm_up=0, starts=1, attempts=1, cache_sizes=(8,))
    for workload in WORKLOADS.values():
        workload.cases = [case for case in workload.cases if case.kind != "nginx" and case.x in (None, 1, 10)]
    failed = 0
    for workload in EVERYTHING:
        samples = run(lab, workload, {"thrust": lab.thrust}, ("thrust", "hyper", "hyper proxy"), timing)
        failed += any(map(went_wrong, samples))
        print(report(workload, samples, "thrust"), flush=True)
    say("bin/bench works" if not failed else f"bin/bench: {failed} workloads failed")
    return 1 if failed else 0


def went_wrong(sample):
    failures = [value for name, value in sample.get("row", {}).items() if "failed" in name]
    return "failed" in sample or sample.get("errors") or any(failures)
