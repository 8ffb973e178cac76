"""Run the teachers again on a sample of cached rows and compare with what is stored."""

from argparse import ArgumentParser, Namespace

from erkt.data.images import open_training
from erkt.errors import ErktError
from erkt.files.json_file import read_json
from erkt.machine.device import choose
from erkt.params.protocol import Protocol
from erkt.pipeline import paths
from erkt.pipeline.params_file import check_params, read_params
from erkt.teachers import teaching
from erkt.teachers.reader import open_blocks
from erkt.teachers.verify import TOLERANCES, largest_difference
from erkt.views.batches import ViewBatches
from erkt.views.finish import Finish


def arguments(parser: ArgumentParser) -> None:
    """Add how much to check."""
    parser.add_argument("--views", type=int, default=2, help="views to check of each teacher (default: 2)")
    parser.add_argument("--pairs", type=int, default=8, help="pairs of images to check of each (default: 8)")


def run(options: Namespace) -> int:
    """Check every seed and teacher; a difference beyond rounding gives status 1."""
    protocol = check_params(read_params(paths.PARAMS), str(paths.PARAMS))
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
    allowed = TOLERANCES[protocol.cache.precision]
    if worst > allowed:
        raise ErktError(f"stored logits differ by {worst:.2g} of their spread, more than {allowed:g}")
    return 0


def _verify(protocol: Protocol, seed: int, name: str, views: int, pairs: int) -> float:
    (train,) = open_training(paths.PREPARED, *paths.split_lists(seed, "train", "unlabelled"))
    numbers, runtime, precision = protocol.cache.views, protocol.runtime, protocol.cache.precision
    data = ViewBatches(
        train,
        protocol.vsm,
        seed=seed,
        views=len(numbers),
        batch_size=runtime.inference_batch,
        device=choose(runtime),
        finish=Finish(protocol.distill.finish, protocol.base, protocol.cache.views_per_block),
        images="host",  # a few batches
        fused=runtime.fused_views,
    )
    source = teaching.Source(teaching=paths.teaching(seed), networks=paths.teachers(seed), train=train)
    folders = [paths.teaching(seed) / name / str(block) for block in sorted(protocol.cache.blocks)]
    stored = open_blocks(folders, data, teaching.origin_of(source, name, data, precision), numbers, print)
    teacher = teaching.load_teacher(paths.teacher(seed, name), data)
    return largest_difference(teacher, data, stored, views, pairs, precision)
