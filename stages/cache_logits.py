"""cache_logits: one teacher's logits on one block of views."""

from erkt import artifacts, models
from erkt.batches import ViewBatches
from erkt.cache.manifest import Origin
from erkt.cache.writer import write_block
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.files import read_sealed, sha256_file
from erkt.onnx_teacher import OnnxTeacher
from erkt.params.views import Views
from erkt.schema import as_dict
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Run the teacher on each view of the block."""
    name, block, per_block = job.cell["teacher"], int(job.cell["block"]), job.value("cache.views_per_block")
    numbers = range(block * per_block, (block + 1) * per_block)
    settings, train_list = job.settings("vsm", Views), paths.split_list(job.seed, "train")
    source = paths.teachers(job.seed) / name
    images = open_images(paths.PREPARED)
    train = images.subset(read_list(train_list))
    device, batch = choose(job.runtime), job.runtime.inference_batch
    data = ViewBatches(train, settings, job.seed, numbers.stop, batch, device)
    network = models.load_folder(source, images.classes)
    teacher = OnnxTeacher(network) if job.runtime.caching == "onnx" else network
    digests = (sha256_file(source / artifacts.WEIGHTS), images.sha256, sha256_file(train_list))
    origin = Origin(*digests, job.seed, as_dict(settings), list(images.classes))
    folder = paths.views(job.seed) / name / str(block)
    write_block(folder, teacher, data, numbers, origin, job.progress("views"), job.checkpoints)
    return (
        f"{len(numbers)} views of {len(train)} images, {read_sealed(folder / 'manifest.json')['sha256'][:12]}"
    )


if __name__ == "__main__":
    run(main, ["seed", "teacher", "block"], long=True)
