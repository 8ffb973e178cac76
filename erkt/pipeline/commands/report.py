"""Write the page of the last run, one HTML file to hand on: its verdict, its numbers, where they are from.

It is the page of the stage ``report`` with commit, dvc.lock, machine and time added, which are no inputs of a
stage. With ``--table`` it is the page of an experiment's table instead.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.replace import write_text
from erkt.files.table_file import read_table
from erkt.params.page import Page
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.params_file import read_params
from erkt.pipeline.reporting import lineage, run_files
from erkt.report.facts import read
from erkt.report.lineage import Speed
from erkt.report.page import run_page
from erkt.report.table import table_page


def arguments(parser: ArgumentParser) -> None:
    """Add where the page goes, and what else it is made from."""
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", help="the page; default: report.html"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--speed", type=Path, metavar="CSV", help="times that erkt speed wrote: results/PRESET/table8.csv"
    )
    which.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help="the page of this table, as results/PRESET/table9.csv, instead",
    )


def run(options: Namespace) -> int:
    """Write the page, and print where it is."""
    if options.out.is_dir():
        raise ErktError(
            f"--out {options.out}: a folder; name a file in it, such as {options.out}/report.html"
        )
    if options.table:
        page = table_page(options.table)
    else:
        params = read_params(paths.PARAMS)
        facts = read(run_files(params["seeds"], list(params["teachers"])))
        speed = _speed(options.speed, params) if options.speed else None
        shown = build(Page, params["page"], "page").example_images
        page = run_page(facts, lineage(params), images=shown, speed=speed)
    write_text(options.out, page)
    print(f"{options.out}: {len(page.encode()) / 1e3:.0f} kB")
    return 0


def _speed(path: Path, params: Mapping[str, Any]) -> Speed:
    """Return the times in the table at ``path``; ErktError if they are of other networks."""
    rows: Mapping[str, Mapping[str, str]] = {row.get("network", ""): row for row in read_table(path)}
    try:
        student, ensemble = rows["student"], rows["ensemble"]
        measured = {"student": student["architectures"], "ensemble": ensemble["architectures"]}
        found = Speed(
            student=float(student["milliseconds"]),
            ensemble=float(ensemble["milliseconds"]),
            ratio=float(ensemble["ratio"]),
            device=student["device"],
            side=int(student["side"]),
            batch=int(student["batch"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ErktError(f"{path}: not a table that erkt speed writes ({error!r})") from None
    own = {
        "student": [params["student"]["arch"]],
        "ensemble": [teacher["network"]["arch"] for teacher in params["teachers"].values()],
    }
    for name, networks in own.items():
        archs = sorted(arch.partition(".")[0] for arch in networks)
        if sorted(measured[name].split()) != archs:
            raise ErktError(
                f"{path}: its {name} is {measured[name]}, the run's is {' '.join(archs)}; measure that one"
            )
    return found
