"""What the tests of deployment share: a run, and its student as an ONNX file, which takes long to export."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from deploy_run import Made, made_run

from erkt.deploy import onnx_file
from erkt.deploy.describe import Described


@dataclass(frozen=True)
class Exported:
    """The student as it is in the pipeline, and as a file."""

    described: Described
    path: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def exported(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    described, path = made.described(), tmp_path_factory.mktemp("exported") / "student.onnx"
    onnx_file.write(described.model, described.card, path)
    return Exported(described, path)
