"""The benchmarks as users get them: huggingface_hub itself, against a server that speaks as the hub does."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from closure import ROOT
from faulty_server import Fault, Served, Server, faulty_server
from packed import ignore, refused, unpack, write, zip_of
from PIL import Image

from erkt.data.benchmarks import BENCHMARKS, Benchmark
from erkt.data.prepare import prepare
from erkt.data.sources import fetch
from erkt.params.dataset import Dataset
from erkt.params.prepare import Prepare

EACH = 5  # images a class in a stand-in
TOP = {"aid30": "AID", "nwpu45": "NWPU-RESISC45", "eurosat": "2750"}


def jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def stand_in(benchmark: Benchmark, first: int = 0) -> bytes:
    """Return a zip laid out as the real one, with its class folders, of few and small images."""
    top = TOP[benchmark.name]
    names = [f"{top}/{name}/{name.lower()}_{i + 1}.jpg" for name in benchmark.counts for i in range(EACH)]
    return zip_of({name: jpeg(first + number) for number, name in enumerate(names)})


DATA = {name: stand_in(BENCHMARKS[name]) for name in TOP}
AID = DATA["aid30"]
OTHER = stand_in(BENCHMARKS["aid30"], first=1)
# The stand-in's checksum and counts; address, revision and file stay the real ones.
RECORDS = {
    name: replace(
        BENCHMARKS[name],
        sha256=hashlib.sha256(data).hexdigest(),
        counts=dict.fromkeys(BENCHMARKS[name].counts, EACH),
    )
    for name, data in DATA.items()
}


class Hub:
    """The server in the hub's place, and what huggingface_hub waited for."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.cache, self.out = server, folder / "cache", folder / "data" / "archive"
        self.waits: list[float] = []

    def serve(self, *faults: Fault, name: str = "aid30", data: bytes | None = None) -> Served:
        file = BENCHMARKS[name].archive
        assert file is not None
        return self.server.serve_hub(
            file.repository, file.revision, file.filename, data or DATA[name], *faults
        )

    def get(self, name: str = "aid30") -> bytes:
        settings = Dataset(name, "benchmark", None, None, None, None)
        fetch(settings, self.out, {}, ignore, benchmarks=RECORDS)
        return self.out.read_bytes()

    def refusal(self, name: str = "aid30") -> str:
        message = refused(self.get, name)
        assert not self.out.parent.exists() or os.listdir(self.out.parent) == []
        return message

    def spoil(self) -> None:
        """Fill the cache, and put other bytes into it."""
        self.get()
        self.out.unlink()
        next(path for path in self.cache.rglob("blobs/*") if path.is_file()).write_bytes(OTHER)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Point huggingface_hub, which reads its settings once, to a server of ours and to an empty cache."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with faulty_server() as server:
        running = Hub(server, tmp_path)
        settings: dict[str, Any] = {
            "ENDPOINT": server.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(running.cache),
            "HF_HUB_OFFLINE": False,
            "DOWNLOAD_CHUNK_SIZE": 1000,  # what a cut loses at most: the stand-ins are small
            "HF_HUB_DOWNLOAD_TIMEOUT": 0.5,
            "HF_HUB_DISABLE_TELEMETRY": True,
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        for module in (file_download, _http):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=running.waits.append))
        huggingface_hub.close_session()
        yield running
        huggingface_hub.close_session()


@pytest.mark.parametrize("name", TOP)
def test_a_benchmark_is_downloaded_and_prepared(tmp_path: Path, hub: Hub, name: str) -> None:
    hub.serve(name=name)
    assert (hub.get(name) == DATA[name]) is not BENCHMARKS[name].repacked
    assert str(BENCHMARKS[name].archive and BENCHMARKS[name].archive.revision) in hub.server.requests[0][1]
    settings = Prepare(8, "bicubic", "squash", "refuse")
    manifest = prepare(hub.out, tmp_path / "prepared", settings, ignore)
    assert manifest["counts"] == dict.fromkeys(BENCHMARKS[name].counts, EACH)
    assert manifest["classes"] == list(BENCHMARKS[name].counts)


