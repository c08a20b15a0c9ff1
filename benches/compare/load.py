"""What wrk and h2load are asked for, and what they say."""
import json
import re
import subprocess
from pathlib import Path

from .client import HOST

SCRIPT = Path(__file__).with_name("wrk.lua")


class LoadError(Exception):
    """A load generator that has failed."""


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LoadError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def wrk(url, seconds, connections=64, headers=(), entries=0, first=None):
    """With entries, requests are for one of so many at random, or from the first on, one after another."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(SCRIPT)]
    for header in (f"Host: {HOST}", *headers):
        command += ["-H", header]
    command += [url, "--", str(entries), str(-1 if first is None else first)]
    found = re.search(r"^JSON (.*)$", run(command), re.M)
    if not found:
        raise LoadError("wrk said nothing")
    return json.loads(found[1])


def h2load(url, seconds, connections=32, streams=10):
    out = run(["h2load", "-t1", f"-c{connections}", f"-m{streams}", "-D", str(max(1, round(seconds))), url])
    done = re.search(r"finished in ([\d.]+)s, ([\d.]+) req/s", out)
    wrong = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", out)
    status = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if not (done and wrong and status) or status[1] == "0":
        raise LoadError(f"h2load: {out.strip()[-400:]}")
    seconds, rate = float(done[1]), float(done[2])
    errors = sum(map(int, (*wrong.groups(), *status.groups()[1:])))
    return dict(requests=round(seconds * rate), seconds=seconds, errors=errors)
