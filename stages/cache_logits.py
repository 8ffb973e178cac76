"""cache_logits: one teacher's logits on one block of views."""

from erkt.data.images import open_training
from erkt.files.artifacts import WEIGHTS
from erkt.files.digests import sha256_file
from erkt.machine.device import choose
from erkt.networks import models
from erkt.networks.onnx_teacher import OnnxTeacher
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.teachers.manifest import Origin
from erkt.teachers.writer import write_block
from erkt.views.batches import ViewBatches
from erkt.views.finish import Finish


def main(job: Job) -> str:
    """Run the teacher on each view of the block."""
    per_block, share = job.value("cache.views_per_block"), job.value("distill.finish")
    numbers = range(job.block * per_block, (job.block + 1) * per_block)
    source, runtime, precision = (
        paths.teacher(job.seed, job.teacher),
        job.runtime,
        job.value("cache.precision"),
    )
    (train,) = open_training(paths.PREPARED, *paths.split_lists(job.seed, "train", "unlabelled"))
    network = models.load_folder(source, train.classes)
    data = ViewBatches(
        train,
        job.settings("vsm", ViewSettings),
        seed=job.seed,
        views=numbers.stop,
        batch_size=runtime.inference_batch,
        device=choose(runtime),
        finish=Finish(share, job.settings("base", ViewSettings), per_block),
        images=runtime.images,
        fused=runtime.fused_views,
    )
    digest = write_block(
        paths.teaching(job.seed) / job.teacher / str(job.block),
        OnnxTeacher(network) if runtime.caching == "onnx" else network,
        data,
        views=numbers,
        origin=Origin.of(sha256_file(source / WEIGHTS), train, data, precision),
        on_view=job.progress("views"),
        checkpoints=job.checkpoints,
    )
    unlabelled = f" ({train.unlabelled} of them unlabelled)" if train.unlabelled else ""
    return f"{len(numbers)} views of {len(train)} images{unlabelled}, {digest[:12]}"


STAGE = Stage(main, long=True)
