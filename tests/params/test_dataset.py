"""The dataset's section of the params, and the stage that reads it."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from clone import TINY, Clone
from faulty_server import faulty_server

from erkt.data.benchmarks import BENCHMARKS
from erkt.errors import ErktError
from erkt.params.dataset import Dataset
from erkt.params.schema import build
from erkt.pipeline.params_file import check_params

SHA = "0" * 64


def dataset(**changes: Any) -> dict[str, Any]:
    return {
        "name": "aid30",
        "source": "benchmark",
        "location": None,
        "sha256": None,
        "scenes": None,
    } | changes


@pytest.mark.parametrize(
    "section",
    [
        dataset(),
        dataset(location="$AID30"),
        dataset(name="nwpu45", location="https://example.org/copy.zip"),
        dataset(name="afgr50"),
        dataset(name="afgr50", location="~/afgr50", sha256=SHA),
        dataset(name="mine", source="csv", location="images.csv"),
        dataset(name="mine", source="folder", location="images"),
        dataset(name="mine", source="archive", location="https://example.org/a.zip", sha256=SHA),
        dataset(name="mine", source="archive", location="$MINE"),
        dataset(name="s", source="scenes", scenes={"per_class": 2, "side": 32, "seed": 0}),
    ],
)
def test_what_can_be_fetched_is_accepted(section: dict[str, Any]) -> None:
    build(Dataset, section, "dataset")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (dataset(name="afgr50", sha256="A" * 64), "64 lower-case hexadecimal digits"),
        (
            dataset(scenes={"per_class": 2, "side": 32, "seed": 0}),
            "the block 'scenes' belongs to source: scenes",
        ),
        (dataset(source="csv"), "location is null for source: scenes, and a path or address"),
        (dataset(source="csv", location="a.csv", sha256=SHA), "sha256 pins an archive's bytes"),
        (
            dataset(source="archive", location="http://a/b.zip"),
            "an archive from the network needs its sha256",
        ),
        (dataset(source="benchmarks"), "is not one of benchmark, scenes, archive, folder, csv"),
    ],
)
def test_what_cannot_be_fetched_is_refused_before_anything_starts(
    section: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ErktError) as caught:
        build(Dataset, section, "dataset")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (dataset(name="aid31"), "tiny.dataset.name: there is no benchmark 'aid31'; did you mean 'aid30'?"),
        (dataset(name="imagenet"), "there is no benchmark 'imagenet'; known are: aid30, nwpu45, afgr50"),
        (dataset(sha256=SHA), "tiny.dataset.sha256: null for aid30, whose checksum is known"),
    ],
)
def test_a_benchmark_is_known_by_name_and_checksum(section: dict[str, Any], expected: str) -> None:
    params = yaml.safe_load(TINY.read_text(encoding="utf-8")) | {"dataset": section}
    with pytest.raises(ErktError) as caught:
        check_params(params, "tiny")
    assert expected in str(caught.value)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("clone"))


def download(clone: Clone, section: dict[str, Any], **environment: str) -> tuple[int, str, str]:
    """Run the stage; return its status, what it prints and its last line on stderr."""
    clone.params["dataset"] = section
    clone.write_params()
    done = clone.python("-m", "erkt", "stage", "download", **environment)
    return done.returncode, done.stdout, done.stderr.splitlines()[-1] if done.stderr else ""


def test_the_stage_says_in_one_line_what_only_a_browser_gets(clone: Clone) -> None:
    status, printed, line = download(clone, dataset(name="afgr50"))
    assert (status, printed) == (1, "")
    assert line.startswith(
        "error: download: BIT-AFGR50 cannot be fetched by a program: get BIT-AFGR50 in a browser"
    )


def test_the_stage_says_how_to_pin_what_it_packed_and_keeps_the_terms(clone: Clone, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "copy.zip", "w") as archive:
        for number in range(50):
            for image in range(250):
                part = "train" if image < 50 else "val"
                archive.writestr(f"20-80/{part}/A{number}/A{number}_{image}.jpg", b"%d %d" % (number, image))
    section = dataset(name="afgr50", location="$AFGR50")
    status, printed, _ = download(clone, section, AFGR50=str(tmp_path / "copy.zip"))
    assert status == 0
    facts = json.loads((clone.folder / "metrics/environment/download.json").read_text())["facts"]
    assert f"sha256 {facts['sha256']}; nobody publishes a checksum; set dataset.sha256 to this one" in printed
    assert facts["benchmark"]["licence"].startswith("academic research only")


def test_the_stage_refuses_another_archive_at_the_pinned_address(clone: Clone, tmp_path: Path) -> None:
    file = BENCHMARKS["aid30"].archive
    assert file is not None
    with faulty_server() as server:
        server.serve_hub(file.repository, file.revision, file.filename, b"another archive")
        own = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path), "no_proxy": "127.0.0.1"}
        status, _, line = download(clone, dataset(), **own)
    assert status == 1
    assert line.startswith(
        "error: download: AID.zip of isaaccorley/aid on the Hugging Face hub: not the pinned"
    )
    assert str(BENCHMARKS["aid30"].sha256) in line
    assert not any(name.startswith(".part-") for name in os.listdir(clone.folder / "data"))
