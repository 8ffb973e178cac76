"""Everything that a first GPU should show, within a budget of seconds, without DVC, MLflow or a network.

    sh benchmarks/device_day.sh OUT --data aid100.zip --weights FOLDER --budget 720
    sh benchmarks/device_day.sh OUT --data ... --check       looks at everything, says the plan, runs nothing
    sh benchmarks/device_day.sh OUT --data ... --toy --device cpu    rehearses all of it in half a minute

Three parts, each in a process of its own: ``equivalence`` (the device beside the CPU), ``speed`` (the rows
of ``make bench`` that the device has) and ``table9`` (the paper's ablation on real scenes). Each has its
share of the time left. Results are written row by row to OUT, at most eight small files, without weights or
images; a part that fails leaves the others alone and is named in ``summary.md``.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.day import machine
from benchmarks.day.budget import until
from benchmarks.day.parts import WEIGHTS, WHAT, Day, run_part
from benchmarks.day.places import STATE, SUMMARY, too_much
from benchmarks.day.processes import Outcome, last_line, run_beside
from benchmarks.day.protocols import ROWS, Params, check_files, networks, preset_of, protocols
from erkt.errors import ErktError
from erkt.files.json_file import read_json, write_json
from erkt.files.replace import write_text

ROOT = Path(__file__).resolve().parents[1]
LEAST = 20.0
"""Seconds below which no part begins."""
_VARIABLE = "LITE_WEIGHTS"
_REWRITTEN = 5.0  # seconds after which the summary is written again while a part runs


def main() -> None:
    """Check everything, say what will run, and run it; status 1 if anything failed or was left out."""
    options, began = _options(), time.time()
    os.environ["HF_HUB_OFFLINE"] = "1"  # what would be fetched fails at once
    with tempfile.TemporaryDirectory(prefix="device-day-", dir=options.scratch) as scratch:
        try:
            day = _checked(options, Path(scratch), began)
            found = _looked(day)
        except ErktError as error:
            sys.exit(f"error: {error}")
        _say_plan(day, found)
        if not options.check:
            sys.exit(_run(day, found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("out", type=Path, help="a new or empty folder")
    parser.add_argument("--data", type=Path, help="for table9: aid100.zip or eurosat.zip")
    parser.add_argument("--weights", type=Path, help="folder of the preset's weights; without, random ones")
    parser.add_argument("--budget", type=float, default=720.0, help="seconds for everything")
    parser.add_argument("--parts", nargs="+", choices=list(WEIGHTS), default=list(WEIGHTS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--preset", help="told by the archive's name unless given")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), help="of experiments/table9.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=600, help="of the students, if they fit into the time")
    parser.add_argument("--views", type=int, default=100, help="with stored logits; epochs repeat them")
    parser.add_argument("--graphs", action="store_true", help="table9 by CUDA graphs")
    parser.add_argument("--inference-batch", type=int, default=480)
    parser.add_argument("--scratch", type=Path, help="where everything else lies while it runs")
    parser.add_argument("--check", action="store_true", help="look and plan, run nothing")
    parser.add_argument("--toy", action="store_true", help="small networks and images")
    return parser.parse_args()


def _checked(options: argparse.Namespace, scratch: Path, began: float) -> Day:
    """Return what is asked for; ErktError for whatever would fail later, before torch is imported."""
    out, archive, weights = (
        None if path is None else path.resolve() for path in (options.out, options.data, options.weights)
    )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ErktError(f"{out}: name a new or empty folder")
    os.chdir(ROOT)
    environment = {} if weights is None else {_VARIABLE: str(weights)}
    rows, facts = {}, {}
    if "table9" in options.parts:
        rows, facts = _table(options, archive, weights)
        facts["sha256"] = check_files(next(iter(rows.values())), archive, environment)
    return Day(
        out=out,
        scratch=scratch,
        device=options.device,
        toy=options.toy,
        parts=tuple(part for part in WEIGHTS if part in options.parts),
        end=began + options.budget,
        rows=rows,
        facts=facts,
        archive=archive,
        seeds=tuple(options.seeds),
        epochs=options.epochs,
        inference_batch=options.inference_batch,
        environment=environment,
        graphs=options.graphs,
    )


def _table(
    options: argparse.Namespace, archive: Path | None, weights: Path | None
) -> tuple[dict[str, Params], dict[str, Any]]:
    """Return the params of Table 9's rows, and the facts that stand beside its results."""
    if archive is None or not archive.is_file():
        raise ErktError(f"{archive or '--data'}: no such archive; python -m benchmarks.parcel joins parts")
    if weights is not None and not weights.is_dir():
        raise ErktError(f"{weights}: no such folder (--weights)")
    if min(options.epochs, options.views, options.inference_batch) < 2 or options.inference_batch % 2:
        raise ErktError("--epochs, --views and --inference-batch: at least 2, and the batch even")
    if len(set(options.seeds)) < len(options.seeds) or min(options.seeds) < 0:
        raise ErktError("--seeds: each once, and none below 0")
    preset, pretrained = options.preset or preset_of(archive), weights is not None
    views = min(options.views, options.epochs)
    rows = protocols(
        preset, options.rows, epochs=options.epochs, views=views, pretrained=pretrained, toy=options.toy
    )
    facts = {"archive": archive.name, "preset": preset, "pretrained": pretrained, "views": views}
    return rows, facts | {"inference_batch": options.inference_batch}


