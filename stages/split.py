"""split: stratified train, validation, unlabelled and test lists of one seed."""

from erkt.data.index import NO_LABEL, read_index
from erkt.data.lists import write_list, write_unlabelled
from erkt.data.parts import read_table
from erkt.data.splits import as_published, repeats, split, torn
from erkt.params.split import Split
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage


def main(job: Job) -> str:
    """Divide the images of every class; only the two evaluate stages read the test list."""
    settings = job.settings("split", Split)
    kind = settings.group_duplicates
    rows = read_index(paths.PREPARED / "index.csv")
    keys, labels = [row.key for row in rows], [row.label for row in rows]
    known = [place for place, label in enumerate(labels) if label != NO_LABEL]
    groups, everywhere = ([], []) if kind == "none" else _groups(job, kind, known, len(rows))
    published = paths.PREPARED / "parts.csv"
    if published.exists():
        part_of = read_table(published.read_bytes(), str(published))
        parts = as_published(keys, labels, part_of, settings, job.seed, groups)
    else:
        parts = split(keys, labels, settings, job.seed, groups)
    left_out = repeats(parts["unlabelled"], {*parts["val"], *parts["test"]}, everywhere)
    parts["unlabelled"] = [place for place in parts["unlabelled"] if place not in left_out]
    names = {part: [keys[place] for place in positions] for part, positions in parts.items()}
    for part in ("train", "val", "test"):
        write_list(paths.split_list(job.seed, part), names[part], [labels[place] for place in parts[part]])
    write_unlabelled(paths.split_list(job.seed, "unlabelled"), names["unlabelled"])
    sizes = {part: len(positions) for part, positions in parts.items()}
    job.note(sizes)
    if groups:
        job.note({"groups": [[keys[place] for place in group] for group in groups]})
    if left_out:
        repeated = [keys[place] for place in sorted(left_out)]
        job.note({"left_out": repeated})
        named = ", ".join(repeated[:10]) + (", ..." if len(repeated) > 10 else "")
        job.warn(f"{len(repeated)} unlabelled images repeat validation or test images, left out: {named}")
    if apart := torn(groups, parts):  # what is drawn here keeps all together
        job.warn(f"{apart} groups of duplicates lie in several published parts, which stay as they are")
    kept = f", {len(groups) - apart} groups of duplicates kept together" if groups else ""
    unlabelled = f", {sizes['unlabelled']} unlabelled" if sizes["unlabelled"] else ""
    if unlabelled and kind == "none":
        job.warn("split.group_duplicates is none: nobody looked whether unlabelled images repeat test images")
    return f"{sizes['train']} train, {sizes['val']} validation, {sizes['test']} test{unlabelled}{kept}"


def _groups(job: Job, kind: str, known: list[int], count: int) -> list[list[list[int]]]:
    """Return the groups of duplicates among the labelled images, and among all if there are others."""
    from erkt.data.duplicates import duplicate_groups  # these read every pixel: only where params ask
    from erkt.data.images import open_images

    images, everyone = open_images(paths.PREPARED), range(count if count > len(known) else 0)
    return duplicate_groups(images.array, kind == "near", job.progress("images"), known, everyone)


STAGE = Stage(main)
