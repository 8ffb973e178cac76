"""A folder goes to the hub whole: large files by LFS, small ones in the commit, as the hub asks for them."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from erkt.deploy.pushing import push
from erkt.errors import ErktError


class Hub(ThreadingHTTPServer):
    """As much of the hub as an upload sees: ``committed`` has the bytes of each file by name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.stored: dict[str, bytes] = {}
        self.committed: dict[str, bytes] = {}
        self.made: dict[str, Any] = {}
        self.refuses = False


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Tell of the repository that was made."""
        self._answer({"id": "lab/student", "private": True, "siblings": [], "sha": "0" * 40})

    def do_PUT(self) -> None:
        """Take the bytes of a large file."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stored[hashlib.sha256(data).hexdigest()] = data
        self._answer({})

    def do_POST(self) -> None:
        """Make a repository, say how files are to come, or take a commit."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.refuses:
            self._answer({"error": "You don't have the rights to create a model"}, status=403)
        elif self.path == "/api/repos/create":
            self.server.made = json.loads(body)
            self._answer({"url": f"{self.server.address}/lab/student", "name": "lab/student"})
        elif "/preupload/" in self.path:
            self._answer({"files": [_mode(file["path"]) for file in json.loads(body)["files"]]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [self._upload(each) for each in json.loads(body)["objects"]]
            self._answer({"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._answer({})

    def _upload(self, each: dict[str, Any]) -> dict[str, Any]:
        return {**each, "actions": {"upload": {"href": f"{self.server.address}/lfs/{each['oid']}"}}}

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.committed[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.committed[value["path"]] = self.server.stored[value["oid"]]
        address = f"{self.server.address}/lab/student/commit/{'0' * 40}"
        self._answer({"commitOid": "0" * 40, "commitUrl": address, "success": True})

    def _answer(self, content: object, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.git-lfs+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _mode(path: str) -> dict[str, Any]:
    large = path.endswith(".safetensors")
    return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": None}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", server.address, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_word")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "student"
    path.mkdir()
    (path / "config.json").write_text('{"architecture": "test_resnet"}')
    (path / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (path / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return path


def test_all_files_arrive_in_a_repository_that_is_private(hub: Hub, folder: Path) -> None:
    address = push(folder, "lab/student")
    assert address == f"{hub.address}/lab/student/commit/{'0' * 40}"
    assert hub.committed == {file.name: file.read_bytes() for file in folder.iterdir()}
    assert hub.made["name"] == "student"
    assert hub.made["organization"] == "lab"
    assert hub.made.get("private") is True or hub.made.get("visibility") == "private"


def test_a_refusal_is_one_line_and_the_folder_stays(hub: Hub, folder: Path) -> None:
    hub.refuses = True
    with pytest.raises(
        ErktError, match=r"--push-to lab/student: 403 .*rights to create.*student is whole"
    ) as told:
        push(folder, "lab/student")
    assert "\n" not in str(told.value)
    assert len(list(folder.iterdir())) == 3
    with pytest.raises(ErktError, match="expected OWNER/NAME"):
        push(folder, "a/b/c")
