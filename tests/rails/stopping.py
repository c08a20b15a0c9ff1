"""The end. The pages that the browser has opened are still there, and with them their WebSockets."""
import signal
import threading
import time

from .application import wait_until
from .report import check, expect


@check("no request was answered with 5xx, or lost")
def log(scene):
    """A browser may leave what is open for long and connect anew, where the machine is so busy that pings come late."""
    def is_bad(record):
        return record["status"] >= 499 or ("reason" in record and record["path"] not in ("/cable", "/events"))

    expect("in the log", [], list(filter(is_bad, scene.application.records("Request"))))


@check("TERM in a slow action lets it finish; the exit code is 0")
def term(scene):
    answers = []
    slow = threading.Thread(target=lambda: answers.append(scene.get("/slow?seconds=2")))
    slow.start()
    begun = "Processing by HomeController#slow"
    wait_until(begun, lambda: any(begun in line for line in scene.application.lines()))
    began = time.monotonic()
    scene.application.process.send_signal(signal.SIGTERM)
    slow.join()
    expect("status and body", (200, b"slow\n"), (answers[0].status, answers[0].body))
    expect("exit code", 0, scene.application.process.wait(60))
    took = time.monotonic() - began
    assert took < 9.5, f"it took {took:.1f} s"
    return f"{took:.1f} s"
