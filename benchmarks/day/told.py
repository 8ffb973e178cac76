"""The summary in Markdown: the machine, what each part found, and what failed or was left out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import rows as benchmark_rows
from benchmarks.day.places import CURVES, EQUIVALENCE, PREDICTIONS, RATES, TABLE
from erkt.files.json_file import read_json, read_records
from erkt.pipeline.experiments.page import markdown


def summary(out: Path, machine: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the summary of what is in ``out`` so far; ``parts`` say by name how each went."""
    versions = machine["packages"]
    software = (
        f"Driver {machine['driver']}, torch {versions['torch']}, CUDA {machine['cuda']}, cuDNN "
        f"{machine['cudnn']}, torchvision {versions['torchvision']}, timm {versions['timm']}, Python "
        f"{machine['python']}; {machine['cpu']}, {machine['cores']} cores; code "
        f"{machine['code_sha256'][:12]}, commit {machine['commit']}."
    )
    told = [
        f"# {machine['device']}\n\n{software}\n\n",
        markdown([{"part": name, **_shown(part)} for name, part in parts.items()]),
    ]
    for name, tell in (
        (EQUIVALENCE, _equivalence),
        (f"bench-{machine['type']}.json", _benchmarks),
        (RATES, _rates),
        (TABLE, _table),
    ):
        if (out / name).exists():
            try:
                told.append(f"\n{tell(out / name)}")
            except Exception as error:  # noqa: BLE001  # the other files are told all the same
                told.append(f"\n`{name}` cannot be told: {error}\n")
    return "".join(told)


def _shown(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"state": part["state"], "seconds": part["seconds"], "failed or left out": part["error"] or ""}


def _equivalence(path: Path) -> str:
    checks = read_records(path)
    kept = sum(bool(check["kept"]) for check in checks)
    shown = [
        {
            "check": check["name"],
            "found": check["error"] or f"{float(check['found']):.2g}",
            "at most": "" if check["error"] else f"{check['bound']:g}",
            "kept": "yes" if check["kept"] else "NO",
            "of": "" if check["error"] else check["what"],
            "": "" if check["error"] else check["note"],
        }
        for check in checks
    ]
    return f"## The device beside the CPU: {kept} of {len(checks)} kept\n\n{markdown(shown)}"


def _benchmarks(path: Path) -> str:
    measured = benchmark_rows.read(path)
    return f"## Benchmarks, ratios\n\n{benchmark_rows.table(measured)}\n{benchmark_rows.machine(measured)}"


def _rates(path: Path) -> str:
    found = read_json(path)
    text = (
        f"## What bounds a step\n\nMatrix products: {found['matrix_tflops_bf16']:.0f} TFLOP/s in bf16, "
        f"{found['matrix_tflops_tf32']:.0f} in TF32, {found['matrix_tflops_fp32']:.1f} in fp32. A copy moves "
        f"{found['copied_gb_a_second']:.0f} GB/s, read and written.\n"
    )
    shown = [
        {
            "step": f"{step['step']}, {step['side']} px, batch {step['batch']}",
            "ms": f"{1e3 * step['seconds']:.2f}",
            "ms of products": f"{1e3 * step['seconds_of_products']:.2f}",
            "ms of copies": f"{1e3 * step['seconds_of_copies']:.2f}",
            **{
                name: f"{step[name]:g}"
                for name in ("operators", "launches", "copies", "waits")
                if name in step
            },
        }
        for step in found["steps"]
    ]
    return f"{text}\n{markdown(shown)}" if shown else text


def _table(path: Path) -> str:
    found = read_json(path)
    minus = found["differences"]
    shown = []
    for row in found["rows"]:
        own = [network for network in found["networks"] if network["network"] == row["network"]]
        spread = "" if row["std"] is None else f" ± {row['std']:.2f}"
        shown.append(
            {
                "network": found["labels"].get(row["network"], row["network"]),
                "OA (%)": f"{row['oa']:.2f}{spread}",
                "seeds": len(own),
                "epochs": ", ".join(dict.fromkeys(str(one["epochs"]) for one in own if "epochs" in one)),
                "steps a second": ", ".join(
                    f"{one['steps_a_second']:.1f}" for one in own if "steps_a_second" in one
                ),
                f"minus {found['reference']}": minus.get(row["network"], {}).get("shown", ""),
            }
        )
    length = found["length"]
    said = "" if length is None else f"{length['epochs']} of {length['asked']} epochs fitted into the time. "
    start = "initial weights from files" if found["pretrained"] else "random initial weights"
    head = (
        f"## Table 9 on {found['archive']}, preset {found['preset']}\n\n{said}"
        f"{found['views']} views have stored logits; {start}; {found['networks_at_a_time']} networks at "
        f"a time. Curves: `{CURVES}`, every prediction: `{PREDICTIONS}`.\n"
    )
    tables = f"\n{markdown(shown)}" if shown else ""
    return head + tables + (f"\n{found['explained']}\n" if found["explained"] else "")
