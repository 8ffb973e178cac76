"""What single things cost on this machine, for estimates of what larger data would need.

    python -m benchmarks.units

Writes metrics/units-<device>.json: seconds of one thread for what is done on the CPU alone, images a second
for networks on the device with all its threads. Digests are those of a file in the page cache: a disk may be
slower.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cpuinfo
import numpy as np
import torch
from dvc.fs import LocalFileSystem
from dvc_data.hashfile.hash import file_md5
from PIL import Image

from benchmarks import paper
from benchmarks.training import cached_teachers, epochs
from erkt.data.index import Row, read_index, write_index
from erkt.data.prepare import decode
from erkt.files.digests import sha256_file
from erkt.files.json_file import write_json
from erkt.losses.supervised import Supervised
from erkt.machine.device import choose
from erkt.params.prepare import Prepare
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.scenes import CLASSES, render
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit
from erkt.views.view import View

_IMAGES, _SIDE, _FILE, _TIMES = 1_000_000, 256, 500_000_000, 3


def main() -> None:
    """Measure and write."""
    device = choose(build(Runtime, paper.PARAMS["runtime"], "runtime"))
    units: dict[str, Any] = {"device": device.type, "cpu": cpuinfo.get_cpu_info().get("brand_raw", "")}
    units |= {"threads": torch.get_num_threads(), "torch": torch.__version__}
    units |= _view() | _files() | _networks(device)
    path = paths.METRICS / f"units-{device.type}.json"
    write_json(path, units)
    print(path.read_text(encoding="utf-8"))


def _view() -> dict[str, float]:
    labels = np.arange(_IMAGES) % len(paper.CLASSES)

    def make() -> View:
        return View.make(0, 0, labels, _SIDE, paper.views())

    draws = vars(make().draws).values()
    kept = sum(column.nbytes for column in draws) / 1e6
    return {"view_seconds_a_million": _seconds(make), "view_megabytes_a_million": kept}


def _files() -> dict[str, float]:
    names = [f"class{number // 20_000:02}" for number in range(_IMAGES)]
    rows = [
        Row(f"{name}/{number:07}.jpg", name, number // 20_000, _SIDE, _SIDE, "RGB")
        for number, name in enumerate(names)
    ]
    settings = build(Prepare, paper.PARAMS["prepare"], "prepare")
    jpeg = _jpeg()
    with tempfile.TemporaryDirectory() as folder:
        index, large = Path(folder) / "index.csv", Path(folder) / "large"
        write_index(index, rows)
        large.write_bytes(np.random.default_rng(0).bytes(_FILE))
        local = LocalFileSystem()
        return {
            "decoding_images_a_second": 100 / _seconds(lambda: [decode(jpeg, settings) for _ in range(100)]),
            "index_seconds_a_million": _seconds(lambda: read_index(index)),
            "sha256_gigabytes_a_second": _FILE / 1e9 / _seconds(lambda: sha256_file(large)),
            "md5_gigabytes_a_second": _FILE / 1e9 / _seconds(lambda: file_md5(str(large), local, name="md5")),
        }


def _jpeg() -> bytes:
    """Return a rendered scene of a side of 256 px as a camera's file."""
    with io.BytesIO() as file:
        Image.fromarray(render(CLASSES[0], 0, 0, _SIDE)).save(file, "JPEG", quality=95)
        return file.getvalue()


def _networks(device: torch.device) -> dict[str, Any]:
    subset = paper.images(2 * paper.BATCH, _SIDE)
    data, teachers = paper.data(subset, device), paper.teachers(_SIDE, device)
    large = paper.data(subset, device, paper.PARAMS["runtime"]["inference_batch"])
    caching, training_teachers = {}, {}
    for name, member in zip(paper.PARAMS["ensemble"]["weights"], teachers.members, strict=True):
        block_logits(member, large, [0])
        caching[name] = len(subset) / _seconds(lambda member=member: block_logits(member, large, [0]), device)
    for name, arch in paper.TEACHERS.items():
        teacher = paper.network(arch, _SIDE, device)
        list(fit(teacher, data, Supervised(), recipe=paper.recipe(), seed=0))
        seconds = _seconds(
            lambda net=teacher: list(fit(net, data, Supervised(), recipe=paper.recipe(), seed=0)), device
        )
        training_teachers[name] = len(subset) / seconds
    student = paper.network(paper.STUDENT, _SIDE, device)
    cached = cached_teachers(teachers, data)
    epoch = epochs(student, data, cached)
    epoch()
    training = len(subset) / _seconds(epoch, device)
    view, orders = data.view(0), data.in_order(0)
    rendering = _seconds(lambda: [data.batch(view, order) for order in orders], device)
    return {
        "caching_images_a_second": caching,
        "training_teachers_images_a_second": training_teachers,
        "training_images_a_second": training,
        "views_images_a_second": len(subset) / rendering,
    }


def _seconds(call: Callable[[], object], device: torch.device | None = None) -> float:
    """Return the median of a few times."""
    taken = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        call()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
