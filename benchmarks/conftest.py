"""What the benchmarks share: where they run, how two things race, and the file and table of all rows.

pytest benchmarks            all of them, into metrics/bench-<device>.json
pytest benchmarks --quick    fewer rounds, small sizes, into .benchmarks/bench-<device>.json
pytest benchmarks/test_memory.py --replace    these only, in their places in metrics/bench-<device>.json
"""

import ctypes
import gc
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import paper
from benchmarks.rows import read, replaced, table, write
from benchmarks.session import Bench, Race
from erkt.machine.device import choose
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline import paths

_BENCH = pytest.StashKey[Bench]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the short version and that of some rows."""
    parser.addoption("--quick", action="store_true", help="fewer rounds and small sizes")
    parser.addoption(
        "--replace", action="store_true", help="put what was measured anew into the file there is"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the device as stages do."""
    device = choose(build(Runtime, paper.PARAMS["runtime"], "runtime"))
    whole = [Path(word).name for word in config.args] == ["benchmarks"]
    config.stash[_BENCH] = Bench(device, config.getoption("quick"), whole)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return this session's benchmarks."""
    return request.config.stash[_BENCH]


@pytest.fixture
def race(bench: Bench, benchmark: BenchmarkFixture) -> Race:
    """Return what ``Bench.race`` does; pytest-benchmark keeps the whole race."""

    def run(
        calls: Mapping[str, Callable[[], object]], times: int = 1, longer: int = 1
    ) -> dict[str, list[float]]:
        seconds: dict[str, list[float]] = benchmark.pedantic(bench.race, args=(calls, times, longer))
        benchmark.extra_info |= {name: statistics.median(each) / times for name, each in seconds.items()}
        return seconds

    return run


@pytest.fixture(autouse=True)
def _begin_small() -> Iterator[None]:
    """Give back what a benchmark leaves behind: freed memory, in blocks of its own sizes."""
    yield
    torch.compiler.reset()
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def check_goals(bench: Bench) -> Iterator[None]:
    """Fail a benchmark whose rows miss what they must reach; a few short rounds prove nothing."""
    before = len(bench.rows)
    yield
    for row in bench.rows[before:] if not bench.quick else ():
        assert row.reached, f"{row.name} against {row.against}: {row.ratio:.2f}, must be {row.goal}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """Print the table of all rows; write them if every benchmark has run."""
    bench = config.stash[_BENCH]
    if not bench.rows:
        return
    terminalreporter.write(f"\n{table(bench.rows)}\n")
    # A goal that is missed is an error at the end of a benchmark that ran; one that failed has added no rows.
    ran = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    replace, stats = config.getoption("replace"), terminalreporter.stats
    partial = stats.get("failed") or (stats.get("deselected") and not replace)
    if ran and (bench.whole or replace) and not partial:
        path = (Path(".benchmarks") if bench.quick else paths.METRICS) / f"bench-{bench.device.type}.json"
        write(path, replaced(read(path), bench.rows) if replace else bench.rows)
        terminalreporter.write(f"{path}\n")
