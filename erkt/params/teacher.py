"""One teacher: a network and its own recipe."""

from dataclasses import dataclass
from typing import Any, Literal

from erkt.errors import ErktError
from erkt.params.network import Network
from erkt.params.recipe import Recipe
from erkt.params.schema import as_dict, build
from erkt.params.views import ViewSettings


@dataclass(frozen=True)
class Teacher:
    """A teacher of the ensemble.

    ``train: head`` trains timm's own classifier alone; the rest of the network, its backbone, stays as its
    initial weights have it. The views are ``base``, changed by ``views``: settings by operation, as in
    ``{cutmix: {p: 0.5}}``. A teacher that has never seen a mixed or erased scene names the wrong class on
    many views that it teaches.
    """

    network: Network
    train: Literal["all", "head"]
    views: dict[str, dict[str, Any]]
    recipe: Recipe

    def __post_init__(self) -> None:
        if self.train == "all":
            return
        if self.network.drop_rate or self.network.drop_path_rate:
            raise ErktError(
                "train: head keeps the backbone in evaluation mode, where nothing is dropped; "
                "set network.drop_rate and network.drop_path_rate to 0.0, or train: all"
            )

    def views_beside(self, base: ViewSettings) -> ViewSettings:
        """Return ``base`` with the settings that ``views`` changes; ErktError for an unknown one."""
        settings = as_dict(base)
        for operation, changes in self.views.items():
            settings[operation] = settings.get(operation, {}) | changes
        return build(ViewSettings, settings, "views")
