"""What is measured under load, and how one measurement goes."""
import time
from dataclasses import dataclass, field

from .client import get, requests_so_far, transfer
from .load import LoadError, h2load, wrk
from .machine import Usage, memory
from .servers import Ceiling, Nginx, Origin, Thrust

MANY = 100_000
CONNECTIONS = (1, 8, 64, 512, 4096)


@dataclass
class Case:
    """One server doing one thing."""

    label: str
    kind: str  # "thrust", "nginx", "memory" or "proxy"
    path: str
    load: str = "wrk"
    connections: int = 64
    headers: tuple = ()
    settings: dict = field(default_factory=dict)
    x: int | None = None  # where cost grows with it
    binary: str | None = None  # of thrust


@dataclass
class Workload:
    title: str
    cases: list
    unit: str = "requests/s"
    grows_with: str | None = None


def same(*cases, **options):
    """Cases that differ in the server and the path."""
    return [Case(label, kind, path, **options) for label, kind, path in cases]


ENCODINGS = ("Accept-Encoding: gzip, br, zstd",)
CACHED = [
    ("thrust", "thrust", "/small.css"),
    ("nginx cache", "nginx", "/small.css"),
    ("nginx file", "nginx", "/file/small.css"),
]
PASSED_ON = [("thrust", "thrust", "/dyn"), ("nginx", "nginx", "/dyn"), ("hyper proxy", "proxy", "/dyn")]

WORKLOADS = {
    "W1": Workload("4 KiB from the cache", same(*CACHED, ("hyper", "memory", "/small.css"))),
    "W2": Workload(
        "100 KiB of text from the cache, gzip, br and zstd accepted",
        same(
            ("thrust", "thrust", "/app.js"),
            ("nginx brotli_static", "nginx", "/brotli/app.js"),
            ("nginx gzip 6", "nginx", "/gzip/app.js"),
            headers=ENCODINGS,
        ),
    ),
    "live": Workload(
        "a page of 12 KiB that is encoded while it is sent, 8 connections",
        [
            Case("thrust", "thrust", "/text", connections=8, headers=ENCODINGS),
            Case("thrust, br", "thrust", "/text", connections=8, headers=("Accept-Encoding: br",)),
            Case("thrust, gzip", "thrust", "/text", connections=8, headers=("Accept-Encoding: gzip",)),
            Case("nginx gzip 6", "nginx", "/gzip-text", connections=8, headers=ENCODINGS),
        ],
    ),
    "W3": Workload("1 KiB passed through, 64 connections", same(*PASSED_ON)),
    "W3c4": Workload("1 KiB passed through, 4 connections", same(*PASSED_ON, connections=4)),
    "W4": Workload(
        "a file of 10 MiB that the application names",
        same(("thrust", "thrust", "/xsendfile"), ("nginx X-Accel-Redirect", "nginx", "/xaccel"), load="download"),
        unit="GB/s",
    ),
    "W4small": Workload(
        "a file of 4 KiB that the application names",
        same(("thrust", "thrust", "/xsendfile-small"), ("nginx X-Accel-Redirect", "nginx", "/xaccel-small")),
    ),
    "W5": Workload(
        "an upload of 10 MiB",
        same(
            ("thrust", "thrust", "/upload"),
            ("nginx streaming", "nginx", "/upload-streamed"),
            ("nginx buffering", "nginx", "/upload"),
            load="upload",
        ),
        unit="GB/s",
    ),
    "W6": Workload("4 KiB from the cache over TLS, HTTP/1.1", same(*CACHED, load="tls")),
    "W6h2": Workload("4 KiB from the cache over TLS, HTTP/2", same(*CACHED, load="h2")),
    "connections": Workload(
        "more and more connections",
        [
            Case(f"{server}, {what}", server, path, connections=count, x=count)
            for count in CONNECTIONS
            for server in ("thrust", "nginx")
            for what, path in (("cached", "/small.css"), ("passed through", "/dyn"))
        ],
        grows_with="connections",
    ),
    "entries": Workload(
        "4 KiB from a cache of more and more entries, asked for at random",
        [
            Case(label, kind, "/small.css", load="entries", x=count, settings={"THRUST_CACHE_SIZE": "1GB"})
            for count in (10, 1000, MANY)
            for label, kind in (("thrust", "thrust"), ("hyper", "memory"))
        ],
        grows_with="entries",
    ),
}


def start(lab, case, origin):
    if case.kind == "thrust":
        tls = case.load in ("tls", "h2")
        return Thrust(lab, origin, case.binary or lab.thrust, case.settings, tls=tls)
    if case.kind == "nginx":
        return Nginx(lab, origin)
    copies = case.x if case.load == "entries" else 1
    return Ceiling(lab, origin, case.kind, copies)


def put_under_load(server, case, seconds):
    plain, secure = f"http://127.0.0.1:{server.port}{case.path}", f"https://127.0.0.1:{server.tls_port}{case.path}"
    match case.load:
        case "wrk":
            return wrk(plain, seconds, case.connections, case.headers)
        case "entries":
            return wrk(plain, seconds, case.connections, entries=case.x)
        case "tls":
            return wrk(secure, seconds)
        case "h2":
            return h2load(secure, seconds)
        case "download":
            return transfer(server.port, case.path, seconds)
        case "upload":
            return transfer(server.port, case.path, seconds, upload=10 << 20)


def measure(lab, case, timing):
    """A server and a backend that are new, a warm-up, and the measurement."""
    with Origin(lab) as origin:
        origin.wait_ready()
        with start(lab, case, origin) as server:
            server.wait_ready("/up" if case.load in ("tls", "h2") else case.path)
            prepare(server, origin, case)
            if timing.warm_up:
                put_under_load(server, case, timing.warm_up)
            before, usage = requests_so_far(origin.port), Usage(server.pid)
            result = put_under_load(server, case, timing.seconds)
            cpu, foreign = usage.taken()
            if not result["requests"]:
                raise LoadError("no response while it was measured")
            result |= dict(
                cpu=cpu, foreign=foreign / result["seconds"], memory=memory(server.pid),
                reached=requests_so_far(origin.port) - before,
            )
            return result


def prepare(server, origin, case):
    if case.load == "entries" and case.kind == "thrust":
        fill(server, origin, case.x)
    elif case.load in ("wrk", "download"):
        # The second hit is what a first one has left to be done in the background.
        for _ in range(2):
            get(server.port, case.path, case.headers)
            time.sleep(0.2)


def fill(server, origin, entries):
    """The cache gets that many entries."""
    before, done, end = requests_so_far(origin.port), 0, time.monotonic() + 120
    while done < entries and time.monotonic() < end:
        first = max(0, done - 64)
        wrk(f"http://127.0.0.1:{server.port}/small.css", 1, 16, entries=entries, first=first)
        done = requests_so_far(origin.port) - before
