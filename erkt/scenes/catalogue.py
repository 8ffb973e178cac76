"""Which classes there are, how each is laid out, and how many metres a side its pictures show."""

from collections.abc import Callable

from erkt.scenes.layouts_airport import airport
from erkt.scenes.layouts_green import farmland, forest, park
from erkt.scenes.layouts_paved import industrial, parking, storage_tanks
from erkt.scenes.layouts_town import dense_residential, sparse_residential
from erkt.scenes.layouts_viaduct import viaduct
from erkt.scenes.layouts_water import beach, harbour, pond, river
from erkt.scenes.site import Site

CATALOGUE: dict[str, tuple[Callable[[Site], None], float, float]] = {
    "airport": (airport, 320, 700),
    "beach": (beach, 130, 320),
    "dense_residential": (dense_residential, 110, 220),
    "farmland": (farmland, 200, 600),
    "forest": (forest, 110, 260),
    "harbour": (harbour, 120, 280),
    "industrial": (industrial, 180, 380),
    "park": (park, 120, 250),
    "parking": (parking, 70, 160),
    "pond": (pond, 110, 300),
    "river": (river, 140, 380),
    "sparse_residential": (sparse_residential, 100, 200),
    "storage_tanks": (storage_tanks, 130, 340),
    "viaduct": (viaduct, 140, 320),
}
