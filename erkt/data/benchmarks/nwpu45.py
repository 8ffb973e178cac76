"""NWPU-RESISC45: 31,500 scenes of 256 x 256 pixels in 45 classes, 700 each.

The sha256 is that of the file in public records of downloads from the same commit; its md5 is the one that
torchgeo pins, 75206b2e16446591afa88e2628744886.
"""

from erkt.data.benchmarks.benchmark import Benchmark, HubFile

_CLASSES = (
    "airplane", "airport", "baseball_diamond", "basketball_court", "beach", "bridge", "chaparral", "church",
    "circular_farmland", "cloud", "commercial_area", "dense_residential", "desert", "forest", "freeway",
    "golf_course", "ground_track_field", "harbor", "industrial_area", "intersection", "island", "lake",
    "meadow", "medium_residential", "mobile_home_park", "mountain", "overpass", "palace", "parking_lot",
    "railway", "railway_station", "rectangular_farmland", "river", "roundabout", "runway", "sea_ice",
    "ship", "snowberg", "sparse_residential", "stadium", "storage_tank", "tennis_court", "terrace",
    "thermal_power_station", "wetland",
)  # fmt: skip

NWPU45 = Benchmark(
    name="nwpu45",
    title="NWPU-RESISC45",
    counts=dict.fromkeys(_CLASSES, 700),
    side=256,
    archive=HubFile("isaaccorley/resisc45", "883edc0eee77b2c84225472f10f126e3ed83fa6e", "NWPU-RESISC45.zip"),
    sha256="beeecd0b63656290ae6d65cf7763185b0c1c4c54a753ef8088d6fba3faaf1f53",
    repacked=False,
    repacked_sha256=None,
    instructions="",
    licence="CC-BY-NC-4.0 as its copy on the hub states it; images of Google Earth",
    citation="Cheng, Han, Lu, Remote Sensing Image Scene Classification: Benchmark and State of the Art, "
    "Proceedings of the IEEE 105(10), 2017, doi:10.1109/JPROC.2017.2675998",
    origin="https://gcheng-nwpu.github.io/",
)
