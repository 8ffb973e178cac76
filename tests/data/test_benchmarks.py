import hashlib
import os
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packed import Files, ignore, refused, tar_of, unpack, write, zip_of

from erkt.data.benchmarks import BENCHMARKS, Benchmark
from erkt.data.sources import fetch
from erkt.params.dataset import Dataset

AID, NWPU, AFGR, EUROSAT = (BENCHMARKS[name] for name in ("aid30", "nwpu45", "afgr50", "eurosat"))


def get(
    out: Path,
    benchmark: Benchmark,
    location: Path | str | None,
    sha256: str | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    settings = Dataset(benchmark.name, "benchmark", location and str(location), sha256, None, None)
    return fetch(settings, out, environment or {}, ignore, benchmarks={benchmark.name: benchmark})


def refusal(
    tmp_path: Path, benchmark: Benchmark, location: Path | str | None, sha256: str | None = None
) -> str:
    message = refused(get, tmp_path / "out" / "raw", benchmark, location, sha256)
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []
    return message


# ---------------------------------------------------------------- the records


def test_the_records_hold_as_many_images_as_their_publications_say() -> None:
    assert {name: (len(b.counts), sum(b.counts.values()), b.side) for name, b in BENCHMARKS.items()} == {
        "aid30": (30, 10_000, 600),
        "nwpu45": (45, 31_500, 256),
        "afgr50": (50, 12_500, 128),
        "eurosat": (10, 27_000, 64),
    }
    assert (min(AID.counts.values()), max(AID.counts.values())) == (220, 420)
    # Section 4.1.1 of the paper names three of them.
    assert [AID.counts[name] for name in ("Center", "Church", "Resort")] == [260, 240, 290]
    assert set(NWPU.counts.values()) == {700}
    assert set(AFGR.counts.values()) == {250}
    assert Counter(EUROSAT.counts.values()) == {3000: 5, 2500: 4, 2000: 1}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_record_is_in_order_and_can_be_fetched_or_says_how(name: str) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert list(benchmark.counts) == sorted(benchmark.counts)
    assert (benchmark.archive is None) == bool(benchmark.instructions) == (benchmark.sha256 is None)
    for sha256 in (benchmark.sha256, benchmark.repacked_sha256):
        assert sha256 is None or len(bytes.fromhex(sha256)) == 32
    assert benchmark.repacked or (benchmark.sha256 and not benchmark.repacked_sha256)
    assert benchmark.archive is None or len(bytes.fromhex(benchmark.archive.revision)) == 20
    assert all((benchmark.licence, benchmark.citation, benchmark.origin))
    assert "\n" not in benchmark.instructions


# ---------------------------------------------------------------- a copy one already has

FILES = {
    f"AID/{name}/{name.lower()}_{i}.jpg": f"{name} {i}".encode() for name in AID.counts for i in range(2)
}


def small(files: Files = FILES) -> Benchmark:
    """Return AID's record with the checksum of a zip of ``files`` and two images a class."""
    return replace(AID, sha256=hashlib.sha256(zip_of(files)).hexdigest(), counts=dict.fromkeys(AID.counts, 2))


@pytest.mark.parametrize("location", ["FOLDER/AID.zip", "$AID30", "${DATA}/AID.zip"])
def test_a_copy_is_taken_after_the_same_checks(tmp_path: Path, location: str) -> None:
    write(tmp_path / "AID.zip", zip_of(FILES))
    environment = {"AID30": f"{tmp_path}/AID.zip", "DATA": str(tmp_path)}
    facts = get(tmp_path / "raw", small(), location.replace("FOLDER", str(tmp_path)), environment=environment)
    assert (tmp_path / "raw").read_bytes() == zip_of(FILES)
    assert facts["remarks"] == []
    assert facts["benchmark"]["licence"] == AID.licence
    assert facts["benchmark"]["images"] == 60


def test_a_copy_with_other_bytes_is_refused(tmp_path: Path) -> None:
    copy = write(tmp_path / "AID.zip", zip_of(FILES | {"AID/readme.txt": b"mine"}))
    assert "not the pinned archive: sha256 " in refusal(tmp_path, small(), copy)
    assert "set dataset.source to folder" in refusal(tmp_path, small(), tmp_path)


def test_classes_and_counts_are_compared_with_the_record(tmp_path: Path) -> None:
    files = {name: data for name, data in FILES.items() if "Beach" not in name}
    del files["AID/Airport/airport_1.jpg"]
    files |= {"AID/beach/beach_0.jpg": b"b", "AID/Pond/pond_2.jpg": b"p", "AID/Pond/notes.txt": b"no image"}
    copy = write(tmp_path / "AID.zip", zip_of(files))
    assert refusal(tmp_path, small(files), copy) == (
        f"{copy}: not the images of AID: 1 images of Airport instead of 2, no class Beach, "
        "3 images of Pond instead of 2, an unknown class beach; expected its class folders and nothing else"
    )
    message = refusal(tmp_path, replace(small(files), counts=AID.counts), copy)
    assert "1 images of Airport instead of 360" in message
    assert " and 21 more; " in message


# ---------------------------------------------------------------- what only a browser gets

IMAGES = {
    f"20-80/{part}/A{i}/A{i}_{part}_{n}.jpg": f"{part} {i} {n}".encode()
    for part, each in (("train", 1), ("val", 4))
    for i in range(50)
    for n in range(each)
}
AFGR_SMALL = replace(AFGR, counts=dict.fromkeys(AFGR.counts, 5))


def test_without_a_location_it_says_what_to_fetch_and_where_to_put_it(tmp_path: Path) -> None:
    message = refusal(tmp_path, AFGR, None)
    for part in ("github.com/wgqqgw/BIT-KTYG-AFGR", "1sfijypMjigxccowOZbdkRInyXRJkpRXI", "code KTYG"):
        assert part in message
    assert "set dataset.location to the folder, zip or tar" in message


def test_its_parts_are_put_together_the_same_from_a_folder_a_zip_and_a_tar(tmp_path: Path) -> None:
    root = unpack(tmp_path / "a", IMAGES | {"20-80/readme.txt": b"no image"})
    places = [
        root,
        root / "20-80",
        write(tmp_path / "b.zip", zip_of(dict(reversed(IMAGES.items())))),
        write(tmp_path / "c.tgz", tar_of({f"else/{name}": data for name, data in IMAGES.items()}, "w:gz")),
    ]
    found = [get(tmp_path / f"raw{i}", AFGR_SMALL, place) for i, place in enumerate(places)]
    assert len({facts["sha256"] for facts in found}) == 1
    assert found[0]["remarks"] == [
        "nobody publishes a checksum; set dataset.sha256 to this one to pin these images"
    ]
    with zipfile.ZipFile(tmp_path / "raw0") as archive:
        expected = {"/".join(name.split("/")[2:]): data for name, data in IMAGES.items()}
        assert {name: archive.read(name) for name in archive.namelist()} == expected


def test_what_was_packed_can_be_pinned(tmp_path: Path) -> None:
    root = unpack(tmp_path / "a", IMAGES)
    digest = get(tmp_path / "raw", AFGR_SMALL, root)["sha256"]
    assert digest == hashlib.sha256((tmp_path / "raw").read_bytes()).hexdigest()
    assert get(tmp_path / "raw", AFGR_SMALL, root, digest)["remarks"] == []
    write(root / "20-80/val/A7/A7_val_0.jpg", b"another")
    assert f"expected {digest}" in refusal(tmp_path, AFGR_SMALL, root, digest)


def test_two_images_of_one_name_are_both_kept_and_told(tmp_path: Path) -> None:
    """As the publisher numbers them: A3_0.jpg is one image in train and another in val, A4_3.jpg the same."""
    files = {"20-80/train/A4/A4_3.jpg": IMAGES["20-80/val/A4/A4_val_3.jpg"]}
    for name, data in IMAGES.items():
        folder, _, filename = name.rpartition("/")
        files[f"{folder}/{filename.replace('_train', '').replace('_val', '')}"] = data
    facts = get(tmp_path / "raw", AFGR_SMALL, write(tmp_path / "b.zip", zip_of(files)))
    assert facts["remarks"][0] == (
        "100 images have the name of another image in another part; all are kept, under names such as "
        "A0/train-A0_0.jpg"
    )
    with zipfile.ZipFile(tmp_path / "raw") as archive:
        assert archive.read("A3/train-A3_0.jpg") == b"train 3 0"
        assert archive.read("A3/val-A3_0.jpg") == b"val 3 0"
        assert archive.read("A3/A3_2.jpg") == b"val 3 2"
        assert archive.read("A4/A4_3.jpg") == b"val 4 3"
        assert len(archive.namelist()) == len(files) - 1 == 250


def test_another_copy_than_that_of_one_split_is_refused(tmp_path: Path) -> None:
    root = unpack(tmp_path / "a", IMAGES)
    assert "1 images of A0 instead of 5" in refusal(tmp_path, AFGR_SMALL, root / "20-80" / "train")
    unpack(root, {name.replace("20-80", "50-50"): data + b"!" for name, data in IMAGES.items()})
    assert "set dataset.location to one of its splits" in refusal(tmp_path, AFGR_SMALL, root)
    assert "no such file or folder" in refusal(tmp_path, AFGR_SMALL, tmp_path / "gone")
    page = write(tmp_path / "page.zip", b"<html>quota exceeded</html>")
    assert "neither a zip nor a tar" in refusal(tmp_path, AFGR_SMALL, page)


# ---------------------------------------------------------------- what is packed anew though it is published

SCENES = {f"2750/{name}/{name}_{i}.jpg": f"{name} {i}".encode() for name in EUROSAT.counts for i in range(2)}
UNPROVED = (
    "neither the published archive nor the images on record, only their classes and counts; "
    "set dataset.sha256 to this one to pin these images"
)


def published(files: Files = SCENES, repacked_sha256: str | None = None) -> Benchmark:
    """Return EuroSAT's record with a zip of ``files`` as the published one and two images a class."""
    digest, counts = hashlib.sha256(zip_of(files)).hexdigest(), dict.fromkeys(EUROSAT.counts, 2)
    return replace(EUROSAT, sha256=digest, repacked_sha256=repacked_sha256, counts=counts)


def test_a_copy_is_proved_by_the_published_archive_or_by_the_images_on_record(tmp_path: Path) -> None:
    official = write(tmp_path / "EuroSAT.zip", zip_of(SCENES))
    folder = unpack(tmp_path / "folder", SCENES)
    facts = get(tmp_path / "raw", published(), official)
    assert facts["remarks"] == []
    assert get(tmp_path / "raw", published(), folder)["remarks"] == [UNPROVED]
    assert get(tmp_path / "raw", published(), folder, facts["sha256"])["remarks"] == []
    known = published(repacked_sha256=facts["sha256"])
    assert get(tmp_path / "raw", known, folder)["remarks"] == []
    write(folder / "2750/River/River_0.jpg", b"saved again")
    assert get(tmp_path / "raw", known, folder)["remarks"] == [UNPROVED]
    assert f"expected {facts['sha256']}" in refusal(tmp_path, known, folder, facts["sha256"])


def test_a_copy_that_lacks_images_is_refused(tmp_path: Path) -> None:
    fewer = {name: data for name, data in SCENES.items() if name != "2750/Forest/Forest_1.jpg"}
    place = unpack(tmp_path / "folder", fewer)
    assert "not the images of EuroSAT: 1 images of Forest instead of 2" in refusal(
        tmp_path, published(), place
    )
