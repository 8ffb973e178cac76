"""Classify a large georeferenced image window by window, and write a map: no torch, bounded memory.

    erkt map student.onnx scene.tif map/

Writes into the new folder map/: classes.tif and confidence.tif (percent), both cloud-optimised GeoTIFFs of
bytes in which 255 is no data; names and colours for GDAL and QGIS beside classes.tif; and preview.png. A
window should show as much ground as a training image did: say how much that is with --train-gsd, or how many
pixels of the raster it takes with --window. Windows overlap, and their logits are averaged.
"""

import math
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from erkt.deploy.decoding import cores
from erkt.deploy.opening import file_of
from erkt.deploy.predictor import Predictor, load
from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.machine.progress import Progress

if TYPE_CHECKING:  # rasterio is an extra
    from erkt.deploy.geo.mapping import Mapped
    from erkt.deploy.geo.scene import Scene
    from erkt.deploy.geo.windows import Axis

_ALIKE = 1.25
"""Up to this ratio two lengths on the ground are taken as the same."""


def arguments(parser: ArgumentParser) -> None:
    """Add the model, the raster, where the map goes, and what a window is."""
    parser.add_argument("model", type=Path, help="an exported file or folder, or a student's folder of a run")
    parser.add_argument("scene", type=Path, help="a raster that GDAL reads, georeferenced")
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument(
        "--window", type=int, help="pixels of the raster across a window; default: see --train-gsd"
    )
    parser.add_argument("--stride", type=int, help="pixels from window to window; default: half a window")
    parser.add_argument(
        "--train-gsd",
        type=float,
        metavar="METRES",
        help="metres a pixel of the training images; windows then show as much ground as these. "
        "Default: unknown, and a window has the side of the model in pixels",
    )
    parser.add_argument(
        "--train-side",
        type=int,
        metavar="PIXELS",
        help="side of the training images in pixels of --train-gsd; default: the side of the model",
    )
    parser.add_argument(
        "--bands",
        help="red, green and blue, counted from 1, as 4,3,2, or one as grey, as 1; default: 1,2,3 of three "
        "bands, or of four of which the last is the opacity, which then says where there is data",
    )
    parser.add_argument(
        "--stretch",
        help="values that become black and white, as 0,3000 (--stretch=-25,0 where one is negative), or "
        "percentiles of each band, as percent:2,98; default: uint8 as it is, and others are refused",
    )
    parser.add_argument("--no-crs", action="store_true", help="accept a raster that lies nowhere")
    parser.add_argument(
        "--threads", type=int, default=cores(), help="for resizing and for the network; default: one a core"
    )