def test_a_repacked_benchmark_has_the_published_images_and_the_bytes_of_any_other_packing(
    tmp_path: Path, hub: Hub
) -> None:
    hub.serve(name="eurosat")
    got = hub.get("eurosat")
    with zipfile.ZipFile(io.BytesIO(DATA["eurosat"])) as published, zipfile.ZipFile(hub.out) as packed:
        images = {name.removeprefix("2750/"): published.read(name) for name in published.namelist()}
        assert {name: packed.read(name) for name in packed.namelist()} == images
    other = {f"EuroSAT/{name}": data for name, data in reversed(images.items())}
    places = [
        write(tmp_path / "EuroSAT.zip", DATA["eurosat"]),
        write(tmp_path / "other.zip", zip_of(other, zipfile.ZIP_DEFLATED)),
        unpack(tmp_path / "folder", images),
    ]
    for place in places:
        settings = Dataset("eurosat", "benchmark", str(place), None, None, None)
        fetch(settings, tmp_path / "out", {}, ignore, benchmarks=RECORDS)
        assert (tmp_path / "out").read_bytes() == got


def test_what_is_packed_from_the_hub_can_be_pinned(tmp_path: Path, hub: Hub) -> None:
    hub.serve(name="eurosat")
    pin = hashlib.sha256(hub.get("eurosat")).hexdigest()
    facts = fetch(
        Dataset("eurosat", "benchmark", None, pin, None, None), hub.out, {}, ignore, benchmarks=RECORDS
    )
    assert (facts["sha256"], facts["remarks"]) == (pin, [])
    another = Dataset("eurosat", "benchmark", None, "0" * 64, None, None)
    message = refused(fetch, another, tmp_path / "out", {}, ignore, benchmarks=RECORDS)
    assert message.endswith(f"sha256 {pin}, expected {'0' * 64}")
    assert not (tmp_path / "out").exists()


def test_the_archive_is_a_copy_of_the_cached_file_not_a_link_to_it(hub: Hub) -> None:
    hub.serve()
    hub.get()
    assert not hub.out.is_symlink()
    assert hub.out.stat().st_nlink == 1
    hub.out.write_bytes(b"changed")
    assert hub.get() == AID
    assert len(hub.server.ranges()) == 1


def test_a_fresh_process_downloads_with_the_users_own_environment(tmp_path: Path, hub: Hub) -> None:
    """HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE work as huggingface_hub documents them."""
    hub.serve()
    script = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from erkt.data.sources import fetch; from erkt.data.benchmarks import BENCHMARKS\n"
        "from erkt.params.dataset import Dataset\n"
        "aid = BENCHMARKS['aid30']\n"
        f"record = replace(aid, sha256=sys.argv[2], counts=dict.fromkeys(aid.counts, {EACH}))\n"
        "aid30 = Dataset('aid30', 'benchmark', None, None, None, None)\n"
        "fetch(aid30, Path(sys.argv[1]), {}, lambda *x: None,\n"
        "      benchmarks={'aid30': record})\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.server.address, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", script, str(hub.out), hashlib.sha256(AID).hexdigest()]
    for more in ({"HF_TOKEN": "hf_word"}, {"HF_HUB_OFFLINE": "1"}):
        subprocess.run(command, cwd=ROOT, env=environment | more, check=True, capture_output=True)
        assert hub.out.read_bytes() == AID
        hub.out.unlink()
    assert {headers["authorization"] for *_, headers in hub.server.requests} == {"Bearer hf_word"}
    # No telemetry: nothing is asked beside the file, and nothing told of what is installed.
    assert {path.split("/")[1] for _, path, _ in hub.server.requests} == {"datasets"}
    assert not any("torch" in headers["user-agent"] for *_, headers in hub.server.requests)


# ---------------------------------------------------------------- faults on the way


