"""Prepared images, mapped into memory, and the part of them that a list names."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkt.data.index import NO_LABEL, Row, read_index
from erkt.data.lists import read_list, read_unlabelled
from erkt.errors import ErktError
from erkt.files.digests import Sha256, sha256_file
from erkt.files.json_file import read_json


@dataclass(frozen=True, eq=False)
class Subset:
    """Some images in a list's order.

    ``rows`` int64 (N,) are their places in the array, ``labels`` int64 (N,) index ``classes`` or are
    ``NO_LABEL``, ``keys`` name them. The pixels stay on disk until ``pixels`` is called.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    keys: tuple[str, ...]
    classes: tuple[str, ...]
    array: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return int(self.array.shape[-1])

    @property
    def unlabelled(self) -> int:
        """How many of the images have no label."""
        return int((self.labels == NO_LABEL).sum())

    def pixels(self, positions: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return uint8 (B, 3, H, W), a contiguous copy, of the images at ``positions`` in this subset."""
        return np.ascontiguousarray(self.array[self.rows[np.asarray(positions, dtype=np.int64)]])


@dataclass(frozen=True, eq=False)
class Part(Subset):
    """The images of a list of the split, with the sha256 of the whole array and of the list."""

    array_sha256: Sha256
    list_sha256: Sha256

    def followed_by(self, other: "Part") -> "Part":
        """Return this part's images and then ``other``'s; without any it is this part.

        The digest is then that of both lists' digests. Raises ErktError if an image is in both.
        """
        if not len(other):
            return self
        for key in sorted(set(self.keys) & set(other.keys)):
            raise ErktError(f"{key!r} is in the training and the unlabelled list; split again")
        both = hashlib.sha256(f"{self.list_sha256} {other.list_sha256}".encode()).hexdigest()
        return replace(
            self,
            rows=np.concatenate([self.rows, other.rows]),
            labels=np.concatenate([self.labels, other.labels]),
            keys=self.keys + other.keys,
            list_sha256=Sha256(both),
        )


@dataclass(frozen=True, eq=False)
class Images:
    """All prepared images: ``array`` uint8 (N, 3, H, W), read-only and mapped, with one index row each.

    ``sha256`` is the array's, as its manifest has it.
    """

    array: NDArray[np.uint8]
    index: tuple[Row, ...]
    classes: tuple[str, ...]
    sha256: Sha256

    def __len__(self) -> int:
        return len(self.index)

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return int(self.array.shape[-1])

    def subset(self, listed: Sequence[tuple[str, int]]) -> Subset:
        """Return the images of ``(key, label)`` pairs, in their order.

        Where the label is ``NO_LABEL``, the index's is not looked at. Raises ErktError for a key that is not
        in the index or has another label there.
        """
        places = {row.key: place for place, row in enumerate(self.index)}
        for key, label in listed:
            if key not in places:
                raise ErktError(
                    f"the list names {key!r}, which is not among the prepared images; split again"
                )
            known = self.index[places[key]].label
            if label not in (known, NO_LABEL):
                raise ErktError(f"the list gives {key!r} the label {label}, the index {known}; split again")
        rows = np.array([places[key] for key, _ in listed], dtype=np.int64)
        labels = np.array([label for _, label in listed], dtype=np.int64)
        return Subset(rows, labels, tuple(key for key, _ in listed), self.classes, self.array)


def mapped(path: Path) -> NDArray[Any]:
    """Return the array in a ``.npy`` file, mapped into memory; ErktError if it is none, or has objects.

    So nothing is allocated, whatever shape its header claims, and nothing unpickled.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy evaluates the header as Python's literals, which may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ErktError(f"{path}: not readable as an array: {reason}") from error


def open_images(prepared: Path) -> Images:
    """Return the images in a folder that ``erkt.data.prepare`` made, mapped into memory.

    The whole array is read once for its digest, about a second a gigabyte: a damaged image would teach
    something wrong in silence.

    Raises ErktError if one of its files is missing or unreadable, if manifest, index and array disagree in
    shape, number or classes, or if array or index are not what the manifest's digests say.
    """
    manifest = read_json(prepared / "manifest.json")
    index = read_index(prepared / "index.csv")
    path = prepared / "images.npy"
    array = mapped(path)
    if list(array.shape) != manifest.get("shape") or array.dtype != np.uint8:
        raise ErktError(
            f"{path}: {array.dtype} of shape {list(array.shape)}, the manifest says uint8 "
            f"{manifest.get('shape')}; prepare again"
        )
    classes = tuple(sorted({row.class_name for row in index if row.label != NO_LABEL}))
    if len(index) != len(array) or list(classes) != manifest.get("classes"):
        raise ErktError(f"{prepared}: index.csv does not belong to the array and manifest; prepare again")
    for name in ("images.npy", "index.csv"):
        if sha256_file(prepared / name) != manifest.get(f"{Path(name).stem}_sha256"):
            raise ErktError(f"{prepared / name}: damaged: its sha256 is not the manifest's; prepare again")
    return Images(array, index, classes, Sha256(manifest["images_sha256"]))


def open_parts(prepared: Path, *lists: Path) -> list[Part]:
    """Return the prepared images that each list names; ErktError as ``open_images`` and ``read_list``."""
    images = open_images(prepared)
    return [_part(images, path, read_list(path)) for path in lists]


def open_training(prepared: Path, train: Path, unlabelled: Path, *lists: Path) -> list[Part]:
    """Return what the student is distilled on, and the part of each of ``lists``, as ``open_parts`` does.

    That is the images of the list ``train``, then those of the list ``unlabelled``, which have no label.
    """
    images = open_images(prepared)
    labelled = _part(images, train, read_list(train))
    whole = labelled.followed_by(_part(images, unlabelled, read_unlabelled(unlabelled)))
    return [whole, *(_part(images, path, read_list(path)) for path in lists)]


def _part(images: Images, path: Path, listed: Sequence[tuple[str, int]]) -> Part:
    subset = images.subset(listed)
    return Part(**vars(subset), array_sha256=images.sha256, list_sha256=sha256_file(path))
