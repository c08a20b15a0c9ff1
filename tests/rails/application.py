"""The application under thrust, and a second thrust that stands in for the proxy that speaks TLS in front of both."""
import contextlib
import json
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from .stage import ENVIRONMENT

# Seconds for anything that must come, and for Rails to boot: a machine may be very busy.
PATIENCE, BOOT_PATIENCE = 240, 180


def wait_until(what, condition, patience=PATIENCE):
    """The first result of the condition that is true."""
    end = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"it never came: {what}")
        time.sleep(0.02)
    return result


def free_port():
    """Below the range from which the kernel takes ports for outgoing connections."""
    for port in random.sample(range(12000, 32000), 1000):
        with contextlib.closing(socket.socket()) as candidate, contextlib.suppress(OSError):
            candidate.bind(("0.0.0.0", port))
            return port
    raise RuntimeError("no free port")


class Thrust:
    """A thrust that runs, with its log in a file. It is ended when the block is."""

    def __init__(self, command, environment, log):
        settings = {"PORT": "0", "THRUST_LOG_FORMAT": "json", **environment}
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(command, env=ENVIRONMENT | settings, stdout=output, stderr=output,
                                            stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()  # the kernel ends the worker with it
                self.process.wait()

    def lines(self):
        return self.log.read_text(errors="replace").splitlines()

    def records(self, message):
        """thrust's own lines of that kind; the others are the application's."""
        for line in self.lines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                if isinstance(record, dict) and record.get("msg") == message:
                    yield record

    def await_record(self, message):
        def found():
            if (code := self.process.poll()) is not None:
                raise RuntimeError(f"thrust has ended with {code}:\n" + "\n".join(self.lines()[-20:]))
            return next(self.records(message), None)

        return wait_until(f'"{message}" in the log', found)

    def port(self):
        return int(self.await_record("listening")["address"].rsplit(":", 1)[1])


class Application(Thrust):
    """`thrust bin/rails server`."""

    def __init__(self, stage, mode, environment):
        self.stage, self.mode, self.folder = stage, mode, stage.folder
        self.rails = tuple(int(part) for part in stage.versions.split(",")[0].split()[1].split(".")[:2])
        self.has_socket = "THRUST_WORKER_SOCKET" in environment
        self.says_how_to_cache = environment.get("EXAMPLE_ASSET_HEADERS") != "0"
        self.worker_port = free_port()
        settings = {"THRUST_WORKER_PORT": str(self.worker_port), "THRUST_BOOT_TIMEOUT": str(BOOT_PATIENCE)}
        log = Path(f"{stage.folder}-{mode.replace(' ', '-')}.log")
        super().__init__(stage.within(stage.inside(stage.thrust), "bin/rails", "server"), settings | environment, log)

    def worker(self):
        """How curl reaches Puma itself, behind thrust's back."""
        if not self.has_socket:
            return []
        line = next(line for line in self.lines() if "Listening on unix://" in line)
        return ["--unix-socket", str(self.stage.root) + line.split("unix://", 1)[1].strip()]


class Front(Thrust):
    """What kamal-proxy or a load balancer is to the application: it speaks TLS, and passes requests on."""

    def __init__(self, thrust, application, scratch):
        certificate, key = scratch / "certificate.pem", scratch / "key.pem"
        if not key.exists():
            make_certificate(certificate, key)
        self.https_port, self.cookies = free_port(), scratch / f"{application.mode}.cookies"
        environment = {
            "THRUST_UPSTREAM_URL": f"http://127.0.0.1:{application.port()}",
            "THRUST_HTTPS_PORT": str(self.https_port),
            "SSL_CERT_PATH": str(certificate),
            "SSL_KEY_PATH": str(key),
        }
        super().__init__([str(thrust)], environment, scratch / "front.log")

    @property
    def url(self):
        self.port()  # once it listens on the one it does so on the other
        return f"https://localhost:{self.https_port}"


def make_certificate(certificate, key):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
