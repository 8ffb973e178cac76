import shutil
from argparse import ArgumentParser
from pathlib import Path

import onnxruntime
import pytest
from closure import ROOT, closure
from deploy_run import Made

import erkt
from erkt.cli import export
from erkt.errors import ErktError

Capture = pytest.CaptureFixture[str]
PREPARED = ("--filter", "box", "--non-square", "squash")


def run(*arguments: object) -> int:
    parser = ArgumentParser()
    export.arguments(parser)
    return export.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def root(made: Made, tmp_path: Path) -> Path:
    """The run of ``made`` in the places where a repository has its files."""
    shutil.copytree(made.run.network.parents[2], tmp_path / "run")
    shutil.copy(ROOT / "tests/tiny.yaml", tmp_path / "run/params.yaml")
    (tmp_path / "run/metrics/evaluate").mkdir()
    shutil.copy(made.run.metrics or "", tmp_path / "run/metrics/evaluate/0.json")
    return tmp_path / "run"


def test_a_student_of_a_run_goes_with_all_that_is_known_of_it(
    root: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "student.onnx"
    assert run(root / "data/students/0", out) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{out}: test_resnet, 3 classes, 32 px, ")
    assert told[1].startswith("logits within ")
    assert "on 12 validation images" in told[2]
    card = erkt.load(out).card
    assert (card.filter, card.non_square, card.results["oa"]) == ("bilinear", "center_crop", 91.5)
    assert card.training is not None
    assert (card.training.dataset, card.training.seed) == ("scenes", 0)
    assert set(card.teachers) == {"one", "two"}
    assert card.calibration is not None
    assert card.calibration.aim == 95.0
    with pytest.raises(ErktError, match=r"student\.onnx: exists; choose another name, or add --overwrite"):
        run(root / "data/students/0", out)
    with pytest.raises(ErktError, match="its run says how its images are prepared; leave options out"):
        run(root / "data/students/0", tmp_path / "other.onnx", *PREPARED)


def test_a_teacher_of_a_run_goes_as_a_folder_for_timm(root: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(root / "data/teachers/0/one", tmp_path / "teacher") == 0
    assert "teacher: test_byobnet, 3 classes" in capsys.readouterr().out
    card = erkt.load(tmp_path / "teacher").card
    assert (card.arch, card.teachers, card.results) == ("test_byobnet", {}, {})
    assert card.calibration is not None


def test_a_network_without_its_run_needs_to_be_told_how_images_are_read(
    made: Made, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copytree(made.run.network, tmp_path / "deep/er/student")
    with pytest.raises(
        ErktError, match="lies in no run that says how its images were prepared; add --filter"
    ):
        run(tmp_path / "deep/er/student", tmp_path / "student.onnx")
    assert run(tmp_path / "deep/er/student", tmp_path / "student.onnx", "--float-input", *PREPARED) == 0
    assert "no validation part, so probabilities are not calibrated" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx")
    assert session.get_inputs()[0].type == "tensor(float)"
    card = erkt.load(tmp_path / "student.onnx").card
    assert (card.filter, card.non_square, card.training, card.commit) == ("box", "squash", None, None)
    with pytest.raises(ErktError, match="--float-input is for ONNX"):
        run(tmp_path / "deep/er/student", tmp_path / "folder", "--float-input", *PREPARED)


def test_no_stage_but_export_and_the_page_of_it_has_code_of_deployment() -> None:
    """So that an edit of it retrains nothing."""
    last = ("export", "report")
    for stage in (path for path in (ROOT / "stages").glob("[!_]*.py") if path.stem not in last):
        code = closure(stage.relative_to(ROOT))
        assert not [file for file in code if file.startswith("erkt/deploy")], stage.stem
