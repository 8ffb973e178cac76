"""The cells of the pipeline: every stage of dvc.yaml with every combination of its coordinates."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.declared import look_up, pipeline


@dataclass(frozen=True)
class Cell:
    """One cell of a stage: its coordinates by name, as the command line gives them."""

    stage: str
    coordinates: Mapping[str, str]

    @property
    def label(self) -> str:
        """The coordinates as they appear in the names of files; empty without any."""
        return "-".join(self.coordinates.values())

    @property
    def name(self) -> str:
        """The cell's name, which is also DVC's."""
        return f"{self.stage}@{self.label}" if self.coordinates else self.stage


def all_cells(params: Mapping[str, Any]) -> list[Cell]:
    """Return the cells that the pipeline has with ``params``, in the order of dvc.yaml.

    An axis of a stage is written ``${key}`` and names a list of ``params``, or a mapping that stands for its
    keys. Raises ErktError if dvc.yaml is not here, or a key is missing.
    """
    cells = []
    for stage, entry in pipeline().items():
        axes: dict[str, str] = entry.get("matrix", {})
        values = [look_up(params, axis.removeprefix("${").removesuffix("}")) for axis in axes.values()]
        for combination in itertools.product(*values):
            cells.append(Cell(stage, dict(zip(axes, map(str, combination), strict=True))))
    return cells
