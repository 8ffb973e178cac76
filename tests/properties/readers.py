"""Everything that reads a file which somebody else may have written, with one that it takes."""

import hashlib
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from damage import Damage, any_bytes, json_file, npy_file, safetensors_file, text_file
from deploy.made_model import card as made_card
from deploy.made_model import write_onnx
from made import CLASSES, ORIGIN, batches, classifier, part
from packed import tar_of, unpack, write, zip_of
from PIL import Image

from erkt.data import parts
from erkt.data.archive import members
from erkt.data.images import open_images
from erkt.data.index import Row, read_index, write_index
from erkt.data.lists import read_list, read_unlabelled, write_list, write_unlabelled
from erkt.data.prepare import decode
from erkt.data.sources.published import Published
from erkt.data.sources.table import images_listed
from erkt.deploy import contest, timm_folder
from erkt.deploy.card import FILE, SAFETENSORS
from erkt.deploy.describe import card_of
from erkt.deploy.geo.scene import Scene
from erkt.deploy.inputs import Inputs
from erkt.deploy.onnx_model import OnnxModel
from erkt.deploy.torch_model import timm_folder_in
from erkt.evaluation.literature import read_literature
from erkt.evaluation.predictions import Predictions
from erkt.evaluation.robustness_table import read_rows
from erkt.files.digests import Sha256
from erkt.files.json_file import read_json, read_records, read_sealed, write_json, write_sealed
from erkt.files.table_file import read_table
from erkt.files.yaml_file import read_yaml
from erkt.inflight.checkpoints import FILE as CHECKPOINT
from erkt.inflight.checkpoints import Checkpoint, FolderCheckpoints, _digest
from erkt.inflight.states import FINISHED, read_result
from erkt.inflight.stopping import Stop
from erkt.networks import logits, models
from erkt.params.dataset import Parts
from erkt.params.network import Network, Weights
from erkt.params.prepare import Prepare
from erkt.teachers.reader import open_blocks
from erkt.teachers.writer import write_block

Read = Callable[[Path], object]

PREPARE = Prepare(8, "bicubic", "squash", "refuse")
RANDOM = Network("test_resnet", Weights("none", None, None, None), 0.0, 0.0)
DIGEST = Sha256("0" * 64)


@dataclass(frozen=True)
class Reader:
    """What reads a file, one that it takes, how to damage it, and what then makes digests beside it agree.

    ``make`` writes into an empty folder and returns the file.
    """

    make: Callable[[Path], Path]
    read: Read
    damage: Damage
    seal: Callable[[Path], None] = lambda path: None


def file_of(data: bytes) -> Callable[[Path], Path]:
    return lambda folder: write(folder / "file", data)


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 7), (10, 200, 99)).save(file, kind)
    return file.getvalue()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prepared(folder: Path) -> None:
    rows = [Row(f"{name}/1.png", name, label, 4, 4, "RGB") for label, name in enumerate(CLASSES)]
    np.save(folder / "images.npy", np.zeros((3, 3, 4, 4), np.uint8))
    write_index(folder / "index.csv", rows)
    digests = {f"{name}_sha256": sha256(next(folder.glob(f"{name}.*"))) for name in ("images", "index")}
    write_json(folder / "manifest.json", {"shape": [3, 3, 4, 4], "classes": list(CLASSES), **digests})


