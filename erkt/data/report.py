"""What the check of a labelled tree found, as lines to read."""

from collections.abc import Iterable, Mapping, Sequence

from erkt.data.check import Facts
from erkt.data.fitness import cautions, problems, twin_counts

SHOWN = 5  # entries of a list; the facts have all


def text(facts: Facts) -> str:
    """Return the report: a table, the first entries of each list, problems and warnings, and the verdict."""
    total = sum(facts.classes.values())
    unlabelled = f", {facts.unlabelled} without a class" if facts.unlabelled else ""
    lines = [f"{facts.path}: {total} images of {len(facts.classes)} classes{unlabelled}", ""]
    table = _table(facts)
    width = max(map(len, table))
    lines += [f"  {name:{width}}  {value}" for name, value in table.items()]
    lines += ["", "  images a class", *_class_counts(facts.classes)]
    lines += _list("unreadable files", [f"{file}: {reason}" for file, reason in facts.unreadable.items()])
    lines += _list("refused files", [f"{file}: {reason}" for file, reason in facts.refused.items()])
    lines += _list("equal pixels in several classes", map(" = ".join, facts.conflicts))
    same_class = [group for group in facts.equal if group not in facts.conflicts]
    lines += _list("equal pixels in one class", map(" = ".join, same_class))
    lines += _list("near duplicates", _near(facts))
    lines += _list("twins across the split", _twins(facts))
    unfit, doubts = problems(facts), cautions(facts)
    lines += ["", *(f"problem: {line}" for line in unfit), *(f"warning: {line}" for line in doubts)]
    return "\n".join([*lines, "not fit" if unfit else "fit"])


def _table(facts: Facts) -> dict[str, str]:
    sizes = {f"{size['width']} x {size['height']}": size["images"] for size in facts.sizes}
    table = {
        "sizes": _tally(sizes),
        "modes": _tally(facts.modes),
        "brightest value": _tally(facts.brightest),
        "ignored files": ", ".join(f"{count} {kind}" for kind, count in facts.left_out.items()) or "none",
        "unreadable files": str(len(facts.unreadable) + len(facts.refused)),
        "equal files": f"groups: {len(facts.copies)}",
        "equal pixels": f"groups: {len(facts.equal)}, at {facts.prepare['side']} px",
        "near duplicates": f"pairs: {len(facts.near)}",
    }
    if facts.parts:
        table["split"] = ", ".join(f"{count} {part}" for part, count in facts.parts.items())
        counts = sorted(twin_counts(facts).items())
        twins = [f"{part} in {earlier}, {kind}: {count}" for (part, earlier, kind), count in counts]
        table["twins"] = "; ".join(twins) or "none"
    return table


def _class_counts(classes: Mapping[str, int]) -> list[str]:
    """Return a line a class: all of them, since a class that is not there can only be missed by its name."""
    width = max(map(len, classes), default=0)
    return [f"    {name:{width}}  {count}" for name, count in classes.items()]


def _tally(counts: Mapping[str, int]) -> str:
    shown = [f"{name}: {count}" for name, count in list(counts.items())[:SHOWN]]
    more = f", and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    return (", ".join(shown) or "none") + more


def _near(facts: Facts) -> Iterable[str]:
    for pair in sorted(facts.near, key=lambda pair: -float(pair["similarity"])):
        turned = "" if pair["orientation"] == "as it is" else f", {pair['orientation']}"
        yield f"{pair['first']} ~ {pair['second']} ({pair['similarity']:.2f}{turned})"


def _twins(facts: Facts) -> Iterable[str]:
    for twin in sorted(facts.twins, key=lambda twin: twin["kind"]):
        sign = "=" if twin["kind"] == "equal" else "~"
        yield f"{twin['part']} {twin['image']} {sign} {twin['twin_part']} {twin['twin']}"


def _list(title: str, entries: Iterable[str]) -> Sequence[str]:
    """Return the title and the first entries, with a count of the rest; nothing without entries."""
    lines = list(entries)
    if not lines:
        return []
    rest = [f"  and {len(lines) - SHOWN} more; --json writes all"] if len(lines) > SHOWN else []
    return ["", title, *(f"  {line}" for line in lines[:SHOWN]), *rest]
