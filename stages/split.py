"""split: stratified train, validation, unlabelled and test lists of one seed."""

from erkt.data.index import read_index
from erkt.data.lists import write_list, write_unlabelled
from erkt.data.splits import split
from erkt.params.split import Split
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage


def main(job: Job) -> str:
    """Divide the images of every class; only the two evaluate stages read the test list."""
    settings = job.settings("split", Split)
    rows = read_index(paths.PREPARED / "index.csv")
    keys, labels = [row.key for row in rows], [row.label for row in rows]
    groups = [] if settings.group_duplicates == "none" else _groups(job, settings.group_duplicates)
    parts = split(keys, labels, settings, job.seed, groups)
    for part, positions in parts.items():
        chosen = [keys[place] for place in positions]
        if part == "unlabelled":
            write_unlabelled(paths.split_list(job.seed, part), chosen)
        else:
            write_list(paths.split_list(job.seed, part), chosen, [labels[place] for place in positions])
    sizes = {part: len(positions) for part, positions in parts.items()}
    job.note(sizes)
    if groups:
        job.note({"groups": [[keys[place] for place in group] for group in groups]})
    kept = f", {len(groups)} groups of duplicates kept together" if groups else ""
    unlabelled = f", {sizes['unlabelled']} unlabelled" if sizes["unlabelled"] else ""
    if unlabelled and settings.group_duplicates == "none":
        job.warn("split.group_duplicates is none: nobody looked whether unlabelled images repeat test images")
    return f"{sizes['train']} train, {sizes['val']} validation, {sizes['test']} test{unlabelled}{kept}"


def _groups(job: Job, kind: str) -> list[list[int]]:
    from erkt.data.duplicates import duplicate_groups  # these read every pixel: only where params ask
    from erkt.data.images import open_images

    return duplicate_groups(open_images(paths.PREPARED).array, kind == "near", job.progress("images"))


STAGE = Stage(main)
