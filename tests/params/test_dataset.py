"""The dataset's section of the params, and the stage that reads it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from clone import TINY, Clone

from erkt.errors import ErktError
from erkt.params.dataset import Dataset
from erkt.params.schema import build
from erkt.pipeline.params_file import check_params

SHA = "0" * 64


SCENES = {"per_class": 2, "side": 32, "seed": 0}


def dataset(**changes: Any) -> dict[str, Any]:
    section = {"name": "aid30", "source": "benchmark", "location": None, "sha256": None, "scenes": None}
    return section | changes


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
        dataset(name="s", source="scenes", scenes=SCENES),
    ],
)
def test_what_can_be_fetched_is_accepted(section: dict[str, Any]) -> None:
    build(Dataset, section, "dataset")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (dataset(name="afgr50", sha256="A" * 64), "64 lower-case hexadecimal digits"),
        (dataset(scenes=SCENES), "the block 'scenes' belongs to source: scenes"),
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


def test_the_stage_says_what_only_a_browser_gets_and_how_to_pin_what_it_packed(tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    clone = Clone(tmp_path / "clone")
    clone.params["dataset"] = dataset(name="afgr50")
    clone.write_params()
    done = clone.python("-m", "erkt", "stage", "download")
    assert (done.returncode, done.stdout) == (1, "")
    refusal = "error: download: BIT-AFGR50 cannot be fetched by a program: get BIT-AFGR50 in a browser"
    assert done.stderr.splitlines()[-1].startswith(refusal)

    with zipfile.ZipFile(tmp_path / "copy.zip", "w") as archive:
        for number in range(50):
            for image in range(250):
                part = "train" if image < 50 else "val"
                archive.writestr(f"20-80/{part}/A{number}/A{number}_{image}.jpg", b"%d %d" % (number, image))
    clone.params["dataset"] = dataset(name="afgr50", location="$AFGR50")
    clone.write_params()
    done = clone.python("-m", "erkt", "stage", "download", AFGR50=str(tmp_path / "copy.zip"))
    assert done.returncode == 0, done.stderr
    facts = json.loads((clone.folder / "metrics/environment/download.json").read_text())["facts"]
    pin = f"sha256 {facts['sha256']}; nobody publishes a checksum; set dataset.sha256 to this one"
    assert pin in done.stdout
    assert facts["benchmark"]["licence"].startswith("academic research only")