def _looked(day: Day) -> dict[str, Any]:
    """Return what the machine has; ErktError if something is missing."""
    path, params = day.scratch / "machine.json", next(iter(day.rows.values()), None)
    seen = [] if params is None else [(network, params["prepare"]["side"]) for network in networks(params)]
    task = (machine.look, (path, day.device, seen))
    (outcome,) = run_beside({"machine": task}, day.device, day.end).values()
    if outcome.error:
        raise ErktError(last_line(outcome.error))
    return {"type": day.device, **read_json(path)}


def _say_plan(day: Day, found: dict[str, Any]) -> None:
    print(f"{found['device']}, driver {found['driver']}, torch {found['packages']['torch']}")
    for name, what in machine.WISHED.items():
        if found["packages"][name] is None:
            print(f"{name} is not installed: no {what}")
    now, left = time.time(), {part: WEIGHTS[part] for part in day.parts}
    words = {"rows": ", ".join(day.rows), "seeds": ", ".join(map(str, day.seeds)), "epochs": day.epochs}
    for part in day.parts:
        ends = until(part, left, now, day.end)
        del left[part]
        print(f"{part}: up to {ends - now:.0f} s: {WHAT[part].format(**words, **day.facts)}")
        now = ends
    print(f"all results in {day.out}, within {day.end - time.time():.0f} s", flush=True)


def _run(day: Day, found: dict[str, Any]) -> int:
    """Run the parts in turn; return the status of the process."""
    day.out.mkdir(parents=True, exist_ok=True)
    states: dict[str, dict[str, Any]] = {
        part: {"state": "waits", "seconds": 0.0, "error": None} for part in day.parts
    }
    if day.device == "cpu":  # parts are forked
        for name in ("benchmarks.day.table9", "benchmarks.day.equivalence", "sklearn.metrics"):
            with suppress(ImportError):  # then the part that needs it says so
                import_module(name)
        import_module("torch").set_num_threads(1)
    for part in day.parts:
        waiting = {name: WEIGHTS[name] for name, state in states.items() if state["state"] == "waits"}
        now = time.time()
        ends = until(part, waiting, now, day.end)
        if ends - now < LEAST and not day.toy:
            states[part] |= {"state": "left out", "error": "no time was left"}
            continue
        states[part]["state"] = "runs"
        print(f"{part}, {ends - now:.0f} s", flush=True)
        (outcome,) = run_beside(
            {part: (run_part, (day, part, ends))}, day.device, ends, _rewriting(day, found, states)
        ).values()
        _note(states[part], outcome)
        print(f"{part}: {states[part]['state']} after {outcome.seconds:.0f} s", flush=True)
        _write(day, found, states)
    _write(day, found, states)
    wrong = [f"{part}: {state['error']}" for part, state in states.items() if state["error"]]
    for trouble in wrong + too_much(day.out):
        print(f"! {trouble}")
    print((day.out / SUMMARY).read_text(encoding="utf-8"))
    return 1 if wrong else 0


def _note(state: dict[str, Any], outcome: Outcome) -> None:
    state |= {"state": "in part" if outcome.error else "done", "seconds": outcome.seconds}
    if outcome.error:
        state |= {"error": last_line(outcome.error), "traceback": outcome.error}


def _rewriting(
    day: Day, found: dict[str, Any], states: dict[str, dict[str, Any]]
) -> Callable[[dict[str, Outcome]], None]:
    written = [0.0]

    def rewrite(done: dict[str, Outcome]) -> None:
        if time.time() - written[0] > _REWRITTEN:
            written[0] = time.time()
            _write(day, found, states)

    return rewrite


def _write(day: Day, found: dict[str, Any], states: dict[str, dict[str, Any]]) -> None:
    from benchmarks.day.told import summary  # takes seconds, since it imports torch

    write_json(day.out / STATE, {"machine": found, "parts": states, "asked": day.facts})
    write_text(day.out / SUMMARY, summary(day.out, found, states))


if __name__ == "__main__":
    main()
