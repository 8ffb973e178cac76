"""EuroSAT, the RGB version: 27,000 Sentinel-2 images of 64 x 64 pixels in 10 classes.

Address and commit are those that torchvision names for the publisher's file, with the md5
c8fa014336c82ac7804f0398fcb19387. The sha256 is the one that TensorFlow Datasets pins for the publisher's own
address, https://madm.dfki.de/files/sentinel/EuroSAT.zip, and that the hub shows for the file at this commit.

Copies in other packings go round, so the images are packed anew. ``repacked_sha256`` comes from one of them.
Its images are likely the publisher's byte for byte, which is not verified: Info-ZIP makes of them an archive
of the published one's size, 94,280,567 bytes. So the user is told of other images; they are not refused.
"""

from erkt.data.benchmarks.benchmark import Benchmark, HubFile

_COUNTS = {
    "AnnualCrop": 3000, "Forest": 3000, "HerbaceousVegetation": 3000, "Highway": 2500, "Industrial": 2500,
    "Pasture": 2000, "PermanentCrop": 2500, "Residential": 3000, "River": 2500, "SeaLake": 3000,
}  # fmt: skip

EUROSAT = Benchmark(
    name="eurosat",
    title="EuroSAT",
    counts=_COUNTS,
    side=64,
    archive=HubFile("torchgeo/eurosat", "c877bcd43f099cd0196738f714544e355477f3fd", "EuroSAT.zip"),
    sha256="8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd",
    repacked=True,
    repacked_sha256="64104e9ab010e5b0c8c27063bf6449a38b50bafe99199cba929db15578766362",
    instructions="",
    licence="MIT; images of Sentinel-2, of the Copernicus programme",
    citation="Helber, Bischke, Dengel, Borth, EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land "
    "Use and Land Cover Classification, IEEE JSTARS 12(7), 2019, doi:10.1109/JSTARS.2019.2918242",
    origin="https://github.com/phelber/EuroSAT",
)
