"""What all measurements share: what was built, the files that are served, where everything runs."""
import gzip
import os
import random
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from .servers import BROTLI, NGINX

ROOT = Path(__file__).resolve().parent.parent.parent

# What is missing is left out of the comparison: (is it here, Debian's package, what is not measured without it)
TOOLS = [
    (shutil.which("wrk"), "wrk", "all that is told in requests a second"),
    (shutil.which("h2load"), "nghttp2-client", "HTTP/2"),
    (shutil.which("openssl"), "openssl", "TLS"),
    (NGINX, "nginx", "nginx"),
    (BROTLI.exists(), "libnginx-mod-http-brotli-static", "nginx with Brotli"),
    (shutil.which("brotli"), "brotli", "nginx with Brotli"),
]


def report_missing(say):
    missing = [(package, what) for here, package, what in TOOLS if not here]
    for package, what in missing:
        say(f"Not measured, since {package} is missing: {what}")
    if missing:
        say("To have it all: sudo apt-get install " + " ".join(package for package, _ in missing))
        say("(Debian starts nginx as it is installed: sudo systemctl disable --now nginx)")


def build(debug, with_thrust):
    """Builds thrust and the examples; says where they are."""
    profile, thrust = [] if debug else ["--release"], ["--bin", "thrust"] if with_thrust else []
    command = ["cargo", "build", "--quiet", *profile, *thrust, "--example", "origin", "--example", "ceiling"]
    subprocess.run(command, cwd=ROOT, check=True)
    return target_folder() / ("debug" if debug else "release")


def target_folder():
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


class Lab:
    def __init__(self, placement, built):
        # Below the target folder, and not in memory as /tmp may be: files are read as an application's would be.
        (target_folder() / "bench").mkdir(parents=True, exist_ok=True)
        self.root = Path(tempfile.mkdtemp(dir=target_folder() / "bench"))
        self.placement, self.data = placement, self.root / "data"
        self.thrust, examples = built / "thrust", built / "examples"
        self.origin, self.ceiling = examples / "origin", examples / "ceiling"
        # Nothing of the caller's own settings.
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.files = 65536 if most == resource.RLIM_INFINITY else min(most, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, most))
        self._write_data()

    def fresh_folder(self):
        return Path(tempfile.mkdtemp(dir=self.root))

    def _write_data(self):
        self.data.mkdir()
        (self.data / "small.css").write_bytes(style_sheet())
        script = source_text()
        (self.data / "app.js").write_bytes(script)
        (self.data / "app.js.gz").write_bytes(gzip.compress(script, 9))
        if shutil.which("brotli"):
            subprocess.run(["brotli", "-q", "11", "-k", "app.js"], cwd=self.data, check=True)
        (self.data / "file.bin").write_bytes(random.Random(1).randbytes(10 << 20))
        if shutil.which("openssl"):
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            names = "-subj /CN=bench.test -addext subjectAltName=DNS:bench.test,DNS:localhost,IP:127.0.0.1"
            whole = f"{command} {names} -keyout key.pem -out cert.pem".split()
            subprocess.run(whole, cwd=self.data, check=True, capture_output=True)

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


def style_sheet():
    """4 KiB."""
    rules = "".join(f".c{i:03} {{ color: #{i * 7919 % 0xFFFFFF:06x}; margin: {i % 17}px }}\n" for i in range(200))
    return rules.encode()[:4096]


def source_text():
    """100 KiB that compress as a program does: one. Our own."""
    text = b"".join(path.read_bytes() for path in sorted((ROOT / "src").rglob("*.rs")))
    return text[: 100 << 10]
