"""What a million images, ten teachers and 64 devices would need, from what one of each costs.

    python -m benchmarks.scale

Reads metrics/units-cpu.json and prints the table of docs/scale.md. Nothing of this size was run.
"""

import statistics
from typing import Any

from benchmarks import paper
from erkt.files.json_file import read_json
from erkt.pipeline import paths
from erkt.pipeline.experiments.page import markdown

IMAGES, SIDE, CLASSES, TEACHERS, DEVICES, PROCESSES = 1_000_000, 256, len(paper.CLASSES), 10, 64, 8
EPOCHS, FEW_VIEWS, BLOCK = 600, 20, 100
TEACHER_EPOCHS = max(own["recipe"]["epochs"] for own in paper.PARAMS["teachers"].values())
_HOUR, _DAY, _WEEK, _YEAR = 3_600, 86_400, 7 * 86_400, 365 * 86_400  # seconds
_NETWORK = 1.25  # GB/s, 10 Gbit/s

Rows = list[tuple[str, str, str]]


def main() -> None:
    """Print the table."""
    print(table(read_json(paths.METRICS / "units-cpu.json")), end="")


def table(units: dict[str, Any]) -> str:
    """Return the estimates for one seed in Markdown; ``units`` are those of ``benchmarks.units``."""
    rows = [*_images(units), *_logits(units), *_draws(units), *_time(units), *_traffic(units)]
    return markdown([{"one seed": what, "needs": needs, "from": source} for what, needs, source in rows])


def _images(units: dict[str, Any]) -> Rows:
    pixels, decoding = IMAGES * 3 * SIDE**2 / 1e9, units["decoding_images_a_second"]
    start = pixels / units["sha256_gigabytes_a_second"]
    cells = TEACHERS * EPOCHS // BLOCK
    return [
        ("decoding all images", f"{IMAGES / decoding / 60:.0f} min of a core", f"{decoding:.0f} images/s"),
        ("prepared images, one file", f"{pixels:.0f} GB", "3 bytes a pixel"),
        (
            "its MD5, by DVC, once a machine",
            f"{pixels / units['md5_gigabytes_a_second'] / 60:.0f} min",
            f"{units['md5_gigabytes_a_second']:.2f} GB/s from memory",
        ),
        (
            "its SHA-256, at each cell's start",
            f"{start / 60:.0f} min",
            f"{units['sha256_gigabytes_a_second']:.2f} GB/s from memory",
        ),
        (
            f"that in all {cells} caching cells",
            f"{cells * start / _HOUR:.0f} h",
            f"{TEACHERS} teachers, {EPOCHS // BLOCK} blocks",
        ),
        ("the index, at each cell's start", f"{units['index_seconds_a_million']:.1f} s", "measured"),
    ]


def _logits(units: dict[str, Any]) -> Rows:
    view = IMAGES * CLASSES * 2 / 1e9
    every, few = (view * TEACHERS * count for count in (EPOCHS, FEW_VIEWS))
    return [
        (f"logits of {EPOCHS} views", f"{every:.0f} GB", f"{view * 1e3:.0f} MB a view and teacher, float16"),
        (f"logits of {FEW_VIEWS} views", f"{few:.0f} GB", "the same"),
        (
            f"their SHA-256 before distilling, {EPOCHS} views",
            f"{every / units['sha256_gigabytes_a_second'] / 60:.0f} min",
            "from memory",
        ),
        (
            f"memory of a caching cell of {BLOCK} views",
            f"{view * BLOCK:.0f} GB",
            "kept until the block is whole",
        ),
    ]


def _draws(units: dict[str, Any]) -> Rows:
    seconds, kept = units["view_seconds_a_million"], units["view_megabytes_a_million"]
    return [
        (
            "draws of one view",
            f"{seconds:.1f} s of a core",
            f"{kept:.0f} MB are kept, more while they are made",
        ),
        (f"draws of {EPOCHS} views", f"{seconds * EPOCHS / 60:.0f} min of a core", "in every process"),
    ]


def _time(units: dict[str, Any]) -> Rows:
    caching, own = (
        statistics.harmonic_mean(units[f"{kind}_images_a_second"].values())
        for kind in ("caching", "training_teachers")
    )
    training = units["training_images_a_second"]
    student, teachers = IMAGES * EPOCHS, IMAGES * TEACHERS * TEACHER_EPOCHS
    every, few = (IMAGES * TEACHERS * count for count in (EPOCHS, FEW_VIEWS))
    return [
        (
            f"training {TEACHERS} teachers, {TEACHER_EPOCHS} epochs",
            f"{teachers / own / _YEAR:.1f} years of this machine",
            f"{own:.0f} images/s, harmonic mean of B0, B3, R50",
        ),
        (
            f"caching {EPOCHS} views",
            f"{every / caching / _YEAR:.1f} years of this machine",
            f"{caching:.0f} images/s, the same mean",
        ),
        (f"caching {FEW_VIEWS} views", f"{few / caching / _DAY:.0f} days of this machine", "the same"),
        (
            f"a student, {EPOCHS} epochs",
            f"{student / training / _YEAR:.1f} years of this machine",
            f"{training:.0f} images/s",
        ),
        (
            f"the teachers' training in a week on {TEACHERS} devices",
            f"{teachers / TEACHERS / _WEEK:.0f} images/s each",
            "a teacher on each",
        ),
        (
            f"caching {EPOCHS} views in a day on {DEVICES} devices",
            f"{every / DEVICES / _DAY:.0f} images/s each",
            f"{every / 1e9:.0f} billion forward passes",
        ),
        (
            "the student in a week on one device",
            f"{student / _WEEK:.0f} images/s",
            f"{student / 1e6:.0f} million images",
        ),
        (
            f"the same on {PROCESSES} devices of one machine",
            f"{student / PROCESSES / _WEEK:.0f} images/s each",
            f"`recipe.processes: {PROCESSES}`, exchange left out",
        ),
    ]


def _traffic(units: dict[str, Any]) -> Rows:
    rate, views = IMAGES * EPOCHS / _WEEK, units["views_images_a_second"]
    pixels, logits = 3 * SIDE**2, TEACHERS * CLASSES * 2
    stored = IMAGES * TEACHERS * CLASSES * 2 * EPOCHS / 1e9
    return [
        (
            "reading while a student trains in a week",
            f"{rate * pixels / 1e6:.0f} MB/s of pixels, {rate * logits / 1e6:.1f} MB/s of logits",
            f"{pixels / 1e3:.0f} KB and {logits} bytes an image",
        ),
        ("rendering those views on CPUs", f"{rate / views:.1f} machines like this", f"{views:.0f} images/s"),
        (
            f"a colleague's pull of {EPOCHS} views",
            f"{stored / _NETWORK / 60:.0f} min",
            "10 Gbit/s, none lost",
        ),
    ]


if __name__ == "__main__":
    main()
