import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from erkt.data.benchmarks import BENCHMARKS, Benchmark
from erkt.data.sources import fetch
from erkt.errors import ErktError
from erkt.params.dataset import Dataset

AID, NWPU, AFGR = (BENCHMARKS[name] for name in ("aid30", "nwpu45", "afgr50"))


def ignore(done: int, total: int | None) -> None:
    pass


def get(
    out: Path,
    benchmark: Benchmark,
    location: str | None,
    sha256: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    settings = Dataset(benchmark.name, "benchmark", location, sha256, None)
    return fetch(settings, out, environment or {}, ignore, benchmarks={benchmark.name: benchmark})


def refusal(tmp_path: Path, benchmark: Benchmark, location: str | None, sha256: str | None = None) -> str:
    with pytest.raises(ErktError) as caught:
        get(tmp_path / "out" / "raw", benchmark, location, sha256)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []
    return str(caught.value)


def zip_of(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


# ---------------------------------------------------------------- the records


def test_the_records_hold_as_many_images_as_the_paper_says() -> None:
    assert {name: (len(b.counts), sum(b.counts.values()), b.side) for name, b in BENCHMARKS.items()} == {
        "aid30": (30, 10_000, 600),
        "nwpu45": (45, 31_500, 256),
        "afgr50": (50, 12_500, 128),
    }
    assert (min(AID.counts.values()), max(AID.counts.values())) == (220, 420)
    # Section 4.1.1 of the paper names three of them.
    assert [AID.counts[name] for name in ("Center", "Church", "Resort")] == [260, 240, 290]
    assert set(NWPU.counts.values()) == {700}
    assert set(AFGR.counts.values()) == {250}


def test_classes_are_in_the_order_of_the_labels() -> None:
    for benchmark in BENCHMARKS.values():
        assert list(benchmark.counts) == sorted(benchmark.counts)


def test_the_records_can_be_fetched_or_say_how() -> None:
    for name, benchmark in BENCHMARKS.items():
        assert benchmark.name == name
        assert (benchmark.archive is None) == bool(benchmark.instructions) == (benchmark.checksums == {})
        for algorithm, digest in benchmark.checksums.items():
            assert len(digest) == len(hashlib.new(algorithm, usedforsecurity=False).hexdigest())
            assert set(digest) <= set("0123456789abcdef")
        assert benchmark.archive is None or len(benchmark.archive.revision) == 40
        assert all((benchmark.licence, benchmark.citation, benchmark.origin))
        assert "\n" not in benchmark.instructions


# ---------------------------------------------------------------- a copy one already has

FILES = {
    f"AID/{name}/{name.lower()}_{i}.jpg": f"{name} {i}".encode() for name in AID.counts for i in range(2)
}


def small(files: Mapping[str, bytes] = FILES) -> Benchmark:
    """Return AID's record with the checksum of a zip of ``files`` and two images a class."""
    return replace(AID, sha256=hashlib.sha256(zip_of(files)).hexdigest(), counts=dict.fromkeys(AID.counts, 2))


@pytest.mark.parametrize("location", ["FOLDER/AID.zip", "$AID30", "${DATA}/AID.zip"])
def test_a_copy_is_taken_after_the_same_checks(tmp_path: Path, location: str) -> None:
    (tmp_path / "AID.zip").write_bytes(zip_of(FILES))
    environment = {"AID30": f"{tmp_path}/AID.zip", "DATA": str(tmp_path)}
    facts = get(tmp_path / "raw", small(), location.replace("FOLDER", str(tmp_path)), environment=environment)
    assert (tmp_path / "raw").read_bytes() == zip_of(FILES)
    assert facts["remarks"] == []
    assert facts["benchmark"]["licence"] == AID.licence
    assert facts["benchmark"]["images"] == 60


def test_a_copy_with_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "AID.zip").write_bytes(zip_of(FILES | {"AID/readme.txt": b"mine"}))
    assert "not the pinned archive: sha256 " in refusal(tmp_path, small(), str(tmp_path / "AID.zip"))
    assert "set dataset.source to folder" in refusal(tmp_path, small(), str(tmp_path))


def test_each_checksum_of_a_record_is_compared(tmp_path: Path) -> None:
    data = zip_of(FILES)
    (tmp_path / "AID.zip").write_bytes(data)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    get(tmp_path / "raw", replace(small(), md5=md5), str(tmp_path / "AID.zip"))
    get(tmp_path / "raw", replace(small(), sha256=None, md5=md5), str(tmp_path / "AID.zip"))
    wrong = replace(small(), md5="0" * 32)
    message = refusal(tmp_path, wrong, str(tmp_path / "AID.zip"))
    assert message.endswith(f"not the pinned archive: md5 {md5}, expected {'0' * 32}")


def test_classes_and_counts_are_compared_with_the_record(tmp_path: Path) -> None:
    files = {name: data for name, data in FILES.items() if "Beach" not in name}
    del files["AID/Airport/airport_1.jpg"]
    files |= {"AID/beach/beach_0.jpg": b"b", "AID/Pond/pond_2.jpg": b"p", "AID/Pond/notes.txt": b"no image"}
    (tmp_path / "AID.zip").write_bytes(zip_of(files))
    assert refusal(tmp_path, small(files), str(tmp_path / "AID.zip")) == (
        f"{tmp_path}/AID.zip: not the images of AID: 1 images of Airport instead of 2, no class Beach, "
        "3 images of Pond instead of 2, an unknown class beach; expected its class folders and nothing else"
    )


def test_many_differences_are_counted(tmp_path: Path) -> None:
    (tmp_path / "AID.zip").write_bytes(zip_of(FILES))
    message = refusal(tmp_path, replace(small(), counts=AID.counts), str(tmp_path / "AID.zip"))
    assert "2 images of Airport instead of 360" in message
    assert " and 20 more; " in message


# ---------------------------------------------------------------- what only a browser gets

IMAGES = {f"20-80/{part}/A{i}/A{i}_{part}_{n}.jpg": f"{part} {i} {n}".encode()
          for part, each in (("train", 1), ("val", 4)) for i in range(50) for n in range(each)}  # fmt: skip
AFGR_SMALL = replace(AFGR, counts=dict.fromkeys(AFGR.counts, 5))


def make_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_without_a_location_it_says_what_to_fetch_and_where_to_put_it(tmp_path: Path) -> None:
    message = refusal(tmp_path, AFGR, None)
    for part in ("github.com/wgqqgw/BIT-KTYG-AFGR", "1sfijypMjigxccowOZbdkRInyXRJkpRXI", "code KTYG"):
        assert part in message
    assert "set dataset.location to the folder, zip or tar" in message


def test_its_parts_are_put_together_the_same_from_a_folder_a_zip_and_a_tar(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "a", IMAGES | {"20-80/readme.txt": b"no image"})
    (tmp_path / "b.zip").write_bytes(zip_of(dict(reversed(IMAGES.items()))))
    with tarfile.open(tmp_path / "c.tgz", "w:gz") as archive:
        archive.add(root / "20-80", "somewhere/else")
    places = [root, root / "20-80", tmp_path / "b.zip", tmp_path / "c.tgz"]
    found = [get(tmp_path / f"raw{i}", AFGR_SMALL, str(place)) for i, place in enumerate(places)]
    assert len({facts["sha256"] for facts in found}) == 1
    assert found[0]["remarks"] == [
        "nobody publishes a checksum; set dataset.sha256 to this one to pin these images"
    ]
    with zipfile.ZipFile(tmp_path / "raw0") as archive_:
        expected = {name.removeprefix("20-80/").split("/", 1)[1]: data for name, data in IMAGES.items()}
        assert {name: archive_.read(name) for name in archive_.namelist()} == expected


def test_what_was_packed_can_be_pinned(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "a", IMAGES)
    digest = get(tmp_path / "raw", AFGR_SMALL, str(root))["sha256"]
    assert digest == hashlib.sha256((tmp_path / "raw").read_bytes()).hexdigest()
    assert get(tmp_path / "raw", AFGR_SMALL, str(root), digest)["remarks"] == []
    (root / "20-80/val/A7/A7_val_0.jpg").write_bytes(b"another")
    message = refusal(tmp_path, AFGR_SMALL, str(root), digest)
    assert f"expected {digest}" in message


def test_an_image_that_both_parts_hold_is_one_image(tmp_path: Path) -> None:
    files = dict(IMAGES)
    files["20-80/train/A3/A3_val_0.jpg"] = files["20-80/val/A3/A3_val_0.jpg"]
    both = get(tmp_path / "raw", AFGR_SMALL, str(make_folder(tmp_path / "both", files)))
    once = get(tmp_path / "raw", AFGR_SMALL, str(make_folder(tmp_path / "once", IMAGES)))
    assert both["sha256"] == once["sha256"]


def test_two_images_of_one_name_are_both_kept_and_told(tmp_path: Path) -> None:
    """As the publisher numbers them: A3_0.jpg is one image in train and another in val."""
    files = {}
    for name, data in IMAGES.items():
        folder, _, filename = name.rpartition("/")
        files[f"{folder}/{filename.replace('_train', '').replace('_val', '')}"] = data
    (tmp_path / "b.zip").write_bytes(zip_of(files))
    facts = get(tmp_path / "raw", AFGR_SMALL, str(tmp_path / "b.zip"))
    assert facts["remarks"][0] == (
        "100 images have the name of another image in another part; all are kept, under names such as "
        "A0/train-A0_0.jpg"
    )
    with zipfile.ZipFile(tmp_path / "raw") as archive:
        assert archive.read("A3/train-A3_0.jpg") == b"train 3 0"
        assert archive.read("A3/val-A3_0.jpg") == b"val 3 0"
        assert archive.read("A3/A3_2.jpg") == b"val 3 2"
        assert len(archive.namelist()) == len(files) == 250


def test_two_splits_at_one_place_are_refused(tmp_path: Path) -> None:
    more = {name.replace("20-80", "50-50"): data + b"!" for name, data in IMAGES.items()}
    root = make_folder(tmp_path / "a", IMAGES | more)
    assert "set dataset.location to one of its splits" in refusal(tmp_path, AFGR_SMALL, str(root))


def test_a_copy_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "a", IMAGES)
    message = refusal(tmp_path, AFGR_SMALL, str(root / "20-80" / "train"))
    assert "1 images of A0 instead of 5" in message
    assert "no such file or folder" in refusal(tmp_path, AFGR_SMALL, str(tmp_path / "gone"))
    (tmp_path / "page.zip").write_bytes(b"<html>quota exceeded</html>")
    assert "neither a zip nor a tar" in refusal(tmp_path, AFGR_SMALL, str(tmp_path / "page.zip"))
