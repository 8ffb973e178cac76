"""One teacher: a network and its own recipe."""

from dataclasses import dataclass
from typing import Any

from erkt.params.network import Network
from erkt.params.recipe import Recipe
from erkt.params.schema import as_dict, build
from erkt.params.views import ViewSettings


@dataclass(frozen=True)
class Teacher:
    """A teacher of the ensemble.

    It is trained on ``base`` views, changed by ``views``: settings by operation, ``{cutmix: {p: 0.5}}``. A
    teacher that has never seen a mixed or erased scene names the wrong class on many views that it teaches.
    """

    network: Network
    views: dict[str, dict[str, Any]]
    recipe: Recipe

    def views_beside(self, base: ViewSettings) -> ViewSettings:
        """Return ``base`` with the settings that ``views`` changes; ErktError for an unknown one."""
        settings = as_dict(base)
        for operation, changes in self.views.items():
            settings[operation] = settings.get(operation, {}) | changes
        return build(ViewSettings, settings, "views")
