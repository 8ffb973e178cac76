"""Settings of every test: one thread, so that bits and times do not depend on what else runs; and no GPU."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_disk import mounted

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 256 kB."""
    with mounted(tmp_path / "disk", "256k") as place:
        yield place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    need_one = [item for item in items if item.get_closest_marker("gpu")]
    if not need_one:
        return
    import torch

    if not torch.cuda.is_available():
        for item in need_one:
            item.add_marker(pytest.mark.skip(reason="torch sees no GPU here"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count and name what was skipped for want of a GPU."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "gpu" in report.keywords]
    if skipped:
        terminalreporter.section(f"{len(skipped)} tests did not run, since torch sees no GPU here")
        for report in skipped:
            terminalreporter.write_line(report.nodeid)
