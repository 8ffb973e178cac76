"""Students in MLflow's registry: as ONNX, without pickle, with all that is known of them.

A version holds the model by MLflow's flavour for ONNX, with signature, an example of its input, classes and
card; its run has the metrics and what the model says of each test image. The alias ``champion`` is on the
version that is to be used.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erkt.deploy.card import ModelCard
from erkt.deploy.contest import Answers, Contest, compare, read
from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.replace import write_text
from erkt.params.schema import as_dict
from erkt.tracking import mlflow_store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

ALIAS = "champion"
MODEL, ANSWERS, CARD = "model", "test_predictions.csv", "erkt.json"
"""What a run of a registered student holds."""

_NEEDED = ("mlflow", "onnx", "onnxruntime", "numpy")
_DIGEST = "erkt.model_sha256"


@dataclass(frozen=True, eq=False)
class Candidate:
    """An exported student: its ONNX file and card, a few of its images, and what it says of the test list.

    ``example`` is uint8 (B, side, side, 3).
    """

    path: Path
    card: ModelCard
    example: NDArray[np.uint8]
    answers: Answers


@dataclass(frozen=True)
class Outcome:
    """What came of it: the version, whether it is new, the champion before, and how it did against it.

    ``moved`` says whether the alias is now on this version and was not before. Versions are MLflow's numbers.
    """

    version: str
    new: bool
    former: str | None
    contest: Contest | None
    moved: bool


class Registry:
    """The registry in the store at ``uri``. Methods raise whatever MLflow raises, and ErktError."""

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri = uri
        self._client, self._experiment = mlflow_store.connect(uri, experiment)

    def register(self, name: str, candidate: Candidate, forced_by: str | None = None) -> Outcome:
        """Register a student under ``name``, and make it the champion if it beats the one that is.

        A file that is registered already is not registered again, but compared. The comparison, and
        ``forced_by``, who makes it the champion whatever was compared, become tags of the version.

        Raises ErktError, before anything is changed, if its test list is not the champion's and nobody forces
        it, or it is no ONNX file of uint8 pixels; and if another one moved the alias in the meantime.
        """
        versions = self._versions(name)
        champion = self._champion(name) if versions else None
        contest = self._against(champion, name, candidate, forced_by) if champion else None
        digest = str(sha256_file(candidate.path))
        same = [one for one in versions if one.tags.get(_DIGEST) == digest]
        found = same[0] if same else self._add(name, candidate, digest)
        own = champion is not None and champion.version == found.version
        moves = not own and (champion is None or forced_by is not None or bool(contest and contest.won))
        self._tell(found, candidate, champion, contest, forced_by if moves else None)
        if moves:
            now = self._champion(name)
            if (now and now.version) != (champion and champion.version):
                raise ErktError(f"{name}: another one has moved {ALIAS} in the meantime; do it again")
            self._client.set_registered_model_alias(name, ALIAS, found.version)
        former = champion.version if champion else None
        return Outcome(str(found.version), not same, former and str(former), None if own else contest, moves)

    def answers(self, version: "ModelVersion") -> Answers:
        """Return what a registered version says of its test images."""
        from mlflow.artifacts import download_artifacts  # the client's own asks the store of the environment

        address = f"{self._client.get_run(str(version.run_id)).info.artifact_uri}/{ANSWERS}"
        with tempfile.TemporaryDirectory() as folder:
            found = download_artifacts(artifact_uri=address, dst_path=folder, tracking_uri=self._uri)
            return read(Path(found))

    def _against(
        self, champion: "ModelVersion", name: str, candidate: Candidate, forced_by: str | None
    ) -> Contest | None:
        try:
            who = f"{name} version {champion.version}, its {ALIAS}"
            return compare(candidate.answers, self.answers(champion), who)
        except ErktError as error:
            if forced_by is None:
                raise ErktError(f"{candidate.path}: {error}, or say who decides with --force") from None
            return None

    def _versions(self, name: str) -> "list[ModelVersion]":
        if not any(found.name == name for found in self._client.search_registered_models(f"name = '{name}'")):
            return []
        return list(self._client.search_model_versions(f"name = '{name}'", max_results=10_000))

    def _champion(self, name: str) -> "ModelVersion | None":
        aliases = self._client.get_registered_model(name).aliases
        return self._client.get_model_version(name, str(aliases[ALIAS])) if ALIAS in aliases else None

    def _add(self, name: str, candidate: Candidate, digest: str) -> "ModelVersion":
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder), candidate)
            run = self._client.create_run(self._experiment, run_name=f"register {name}")
            try:
                self._client.log_artifacts(run.info.run_id, folder)
                for metric, value in {
                    **candidate.card.results,
                    "registered_oa": candidate.answers.oa,
                }.items():
                    self._client.log_metric(run.info.run_id, metric, value)
            except BaseException:
                self._client.set_terminated(run.info.run_id, "FAILED")
                raise
            self._client.set_terminated(run.info.run_id)
        if not any(found.name == name for found in self._client.search_registered_models(f"name = '{name}'")):
            self._client.create_registered_model(name)
        return self._client.create_model_version(
            name, f"{run.info.artifact_uri}/{MODEL}", run.info.run_id, tags={_DIGEST: digest}
        )

    def _tell(
        self,
        found: "ModelVersion",
        candidate: Candidate,
        champion: "ModelVersion | None",
        contest: Contest | None,
        forced_by: str | None,
    ) -> None:
        """Keep as tags of a version what was compared, and who decided otherwise."""
        facts: dict[str, Any] = {"oa": candidate.answers.oa, "test_images": len(candidate.answers.rows)}
        facts |= {"inputs": candidate.card.inputs, "commit": candidate.card.commit, "forced_by": forced_by}
        if champion and champion.version != found.version:
            facts["compared_with"] = champion.version
            facts |= {} if contest is None else asdict(contest)
        for name, value in facts.items():
            if value is not None:
                self._client.set_model_version_tag(found.name, str(found.version), f"erkt.{name}", str(value))


def _write(folder: Path, candidate: Candidate) -> None:
    """Write into ``folder`` what a run holds: the model for MLflow, its card, and its test predictions."""
    import mlflow.onnx
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema, TensorSpec

    model, card, side = onnx.load(candidate.path), candidate.card, candidate.card.side
    if model.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.UINT8:
        raise ErktError(f"{candidate.path}: takes floats; export it without --float-input")
    widths: Mapping[str, int] = {
        output.name: output.type.tensor_type.shape.dim[1].dim_value for output in model.graph.output
    }
    outputs: list[ColSpec | TensorSpec] = [
        TensorSpec(np.dtype(np.float32), (-1, width), name) for name, width in widths.items()
    ]
    signature = ModelSignature(Schema([TensorSpec(np.dtype(np.uint8), (-1, side, side, 3))]), Schema(outputs))
    mlflow.onnx.save_model(
        model,
        str(folder / MODEL),
        signature=signature,
        input_example=candidate.example,
        pip_requirements=[
            f"{name}=={version_of(name)}" for name in _NEEDED
        ],  # else MLflow installs to find out
        onnx_execution_providers=["CPUExecutionProvider"],
        metadata={"classes": list(card.classes), "card": as_dict(card)},
        save_as_external_data=False,
    )
    write_text(folder / CARD, card.to_json())
    candidate.answers.write(folder / ANSWERS)
