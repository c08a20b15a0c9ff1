"""What a check has at hand: the application under thrust, the proxy in front, and clients."""
import re
import subprocess
from dataclasses import dataclass

from .application import PATIENCE

BEHIND_PROXY = ["--header", "X-Forwarded-Proto: https"]


@dataclass
class Response:
    status: int
    fields: list
    body: bytes

    def header(self, name):
        """The one field of that name; None where there is none."""
        found = [value for known, value in self.fields if known == name.lower()]
        assert len(found) <= 1, f"{name} more than once: {found}"
        return found[0] if found else None

    @property
    def text(self):
        return self.body.decode()


def curl(url, *arguments):
    """What curl gets: of several responses (100, redirects that it follows) the last."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), "--dump-header", "/dev/stderr"]
    done = subprocess.run([*command, *arguments, url], capture_output=True)
    if done.returncode:
        raise AssertionError(f"curl {' '.join(arguments)} {url}: {done.stderr.decode()}")
    head = done.stderr.decode().strip().split("\r\n\r\n")[-1]
    line, *fields = head.splitlines()
    fields = [tuple(part.strip() for part in it.split(":", 1)) for it in fields]
    return Response(int(line.split()[1]), [(name.lower(), value) for name, value in fields], done.stdout)


@dataclass
class Scene:
    application: object
    front: object
    browser: object
    lateness: object = None  # of events
    uploaded: str = None  # where the file that was uploaded is

    @property
    def mode(self):
        return self.application.mode

    def bare(self, path, *arguments):
        """Straight from thrust, as if no proxy had been there."""
        return curl(f"http://localhost:{self.application.port()}{path}", *arguments)

    def get(self, path, *arguments):
        """From thrust, as its proxy asks."""
        return self.bare(path, *BEHIND_PROXY, *arguments)

    def from_worker(self, path, *arguments):
        """From Puma itself."""
        port = self.application.worker_port
        return curl(f"http://localhost:{port}{path}", *self.application.worker(), *BEHIND_PROXY, *arguments)

    def visit(self, path, *arguments):
        """Through the proxy, with cookies."""
        jar = str(self.front.cookies)
        return curl(f"{self.front.url}{path}", "--insecure", "--cookie", jar, "--cookie-jar", jar, *arguments)

    def assets(self):
        """What the page's head links to."""
        return re.findall(r'(?:href|src)="(/assets/[^"]+)"', self.get("/").text)

    def token(self):
        """For forms: Rails takes nothing from elsewhere."""
        return re.search(r'name="csrf-token" content="([^"]+)"', self.visit("/").text)[1]