def one_of_prepared(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        prepared(folder)
        return folder / name

    return make


def seal_prepared(path: Path) -> None:
    manifest = json.loads((path.parent / "manifest.json").read_text())
    write_json(path.parent / "manifest.json", manifest | {f"{path.stem}_sha256": sha256(path)})


def open_prepared(path: Path) -> object:
    return open_images(path.parent)


def network(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        models.save_folder(models.build(RANDOM, CLASSES, 16, 0, {}), folder)
        return folder / name

    return make


def load_network(path: Path) -> object:
    return models.load_folder(path.parent, CLASSES)


def seal_network(path: Path) -> None:
    write_json(path.parent / "manifest.json", {"sha256": sha256(path)})


def logits_file(folder: Path) -> Path:
    logits.save(folder / "one.safetensors", np.zeros((31, 3), np.float32), network=DIGEST, part=part())
    return folder / "one.safetensors"


def load_logits(path: Path) -> object:
    return logits.load(path, network=DIGEST, part=part())


def checkpoint(folder: Path) -> Path:
    keep = FolderCheckpoints(folder, 0, Stop(), print)
    keep.after_step(lambda: Checkpoint({"w": torch.arange(4)}, {"step": 1}))
    return folder / CHECKPOINT


def seal_checkpoint(path: Path) -> None:
    """Give a checkpoint the digest of what it holds, as whoever writes a false one would."""
    data = path.read_bytes()
    try:
        (length,) = struct.unpack_from("<Q", data)
        header, values = json.loads(data[8 : 8 + length]), data[8 + length :]
        about = header["__metadata__"]
        tensors = {
            name: torch.frombuffer(bytearray(values[slice(*one["data_offsets"])]), dtype=torch.int64)
            for name, one in header.items()
            if one is not about
        }
        about["sha256"] = _digest(tensors, about["text"])
        text = json.dumps(header).encode()
    except Exception:  # noqa: BLE001  # what has no such parts is tried as it is
        return
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


def restore(path: Path) -> object:
    return FolderCheckpoints(path.parent, 0, Stop(), lambda line: None).restore(torch.device("cpu"))


def block(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write_block(folder, classifier(1), batches(), views=[0], origin=ORIGIN)
        return folder / name

    return make


def seal_block(path: Path) -> None:
    manifest = read_sealed(path.parent / "manifest.json")
    write_sealed(path.parent / "manifest.json", manifest | {"sha256": sha256(path)})


def seal_json(path: Path) -> None:
    """Give an object of JSON the digest of its own content."""
    try:
        value = json.loads(path.read_bytes())
        value.pop("sha256_of_this", None)
        write_sealed(path, value)
    except Exception:  # noqa: BLE001  # what is none is tried as it is
        return


def timm_files(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = models.build(RANDOM, CLASSES, 8, 0, {})
        timm_folder.write(model, card_of(model, PREPARE), folder)
        return folder / name

    return make


def open_timm_folder(path: Path) -> object:
    return timm_folder_in(path.parent)


def onnx_file(folder: Path) -> Path:
    return write_onnx(folder / "model.onnx", made_card(8, CLASSES))


def run_onnx(path: Path) -> object:
    model = OnnxModel(path, threads=1)
    side = model.card.side
    return model.logits(np.zeros((2, side, side, 3), np.uint8))


def scene_file(folder: Path) -> Path:
    values = np.arange(3 * 30 * 40, dtype=np.uint8).reshape(3, 30, 40)
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}
    shape = {"width": 40, "height": 30, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", photometric="rgb", **shape, **place
    ) as file:
        file.write(values)
    return folder / "scene.tif"


def open_scene(path: Path) -> object:
    with Scene(path) as scene:
        height, width = (min(side, 64) for side in scene.size)
        return scene.pixels(0, height, 0, width), scene.valid(0, height, 0, width), str(scene), scene.metres


def in_classes(name: str, data: bytes) -> Callable[[Path], Path]:
    """Write an image of each class, and ``data`` beside them."""

    def make(folder: Path) -> Path:
        return unpack(folder, {name: data} | {key: picture("PNG") for key in KEYS}) / name

    return make


def inputs(path: Path) -> object:
    return list(Inputs([str(path)], io.StringIO()))


def all_members(path: Path) -> object:
    return [(name, read()) for name, read in members(path)]


def with_pillow(path: Path) -> object:
    return decode(path.read_bytes(), PREPARE)


def with_rasterio(path: Path) -> object:
    return decode(path.read_bytes(), replace(PREPARE, bands=(1, 2, 3), stretch=(0.0, 9.0)))


def published(path: Path) -> object:
    return Published(Parts("lists", ".", (path.name,), (), ()), path.parent)


def split_list(folder: Path) -> Path:
    write_list(folder / "train.txt", KEYS, [0, 1, 2])
    return folder / "train.txt"


def unlabelled_list(folder: Path) -> Path:
    write_unlabelled(folder / "unlabelled.txt", KEYS)
    return folder / "unlabelled.txt"


def result(folder: Path) -> Path:
    write_sealed(folder / FINISHED, {"line": "", "outs": ["a"], "files": {"a": "b"}})
    return folder / FINISHED


def open_block(path: Path) -> object:
    return open_blocks([path.parent], batches(), ORIGIN, [0], lambda line: None)


def predictions(path: Path) -> object:
    return Predictions.load(path, CLASSES)


FILES = {"a/1.jpg": b"one", "b/2.jpg": b"two" * 300}
KEYS = tuple(f"{name}/1.png" for name in CLASSES)
IMAGES = b"path,label\nblue/1.png,blue\nred/1.png,red\n"
PREDICTIONS = (
    b"key,actual,student,student_confidence,ensemble,ensemble_confidence\nblue/1.png,blue,red,0.5,blue,0.9\n"
)
CONTEST = b"key,actual,predicted\nblue/1.png,blue,red\n"
ROBUSTNESS = b"kind,strength,unit,one,ensemble,student\nnone,0,,90,95,93\nblur,1,px,80,85,83\n"
LITERATURE = b"dataset,train_percent,method,reference,parameters_m,oa,std\naid30,20,a,b,>12.0,97.1,0.1\n"
PARTS = parts.table_of(dict.fromkeys(KEYS, "train")).encode()
YAML = b"a: [1, {b: null}]\nc: 1e-4\nd: &x 'yes'\ne: *x\n"

READERS = {
    "zip": Reader(file_of(zip_of(FILES, 8)), all_members, any_bytes),
    "tar": Reader(file_of(tar_of(FILES)), all_members, any_bytes),
    "tar.gz": Reader(file_of(tar_of(FILES, "w:gz")), all_members, any_bytes),
    **{
        kind: Reader(file_of(picture(kind)), with_pillow, any_bytes)
        for kind in ("PNG", "GIF", "JPEG", "TIFF")
    },
    "rasterio": Reader(file_of(picture("TIFF")), with_rasterio, any_bytes),
    "scene": Reader(scene_file, open_scene, any_bytes),
    "table of images": Reader(in_classes("images.csv", IMAGES), images_listed, text_file),
    "published list": Reader(in_classes("train.txt", b"blue/1.png 0\nred/1.png 2\n"), published, text_file),
    "list of paths": Reader(in_classes("paths.csv", b"path\nblue/1.png\n"), inputs, text_file),
    "parts": Reader(file_of(PARTS), lambda path: parts.read_table(path.read_bytes(), str(path)), text_file),
    "split list": Reader(split_list, read_list, text_file),
    "unlabelled list": Reader(unlabelled_list, read_unlabelled, text_file),
    "index": Reader(one_of_prepared("index.csv"), read_index, text_file),
    "prepared index": Reader(one_of_prepared("index.csv"), open_prepared, text_file, seal_prepared),
    "prepared array": Reader(one_of_prepared("images.npy"), open_prepared, npy_file, seal_prepared),
    "prepared manifest": Reader(one_of_prepared("manifest.json"), open_prepared, json_file),
    "network": Reader(network("weights.safetensors"), load_network, safetensors_file, seal_network),
    "network's manifest": Reader(network("manifest.json"), load_network, json_file),
    "logits": Reader(logits_file, load_logits, safetensors_file),
    "checkpoint": Reader(checkpoint, restore, safetensors_file, seal_checkpoint),
    "cached logits": Reader(block("logits.npy"), open_block, npy_file, seal_block),
    "cache's manifest": Reader(block("manifest.json"), open_block, json_file, seal_json),
    "result": Reader(result, lambda path: read_result(path.parent), json_file, seal_json),
    "timm's weights": Reader(timm_files(SAFETENSORS), open_timm_folder, safetensors_file),
    "model's card": Reader(timm_files(FILE), open_timm_folder, json_file),
    "ONNX": Reader(onnx_file, run_onnx, any_bytes),
    "json": Reader(file_of(b'{"a": [1, {"b": null}]}'), read_json, json_file),
    "records": Reader(file_of(b'[{"a": 1}]'), read_records, json_file),
    "yaml": Reader(file_of(YAML), read_yaml, text_file),
    "predictions": Reader(file_of(PREDICTIONS), predictions, text_file),
    "contest": Reader(file_of(CONTEST), contest.read, text_file),
    "robustness": Reader(file_of(ROBUSTNESS), read_rows, text_file),
    "literature": Reader(file_of(LITERATURE), lambda path: read_literature(path, "aid30", 20.0), text_file),
    "table of a page": Reader(file_of(b"network,oa\nstudent,90\n"), read_table, text_file),
}
