"""Print the paper's Tables 1 and 2 as a preset has them: the operations of the views, and the networks.

The paper's numbers stand beside them; results/<preset>/ keeps both tables.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from erkt.evaluation.inference_cost import CLASSES, COUNTED_SIDE
from erkt.networks.macs import count_in
from erkt.pipeline.experiments.definition import find_preset
from erkt.pipeline.experiments.page import write_page

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
    for name, title, rows in (
        ("table1", "The operations of the views (Table 1)", operations(params)),
        ("table2", f"The networks, with {CLASSES} classes (Table 2)", networks(params)),
    ):
        print(write_page(name, options.preset, title, "describe", rows))
    return 0


def operations(params: dict[str, Any]) -> list[dict[str, object]]:
    """Return one row an operation, in the order in which they are applied."""
    return [
        {
            "operation": name,
            "p of the module (vsm)": params["vsm"][name]["p"],
            "p of usual augmentation (base)": params["base"][name]["p"],
            "settings": ", ".join(
                f"{key} {value}" for key, value in params["vsm"][name].items() if key != "p"
            ),
            "paper: p": p,
            "paper: settings": settings,
        }
        for name, (p, settings) in OPERATIONS.items()
    ]


def networks(params: dict[str, Any]) -> list[dict[str, object]]:
    """Return one row a teacher, one for their ensemble and one for the student."""
    teachers = {name: teacher["network"] for name, teacher in params["teachers"].items()}
    costs = {name: count_in(network, CLASSES, COUNTED_SIDE) for name, network in teachers.items()}
    rows = [_network(name, network, *costs[name]) for name, network in teachers.items()]
    together = sum(parameters for _, parameters in costs.values())
    rows.append(_network("ensemble", {"arch": "", "side": None}, None, together))
    student = params["student"]
    return [*rows, _network("student", student, *count_in(student, CLASSES, COUNTED_SIDE))]


def _network(role: str, network: Mapping[str, Any], macs: int | None, parameters: int) -> dict[str, object]:
    arch, own_side = network["arch"], f" at {network['side']} px" if network["side"] else ""
    accuracy, size = NETWORKS.get(arch.partition(".")[0], (None, None))
    return {
        "role": role,
        "architecture": arch,
        "parameters (M)": f"{parameters / 1e6:.1f}",
        f"GMAC at {COUNTED_SIDE} px": None if macs is None else f"{macs / 1e9:.2f}{own_side}",
        "paper: ImageNet accuracy (%)": accuracy,
        "paper: parameters (M)": size,
    }
