"""A network on ONNX Runtime: on CPUs faster than torch, with the same logits up to rounding."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from erkt.errors import ErktError
from erkt.networks.models import Classifier
from erkt.networks.onnx_export import to_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxTeacher:
    """``model`` exported and loaded again; takes and returns tensors on the CPU.

    Raises ErktError if the packages that this needs are not installed, or torch cannot export the network.
    """

    def __init__(self, model: Classifier) -> None:
        self.card = model.card
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "teacher.onnx"
            to_onnx(model.cpu(), path)
            self._session = session(path)

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits (B, C) of float images (B, 3, S, S) in [0, 1]."""
        (logits,) = self._session.run(["logits"], {"images": images.contiguous().numpy()})
        return torch.from_numpy(logits)


def session(path: Path) -> "InferenceSession":
    """Return the network at ``path`` on the CPU, with torch's number of threads, asleep between calls.

    Raises ErktError if onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ErktError(
            "runtime.caching: onnx needs onnxruntime; run: pip install '.[onnx]', or set caching: eager"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch works in between
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
