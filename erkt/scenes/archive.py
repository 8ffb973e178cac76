"""All scenes of a seed as PNG files in one zip, byte for byte the same every time."""

import io
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from erkt.errors import ErktError
from erkt.files.replace import replace_whole
from erkt.scenes import CLASSES, render

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip member can bear


def write_archive(path: Path, per_class: int, side: int, seed: int) -> None:
    """Write ``per_class`` pictures of every class as members ``class/class_0001.png`` in sorted order.

    Members are stored uncompressed (PNG is compressed already) with fixed times and permissions. The file
    appears under ``path`` only when it is complete.

    Args:
        path: The zip to write; its folder is made if need be.
        per_class: Pictures a class, 1..9999.
        side: Pixels a side, at least 16.
        seed: Seed of the data set.

    Raises:
        ErktError: If ``per_class`` or ``side`` is out of range, or if the file cannot be written.
    """
    if not 1 <= per_class <= 9999:
        raise ErktError(f"an archive of scenes holds 1 to 9999 pictures a class, not {per_class}")
    wanted = [(scene, seed, index, side) for scene in CLASSES for index in range(per_class)]
    with (
        replace_whole(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
        ProcessPoolExecutor() as pool,
    ):
        pictures = pool.map(_png, wanted, chunksize=25)
        for (scene, _, index, _), picture in zip(wanted, pictures, strict=True):
            member = zipfile.ZipInfo(f"{scene}/{scene}_{index + 1:04d}.png", EPOCH)
            member.external_attr = 0o644 << 16
            archive.writestr(member, picture)


def _png(scene: tuple[str, int, int, int]) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(render(*scene)).save(stored, "PNG")
    return stored.getvalue()
