"""What a cell reads is what dvc.lock records, or it does not run."""

import hashlib
from pathlib import Path

import pytest
import yaml
from closure import ROOT

from erkt.errors import ErktError
from erkt.pipeline.cells import Cell
from erkt.pipeline.lock import require_as_recorded

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SEED = str(PARAMS["seeds"][0])
SEARCH = Cell("search_weights", {"seed": SEED})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline in which the split and one teacher have run, and a stage that params no longer have."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    teacher = next(iter(PARAMS["teachers"]))
    made = {
        f"split@{SEED}": f"data/splits/{SEED}/val.txt",
        f"train_teacher@{SEED}-{teacher}": f"data/val_logits/{SEED}/{teacher}.safetensors",
    }
    stages = {}
    for name, path in made.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(name.encode())
        md5 = hashlib.md5(name.encode()).hexdigest()
        stages[name] = {"cmd": "", "outs": [{"path": path, "md5": md5}]}
    stages["of_old@0"] = {"cmd": "", "outs": [{"path": made[f"split@{SEED}"], "md5": "0" * 32}]}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return tmp_path


def test_inputs_as_recorded_pass_and_so_do_those_that_are_not_there(folder: Path) -> None:
    require_as_recorded(SEARCH, PARAMS)
    Path(f"data/splits/{SEED}/val.txt").unlink()
    require_as_recorded(SEARCH, PARAMS)
    Path("dvc.lock").unlink()
    require_as_recorded(SEARCH, PARAMS)


@pytest.mark.parametrize("pattern", ["data/splits/*/val.txt", "data/val_logits/*/*.safetensors"])
def test_a_flipped_bit_in_an_input_is_named(folder: Path, pattern: str) -> None:
    (path,) = folder.glob(pattern)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        ErktError, match=rf"{path.name}: damaged, or changed by hand, since dvc\.lock records"
    ):
        require_as_recorded(SEARCH, PARAMS)


def test_damage_in_what_a_cell_does_not_read_is_no_concern_of_it(folder: Path) -> None:
    (path,) = folder.glob("data/val_logits/*/*.safetensors")
    path.write_bytes(b"")
    require_as_recorded(
        Cell("evaluate_teacher", {"seed": SEED, "teacher": next(iter(PARAMS["teachers"]))}), PARAMS
    )


def test_a_large_folder_with_a_manifest_is_left_to_who_opens_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("data/prepared").mkdir(parents=True)
    Path("data/prepared/manifest.json").write_text("{}")
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    lock["stages"]["prepare"] = {"cmd": "", "outs": [{"path": "data/prepared", "md5": "0" * 32 + ".dir"}]}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    with pytest.raises(ErktError, match="data/prepared: damaged, or changed by hand"):
        require_as_recorded(SEARCH, PARAMS)
    monkeypatch.setattr("erkt.pipeline.lock._LARGE", 1)
    require_as_recorded(SEARCH, PARAMS)
