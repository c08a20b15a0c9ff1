"""Where the application runs: on this machine, or in a root file system with newer packages."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .packages import Packages, succeeds

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "rails"
MADE_BY_USE = shutil.ignore_patterns("Gemfile.lock", "log", "storage", "tmp")

# The smallest parts of Debian's `rails` that will do, and whichever asset pipeline there is.
RAILS = ["puma", "ruby-actioncable", "ruby-activestorage", "ruby-railties", "ruby-sqlite3"]
PIPELINES = ["ruby-rails-propshaft", "ruby-sprockets-rails"]
CLIENTS = ["chromium", "curl", "openssl"]

# Nothing of the caller's own settings.
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "RAILS_ENV": "production",
    "SECRET_KEY_BASE": "of no use elsewhere",
}

VERSIONS = """
require "bundler/setup"
require "rails"
require "rack"
require "puma/const"
print "Rails #{Rails.version}, Puma #{Puma::Const::VERSION}, Rack #{Rack.release}, Ruby #{RUBY_VERSION}"
"""


def target_folder():
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build():
    subprocess.run(["cargo", "build", "--quiet", "--bin", "thrust"], cwd=ROOT, check=True)
    return target_folder() / "debug" / "thrust"


class Stage:
    """This machine."""

    root = Path("/")
    enter = []  # what is put before a command for it to run there

    def install(self):
        Packages().install(CLIENTS)
        Packages(self.enter).install(RAILS, PIPELINES)

    def scratch(self):
        return tempfile.TemporaryDirectory(dir=target_folder(), prefix="rails-e2e-")

    def prepare(self, thrust, scratch):
        """As the build of an image and its entrypoint do: a copy of the application, its assets, its database."""
        self.folder, self.thrust = scratch / "app", scratch / "thrust"
        shutil.copy(thrust, self.thrust)
        shutil.copytree(EXAMPLE, self.folder, ignore=MADE_BY_USE)
        shutil.rmtree(self.folder / "public" / "assets", ignore_errors=True)
        (self.folder / "storage").mkdir()
        self.run("bin/rails", "assets:precompile")
        self.run("bin/rails", "db:prepare")
        self.versions = self.run("ruby", "-e", VERSIONS)

    def run(self, *words):
        done = subprocess.run(self.within(*words), env=ENVIRONMENT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def within(self, *words):
        """The command, to be run in the application's folder."""
        return [*self.enter, "env", f"--chdir={self.inside(self.folder)}", *map(str, words)]

    def inside(self, path):
        """The path as it is seen from the stage."""
        return Path("/") / path.relative_to(self.root)


class NewerStage(Stage):
    """Debian 13, in a folder."""

    release = "trixie"

    def __init__(self):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.root = cache / "thrust" / f"rails-{self.release}"
        self.enter = ["chroot", str(self.root)]

    def install(self):
        if os.geteuid() != 0:
            raise RuntimeError("--newer needs root, for debootstrap and chroot: sudo bin/rails-e2e --newer")
        if not self.root.exists():
            self._debootstrap()
        super().install()

    def _debootstrap(self):
        Packages().install(["debootstrap"])
        print(f"Making {self.root} (some minutes, 400 MB)", flush=True)
        # Under another name until it is whole.
        partial = self.root.with_name(f"{self.root.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        log = partial / "debootstrap" / "debootstrap.log"
        command = ["debootstrap", "--variant=minbase", self.release, str(partial), Packages().mirror()]
        if not succeeds(command):
            raise RuntimeError(f"{' '.join(command)} failed: see {log}")
        partial.rename(self.root)

    def scratch(self):
        return tempfile.TemporaryDirectory(dir=self.root / "srv", prefix="rails-e2e-")