def run(options: Namespace) -> int:
    """Write the map, and say what is in it."""
    for name in ("window", "stride", "train_gsd", "train_side", "threads"):
        value = getattr(options, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise ErktError(f"--{name.replace('_', '-')} {value}: expected more than 0")
    if options.train_side is not None and options.train_gsd is None:
        raise ErktError("--train-side says how many pixels of --train-gsd: add --train-gsd")
    if options.out.exists():
        raise ErktError(f"{options.out}: exists; choose another name, or remove it")
    if find_spec("rasterio") is None:
        raise ErktError("maps need rasterio, which is not installed; run: pip install 'erkt[geo]'")
    from erkt.deploy.geo.bands import bands_of, stretch_of
    from erkt.deploy.geo.mapping import gdal
    from erkt.deploy.geo.scene import Scene

    bands = None if options.bands is None else bands_of(options.bands)
    stretch = None if options.stretch is None else stretch_of(options.stretch)
    predictor = load(options.model, options.threads)
    bands, stretch = bands or predictor.card.bands, stretch or predictor.card.stretch  # as in training
    with gdal(), Scene(options.scene, bands, stretch, bare=options.no_crs) as scene:
        print(scene)
        rows, columns = _windows(options, scene, predictor.card.side)
        return _map(options, predictor, scene, rows, columns)


def _windows(options: Namespace, scene: "Scene", side: int) -> tuple["Axis", "Axis"]:
    """Return where windows lie, square on the ground; say how much of it they show."""
    from erkt.deploy.geo.windows import Axis

    metres, gsd, (height, width) = scene.metres, options.train_gsd, scene.size
    if metres is None and gsd is not None:
        raise ErktError(f"{scene.path}: nobody knows its metres a pixel; leave --train-gsd, give --window")
    across = options.window
    if across is None:
        across = side if metres is None or gsd is None else round(_trained(options, side) / metres[0])
    # Pixels that are not square on the ground, as those of degrees, take windows that are not square either.
    shape = 1.0 if metres is None or abs(metres[0] / metres[1] - 1) < 0.01 else metres[0] / metres[1]
    down = max(1, round(across * shape))
    stride = max(1, across // 2) if options.stride is None else options.stride
    try:
        columns = Axis(width, across, stride)
        rows = Axis(height, down, max(1, min(down, round(stride * shape))))
    except ErktError as error:
        raise ErktError(f"{scene.path}: {error}") from None
    _tell_windows(options, scene, rows, columns, side)
    return rows, columns


def _trained(options: Namespace, side: int) -> float:
    """Return the metres of ground that a training image shows across."""
    return float(options.train_gsd * (options.train_side or side))


def _tell_windows(options: Namespace, scene: "Scene", rows: "Axis", columns: "Axis", side: int) -> None:
    metres, pixels = scene.metres, f"{columns.window} x {rows.window} pixels"
    count = len(rows.starts) * len(columns.starts)
    if metres is None:
        print(f"{count} windows of {pixels}, stride {columns.stride}; metres a pixel: unknown")
        return
    ground = columns.window * metres[0]
    size = f"{metres[0]:.3g}" if rows.window == columns.window else f"{metres[0]:.3g} x {metres[1]:.3g}"
    print(f"{count} windows of {pixels} ({ground:.3g} m), stride {columns.stride}; {size} m a pixel")
    if options.train_gsd is None:
        print("training images: metres a pixel unknown (--train-gsd), so nobody checks that windows fit them")
        return
    trained, gsd = _trained(options, side), options.train_gsd
    print(f"training images: {options.train_side or side} pixels ({trained:.3g} m); {gsd:.3g} m a pixel")
    if not 1 / _ALIKE <= ground / trained <= _ALIKE:
        _warn(f"a window shows {ground:.3g} m, a training image {trained:.3g} m; expect worse classes")
    if metres[0] > _ALIKE * trained / side and metres[0] > _ALIKE * gsd:
        _warn(f"the raster has {metres[0]:.3g} m a pixel, coarser than in training: it lacks detail")
    elif metres[0] * _ALIKE < gsd:
        _warn(f"the raster has {metres[0]:.3g} m a pixel, finer than in training: windows are shrunk")


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _map(options: Namespace, predictor: Predictor, scene: "Scene", rows: "Axis", columns: "Axis") -> int:
    from erkt.deploy.geo.mapping import write_map

    stretch = predictor.card.stretch
    tags = {
        "ERKT_MODEL_SHA256": sha256_file(file_of(options.model)),
        "ERKT_SCENE": options.scene.name,
        "ERKT_BANDS": ",".join(map(str, scene.bands)),
        "ERKT_STRETCH": options.stretch or ",".join(f"{end:g}" for end in stretch or ()) or "none",
        "ERKT_WINDOW": f"{columns.window} x {rows.window}",
        "ERKT_STRIDE": f"{columns.stride} x {rows.stride}",
    }
    started, total = time.perf_counter(), len(rows.starts) * len(columns.starts)
    with closing(Progress(total, label="map", unit="windows")) as progress:
        mapped = write_map(
            scene,
            predictor,
            rows,
            columns,
            options.out,
            threads=options.threads,
            tags=tags,
            on_window=progress.update,
        )
    rate = total / (time.perf_counter() - started)
    print(f"{options.out}: {_summary(mapped, predictor)}; {rate:.0f} windows a second")
    return 0


def _summary(mapped: "Mapped", predictor: Predictor) -> str:
    largest = sorted(zip(mapped.of_class, predictor.classes, strict=True), key=lambda pair: -pair[0])
    named = ", ".join(f"{name} {count / mapped.pixels:.1%}" for count, name in largest[:3] if count)
    parts = [named or "no data anywhere"]
    if mapped.known < mapped.pixels and named:
        parts.append(f"no data {1 - mapped.known / mapped.pixels:.1%}")
    if predictor.card.threshold is not None:
        parts.append(f"unsure {mapped.unsure / mapped.pixels:.1%}")
    return "; ".join(parts)
