"""The command line, and the order of it all."""
import argparse
import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from . import checks, streams, stopping  # noqa: F401: they add themselves to what is checked, in this order
from .application import Application, Front
from .browser import Browser
from .report import Report
from .scene import Scene
from .stage import NewerStage, Stage, build

# How the application is run: each item of the list is checked in each of them.
MODES = {
    "TCP": {"EXAMPLE_ASSET_HEADERS": "0"},
    "Unix socket": {"THRUST_WORKER_SOCKET": "auto"},
}


def arguments():
    parser = argparse.ArgumentParser(
        prog="bin/rails-e2e",
        description="Runs the Rails application in examples/rails under thrust, as in production, and checks from "
        "outside what its users need, with curl, sockets and headless Chromium: once with Puma on a TCP port, and "
        "nothing said of the assets' caching; once with Puma on a Unix socket, and public_file_server.headers. What is "
        "missing here it installs by apt-get.",
        epilog="One line a check: ok, FAIL with what was expected and the end of the log, or skip with the reason. The "
        "exit code is 1 where a check failed.",
    )
    parser.add_argument("--thrust", metavar="BINARY", type=Path, help="instead of a debug build of this checkout")
    parser.add_argument("--newer", action="store_true",
                        help="on the Rails, Puma and Rack of Debian 13 instead of this machine's: in a root file "
                        "system of its own, made once by debootstrap and kept in ~/.cache/thrust; needs root")
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    report = Report()
    try:
        with contextlib.ExitStack() as stack:
            check_all(stack, options, report)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        print(f"bin/rails-e2e: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return report.summary()


def check_all(stack, options, report):
    stage = NewerStage() if options.newer else Stage()
    stage.install()
    thrust = options.thrust.resolve(strict=True) if options.thrust else build()
    scratch = Path(stack.enter_context(stage.scratch()))
    stage.prepare(thrust, scratch)
    print(f"{stage.versions}\n", flush=True)
    browser = stack.enter_context(Browser())
    for mode, environment in MODES.items():
        with Application(stage, mode, environment) as application, Front(thrust, application, scratch) as front:
            report.run(Scene(application, front, browser))
