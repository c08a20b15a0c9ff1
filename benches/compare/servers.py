"""Everything that is started: thrust, what it is compared with, and the application behind them."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .client import get
from .machine import processes, tree

NGINX = shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if os.path.exists(path)), None)
BROTLI = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")


class ServerError(Exception):
    """A server that does not start."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program in a folder of its own, which goes with it."""

    ready = "/up"
    start_ms = 0.0

    def __init__(self, lab, command, environment=(), port=None):
        self.port, self.folder = port or free_port(), lab.fresh_folder()
        environment = {**lab.environment, "PORT": str(self.port), **dict(environment)}
        with open(self.folder / "output", "wb") as output:
            self.since = time.perf_counter()
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=self.folder
            )
        self.pid = self.child.pid

    def wait_ready(self, path=None, seconds=20):
        """Until the first answered request."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if self.child.poll() is not None:
                break
            try:
                if get(self.port, path or self.ready)[0] == 200:
                    self.start_ms = (time.perf_counter() - self.since) * 1e3
                    return self
            except (OSError, EOFError):
                time.sleep(0.0005)
        said = self.said()
        self.stop()
        raise ServerError(f"{type(self).__name__} does not answer: {said}")

    def said(self):
        texts = [path.read_text(errors="replace")[-400:] for path in self.folder.glob("*") if path.is_file()]
        return " ".join(filter(None, texts)) or "without a word"

    def stop(self):
        """This process and what it has started."""
        family = tree(self.pid, processes())
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                pass
        for pid in family if self.child.poll() is None else family[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Origin(Process):
    """The application: examples/origin.rs."""

    def __init__(self, lab):
        super().__init__(lab, [lab.origin, lab.data])


class Server(Process):
    """What is measured. It has the server's core."""

    tls_port = None

    def __init__(self, lab, command, environment=(), port=None):
        with lab.placement.on_server_core():
            super().__init__(lab, command, environment, port)

    def drain(self):
        """Asks it to end once what is in flight is done."""
        self.child.send_signal(signal.SIGTERM)


class Thrust(Server):
    def __init__(self, lab, origin, binary, settings=(), worker=False, tls=False):
        self.tls_port = free_port()
        environment = {"THRUST_BIND": "127.0.0.1", "THRUST_SEND_FILE_ROOT": str(lab.data), **dict(settings)}
        if tls:
            environment |= {
                "SSL_CERT_PATH": str(lab.data / "cert.pem"),
                "SSL_KEY_PATH": str(lab.data / "key.pem"),
                "THRUST_HTTPS_PORT": str(self.tls_port),
                "THRUST_HTTP2": "1",
            }
        if worker:
            environment["THRUST_WORKER_PORT"] = str(free_port())
        else:
            environment["THRUST_UPSTREAM_URL"] = f"http://127.0.0.1:{origin.port}"
        super().__init__(lab, [binary, *([lab.origin, lab.data] if worker else [])], environment)


class Nginx(Server):
    def __init__(self, lab, origin):
        port, self.tls_port = free_port(), free_port()
        run = lab.fresh_folder()
        brotli = BROTLI.exists() and (lab.data / "app.js.br").exists()
        values = dict(
            MODULES=f"load_module {BROTLI};" if brotli else "",
            BROTLI="brotli_static on;" if brotli else "",
            USER="user root;" if os.geteuid() == 0 else "",
            WORKERS=len(lab.placement.server),
            FILES=lab.files,
            ORIGIN=origin.port,
            PORT=port,
            TLS=self.tls_port,
            DATA=lab.data,
            RUN=run,
        )
        text = Path(__file__).with_name("nginx.conf").read_text()
        if not (lab.data / "cert.pem").exists():
            text = re.sub(".*(ssl|http2).*\n", "", text)
        (run / "nginx.conf").write_text(re.sub("@([A-Z]+)@", lambda name: str(values[name[1]]), text))
        self.run = run
        command = [NGINX, "-c", str(run / "nginx.conf"), "-p", str(run), "-e", str(run / "nginx-error.log")]
        super().__init__(lab, command, port=port)

    def drain(self):
        self.child.send_signal(signal.SIGQUIT)

    def said(self):
        return super().said() + (self.run / "nginx-error.log").read_text(errors="replace")[-400:]

    def stop(self):
        super().stop()
        shutil.rmtree(self.run, ignore_errors=True)


class Ceiling(Server):
    """hyper and nothing else: examples/ceiling.rs."""

    def __init__(self, lab, origin, kind, copies=1):
        what = [lab.data / "small.css", copies] if kind == "memory" else [origin.port]
        super().__init__(lab, [lab.ceiling, kind, *map(str, what)])
