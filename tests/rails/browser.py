"""A real browser: headless Chromium, told what to do by the DevTools protocol."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from .application import PATIENCE, wait_until

# It asks for nothing but what it is told to.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost", "--ignore-certificate-errors",
    "--remote-debugging-pipe",
]


class Browser:
    """It ends when the block does."""

    def __enter__(self):
        self.profile = tempfile.mkdtemp(prefix="rails-e2e-browser-")
        # It reads commands from descriptor 3, and writes to 4.
        command = ["sh", "-c", 'exec chromium "$@" 3<&0 4>&1 >/dev/null', "chromium"]
        self.process = subprocess.Popen(
            [*command, *FLAGS, f"--user-data-dir={self.profile}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=os.environ | {"HOME": self.profile, "TMPDIR": self.profile}, bufsize=0)
        self.sent, self.unread, self.session = 0, b"", None
        return self

    def __exit__(self, *_):
        self.session = None
        self._send("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def visit(self, url):
        """Shows this page to somebody who has never been here: without cookies, and with nothing in the cache."""
        self.session = None
        visitor = self._call("Target.createBrowserContext")["browserContextId"]
        page = self._call("Target.createTarget", url=url, browserContextId=visitor)["targetId"]
        self.session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def evaluate(self, script):
        """What a script on the page comes to; None where it fails, as it does while the page is not there yet."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return (answer or {}).get("result", {}).get("value")

    def await_true(self, condition):
        try:
            wait_until(condition, lambda: self.evaluate(condition) is True)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the page: {self.evaluate('document.body.innerText')}") from None

    def _call(self, method, **parameters):
        """The result; None where there is an error instead."""
        number = self._send(method, **parameters)
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._message(end)
            if answer.get("id") == number:
                return answer.get("result")

    def _send(self, method, **parameters):
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        try:
            self.process.stdin.write(json.dumps(command).encode() + b"\0")
        except BrokenPipeError:
            pass  # whether it has gone is seen where its answer is awaited
        return self.sent

    def _message(self, end):
        """The next one; each ends with a NUL."""
        while b"\0" not in self.unread:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = self.process.stdout.read(1 << 16) if readable else b""
            if not piece:
                raise AssertionError("Chromium does not answer")
            self.unread += piece
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)
