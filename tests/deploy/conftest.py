"""What the tests of deployment share: a run, and its student as an ONNX file, which takes long to export."""

import pytest
from deploy_run import Made, made_run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_run(tmp_path_factory.mktemp("run"))
