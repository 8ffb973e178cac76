"""Run the teachers again on a sample of cached rows and compare with what is stored."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt import teaching
from erkt.batches import ViewBatches
from erkt.cache.reader import open_blocks
from erkt.cache.verify import TOLERANCE, largest_difference
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.errors import ErktError
from erkt.files import read_json, sha256_file
from erkt.params.protocol import Protocol, check
from stages import paths
from stages.common import read_params


def arguments(parser: ArgumentParser) -> None:
    """Add how much to check."""
    parser.add_argument("--views", type=int, default=2, help="views to check of each teacher (default: 2)")
    parser.add_argument("--pairs", type=int, default=8, help="pairs of images to check of each (default: 8)")


def run(options: Namespace) -> int:
    """Check every seed and teacher; a difference beyond rounding gives status 1."""
    protocol = check(read_params(paths.PARAMS), str(paths.PARAMS))
    if min(options.views, options.pairs) < 1:
        raise ErktError("--views and --pairs must be at least 1, or nothing is checked")
    if not protocol.cache.blocks:
        raise ErktError("cache.blocks is empty: the teachers run online, nothing is stored")
    worst = 0.0
    for seed in protocol.seeds:
        for name in read_json(paths.ensemble(seed))["weights"]:
            difference = _verify(protocol, seed, name, options.views, options.pairs)
            print(f"seed {seed}, {name}: logits differ by at most {difference:.2g} of their spread")
            worst = max(worst, difference)
    if worst > TOLERANCE:
        raise ErktError(f"stored logits differ by {worst:.2g} of their spread, more than {TOLERANCE:g}")
    return 0


def _verify(protocol: Protocol, seed: int, name: str, views: int, pairs: int) -> float:
    train_list = paths.split_list(seed, "train")
    images = open_images(paths.PREPARED)
    train = images.subset(read_list(train_list))
    numbers, device = protocol.cache.views, choose(protocol.runtime)
    data = ViewBatches(train, protocol.vsm, seed, len(numbers), protocol.runtime.inference_batch, device)
    source = teaching.Source(paths.views(seed), paths.teachers(seed), images.sha256, sha256_file(train_list))
    folders: list[Path] = [paths.views(seed) / name / str(block) for block in sorted(protocol.cache.blocks)]
    stored = open_blocks(folders, data, teaching.origin_of(source, name, data), numbers, print)
    teacher = teaching.load_teacher(paths.teachers(seed) / name, data)
    return largest_difference(teacher, data, stored, views, pairs)
