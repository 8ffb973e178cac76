"""What is written of each image: predictions or features as rows of a table, and its formats."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from erkt.deploy.decoding import Decoded
from erkt.deploy.predictor import Predictor
from erkt.errors import ErktError

SUFFIXES = (".parquet", ".csv", ".jsonl")

_WIDTH = b"width"
"""Has the number of features in a schema's metadata: in Parquet no list of a fixed size can be null."""


class Rows(Protocol):
    """Which columns there are, and what they hold of a batch of images."""

    schema: pa.Schema

    def of(self, batch: Sequence[Decoded]) -> pa.Table:
        """Return a row for each image; one without pixels has its path and its error alone."""


class PredictionRows:
    """``path``; the most probable ``class`` with its ``probability``, the next ones as ``class_2`` and so on.

    Then the ``entropy`` in nats, ``unsure`` (empty if the model has no threshold), and the ``error`` of an
    image that could not be read, where all others are empty.
    """

    def __init__(self, predictor: Predictor, top: int) -> None:
        self._predictor, self._top = predictor, min(top, len(predictor.classes))
        fields = [("path", pa.string()), ("class", pa.string()), ("probability", pa.float64())]
        for place in range(2, self._top + 1):
            fields += [(f"class_{place}", pa.string()), (f"probability_{place}", pa.float64())]
        fields += [("entropy", pa.float64()), ("unsure", pa.bool_()), ("error", pa.string())]
        self.schema = pa.schema(fields)

    def of(self, batch: Sequence[Decoded]) -> pa.Table:
        """Return a row for each image."""
        pixels = [image.pixels for image in batch if image.pixels is not None]
        found = iter(self._predictor.of_pixels(np.stack(pixels)) if pixels else ())
        rows = []
        for image in batch:
            row: dict[str, Any] = {"path": shown(image.name), "error": image.error}
            if image.pixels is not None:
                prediction = next(found)
                for place, (name, share) in enumerate(prediction.top(self._top), start=1):
                    end = "" if place == 1 else f"_{place}"
                    row |= {f"class{end}": name, f"probability{end}": share}
                row |= {"entropy": prediction.entropy, "unsure": prediction.unsure}
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=self.schema)


class FeatureRows:
    """``path``, and what the last layer sees: a list of D float32 ``features``, or columns in a CSV."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, width = predictor, predictor.width
        self.schema = pa.schema(
            [("path", pa.string()), ("features", pa.list_(pa.float32())), ("error", pa.string())],
            metadata={_WIDTH: str(width)},
        )

    def of(self, batch: Sequence[Decoded]) -> pa.Table:
        """Return a row for each image."""
        pixels = [image.pixels for image in batch if image.pixels is not None]
        found = iter(self._predictor.model.features(np.stack(pixels)) if pixels else ())
        rows = [
            {
                "path": shown(image.name),
                "features": None if image.pixels is None else next(found),
                "error": image.error,
            }
            for image in batch
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


def format_of(path: Path) -> str:
    """Return the suffix of ``path``, one of ``SUFFIXES``; ErktError for another."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ErktError(f"{path}: the format is told by the suffix, one of {', '.join(SUFFIXES)}")
    return suffix


@contextmanager
def writer(path: Path, suffix: str, schema: pa.Schema) -> Iterator[Any]:
    """Yield what writes tables to ``path`` in the format ``suffix``, by ``write_table``."""
    if suffix == ".parquet":
        with pa.parquet.ParquetWriter(path, schema) as parquet:
            yield parquet
    elif suffix == ".csv":
        with pa.csv.CSVWriter(path, _flat_schema(schema)) as table:
            yield _Flattened(table, schema)
    else:
        with path.open("w", encoding="utf-8") as file:
            yield _Lines(file)


class _Flattened:
    """A CSV has no lists: ``features`` become ``feature_0``, ``feature_1`` and so on."""

    def __init__(self, table: pa.csv.CSVWriter, schema: pa.Schema) -> None:
        self._table, self._schema = table, schema

    def write_table(self, rows: pa.Table) -> None:
        self._table.write_table(_flat(rows, self._schema))


class _Lines:
    """A JSON object a line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write_table(self, rows: pa.Table) -> None:
        row: Mapping[str, Any]
        for row in rows.to_pylist():
            self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _flat_schema(schema: pa.Schema) -> pa.Schema:
    return _flat(schema.empty_table(), schema).schema


def _flat(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    place = schema.get_field_index("features")
    if place < 0:
        return rows
    lists = rows.column(place).to_pylist()
    rows = rows.remove_column(place)
    for index in range(int(schema.metadata[_WIDTH])):
        values = [None if features is None else features[index] for features in lists]
        rows = rows.add_column(place + index, f"feature_{index}", pa.array(values, pa.float32()))
    return rows


def shown(name: str) -> str:
    """Return a name as text: bytes of a file's name that are no UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
