"""What goes on for a while: the event stream and Action Cable."""
import socket
import statistics
import time
from dataclasses import dataclass

from .application import PATIENCE
from .report import check, expect

EVENTS, EVERY = 20, 0.1


@dataclass
class Lateness:
    """Of the events of a stream: seconds from the moment each was written until it arrived."""

    each: list

    @property
    def median(self):
        return statistics.median(self.each)

    def __str__(self):
        return f"median {self.median * 1000:.1f} ms, at most {max(self.each) * 1000:.1f} ms"


@check("an event stream arrives piece by piece")
def event_stream(scene):
    """On TCP it is as late as Puma makes it. On the socket it is not, unless the machine is busy, which will pass."""
    for _ in range(3):
        scene.lateness = measure(scene.application.port())
        if not scene.application.has_socket or scene.lateness.median < EVERY / 2:
            return scene.lateness
    raise AssertionError(f"on a Unix socket events were late three times, at last: {scene.lateness}")


def measure(port):
    """Each event is the moment in which it was written."""
    times = [(float(line.removeprefix("data: ")), arrived)
             for line, arrived in lines(port, f"/events?count={EVENTS}&every={EVERY}") if line.startswith("data: ")]
    expect("events", EVENTS, len(times))
    (_, first_arrived), (last_written, _) = times[0], times[-1]
    assert first_arrived < last_written, "the first one came when the last was written"
    return Lateness([arrived - written for written, arrived in times])


def lines(port, path):
    """The lines of a response with the time at which each arrived; those of its chunks among them."""
    with socket.create_connection(("localhost", port), PATIENCE) as connection:
        fields = "Host: localhost\r\nX-Forwarded-Proto: https\r\nAccept: text/event-stream\r\nConnection: close"
        connection.sendall(f"GET {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        unread = b""
        while piece := connection.recv(65536):
            arrived = time.time()
            *whole, unread = (unread + piece).split(b"\n")
            yield from ((line.decode().strip(), arrived) for line in whole)


@check("in Chromium: the page, its assets, Action Cable, the event stream")
def in_browser(scene):
    browser = scene.browser
    browser.visit(f"{scene.front.url}/")
    browser.await_true("document.querySelector('#messages li').textContent === 'Grüße'")
    browser.await_true("document.querySelectorAll('#events li').length === 5")
    browser.await_true("getComputedStyle(document.querySelector('h1')).color === 'rgb(179, 38, 30)'")


@check("in Chromium: what one says over Action Cable, another hears")
def two_tabs(scene):
    """Each says something when it has subscribed (again, too, where the machine is so busy that a ping comes late)."""
    browser = scene.browser
    browser.visit(f"{scene.front.url}/")
    browser.await_true("document.querySelectorAll('#messages li').length >= 1")
    first, heard = browser.session, browser.evaluate("document.querySelectorAll('#messages li').length")
    browser.visit(f"{scene.front.url}/")
    browser.await_true("document.querySelectorAll('#messages li').length >= 1")
    browser.session = first
    browser.await_true(f"document.querySelectorAll('#messages li').length > {heard}")
