"""Measure inference and size of the student, its teachers, their ensemble and the paper's other networks (Table 8).

All networks have random weights and 1000 classes, as the paper counts; time is on images of the preset's side, in
turns within one process, eager, in float32. The paper's seconds are for 6,300 images on one RTX 2060.
"""

from argparse import ArgumentParser, Namespace
from typing import Any

from erkt.errors import ErktError
from erkt.evaluation.inference_cost import CLASSES, COUNTED_SIDE, measure
from erkt.files.csv_file import write_csv
from erkt.files.replace import write_text
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.experiments.catalogue import find_preset
from erkt.pipeline.experiments.comparison import markdown
from erkt.training.device import choose

PAPER = {
    "resnet18": (11.7, 1.8, 5.49),
    "resnet50": (25.6, 4.1, 16.50),
    "densenet121": (8.0, 2.9, 18.75),
    "mobilenetv2_100": (3.5, 0.3, 6.56),
    "efficientnet_b3": (12.1, 1.8, 15.40),
    "ensemble": (43.1, 6.3, 38.06),
    "student": (5.3, 0.4, 7.94),
}
"""Parameters (M), FLOPs (G) and seconds of the paper's Table 8. EfficientNet-B3's 1.8 G are those at 300 px."""


def arguments(parser: ArgumentParser) -> None:
    """Add the preset and how much is measured."""
    parser.add_argument(
        "--preset", default="scenes", help="a file of presets/, without .yaml; default: scenes"
    )
    parser.add_argument("--batch", type=int, default=16, help="images at once; default: 16")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each network; default: 7")


def run(options: Namespace) -> int:
    """Measure, write results/<preset>/table8, and print it."""
    if min(options.batch, options.rounds) < 1:
        raise ErktError("--batch and --rounds: expected whole numbers of at least 1")
    params = find_preset(options.preset)
    side, archs = params["prepare"]["side"], _architectures(params)
    device = choose(build(Runtime, params["runtime"], "runtime"))
    rows = measure(archs, side, options.batch, options.rounds, device)
    path = paths.RESULTS / options.preset / "table8.md"
    write_csv(path.with_suffix(".csv"), rows)
    shown = [
        {
            "network": row["network"],
            "parameters (M)": f"{row['parameters'] / 1e6:.1f}",
            f"GMAC at {COUNTED_SIDE} px": f"{row['macs'] / 1e9:.2f}",
            f"ms an image, {side} px": f"{row['milliseconds']:.2f} ({row['fastest']:.2f} to {row['slowest']:.2f})",
            "times the student's": f"{row['ratio']:.2f}",
            "paper: M, G, s": ", ".join(f"{value:g}" for value in PAPER.get(row["network"], ())),
            "paper: times the student's": f"{PAPER[row['network']][2] / PAPER['student'][2]:.2f}"
            if row["network"] in PAPER
            else "",
        }
        for row in rows
    ]
    first = rows[0]
    text = (
        f"# Size and inference time (Table 8), preset `{options.preset}`\n\n"
        f"    python -m erkt speed --preset {options.preset} --batch {options.batch} --rounds {options.rounds}\n\n"
        f"{markdown(shown)}\n"
        f"Median (fastest to slowest) of {options.rounds} rounds in turns, batch {options.batch}, eager, float32, on "
        f"{first['device']} with {first['threads']} threads, torch {first['torch']}. Parameters with {CLASSES} "
        f"classes and multiply-accumulates at {COUNTED_SIDE} px, as the paper's tables count them.\n"
    )
    write_text(path, text)
    print(text + f"\n{path}")
    return 0


def _architectures(params: dict[str, Any]) -> dict[str, list[str]]:
    """Return the architectures that run one after the other for each row of the table."""
    teachers = [settings["network"]["arch"].partition(".")[0] for settings in params["teachers"].values()]
    others = [name for name in PAPER if name not in ("ensemble", "student")]
    single = {name: [name] for name in dict.fromkeys([*others, *teachers])}
    return single | {"ensemble": teachers, "student": [params["student"]["arch"].partition(".")[0]]}
