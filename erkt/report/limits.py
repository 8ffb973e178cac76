"""For what the numbers do not speak, so that nobody takes them for more."""

from collections.abc import Sequence

from erkt.report import words
from erkt.report.classes import PerClass
from erkt.report.facts import Facts
from erkt.report.lineage import Lineage
from erkt.report.twins import Twins

FEW_IMAGES = 30
FEW_RUNS = 3

_ELSEWHERE = """\
All numbers are of the test part of {}. Other sensors, regions, seasons or sizes on the ground are not \
tested; expect less there."""

_CHOSEN = """\
This run chose nothing by the test part: the ensemble's weights come from the validation part or from \
params, and the last epoch is the result. How the params were chosen is not on record here."""

_LEAKED = """\
{} may be known by heart: an image with equal pixels lies outside the test part. Set split.group_duplicates: \
exact."""


def limits(facts: Facts, classes: Sequence[PerClass], lineage: Lineage, twins: Twins | None) -> list[str]:
    """Return a sentence or two for each limit that this run has."""
    found = [
        _ELSEWHERE.format(lineage.dataset),
        "Each image gets one of these classes, also one that shows none of them.",
        _CHOSEN,
    ]
    runs = len(facts.seeds)
    if runs < FEW_RUNS:
        found.append(
            f"{words.count(runs, 'run')}: differences of a point may be luck. Give three seeds or more."
        )
    small = [one.name for one in classes if one.images < FEW_IMAGES * runs]
    if small:
        shown = words.listed(small if len(small) <= 5 else [*small[:4], f"{len(small) - 4} more"])
        found.append(f"Fewer than {FEW_IMAGES} test images have {shown}: their intervals are wide.")
    if facts.card and facts.card.calibration is None:
        found.append("Probabilities are not calibrated: there is no validation part.")
    grouped = lineage.params.get("split", {}).get("group_duplicates")
    if twins and twins.leaked:
        found.append(_LEAKED.format(words.count(twins.leaked, "test image")))
    if grouped != "near":
        found.append(
            "Near duplicates, such as a scene saved twice, were not kept on one side of the split; "
            "erkt data check finds them."
        )
    weights = {"student": facts.card.weights, **facts.card.teachers} if facts.card else {}
    bound = [name for name, one in weights.items() if one.licence]
    if bound:
        found.append(f"Licences of initial weights may bind: {words.listed(bound)}; see the table of origin.")
    return found
