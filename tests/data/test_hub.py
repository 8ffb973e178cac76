"""The benchmarks as users get them: huggingface_hub itself, against a server that speaks what the hub speaks."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from faulty_server import Fault, Served, Server, faulty_server
from PIL import Image

from erkt.data.benchmarks import BENCHMARKS, Benchmark
from erkt.data.index import read_index
from erkt.data.prepare import prepare
from erkt.data.sources import fetch
from erkt.data.splits import split
from erkt.errors import ErktError
from erkt.params.dataset import Dataset
from erkt.params.prepare import Prepare
from erkt.params.schema import build
from erkt.params.split import Split

ROOT = Path(__file__).parents[2]
EACH = 5  # images a class in a stand-in
AID, NWPU = BENCHMARKS["aid30"], BENCHMARKS["nwpu45"]
TOP = {"aid30": "AID", "nwpu45": "NWPU-RESISC45"}
HUB = pytest.importorskip("huggingface_hub")


def jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def stand_in_bytes(benchmark: Benchmark, first: int = 0) -> bytes:
    """Return a zip laid out as the real one, with its class folders and file names, of few and small images."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(TOP[benchmark.name])
        for number, name in enumerate(benchmark.counts):
            archive.mkdir(f"{TOP[benchmark.name]}/{name}")
            for i in range(EACH):
                filename = f"{name.lower()}_{i + 1}.jpg" if benchmark is AID else f"{name}_{i + 1:03d}.jpg"
                archive.writestr(f"{TOP[benchmark.name]}/{name}/{filename}", jpeg(first + EACH * number + i))
    return out.getvalue()


DATA = {benchmark.name: stand_in_bytes(benchmark) for benchmark in (AID, NWPU)}
OTHER = stand_in_bytes(AID, first=1)


def pinned(benchmark: Benchmark, data: bytes) -> Benchmark:
    """Return the record with the stand-in's checksum and counts; address, revision and file stay the real ones."""
    return replace(
        benchmark,
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest() if benchmark.md5 else None,
        counts=dict.fromkeys(benchmark.counts, EACH),
    )


RECORDS = {benchmark.name: pinned(benchmark, DATA[benchmark.name]) for benchmark in (AID, NWPU)}


def ignore(done: int, total: int | None) -> None:
    pass


class Hub:
    """The server in the hub's place, and what huggingface_hub waited for."""

    def __init__(self, server: Server, cache: Path) -> None:
        self.server, self.cache = server, cache
        self.waits: list[float] = []

    def serve(self, *faults: Fault, name: str = "aid30", data: bytes | None = None) -> Served:
        file = BENCHMARKS[name].archive
        assert file is not None
        content = DATA[name] if data is None else data
        return self.server.serve_hub(file.repository, file.revision, file.filename, content, *faults)

    def gets(self) -> int:
        return len(self.server.ranges())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Point huggingface_hub, which reads its settings once, to a server of ours and to an empty cache."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with faulty_server() as server:
        running = Hub(server, tmp_path / "cache")
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        settings: dict[str, Any] = {
            "ENDPOINT": server.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(running.cache),
            "HF_HUB_OFFLINE": False,
            "DOWNLOAD_CHUNK_SIZE": 1000,  # what a cut loses at most: the stand-ins are small
            "HF_HUB_DISABLE_TELEMETRY": True,
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        for module in (file_download, _http):
            clock = SimpleNamespace(sleep=running.waits.append)
            monkeypatch.setattr(module, "time", clock)
        HUB.close_session()
        yield running
        HUB.close_session()


def settings(name: str = "aid30", location: str | None = None) -> Dataset:
    return Dataset(name, "benchmark", location, None, None)


def get(out: Path, name: str = "aid30", records: Mapping[str, Benchmark] = RECORDS) -> dict[str, Any]:
    return fetch(settings(name), out, {}, ignore, benchmarks=records)


def refusal(out: Path, records: Mapping[str, Benchmark] = RECORDS) -> str:
    with pytest.raises(ErktError) as caught:
        get(out, records=records)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert not out.parent.exists() or os.listdir(out.parent) == []
    return str(caught.value)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "data" / "archive"


# ---------------------------------------------------------------- from the address to the lists


@pytest.mark.parametrize("name", ["aid30", "nwpu45"])
def test_a_benchmark_is_downloaded_prepared_and_split(tmp_path: Path, hub: Hub, out: Path, name: str) -> None:
    hub.serve(name=name)
    facts = get(out, name)
    assert out.read_bytes() == DATA[name]
    assert facts["sha256"] == hashlib.sha256(DATA[name]).hexdigest()
    assert facts["benchmark"]["hub"]["revision"] in hub.server.requests[0][1]
    params = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text(encoding="utf-8"))
    recipe = build(Prepare, params["prepare"] | {"side": 8}, "prepare")
    manifest = prepare(out, tmp_path / "prepared", recipe, lambda done, total: None)
    assert manifest["counts"] == dict.fromkeys(BENCHMARKS[name].counts, EACH)
    assert manifest["classes"] == list(BENCHMARKS[name].counts)
    rows = read_index(tmp_path / "prepared" / "index.csv")
    shares = build(Split, params["split"] | {"train_percent": 20, "val_percent": 0}, "split")
    parts = split([row.key for row in rows], [row.label for row in rows], shares, seed=0)
    classes = len(manifest["classes"])
    assert {part: len(chosen) for part, chosen in parts.items()} == {
        "train": classes,
        "val": 0,
        "test": 4 * classes,
    }


