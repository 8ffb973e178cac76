"""Measure inference and size of the student, its teachers, their ensemble and the paper's networks (Table 8).

All networks have random weights and 1000 classes, as the paper counts; time is on images of the preset's
side, in turns within one process, eager, in float32. The paper's seconds are for 6,300 images on one RTX
2060.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from erkt.errors import ErktError
from erkt.evaluation.inference_cost import CLASSES, COUNTED_SIDE, measure
from erkt.machine.device import choose
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline.experiments.definition import find_preset
from erkt.pipeline.experiments.page import page_path, write_page

PAPER = {
    "resnet18": (11.7, 1.8, 5.49),
    "resnet50": (25.6, 4.1, 16.50),
    "densenet121": (8.0, 2.9, 18.75),
    "mobilenetv2_100": (3.5, 0.3, 6.56),
    "efficientnet_b3": (12.1, 1.8, 15.40),
    "ensemble": (43.1, 6.3, 38.06),
    "student": (5.3, 0.4, 7.94),
}
"""Parameters (M), FLOPs (G) and seconds of the paper's Table 8. EfficientNet-B3's 1.8 G are at 300 px."""


def arguments(parser: ArgumentParser) -> None:
    """Add the preset and how much is measured."""
    parser.add_argument(
        "--preset", default="scenes", help="a file of presets/, without .yaml; default: scenes"
    )
    parser.add_argument("--batch", type=int, default=16, help="images at once; default: 16")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each network; default: 7")


def run(options: Namespace) -> int:
    """Measure, write results/<preset>/table8, and print it."""
    preset, batch, rounds = options.preset, options.batch, options.rounds
    if min(batch, rounds) < 1:
        raise ErktError("--batch and --rounds: expected whole numbers of at least 1")
    params = find_preset(preset)
    device = choose(build(Runtime, params["runtime"], "runtime"))
    rows = measure(_architectures(params), params["prepare"]["side"], batch, rounds, device)
    title, command = "Size and inference time (Table 8)", f"speed --batch {batch} --rounds {rounds}"
    shown = [_shown(row) for row in rows]
    notes = (
        f"Median (fastest to slowest) of {rounds} rounds in turns, batch {batch}, eager, float32, on "
        f"{rows[0]['device']} with {rows[0]['threads']} threads, torch {rows[0]['torch']}. Parameters with "
        f"{CLASSES} classes and multiply-accumulates at {COUNTED_SIDE} px, as the paper counts them.\n"
    )
    print(write_page("table8", preset, title, command, shown, kept=rows, notes=notes))
    print(page_path("table8", preset))
    return 0


def _shown(row: Mapping[str, Any]) -> dict[str, object]:
    paper = PAPER.get(row["network"])
    return {
        "network": row["network"],
        "parameters (M)": f"{row['parameters'] / 1e6:.1f}",
        f"GMAC at {COUNTED_SIDE} px": f"{row['macs'] / 1e9:.2f}",
        f"ms an image, {row['side']} px": (
            f"{row['milliseconds']:.2f} ({row['fastest']:.2f} to {row['slowest']:.2f})"
        ),
        "times the student's": f"{row['ratio']:.2f}",
        "paper: M, G, s": ", ".join(f"{value:g}" for value in paper or ()),
        "paper: times the student's": f"{paper[2] / PAPER['student'][2]:.2f}" if paper else "",
    }


def _architectures(params: dict[str, Any]) -> dict[str, list[str]]:
    """Return the architectures that run one after the other for each row of the table."""
    blocks = {
        f"teachers.{name}.network": settings["network"] for name, settings in params["teachers"].items()
    }
    for place, network in {**blocks, "student": params["student"]}.items():
        if network["side"] is not None or network["options"]:
            raise ErktError(
                f"{place}: the table takes networks at prepare.side, without options; use another --preset"
            )
    teachers = [settings["network"]["arch"].partition(".")[0] for settings in params["teachers"].values()]
    others = [name for name in PAPER if name not in ("ensemble", "student")]
    single = {name: [name] for name in dict.fromkeys([*others, *teachers])}
    return single | {"ensemble": teachers, "student": [params["student"]["arch"].partition(".")[0]]}
