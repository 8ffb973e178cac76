"""How many images and classes a protocol has, as far as that is known before it runs."""

from dataclasses import dataclass

from erkt.data.benchmarks import BENCHMARKS
from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST
from erkt.files.json_file import read_json
from erkt.params.protocol import Protocol
from erkt.params.schema import as_dict
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell
from erkt.pipeline.recorded import ran_with
from erkt.scenes.catalogue import CATALOGUE


@dataclass(frozen=True)
class Counted:
    """Images with and without a class, and classes; ``prepared`` says that they lie here as an array."""

    labelled: int
    unlabelled: int
    classes: int
    prepared: bool


def images_known(protocol: Protocol) -> Counted | None:
    """Return what the prepared array has, if it is of the protocol's images, or else scenes or a benchmark.

    None where only preparing the images would tell.
    """
    try:
        if not ran_with(as_dict(protocol), Cell("download", {}), Cell("prepare", {})):
            raise ErktError("the array is of other images")
        facts = read_json(paths.PREPARED / MANIFEST)
        images, *_, side = facts["shape"]
        labelled = sum(facts["counts"].values())
        if side == protocol.prepare.side:
            return Counted(int(labelled), int(images) - int(labelled), len(facts["classes"]), prepared=True)
    except (ErktError, KeyError, TypeError, ValueError):
        pass
    if protocol.dataset.unlabelled is not None:
        return None
    if protocol.dataset.scenes is not None:
        return Counted(protocol.dataset.scenes.per_class * len(CATALOGUE), 0, len(CATALOGUE), prepared=False)
    if protocol.dataset.name in BENCHMARKS:
        counts = BENCHMARKS[protocol.dataset.name].counts
        return Counted(sum(counts.values()), 0, len(counts), prepared=False)
    return None
