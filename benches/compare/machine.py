"""What /proc says of processes, and who runs on which core."""
import contextlib
import os
import platform

TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))


class Placement:
    """Which cores the server has, and which everything else: load, backend, this program."""

    def __init__(self, pinned):
        self.pinned = pinned and len(CORES) > 1
        self.server = {CORES[-1]} if self.pinned else set(CORES)
        self.others = set(CORES) - self.server if self.pinned else set(CORES)
        os.sched_setaffinity(0, self.others)

    @contextlib.contextmanager
    def on_server_core(self):
        """Processes that are started within it inherit the server's core."""
        os.sched_setaffinity(0, self.server)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.others)


def processes():
    """{pid: (parent, CPU seconds of its own and of its children that have ended)}"""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            found[int(pid)] = int(fields[1]), sum(map(int, fields[11:15])) / TICKS
    return found


def tree(root, table):
    """A process and all its descendants."""
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


class Usage:
    """CPU seconds of one server, and of everything that is none of ours, since this was made."""

    def __init__(self, server):
        self.server = server
        self.start = self._now()

    def _now(self):
        table = processes()
        server = sum(table[pid][1] for pid in tree(self.server, table) if pid in table)
        ours = set(tree(os.getpid(), table))
        # 2 is the parent of the kernel's threads, which also work for us. What a process takes to its end its parent
        # has then, so that the sum grows by exactly what was taken meanwhile.
        foreign = sum(cpu for pid, (parent, cpu) in table.items() if pid not in ours and 2 not in (pid, parent))
        return server, foreign + stolen()

    def taken(self):
        server, foreign = self._now()
        return server - self.start[0], max(0.0, foreign - self.start[1])


def stolen():
    """Seconds that a virtual machine wanted to run and could not."""
    with open("/proc/stat") as file:
        return int(file.readline().split()[8]) / TICKS


def memory(root):
    """Bytes that a server's processes have for themselves, with their share of what is shared (PSS)."""
    kilobytes = 0
    for pid in tree(root, processes()):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as file:
                kilobytes += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return kilobytes * 1024


def describe():
    """The machine in one line."""
    model = platform.machine()
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    kernel = platform.release().partition("-")[0]
    return f"{len(CORES)} cores of {model}, {gigabytes:.0f} GB, Linux {kernel}"
