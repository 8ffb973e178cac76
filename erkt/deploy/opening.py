"""Which kind of model lies at a path. torch is imported only where it is needed."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from erkt.deploy.card import ONNX, SAFETENSORS
from erkt.deploy.onnx_model import OnnxModel
from erkt.errors import ErktError
from erkt.files.artifacts import WEIGHTS

if TYPE_CHECKING:
    from erkt.deploy.torch_model import TorchModel


def file_of(path: Path) -> Path:
    """Return the file whose bytes decide what the model at ``path`` says: itself, or the one in a folder.

    Raises ErktError if there is none.
    """
    if path.is_dir():
        for name in (ONNX, SAFETENSORS, WEIGHTS):
            if (path / name).is_file():
                return path / name
        raise ErktError(f"{path}: a folder without a model ({ONNX}, {SAFETENSORS} or {WEIGHTS})")
    if not path.exists():
        raise ErktError(f"{path}: no such model")
    return path


def open_model(path: Path, threads: int) -> "OnnxModel | TorchModel":
    """Return the model at ``path``: an ONNX file, a folder with one or for timm, or a student's of a run.

    Raises ErktError if there is none of these, and as the kinds themselves do.
    """
    file = file_of(path)
    if file.name not in (WEIGHTS, SAFETENSORS):
        return OnnxModel(file, threads)
    if find_spec("torch") is None or find_spec("timm") is None:
        raise ErktError(
            f"{path}: a folder of weights needs torch and timm; run: pip install 'erkt[train]', "
            "or export it where these are"
        )
    from erkt.deploy import torch_model

    open_folder = torch_model.student_in if file.name == WEIGHTS else torch_model.timm_folder_in
    return open_folder(file.parent)
