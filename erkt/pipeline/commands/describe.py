"""Print the paper's Tables 1 and 2 as a preset has them: the operations of the views, and the networks.

The paper's numbers stand beside them; results/<preset>/ keeps both tables.
"""

from argparse import ArgumentParser, Namespace
from typing import Any

from erkt.evaluation.inference_cost import CLASSES, COUNTED_SIDE
from erkt.files.replace import write_text
from erkt.networks.macs import count
from erkt.pipeline import paths
from erkt.pipeline.experiments.catalogue import find_preset
from erkt.pipeline.experiments.comparison import markdown

OPERATIONS = {
    "color_jitter": (1.0, "brightness, contrast, saturation = 0.5"),
    "rotation": (1.0, "degrees = 180"),
    "horizontal_flip": (0.9, "default"),
    "vertical_flip": (0.9, "default"),
    "grayscale": (0.1, "default"),
    "autocontrast": (0.1, "default"),
    "erasing": (1.0, "default"),
    "resized_crop": (0.1, "size = 176"),
    "cutmix": (1.0, "default"),
}
"""Table 1: the operation probability and the settings."""

NETWORKS = {"efficientnet_b0": (77.7, 5.3), "efficientnet_b3": (82.0, 12.2), "resnet50": (76.1, 25.6)}
"""Table 2: ImageNet accuracy (%) and millions of parameters."""


def arguments(parser: ArgumentParser) -> None:
    """Add the preset."""
    parser.add_argument(
        "--preset", default="scenes", help="a file of presets/, without .yaml; default: scenes"
    )


def run(options: Namespace) -> int:
    """Write both tables and print them."""
    params = find_preset(options.preset)
    tables = {
        "table1": ("The operations of the views (Table 1)", operations(params)),
        "table2": (f"The networks, with {CLASSES} classes (Table 2)", networks(params)),
    }
    for name, (title, rows) in tables.items():
        command = f"    python -m erkt describe --preset {options.preset}\n"
        text = f"# {title}, preset `{options.preset}`\n\n{command}\n{markdown(rows)}"
        write_text(paths.RESULTS / options.preset / f"{name}.md", text)
        print(text)
    return 0


def operations(params: dict[str, Any]) -> list[dict[str, object]]:
    """Return one row an operation, in the order in which they are applied."""
    rows: list[dict[str, object]] = []
    for name, (p, settings) in OPERATIONS.items():
        own = params["vsm"][name]
        rows.append(
            {
                "operation": name,
                "p of the module (vsm)": own["p"],
                "p of usual augmentation (base)": params["base"][name]["p"],
                "settings": ", ".join(f"{key} {value}" for key, value in own.items() if key != "p"),
                "paper: p": p,
                "paper: settings": settings,
            }
        )
    return rows


def networks(params: dict[str, Any]) -> list[dict[str, object]]:
    """Return one row a teacher, one for their ensemble and one for the student."""
    rows: list[dict[str, object]] = []
    total = 0
    archs = {name: teacher["network"]["arch"] for name, teacher in params["teachers"].items()}
    for role, arch in {**archs, "student": params["student"]["arch"]}.items():
        cost, parameters = count(arch, CLASSES, COUNTED_SIDE)
        total += parameters if role != "student" else 0
        accuracy, size = NETWORKS.get(arch.partition(".")[0], (None, None))
        rows.append(_network(role, arch, parameters, f"{cost / 1e9:.2f}", accuracy, size))
    rows.insert(len(archs), _network("ensemble", "", total, "", None, None))
    return rows


def _network(
    role: str, arch: str, parameters: int, cost: str, accuracy: float | None, size: float | None
) -> dict[str, object]:
    return {
        "role": role,
        "architecture": arch,
        "parameters (M)": f"{parameters / 1e6:.1f}",
        f"GMAC at {COUNTED_SIDE} px": cost,
        "paper: ImageNet accuracy (%)": accuracy,
        "paper: parameters (M)": size,
    }
