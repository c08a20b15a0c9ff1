"""What no load generator measures: starting, memory, many at once, stopping. Each gives one row of figures."""
import contextlib
import statistics
import threading
import time

from .client import Connection, get, requests_so_far
from .load import wrk
from .machine import memory
from .servers import Nginx, Origin, Thrust
from .workloads import fill

IDLE, COLD, CLIENTS = 2000, 200, 16
CACHE_SIZES = (16, 64, 256, 512)


def start(lab, kind, binary, origin, **options):
    if kind == "thrust":
        return Thrust(lab, origin, binary or lab.thrust, **options)
    return Nginx(lab, origin)


def footprint(lab, kind, binary, timing):
    """Milliseconds from the start to the first answer, and memory."""
    with Origin(lab).wait_ready() as origin:
        starts = []
        for _ in range(timing.starts):
            with start(lab, kind, binary, origin).wait_ready() as server:
                starts.append(server.start_ms)
        with start(lab, kind, binary, origin).wait_ready("/small.css") as server:
            time.sleep(0.5)
            idle = memory(server.pid)
            wrk(f"http://127.0.0.1:{server.port}/small.css", timing.seconds)
            loaded = memory(server.pid)
        with start(lab, kind, binary, origin).wait_ready("/small.css") as server:
            each = idle_connections(server)
    return {
        "start, ms": statistics.median(starts),
        "idle, MB": idle / 2**20,
        "after W1, MB": loaded / 2**20,
        "an idle connection, KB": each / 2**10,
    }


def idle_connections(server):
    """Bytes that one takes which has had a response."""
    before = memory(server.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            connection = stack.enter_context(contextlib.closing(Connection(server.port)))
            connection.send("/small.css")
            connection.receive()
        time.sleep(1.5)
        return (memory(server.pid) - before) / IDLE


def cold(lab, kind, binary, timing):
    """200 clients ask at once for what is not in the cache yet and takes 300 ms to make."""
    with Origin(lab).wait_ready() as origin, start(lab, kind, binary, origin).wait_ready() as server:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(contextlib.closing(Connection(server.port))) for _ in range(COLD)]
            before, begun = requests_so_far(origin.port), time.monotonic()
            for client in clients:
                client.send("/cold/300")
            good = sum(client.receive()[0] == 200 for client in clients)
            taken = time.monotonic() - begun
            reached = requests_so_far(origin.port) - before
    return {
        "reached the application": reached,
        "failed": COLD - good,
        "all answered, ms": taken * 1e3,
        "÷ the application's time": taken / 0.3,
    }


def stopping(lab, kind, binary, timing):
    """TERM (nginx: QUIT) while 16 clients ask for pages that take 20 ms, or 1.5 s, one after another."""
    row = {}
    # thrust has the application as its worker, and stops it too.
    options = {"worker": True} if kind == "thrust" else {}
    for milliseconds in (20, 1500):
        with Origin(lab).wait_ready() as origin, start(lab, kind, binary, origin, **options) as server:
            server.wait_ready()
            in_flight, later, seconds = stop_under_load(server, f"/wait/{milliseconds}", timing.seconds)
        row |= {
            f"{milliseconds} ms: failed in flight": in_flight,
            f"{milliseconds} ms: failed later": later,
            f"{milliseconds} ms: ended after, s": seconds,
        }
    return row


def stop_under_load(server, path, seconds):
    events, over = [], threading.Event()
    threads = [threading.Thread(target=ask_until, args=(over, server.port, path, events)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    told = time.monotonic()
    server.drain()
    server.child.wait(30)
    ended = time.monotonic() - told
    over.set()
    for thread in threads:
        thread.join()
    failed = [sent for sent, good in events if not good]
    return sum(sent < told for sent in failed), sum(sent >= told for sent in failed), ended


def ask_until(over, port, path, events):
    """(When it was sent, whether it was answered) of each request. A connection that is refused is no failure: nobody
    sends requests to who has said that he closes."""
    connection = None
    while not over.is_set():
        try:
            connection = connection or Connection(port)
        except OSError:
            time.sleep(0.01)
            continue
        sent, good, last = time.monotonic(), False, True
        with contextlib.suppress(OSError, EOFError):
            connection.send(path)
            status, head, _ = connection.receive()
            good, last = status == 200, "connection: close" in head.lower()
        events.append((sent, good))
        if last:
            connection.close()
            connection = None


def full_cache(lab, kind, binary, timing):
    """Memory of the whole program when the cache has been given half as much again as it may hold."""
    row = {}
    for megabytes in timing.cache_sizes:
        settings = {"THRUST_CACHE_SIZE": f"{megabytes}MB"}
        with Origin(lab).wait_ready() as origin, start(lab, kind, binary, origin, settings=settings) as server:
            server.wait_ready()
            fill(server, origin, int(megabytes * 1.5 * 256))
            time.sleep(1)
            row[f"{megabytes} MB"] = memory(server.pid) / 2**20
    return row


# name: (title, who takes part, how)
SPECIALS = {
    "W7": ("start and memory", ("thrust", "nginx"), footprint),
    "W9": ("200 requests at once for what is not cached yet", ("thrust", "nginx"), cold),
    "W10": ("stopping under load", ("thrust", "nginx"), stopping),
    "memory": ("MB that thrust takes when its cache of so many is full", ("thrust",), full_cache),
}
