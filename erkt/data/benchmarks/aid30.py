"""AID, the Aerial Image Dataset: 10,000 scenes of 600 x 600 pixels in 30 classes.

Numbers a class are those of the publication's table of classes; checksum and commit are those that
torchgeo-bench pins for the same file.
"""

from erkt.data.benchmarks.benchmark import Benchmark, HubFile

_COUNTS = {
    "Airport": 360, "BareLand": 310, "BaseballField": 220, "Beach": 400, "Bridge": 360, "Center": 260,
    "Church": 240, "Commercial": 350, "DenseResidential": 410, "Desert": 300, "Farmland": 370,
    "Forest": 250, "Industrial": 390, "Meadow": 280, "MediumResidential": 290, "Mountain": 340, "Park": 350,
    "Parking": 390, "Playground": 370, "Pond": 420, "Port": 380, "RailwayStation": 260, "Resort": 290,
    "River": 410, "School": 300, "SparseResidential": 300, "Square": 330, "Stadium": 290,
    "StorageTanks": 360, "Viaduct": 420,
}  # fmt: skip

AID30 = Benchmark(
    name="aid30",
    title="AID",
    counts=_COUNTS,
    side=600,
    archive=HubFile("isaaccorley/aid", "e6767964e40f567a18eac6e6ca5fce397e4ce411", "AID.zip"),
    sha256="79345ef1766e85f7b92cf556c809c4f32ff24228ae71aadf96780f74f48c26a4",
    repacked=False,
    repacked_sha256=None,
    instructions="",
    licence="none stated by its authors; images of Google Earth, for research use",
    citation="Xia et al., AID: A Benchmark Data Set for Performance Evaluation of Aerial Scene "
    "Classification, IEEE TGRS 55(7), 2017, doi:10.1109/TGRS.2017.2685945",
    origin="https://captain-whu.github.io/AID/",
)
