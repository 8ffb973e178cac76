"""What documents claim about the repository holds: paths, links, commands, and tables of measured numbers."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaos import table as faults
from closure import ROOT

from benchmarks import busy, fleet, ranks, rows, scale, workers
from erkt.cli import ANYWHERE, IN_A_REPOSITORY
from erkt.files.json_file import read_json, read_records

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("results/**/README.md")),
]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
MADE = ("data/", "metrics/environment")
"""Beginnings of paths that exist only after a run."""

COMMAND = re.compile(r"(?<![\w./-])erkt ([a-z][\w-]*)(?: ([a-z]\w*))?")


def block_lines(text: str) -> list[str]:
    """Return the commands of indented blocks; where some follow a ``$``, the other lines are output."""
    found = []
    for block in re.findall(r"(?:^ {4}.*\n)+", text, flags=re.MULTILINE):
        lines = [line[4:] for line in block.splitlines()]
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += prompted or lines
    return found


def spans(text: str) -> list[str]:
    """Return what a document shows as code within its prose and tables."""
    return re.findall(r"`([^`]+)`", re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_path_and_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folders = "erkt|stages|presets|experiments|benchmarks|tests|docs|results|metrics|data"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    missing = [path for path in named if not (ROOT / path).exists() and not path.startswith(MADE)]
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", text)
    missing += [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_make_target_is_known(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = block_lines(text) + spans(text)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    wanted = [word for line in code for word in re.findall(r"^make ((?:[a-z-]+ ?)+)", line)]
    assert {target for words in wanted for target in words.split()} <= set(targets)

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    commands = [match for line in code for match in COMMAND.findall(line)]
    assert {command for command, _ in commands} <= {*ANYWHERE, *IN_A_REPOSITORY}
    assert {second for command, second in commands if command == "stage" and second} <= set(stages)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_in_blocks_have_arguments_that_the_command_takes(page: Path) -> None:
    for line in block_lines(page.read_text(encoding="utf-8")):
        match = re.match(r"(?:\w+=\S+ )*(?:python -m )?erkt ([\w-]+)([^&]*)", line)
        if match:
            package = "erkt.cli" if match[1] in ANYWHERE else "erkt.pipeline.commands"
            parser = ArgumentParser(exit_on_error=False)
            importlib.import_module(f"{package}.{match[1].replace('-', '_')}").arguments(parser)
            parser.parse_args(shlex.split(match[2], comments=True))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_key_of_params_exists(page: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    key = re.compile(rf"(?<![\w./-])(?:{'|'.join(params)})(?:\.[a-z]\w*)+")
    named = {found for span in spans(page.read_text(encoding="utf-8")) for found in key.findall(span)}
    for dotted in named - {"cache.type", "student.onnx", "report.html"}:  # DVC's, and files
        value = params
        for name in dotted.split("."):
            assert name in value, dotted
            value = value[name]


def tables(text: str) -> Iterator[list[dict[str, str]]]:
    """Yield the rows of each table of a document, by column."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        head, _, *body = ([cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines())
        yield [dict(zip(head, row, strict=True)) for row in body]


def measured_rows() -> list[Any]:
    """Return page, link and measured cells of every row that names the file its numbers come from."""
    return [
        pytest.param(page, row, id=f"{page.stem}-{number}-{place}")
        for page in PAGES
        for number, table in enumerate(tables(page.read_text(encoding="utf-8")))
        for place, row in enumerate(table)
        if "from" in row and "](" in row["from"]
    ]


@pytest.mark.parametrize(("page", "row"), measured_rows())
def test_measured_numbers_are_those_of_the_file_that_the_row_names(page: Path, row: dict[str, str]) -> None:
    """In a column whose name begins with "measured"; a mean with its deviation or interval is one number."""
    (link,) = re.findall(r"\]\(([^)]+)\)", row["from"])
    source = (page.parent / link).read_text(encoding="utf-8")
    cells = " ".join(cell for name, cell in row.items() if name.startswith("measured"))
    numbers = re.findall(r"[-+]?\d[\d.]*(?: points)?(?: ± [\d.]+)?(?: \[[^]]*\])?", cells)
    assert numbers
    for number in numbers:
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.]*\d)", source), f"{number} is not in {link}"


def test_estimates_are_those_of_the_measured_units() -> None:
    units = read_json(ROOT / "metrics/units-cpu.json")
    assert scale.table(units) in (ROOT / "docs/scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("what", ["memory", "speed"])
def test_two_processes_at_one_network_are_those_of_the_file(what: str) -> None:
    found = read_json(ROOT / f"metrics/ranks-{what}-cpu.json")
    assert ranks.table(found, what) in (ROOT / "docs/scale.md").read_text(encoding="utf-8")


def test_the_demo_by_workers_is_that_of_the_file() -> None:
    rounds = read_records(ROOT / "metrics/workers.json")
    assert workers.table(rounds) in (ROOT / "docs/scale.md").read_text(encoding="utf-8")


def test_the_simulated_fleet_is_that_of_the_file() -> None:
    rows, text = (
        read_json(ROOT / "metrics/fleet-simulation.json")["rows"],
        (ROOT / "docs/scale.md").read_text("utf-8"),
    )
    assert fleet.table(rows) in text
    assert f"{rows[0]['work_hours']:.0f} hours of work" in text
    assert f"less than {rows[0]['longest_chain_hours']:.1f} hours" in text


def test_a_busy_machine_is_that_of_the_file() -> None:
    measured = read_records(ROOT / "metrics/busy-cpu.json")
    assert busy.table(measured) in (ROOT / "docs/performance.md").read_text(encoding="utf-8")


def test_faults_are_those_of_the_campaigns_and_none_was_lost() -> None:
    campaigns = [faults.read(path) for path in sorted(ROOT.glob("metrics/chaos-*.csv"))]
    every = [row for campaign in campaigns for row in campaign]
    assert faults.table(every) in (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    assert [row for row in every if row["survived"] != "True"] == []
    assert [len(campaign) for campaign in campaigns] == [186] * 3


def test_tables_of_performance_are_those_of_the_measured_files() -> None:
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    measured = rows.read(ROOT / "metrics/bench-cpu.json")
    assert f"{rows.table(measured)}\n{rows.machine(measured)}" in text
    shown = [
        " | ".join([side, *(f"{share[name]:.0%}".replace("%", " %") for name in names)])
        for names in [("jitter", "rotate_and_flip", "rest")]
        for side, share in read_json(ROOT / "metrics/shares-cpu.json").items()
    ]
    for pair in read_records(ROOT / "metrics/demo-turns.json"):
        now, before = pair["now"], pair["before"]
        seconds = [f"{run['seconds']:.0f}" for run in (now, before)]
        shown.append(" | ".join([now["commit"], *seconds, str(now["student"]), str(before["student"])]))
    for line in shown:
        assert f"| {line} |\n" in text


def test_every_must_on_a_cpu_is_reached() -> None:
    assert [row.name for row in rows.read(ROOT / "metrics/bench-cpu.json") if not row.reached] == []
