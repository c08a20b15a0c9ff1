"""Rounds: everything in turn, each measured anew."""
import sys
from dataclasses import dataclass, replace

from .lab import TOOLS
from .load import LoadError
from .servers import NGINX, ServerError
from .specials import CACHE_SIZES, SPECIALS, footprint, full_cache
from .workloads import WORKLOADS, measure

FOREIGN = 0.10  # cores that others may use meanwhile


@dataclass
class Timing:
    rounds: int = 3
    seconds: float = 2
    warm_up: float = 1
    starts: int = 5
    attempts: int = 3
    cache_sizes: tuple = CACHE_SIZES


def say(text):
    print(text, file=sys.stderr, flush=True)


def tools():
    return {package: here for here, package, _ in TOOLS}


def can_run(case):
    here = tools()
    return (
        (case.kind != "nginx" or NGINX)
        and (case.load not in ("wrk", "tls", "entries") or here["wrk"])
        and (case.load not in ("tls", "h2") or here["openssl"])
        and (case.load != "h2" or here["nghttp2-client"])
        and ("brotli" not in case.label or here["brotli"] and here["libnginx-mod-http-brotli-static"])
    )


def wanted(label, only):
    return not only or label in only


def cases_of(workload, thrusts, only):
    """With each of the thrusts in thrust's place."""
    found = []
    for case in WORKLOADS[workload].cases:
        if case.kind == "thrust":
            for name, binary in thrusts.items():
                found.append(replace(case, label=case.label.replace("thrust", name), binary=binary))
        else:
            found.append(case)
    return [case for case in found if can_run(case) and wanted(case.label.partition(",")[0], only)]


def run(lab, workload, thrusts, only, timing):
    """The samples of a workload."""
    if workload in SPECIALS:
        return run_special(lab, workload, thrusts, only, timing)
    cases, samples = cases_of(workload, thrusts, only), []
    for number in range(timing.rounds):
        for case in cases if number % 2 == 0 else cases[::-1]:
            try:
                result = quietly(lambda: measure(lab, case, timing), timing.attempts)
            except (LoadError, ServerError, OSError, EOFError) as error:
                say(f"{workload} {case.label}: failed: {error}")
                samples.append(dict(workload=workload, label=case.label, x=case.x, failed=str(error)))
                continue
            say(progress(workload, case, result))
            samples.append(dict(workload=workload, label=case.label, x=case.x, round=number, **result))
    return samples


def quietly(once, attempts):
    """Again where others were busy on this machine; the one that they disturbed least."""
    results = []
    for _ in range(attempts):
        results.append(once())
        if results[-1]["foreign"] <= FOREIGN:
            break
    return min(results, key=lambda result: result["foreign"])


def progress(workload, case, result):
    at = "" if case.x is None else f" ({case.x:,})"
    return (
        f"{workload} {case.label}{at}: {result['requests'] / result['seconds']:,.0f} requests/s,"
        f" {result['cpu'] / result['requests'] * 1e6:.1f} µs, {result['errors']} errors,"
        f" foreign load {result['foreign']:.0%}"
    )


def run_special(lab, workload, thrusts, only, timing):
    _, kinds, how = SPECIALS[workload]
    servers = [("thrust", name, binary) for name, binary in thrusts.items()]
    servers += [("nginx", "nginx", None)] if "nginx" in kinds and NGINX else []
    if how in (footprint, full_cache) and not tools()["wrk"]:
        return []
    samples = []
    for number in range(timing.rounds):
        for kind, label, binary in servers:
            if not wanted(label, only):
                continue
            try:
                row = how(lab, kind, binary, timing)
            except (LoadError, ServerError, OSError, EOFError) as error:
                say(f"{workload} {label}: failed: {error}")
                samples.append(dict(workload=workload, label=label, failed=str(error)))
                continue
            say(f"{workload} {label}: " + ", ".join(f"{name} {value:,.1f}" for name, value in row.items()))
            samples.append(dict(workload=workload, label=label, round=number, row=row))
    return samples