def test_the_archive_is_a_copy_of_the_cached_file_not_a_link_to_it(hub: Hub, out: Path) -> None:
    hub.serve()
    get(out)
    assert not out.is_symlink()
    cached = [
        path for path in hub.cache.rglob("*") if path.is_file() and path.stat().st_ino == out.stat().st_ino
    ]
    assert cached == []
    out.write_bytes(b"changed")
    get(out)
    assert out.read_bytes() == DATA["aid30"]
    assert hub.gets() == 1


def test_a_fresh_process_downloads_with_the_users_own_environment(
    tmp_path: Path, hub: Hub, out: Path
) -> None:
    """HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE work as huggingface_hub documents them."""
    hub.serve()
    script = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from erkt.data.sources import fetch; from erkt.data.benchmarks import BENCHMARKS\n"
        "from erkt.params.dataset import Dataset\n"
        "aid = BENCHMARKS['aid30']\n"
        f"record = replace(aid, sha256=sys.argv[2], counts=dict.fromkeys(aid.counts, {EACH}))\n"
        "fetch(Dataset('aid30', 'benchmark', None, None, None), Path(sys.argv[1]), {}, lambda *x: None,\n"
        "      benchmarks={'aid30': record})\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": hub.server.address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": "hf_word",
    }
    command = [sys.executable, "-c", script, str(out), RECORDS["aid30"].sha256 or ""]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert out.read_bytes() == DATA["aid30"]
    assert {headers["authorization"] for *_, headers in hub.server.requests} == {"Bearer hf_word"}
    # No telemetry: nothing is asked beside the file, and nothing told of what is installed.
    assert {path.split("/")[1] for _, path, _ in hub.server.requests} == {"datasets"}
    assert not any("torch" in headers["user-agent"] for *_, headers in hub.server.requests)
    before = len(hub.server.requests)
    out.unlink()
    environment |= {"HF_HUB_OFFLINE": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert out.read_bytes() == DATA["aid30"]
    assert len(hub.server.requests) == before


def test_a_plain_server_needs_no_xet(hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hf_xet", None)
    hub.serve()
    get(out)
    assert out.read_bytes() == DATA["aid30"]


# ---------------------------------------------------------------- faults on the way


def test_a_connection_that_is_cut_goes_on_where_it_was(hub: Hub, out: Path) -> None:
    hub.serve(Fault(cut=20_000))
    get(out)
    assert out.read_bytes() == DATA["aid30"]
    assert hub.server.ranges() == [None, "bytes=20000-"]
    assert hub.waits == [1]


def test_a_connection_that_stands_still_is_left_and_goes_on(
    hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    hub.serve(Fault(stall=20_000))
    get(out)
    assert out.read_bytes() == DATA["aid30"]


def test_a_server_that_ignores_ranges_gives_the_file_all_the_same(hub: Hub, out: Path) -> None:
    hub.serve(Fault(cut=20_000), Fault(blind=True))
    get(out)
    assert out.read_bytes() == DATA["aid30"]


def test_content_that_changes_between_two_halves_is_never_taken(hub: Hub, out: Path) -> None:
    """The library resumes without If-Range and glues; the digest tells, and the file is asked for anew."""
    before = bytearray(DATA["aid30"])
    before[1000] ^= 1
    hub.serve(Fault(cut=20_000), Fault(becomes=DATA["aid30"]), data=bytes(before))
    get(out)
    assert out.read_bytes() == DATA["aid30"]
    assert hub.server.ranges() == [None, "bytes=20000-", None]


def test_a_cache_that_holds_other_bytes_is_not_believed(hub: Hub, out: Path) -> None:
    hub.serve()
    get(out)
    blob = next(path for path in hub.cache.rglob("blobs/*") if path.is_file())
    blob.write_bytes(OTHER)
    get(out)
    assert out.read_bytes() == DATA["aid30"]
    assert hub.gets() == 2


def test_a_spoiled_cache_offline_says_so(hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.serve()
    get(out)
    out.unlink()
    next(path for path in hub.cache.rglob("blobs/*") if path.is_file()).write_bytes(OTHER)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refusal(out)
    assert message.startswith("the copy in the Hugging Face cache is not the pinned archive: sha256")
    assert "HF_HUB_OFFLINE is set" in message


def test_a_spoiled_cache_that_cannot_be_mended_says_so(hub: Hub, out: Path) -> None:
    served = hub.serve()
    get(out)
    out.unlink()
    next(path for path in hub.cache.rglob("blobs/*") if path.is_file()).write_bytes(OTHER)
    served.faults += [answer(503)] * 20
    message = refusal(out)
    assert message.startswith("the copy in the Hugging Face cache is not the pinned archive: sha256")
    assert "the hub answered 503; try again later" in message


def test_another_file_at_the_address_is_refused(hub: Hub, out: Path) -> None:
    hub.serve(data=OTHER)
    message = refusal(out)
    assert message.startswith(
        "AID.zip of isaaccorley/aid on the Hugging Face hub: not the pinned archive: sha256"
    )
    assert hub.gets() == 2


@pytest.mark.parametrize("lie", [1000, -1000])
def test_a_lie_about_the_length_ends_whole_or_not_at_all(hub: Hub, out: Path, lie: int) -> None:
    hub.serve(*[Fault(lie=lie, method="")] * 40)
    assert "isaaccorley/aid" in refusal(out)
    hub.serve()
    get(out)
    assert out.read_bytes() == DATA["aid30"]


def test_a_hub_in_trouble_is_asked_again(hub: Hub, out: Path) -> None:
    hub.serve(Fault(method="HEAD", status=503), Fault(status=429, headers={"Retry-After": "7"}))
    get(out)
    assert out.read_bytes() == DATA["aid30"]
    assert 8.0 in hub.waits


# ---------------------------------------------------------------- one line each


def answer(status: int, code: str = "") -> Fault:
    return Fault(method="", status=status, headers={"X-Error-Code": code} if code else {})


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            answer(403, "GatedRepo"),
            "grants access on request; ask for it on the dataset's page, then log in with",
        ),
        (answer(401, "RepoNotFound"), "there is no such dataset, or it is not yours to read; log in"),
        (
            answer(404, "RevisionNotFound"),
            f"the pinned revision {AID.archive and AID.archive.revision} is no longer",
        ),
        (answer(404, "EntryNotFound"), "has no such file"),
        (answer(401), "the hub refused (401); log in with 'hf auth login' or set HF_TOKEN"),
        (answer(403), "the hub refused (403); log in"),
        (answer(404), "the hub answered 404"),
        (answer(429), "the hub answers no more for now (429); wait"),
        (answer(500), "the hub answered 500; try again later"),
    ],
)
def test_a_refusal_is_one_line_with_what_to_do(hub: Hub, out: Path, fault: Fault, expected: str) -> None:
    hub.serve(*[fault] * 20)
    message = refusal(out)
    assert expected in message
    assert message.endswith("or set dataset.location to a copy of AID.zip you have")


def test_a_file_that_turns_away_after_it_was_promised_is_one_line(hub: Hub, out: Path) -> None:
    hub.serve(*[Fault(status=403)] * 5)
    assert "the hub refused (403)" in refusal(out)


def test_a_server_that_is_no_hub_is_one_line(hub: Hub, out: Path) -> None:
    hub.serve().headers.clear()
    assert "no Hugging Face hub; check HF_ENDPOINT" in refusal(out)


def test_offline_without_a_cached_file_is_one_line(
    hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.serve()
    assert "HF_HUB_OFFLINE is set and the file is not in the cache; unset it" in refusal(out)
    assert hub.server.requests == []


def test_no_connection_is_one_line(hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty_server() as gone:
        template = gone.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert "no connection to the hub, and the file is not in the cache" in refusal(out)


def test_a_connection_that_is_cut_again_and_again_is_one_line(hub: Hub, out: Path) -> None:
    hub.serve(*[Fault(cut=0)] * 20)
    assert "the download failed (" in refusal(out)
    hub.serve()
    get(out)
    assert out.read_bytes() == DATA["aid30"]
