"""A network, where its initial weights come from, and the side in pixels at which it sees images."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between

_DECIDED = {
    "model_name": "arch",
    "checkpoint_path": "weights",
    "cache_dir": "weights",
    "drop_rate": "the key drop_rate beside options",
    "drop_path_rate": "the key drop_path_rate beside options",
    "num_classes": "the images, which have the classes",
    "in_chans": "the images, which have three channels",
    "features_only": "the task, which needs logits",
    "device": "runtime.device",
    "dtype": "recipe.precision",
}
"""What timm would take as an option, and what decides it here."""


@dataclass(frozen=True)
class Weights:
    """Initial weights: ``none`` (random), ``hub`` (timm's, by tag and revision) or a safetensors ``file``.

    ``location`` may start with ``$NAME``, read from the environment; ``sha256`` pins a file's bytes.
    """

    source: Literal["none", "hub", "file"]
    location: str | None
    revision: str | None
    sha256: str | None

    def __post_init__(self) -> None:
        if (self.source == "file") != (self.location is not None):
            raise ErktError("location belongs to source: file, and is null for the others")
        if self.source != "hub" and self.revision is not None:
            raise ErktError("revision belongs to source: hub, and is null for the others")
        if self.source != "file" and self.sha256 is not None:
            raise ErktError("sha256 belongs to source: file, and is null for the others")


class Plain:
    """A value of an option: true or false, a number, or text."""

    def check(self, value: object, where: str) -> None:
        """Raise ErktError if ``value`` is nothing, a list or a block."""
        if not isinstance(value, (bool, int, float, str)):
            raise ErktError(f"{where}: expected true, false, a number or text; without a value, leave it out")


@dataclass(frozen=True)
class Network:
    """``arch`` is timm's name, with the tag of its weights where it has them (``resnet50.tv_in1k``).

    ``side`` is the height and width in pixels at which the network sees images, whatever theirs is; null is
    the images' own, that of ``prepare``. ``options`` go to ``timm.create_model`` as they are, such as
    ``{img_size: 224}``. In params all keys are given; the defaults are for code.
    """

    arch: str
    weights: Weights
    drop_rate: Annotated[float, Between(0, 1, below=True)]
    drop_path_rate: Annotated[float, Between(0, 1, below=True)]
    side: Annotated[int, Between(8)] | None = None
    options: dict[str, Annotated[Any, Plain()]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.options:
            decides = "weights" if name.startswith("pretrained") else _DECIDED.get(name)
            if decides is not None:
                raise ErktError(f"options: '{name}' is decided by {decides}; remove it from options")
