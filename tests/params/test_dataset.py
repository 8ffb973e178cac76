"""The dataset's section of the params."""

from typing import Any

import pytest
import yaml
from clone import TINY

from erkt.errors import ErktError
from erkt.pipeline.params_file import check_params

TINY_PARAMS = yaml.safe_load(TINY.read_text(encoding="utf-8"))
SHA = "0" * 64
SCENES = {"per_class": 2, "side": 32, "seed": 0}


def dataset(**changes: Any) -> dict[str, Any]:
    section = {"name": "aid30", "source": "benchmark", "location": None, "sha256": None, "scenes": None}
    return section | {"parts": None, "unlabelled": None} | changes


def unlabelled(**changes: Any) -> dict[str, Any]:
    return dataset(unlabelled={"source": "folder", "location": "$MORE", "sha256": None} | changes)


@pytest.mark.parametrize(
    "section",
    [
        dataset(),
        dataset(location="$AID30"),
        dataset(name="nwpu45", location="https://example.org/copy.zip"),
        dataset(name="afgr50"),
        dataset(name="afgr50", location="~/afgr50", sha256=SHA),
        dataset(name="eurosat"),
        dataset(name="eurosat", location="$EUROSAT", sha256=SHA),
        dataset(name="mine", source="csv", location="images.csv"),
        dataset(name="mine", source="folder", location="images"),
        dataset(name="mine", source="archive", location="https://example.org/a.zip", sha256=SHA),
        dataset(name="mine", source="archive", location="$MINE"),
        dataset(name="s", source="scenes", scenes=SCENES),
        unlabelled(),
        unlabelled(source="csv", location="paths.csv"),
        unlabelled(source="archive", location="https://example.org/a.zip", sha256=SHA),
    ],
)
def test_what_can_be_fetched_is_accepted(section: dict[str, Any]) -> None:
    assert check_params(TINY_PARAMS | {"dataset": section}, "tiny").dataset.name == section["name"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (dataset(name="afgr50", sha256="A" * 64), "64 lower-case hexadecimal digits"),
        (dataset(scenes=SCENES), "the block 'scenes' belongs to source: scenes"),
        (dataset(source="csv"), "location is null for source: scenes, and a path or address"),
        (dataset(source="csv", location="a.csv", sha256=SHA), "sha256 pins an archive's bytes"),
        (dataset(source="archive", location="http://a/b.zip"), "an archive from the network needs its"),
        (dataset(source="benchmarks"), "is not one of benchmark, scenes, archive, folder, csv"),
        (dataset(name="aid31"), "tiny.dataset.name: there is no benchmark 'aid31'; did you mean 'aid30'?"),
        (
            dataset(name="imagenet"),
            "there is no benchmark 'imagenet'; known are: aid30, nwpu45, afgr50, eurosat",
        ),
        (unlabelled(sha256=SHA), "dataset.unlabelled: sha256 pins an archive's bytes"),
        (unlabelled(source="archive", location="http://a/b.zip"), "an archive from the network needs its"),
        (unlabelled(source="benchmark"), "'benchmark') is not one of archive, folder, csv"),
        (unlabelled(location=None), "dataset.unlabelled.location: expected text"),
        (dataset(sha256=SHA), "tiny.dataset.sha256: null for aid30, whose checksum is known"),
    ],
)
def test_what_cannot_be_fetched_is_refused_before_anything_starts(
    section: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ErktError) as caught:
        check_params(TINY_PARAMS | {"dataset": section}, "tiny")
    assert expected in str(caught.value)
