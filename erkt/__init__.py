"""ERKT: knowledge distillation for remote-sensing scene classification, as a pipeline.

Implements H. Song, Y. Li, X. Li, Y. Zhang, Y. Zhu and Y. Zhou, "ERKT-Net: Implementing Efficient and
Robust Knowledge Distillation for Remote Sensing Image Classification", EAI Endorsed Transactions on
Industrial Networks and Intelligent Systems 11(3), 2024, doi:10.4108/eetinis.v11i3.4748.

The library knows neither ``params.yaml`` nor DVC nor MLflow's address: stages hand it what it needs.

``erkt.load(path)`` returns an exported model, for ``predict(images)`` and ``embed(images)``.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erkt.deploy.predictor import Predictor

__version__ = "0.1.0"


def load(path: "str | Path", threads: int = 0) -> "Predictor":
    """Return the model at ``path``, as ``erkt.deploy.predictor.load`` does, which is imported only then."""
    from erkt.deploy import predictor

    return predictor.load(path, threads)
