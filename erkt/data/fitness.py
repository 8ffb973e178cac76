"""Whether a labelled tree is fit to train on, by the facts that ``erkt.data.check`` finds in it."""

from collections import Counter
from collections.abc import Mapping

from erkt.data.check import DARK, FLAT, Facts, class_of, several_classes
from erkt.data.contents import EXPECTED, HIDDEN
from erkt.data.index import UNLABELLED

IMBALANCE = 5  # times the smallest class; beyond it overall accuracy says little about the small ones

_FOURTH = frozenset({"LA", "PA", "RGBA", "RGBX"})
_EIGHT_BITS = _FOURTH | {"1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV"}
"""Pillow's modes that lose no level; a stretch is for deeper ones."""


def problems(facts: Facts) -> list[str]:
    """Return what makes the tree unfit, one line each: training would stop, or its result would be wrong."""
    unreadable = len(facts.unreadable) if facts.prepare["undecodable"] == "refuse" else 0
    conflicts = len(facts.conflicts)
    unfit = _counted(
        {
            "files refused by name or place: {}; rename, move or remove them": len(facts.refused),
            "unreadable files: {}; repair them, or set prepare.undecodable to skip": unreadable,
            "label conflicts, equal pixels in more than one class: {}; keep one label each": conflicts,
        }
    )
    unfit += facts.misplaced
    if facts.prepare.get("stretch") is None:
        unfit += [
            f"near-black: {count} of {facts.modes[mode]} images of mode {mode} stay below {DARK} of 255, the "
            f"brightest has {facts.brightest[mode]}; set prepare.stretch to the range of their values"
            for mode, count in facts.dark.items()
            if 2 * count > facts.modes[mode]
        ]
        unfit += [
            f"flat: {count} of {facts.modes[mode]} images of mode {mode} have under {FLAT} of 256 levels; "
            "set prepare.stretch to the range of their values"
            for mode, count in facts.flat.items()
            if 2 * count > facts.modes[mode] and mode not in _EIGHT_BITS
        ]
    if facts.undivided and not facts.misplaced:
        unfit.append(f"the split cannot be drawn: {facts.undivided}")
    if len(facts.classes) < 2:
        unfit.append(f"class folders with images: {len(facts.classes)}, at least 2 are needed; {EXPECTED}")
    lost = sorted({class_of(key) for key in facts.unreadable} - {UNLABELLED, *facts.classes})
    unfit += [f"no image of the class {name!r} is readable" for name in lost]
    single = [name for name, count in facts.classes.items() if count == 1 and not facts.undivided]
    unfit += [f"the class {name!r} has a single image, which cannot both train and test" for name in single]
    leak = "leak, {} images with equal pixels in {}: {}; split.group_duplicates: exact avoids it"
    return unfit + _leaks(facts, "equal", leak)


def cautions(facts: Facts) -> list[str]:
    """Return what does not stop training but should be decided by a person, one line each."""
    doubts: list[str] = []
    largest, smallest = max(facts.classes.values(), default=0), min(facts.classes.values(), default=0)
    if largest > IMBALANCE * smallest:
        times = f"{largest / smallest:.1f} times"
        doubts.append(f"the largest class has {times} the images of the smallest; judge by AA")
    side, rule = facts.prepare["side"], facts.prepare["non_square"]
    small = sum(size["images"] for size in facts.sizes if min(size["width"], size["height"]) < side)
    oblong = sum(size["images"] for size in facts.sizes if size["width"] != size["height"])
    across = sum(several_classes([pair["first"], pair["second"]]) for pair in facts.near)
    alpha = sum(count for mode, count in facts.modes.items() if mode in _FOURTH)
    others = [f"{count} {kind}" for kind, count in facts.left_out.items() if kind != HIDDEN]
    if others:
        doubts.append(f"files left out, since no image ends so: {', '.join(others)}")
    doubts += _counted(
        {
            "unreadable files that will be left out: {}": (
                len(facts.unreadable) if facts.prepare["undecodable"] == "skip" else 0
            ),
            f"images that stay below {DARK} of 255: {{}}": sum(facts.dark.values()),
            "images of a single value: {}": facts.blank,
            "images of several pages or frames, of which the first is taken: {}": facts.paged,
            "images with transparency or a fourth band, which is left out: {}": alpha,
            f"images smaller than prepare.side ({side}), to be enlarged: {{}}": small,
            f"images that are not square: {{}}; prepare.non_square is {rule}": oblong,
            "images that repeat the pixels of another: {}": sum(len(group) - 1 for group in facts.equal),
            f"pairs of near duplicates: {{}}, of two classes: {across}": len(facts.near),
        }
    )
    near = "{} images with a near duplicate in {}: {}; split.group_duplicates: near avoids it"
    return doubts + _leaks(facts, "near", near)


def twin_counts(facts: Facts) -> dict[tuple[str, str, str], int]:
    """Return how many images of a part have a twin in an earlier part, by (part, earlier part, kind)."""
    return dict(Counter((twin["part"], twin["twin_part"], twin["kind"]) for twin in facts.twins))


def _counted(counts: Mapping[str, int]) -> list[str]:
    """Return each text whose count is not 0, with the count in it."""
    return [text.format(count) for text, count in counts.items() if count]


def _leaks(facts: Facts, kind: str, text: str) -> list[str]:
    counts = twin_counts(facts).items()
    return [text.format(part, earlier, count) for (part, earlier, found), count in counts if found == kind]
