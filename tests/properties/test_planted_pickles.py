"""A pickle that would create a file, planted wherever a file is read: none is ever loaded."""

import io
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from made import CLASSES
from packed import refused
from readers import RANDOM, READERS

from erkt.errors import ErktError
from erkt.networks import models
from erkt.params.network import Weights


class Evil:
    """Creates the file ``mark`` when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self._mark), "w")


def by_torch(evil: Evil, *, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"weight": evil}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def by_numpy(evil: Evil, save: Callable[..., None]) -> bytes:
    file = io.BytesIO()
    save(file, np.array([evil, evil], dtype=object), allow_pickle=True)
    return file.getvalue()


def by_joblib(evil: Evil) -> bytes:
    file = io.BytesIO()
    joblib.dump(evil, file)
    return file.getvalue()


FORMS: dict[str, Callable[[Evil], bytes]] = {
    "pickle": pickle.dumps,
    "text": lambda evil: pickle.dumps(evil, protocol=0),
    "torch": lambda evil: by_torch(evil, zipped=True),
    "old torch": lambda evil: by_torch(evil, zipped=False),
    "array": lambda evil: by_numpy(evil, np.save),
    "arrays": lambda evil: by_numpy(evil, np.savez),
    "joblib": by_joblib,
}


def loaded(form: str, data: bytes) -> None:
    """Load ``data`` as whoever trusts it would."""
    file = io.BytesIO(data)
    if "torch" in form:
        torch.load(file, weights_only=False)
    elif form == "arrays":
        np.load(file, allow_pickle=True)["arr_0"]
    elif form == "array":
        np.load(file, allow_pickle=True)
    else:
        (joblib.load if form == "joblib" else pickle.load)(file)


@pytest.mark.parametrize("form", FORMS)
def test_the_planted_pickles_would_do_harm(form: str, tmp_path: Path) -> None:
    data = FORMS[form](Evil(tmp_path / "mark"))
    assert not (tmp_path / "mark").exists()
    loaded(form, data)
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", READERS)
def test_no_reader_loads_a_pickle(name: str, tmp_path: Path) -> None:
    reader, mark = READERS[name], tmp_path / "mark"
    (tmp_path / "place").mkdir()
    path = reader.make(tmp_path / "place")
    for form, made in FORMS.items():
        path.write_bytes(made(Evil(mark)))
        reader.seal(path)
        with suppress(ErktError):
            reader.read(path)
        assert not mark.exists(), form


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".npz"])
def test_initial_weights_are_never_a_pickle(form: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(FORMS[form](Evil(tmp_path / "mark")))
    settings = replace(RANDOM, weights=Weights("file", str(path), None, None))
    refused(models.build, settings, CLASSES, 64, 0, {})
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("form", ["torch", "old torch", "pickle"])
def test_weights_of_the_hub_are_never_a_pickle_that_does_more(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a repository has no safetensors: what lies in the cache is a file of torch alone."""
    revision, repository = "0" * 40, tmp_path / "models--timm--test_resnet.r160_in1k"
    for folder in (
        repository / "snapshots" / revision,
        repository / "refs",
        repository / ".no_exist" / revision,
    ):
        folder.mkdir(parents=True)
    (repository / "refs/main").write_text(revision)
    (repository / ".no_exist" / revision / "model.safetensors").touch()
    planted = repository / "snapshots" / revision / "pytorch_model.bin"
    planted.write_bytes(FORMS[form](Evil(tmp_path / "mark")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    settings = replace(RANDOM, arch="test_resnet.r160_in1k", weights=Weights("hub", None, None, None))
    said = refused(models.build, settings, CLASSES, 160, 0, {})
    assert "its initial weights cannot be loaded" in said
    print(said)
    assert not (tmp_path / "mark").exists()


def test_an_archive_of_pickles_is_an_archive_of_files(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for form, made in FORMS.items():
            archive.writestr(f"class/{form}.png", made(Evil(mark)))
    READERS["zip"].read(tmp_path / "a.zip")
    for _, data in READERS["zip"].read(tmp_path / "a.zip"):
        (tmp_path / "one.png").write_bytes(data)
        for reader in ("PNG", "rasterio"):
            assert refused(READERS[reader].read, tmp_path / "one.png")
    assert not mark.exists()
