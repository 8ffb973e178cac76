"""What counts as survived: the bits of an unbroken run, or one line that says what is wrong."""

import re
from dataclasses import dataclass

from chaos.site import Broken, Ended

SAME = "the bits of an unbroken run"

_LINE = re.compile(
    r"^(?:error: |ERROR: )(?!failed to reproduce '[^']+'(?:: failed to run|$)|failed to run)(.+)"
    # NumPy's library and DVC's reader leave by themselves.
    r"|^(OpenBLAS error: .+|'\S+' (?:is invalid|validation failed)\.)$",
    re.MULTILINE,
)
_SIGNAL = re.compile(r"^ERROR: .* exited with -(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """How a fault ended: ``survived``, and in a few words how."""

    survived: bool
    how: str

    @property
    def line(self) -> str:
        """The first line of ``how``."""
        return self.how.partition("\n")[0]


def after(broken: Broken, *targets: str) -> Verdict:
    """Return the verdict on what ``dvc repro`` makes of a broken clone, without any fault at work."""
    done = broken.run("dvc", "repro", *targets)
    differing = _differing(broken)
    if done.status == 0:
        missing = sorted(set(broken.site.outputs) - set(broken.clone.outputs()))
        if differing or missing:
            return Verdict(False, f"other bits than an unbroken run's: {', '.join([*differing, *missing])}")
        return Verdict(True, SAME)
    refused = refusal(done)
    wrong = [path for path in differing if path not in broken.damaged]
    if wrong:
        return Verdict(False, f"refused, but these are there and wrong: {', '.join(wrong)}")
    return refused


def refusal(done: Ended) -> Verdict:
    """Return the verdict on a command that did not succeed: survived if it says why, or by which signal."""
    if "Traceback (most recent call last)" in done.printed:
        return Verdict(False, f"a traceback:\n{done.printed}")
    lines = [own or others for own, others in _LINE.findall(done.printed)]
    if not lines and (by_signal := _SIGNAL.search(done.printed)):
        return Verdict(True, f"ended by signal {by_signal[1]}")
    if not lines:
        return Verdict(False, f"status {done.status} without a reason:\n{done.printed}")
    return Verdict(True, f"refused: {lines[0]}")


def _differing(broken: Broken) -> list[str]:
    """Return the paths of files that are there with other bytes than in the finished run, or only here."""
    expected = broken.site.outputs
    return sorted(path for path, data in broken.clone.outputs().items() if expected.get(path) != data)
