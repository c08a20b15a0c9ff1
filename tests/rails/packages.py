"""Debian's packages."""
import os
import shutil
import subprocess

APT_GET = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0"]
INSTALL = ["env", "DEBIAN_FRONTEND=noninteractive", *APT_GET, "install", "--yes", "--no-install-recommends"]


def succeeds(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Packages:
    """Of this machine, or of a root file system that commands enter by the words in front of them."""

    def __init__(self, enter=()):
        self.enter = list(enter)

    def install(self, all_of, one_of=()):
        """All of these, and one of those: the first that there is."""
        missing = [package for package in all_of if not self._is_installed(package)]
        choose = one_of and not any(map(self._is_installed, one_of))
        if not missing and not choose:
            return
        as_root = self._as_root(missing + list(one_of if choose else ()))
        subprocess.run([*self.enter, *as_root, *APT_GET, "update"], check=True)
        if choose:
            missing.append(next(filter(self._is_available, one_of)))
        print("Installing", *missing, flush=True)
        subprocess.run([*self.enter, *as_root, *INSTALL, *missing], check=True, stdout=subprocess.DEVNULL)

    def mirror(self):
        """Where this machine gets its packages."""
        query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
        found = subprocess.run(query, capture_output=True, text=True).stdout.split()
        return found[0] if found else "http://deb.debian.org/debian"

    def _is_installed(self, package):
        query = [*self.enter, "dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
        return subprocess.run(query, capture_output=True, text=True).stdout == "installed"

    def _is_available(self, package):
        return succeeds([*self.enter, "apt-cache", "show", package])

    def _as_root(self, wanted):
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not shutil.which("apt-get") or not succeeds([*as_root, "true"]):
            raise RuntimeError(f"missing here, to be installed by root with apt-get: {' '.join(wanted)}")
        return as_root
