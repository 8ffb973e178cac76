"""split: stratified train, validation and test lists of one seed."""

from erkt.data.index import read_index
from erkt.data.lists import write_list
from erkt.data.splits import split
from erkt.params.split import Split
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Divide the images of every class; only the two evaluate stages read the test list."""
    rows = read_index(paths.PREPARED / "index.csv")
    keys, labels = [row.key for row in rows], [row.label for row in rows]
    parts = split(keys, labels, job.settings("split", Split), job.seed)
    for part, positions in parts.items():
        chosen = [keys[place] for place in positions], [labels[place] for place in positions]
        write_list(paths.split_list(job.seed, part), *chosen)
    sizes = {part: len(positions) for part, positions in parts.items()}
    job.note(sizes)
    return f"{sizes['train']} train, {sizes['val']} validation, {sizes['test']} test"


if __name__ == "__main__":
    run(main, ["seed"])