@pytest.mark.parametrize(
    "faults",
    [[Fault(cut=20_000)], [Fault(stall=20_000)], [Fault(cut=20_000), Fault(blind=True)]],
    ids=["cut", "stall", "blind"],
)
def test_what_is_broken_off_comes_whole_all_the_same(hub: Hub, faults: list[Fault]) -> None:
    hub.serve(*faults)
    assert hub.get() == AID
    assert hub.server.ranges() == [None, "bytes=20000-"]


def test_content_that_changes_between_two_halves_is_never_taken(hub: Hub) -> None:
    """The library resumes without If-Range and glues; the digest tells, and the file is asked for anew."""
    hub.serve(Fault(cut=20_000), Fault(becomes=AID), data=bytes(1000) + AID[1000:])
    assert hub.get() == AID
    assert hub.server.ranges() == [None, "bytes=20000-", None]


def test_a_spoiled_cache_is_not_believed_and_mended_or_named(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = hub.serve()
    hub.spoil()
    assert hub.get() == AID
    hub.spoil()
    held = "the copy in the Hugging Face cache is not the pinned archive (sha256 "
    served.faults += [answer(503)] * 20
    message = hub.refusal()
    assert message.startswith(held)
    assert "the hub answered 503; try again later" in message
    served.faults.clear()
    hub.spoil()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = hub.refusal()
    assert message.startswith(held)
    assert "HF_HUB_OFFLINE is set" in message


@pytest.mark.parametrize("name", ["aid30", "eurosat"])
def test_another_file_at_the_address_is_refused(hub: Hub, name: str) -> None:
    """Also if it holds as many images of the same classes, which would pack well."""
    other = stand_in(BENCHMARKS[name], first=1)
    hub.serve(name=name, data=other)
    found = f"sha256 {hashlib.sha256(other).hexdigest()}, expected {RECORDS[name].sha256}"
    assert hub.refusal(name) == f"{BENCHMARKS[name].archive}: not the pinned archive: {found}"
    assert len(hub.server.ranges()) == 2


@pytest.mark.parametrize(
    "fault",
    [Fault(lie=1000, method=""), Fault(lie=-1000, method=""), Fault(cut=0)],
    ids=["longer", "shorter", "cut"],
)
def test_what_never_comes_whole_is_one_line_and_spoils_nothing(hub: Hub, fault: Fault) -> None:
    hub.serve(*[fault] * 40)
    assert "isaaccorley/aid" in hub.refusal()
    hub.serve()
    assert hub.get() == AID


# ---------------------------------------------------------------- one line each


def answer(status: int, code: str = "") -> Fault:
    return Fault(method="", status=status, headers={"X-Error-Code": code} if code else {})


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (answer(403, "GatedRepo"), "access is granted on request, on the dataset's page; ask, then log in"),
        (answer(401, "RepoNotFound"), "there is no such dataset, or it is not yours to read; log in"),
        (answer(404, "RevisionNotFound"), "the pinned revision is no longer there"),
        (answer(404, "EntryNotFound"), "the pinned revision has no such file"),
        (answer(401), "the hub answered 401; log in with 'hf auth login' or set HF_TOKEN"),
        (answer(404), "the hub answered 404"),
        (answer(429), "the hub answered 429; wait, or log in"),
        (answer(500), "the hub answered 500; try again later"),
        (Fault(status=403), "the hub answered 403; log in"),  # only once the file itself is asked for
        (Fault(cut=0), "the download failed ("),
    ],
)
def test_a_refusal_is_one_line_with_what_to_do(hub: Hub, fault: Fault, expected: str) -> None:
    hub.serve(*[fault] * 20)
    message = hub.refusal()
    assert expected in message
    assert message.endswith("or set dataset.location to a copy of AID.zip you have")


def test_no_hub_no_connection_and_none_wanted_are_one_line_each(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.serve().headers.clear()
    assert "no Hugging Face hub; check HF_ENDPOINT" in hub.refusal()
    with faulty_server() as gone:
        template = gone.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert "no connection to the hub; check the network" in hub.refusal()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set and the file is not in the cache; unset it" in hub.refusal()
