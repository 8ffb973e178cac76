"""Write a network in a form that runs without the pipeline: ONNX, or a folder for timm.

    erkt export data/students/0 student.onnx
    erkt export data/students/0 student-timm

A file is .onnx: uint8 pixels (B, side, side, 3) in, logits (B, C) and features (B, D) out, normalisation
inside, its card in the metadata. Any other name is a folder. In its run, the network is calibrated on the
validation part; elsewhere --filter and --non-square say how its images were prepared. What differs from the
network is not kept.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from erkt.deploy import exporting
from erkt.deploy.card import ModelCard
from erkt.deploy.describe import Described, alone, describe
from erkt.errors import ErktError
from erkt.params.export import Export
from erkt.params.prepare import Prepare
from erkt.params.schema import build, look_up

_BATCH = 64


def arguments(parser: ArgumentParser) -> None:
    """Add the network, where it goes, and how its images are read where no run says it."""
    parser.add_argument("folder", type=Path, help="a student's or teacher's folder, such as data/students/0")
    parser.add_argument("out", type=Path, help="what to write: a file that ends in .onnx, or a folder")
    parser.add_argument(
        "--float-input", action="store_true", help="ONNX that takes float32 (B, 3, side, side) in [0, 1]"
    )
    parser.add_argument(
        "--int8", action="store_true", help="8-bit integers, if they agree with fp32 on the run's test images"
    )
    parser.add_argument(
        "--push-to",
        metavar="REPOSITORY",
        help="upload the folder to Hugging Face's hub, private if it is new",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument("--filter", choices=("box", "bilinear", "bicubic", "lanczos"), help="outside a run")
    parser.add_argument("--non-square", choices=("squash", "center_crop"), help="outside a run")


def run(options: Namespace) -> int:
    """Export, and say what it is."""
    out, onnx = options.out, options.out.suffix.lower() == ".onnx"
    if out.exists() and not options.overwrite:
        raise ErktError(f"{out}: exists; choose another name, or add --overwrite")
    if options.float_input and not onnx:
        raise ErktError(f"{out}: --float-input is for ONNX; name a file that ends in .onnx")
    if options.int8 and (options.float_input or not onnx):
        raise ErktError(f"{out}: --int8 is for ONNX with uint8 input; name a file that ends in .onnx")
    if options.push_to and onnx:
        raise ErktError(f"{out}: --push-to is for a folder; name one")
    described = _described(options)
    if onnx:
        difference = exporting.to_onnx(described, out, float_input=options.float_input)
    else:
        difference = exporting.to_timm(described, out)
    _tell(out, described.card, difference)
    if options.push_to:
        from erkt.deploy.pushing import push  # asked for by few

        print(f"pushed: {push(out, options.push_to)}")
    if options.int8:
        _make_smaller(out, described, options.folder.resolve())
    return 0


def _make_smaller(out: Path, described: Described, folder: Path) -> None:
    """Replace the ONNX file by one of 8-bit integers where the rule allows it, and say what became of it."""
    from erkt.data.images import open_images  # what follows is asked for by few
    from erkt.deploy import int8
    from erkt.evaluation.predictions import Predictions
    from erkt.pipeline import paths

    root = folder.parents[2]
    predictions = root / paths.predictions(int(folder.name)) if folder.parent.name == "students" else None
    if described.train is None or described.val is None or predictions is None:
        raise ErktError(f"{folder}: --int8 needs the run of a student; {out} is fp32")
    images = open_images(root / paths.PREPARED)
    test = images.subset(Predictions.load(predictions, images.classes).listed())
    print("\n".join(int8.replace_where_equal(out, described.train, described.val, test)))


def _described(options: Namespace) -> Described:
    folder = options.folder.resolve()
    given = (options.filter, options.non_square)
    for depth, kind in ((1, "students"), (2, "teachers")):
        root = folder.parents[depth + 1] if len(folder.parents) > depth + 1 else folder
        if folder.parents[depth - 1].name != kind or not (root / "params.yaml").is_file():
            continue
        if any(given):
            raise ErktError(f"{options.folder}: its run says how its images are prepared; leave options out")
        return _of_run(root, folder, depth)
    if not all(given):
        raise ErktError(
            f"{options.folder}: lies in no run that says how its images were prepared; add --filter and "
            "--non-square as prepare had them"
        )
    return alone(options.folder, lambda side: Prepare(side, options.filter, options.non_square, "refuse"))


def _of_run(root: Path, folder: Path, depth: int) -> Described:
    from erkt.pipeline.params_file import read_params  # a network can be exported where there is no pipeline
    from erkt.pipeline.shipping import require_one_run, run_files

    params = read_params(root / "params.yaml")
    aim = build(Export, params.get("export"), "export").sure_accuracy
    dataset = look_up(params, "dataset.name", str(root / "params.yaml"))
    seed, teacher = (folder.name, None) if depth == 1 else (folder.parent.name, folder.name)
    require_one_run(root, int(seed), params, teacher)
    run = run_files(root, int(seed), dataset, teacher)
    return describe(run, aim=aim, batch_size=_BATCH, device=torch.device("cpu"))


def _tell(out: Path, card: ModelCard, difference: float) -> None:
    files = [out] if out.is_file() else list(out.iterdir())
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{out}: {card.arch}, {len(card.classes)} classes, {card.side} px, {size:.1f} MB")
    print(f"logits within {difference:.1e} of the network's, from the same JPEG files")
    print(exporting.calibration_line(card))
    if card.weights.licence is not None:
        origin = f" ({card.weights.origin})" if card.weights.origin else ""
        print(f"its initial weights: {card.weights.source}{origin}, licence: {card.weights.licence}")
