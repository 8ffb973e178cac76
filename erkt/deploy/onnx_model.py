"""An exported ONNX file on ONNX Runtime. Needs no torch."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from erkt.deploy.card import KEY, from_json
from erkt.errors import ErktError

_FLOAT = "tensor(float)"


class OnnxModel:
    """What ``erkt.deploy.onnx_file`` wrote, on the CPU, by ``threads`` threads (0: one a core).

    Raises ErktError if the file is missing, cut short or damaged, or has no card, since it is from elsewhere.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors, which are raised as well
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoders work in between
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            written = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        except OSError as error:
            raise ErktError(f"{path}: cannot be read: {error.strerror}") from None
        except Exception as error:  # noqa: BLE001  # onnxruntime's own exceptions share no base class
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ErktError(f"{path}: cut short, damaged, or no ONNX file ({reason})") from None
        if written is None:
            raise ErktError(
                f"{path}: an ONNX file without a card, from elsewhere; make one with: erkt export"
            )
        self.card = from_json(written, str(path))
        self._path = path
        self._float = [one.type for one in self._session.get_inputs()] == [_FLOAT]

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (B, C) of uint8 pixels (B, side, side, 3)."""
        return self._output("logits", pixels)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the last layer sees (B, D) of uint8 pixels (B, side, side, 3)."""
        return self._output("features", pixels)

    def _output(self, name: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        images: NDArray[Any] = pixels
        if self._float:
            images = pixels.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(1 / 255)
        try:
            (found,) = self._session.run([name], {"images": np.ascontiguousarray(images)})
        except Exception as error:  # noqa: BLE001  # as above; a file may have a card and another network
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ErktError(f"{self._path}: cannot be run ({reason}); export the model again") from None
        values = np.asarray(found)
        right = values.dtype == np.float32 and values.ndim == 2 and len(values) == len(pixels)
        if not right or (name == "logits" and values.shape[1] != len(self.card.classes)):
            said = f"{values.dtype} {values.shape} for {len(pixels)} images"
            raise ErktError(f"{self._path}: its {name} are {said}; export the model again")
        return values
