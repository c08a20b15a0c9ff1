"""What is checked, and what came of it."""
import traceback

CHECKS = []


class Skip(Exception):
    """This cannot be checked here, and why."""


def check(name):
    """Adds the function to the checks, which are made in the order in which they are added."""
    def add(function):
        CHECKS.append((name, function))
        return function

    return add


def expect(what, expected, came):
    assert came == expected, f"{what}: expected {expected!r}, came {came!r}"


class Report:
    def __init__(self):
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}
        self.lateness = {}

    def run(self, scene):
        for name, function in CHECKS:
            try:
                note = function(scene)
                self._line("ok", scene.mode, name, note)
            except Skip as reason:
                self._line("skip", scene.mode, name, reason)
            except Exception as error:  # whatever it is, the other checks are made
                self._line("FAIL", scene.mode, name)
                self._explain(error, scene)
                if name == CHECKS[0][0]:
                    return  # it did not even boot
        if scene.lateness is not None:
            self.lateness[scene.mode] = scene.lateness

    def _line(self, verdict, mode, name, note=None):
        self.counts[verdict] += 1
        print(f"{verdict:5} {mode}: {name}{f' ({note})' if note else ''}", flush=True)

    @staticmethod
    def _explain(error, scene):
        what = str(error) if isinstance(error, AssertionError) else "".join(traceback.format_exception(error))
        log = "\n".join(scene.application.lines()[-15:])
        print(f"{what}\n--- the end of the log:\n{log}\n---".replace("\n", "\n      "), flush=True)

    def summary(self):
        print()
        if self.lateness:
            print("From the moment an event is written until it arrives:")
            for mode, late in self.lateness.items():
                print(f"  {mode}: {late}")
        passed, failed, skipped = self.counts.values()
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed else 0
