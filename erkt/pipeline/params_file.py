"""``params.yaml`` and the presets, read and checked in full."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erkt.data.benchmarks import BENCHMARKS
from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.params.protocol import Protocol, check
from erkt.params.schema import nearest


def read_params(path: Path) -> dict[str, Any]:
    """Return what the file at ``path`` holds; raise ErktError naming what is wrong with it."""
    params = read_yaml(path)
    check_params(params, str(path))
    return dict(params)


def check_params(params: Mapping[str, Any], where: str) -> Protocol:
    """Return the protocol that ``params`` describe; raise ErktError naming ``where`` and what is wrong."""
    protocol = check(params, where)
    dataset = protocol.dataset
    if dataset.source == "benchmark":
        if dataset.name not in BENCHMARKS:
            hint = nearest(dataset.name, BENCHMARKS)
            raise ErktError(f"{where}.dataset.name: there is no benchmark '{dataset.name}'{hint}")
        if dataset.sha256 is not None and not BENCHMARKS[dataset.name].repacked:
            raise ErktError(f"{where}.dataset.sha256: null for {dataset.name}, whose checksum is known")
    return protocol
