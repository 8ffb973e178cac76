"""BIT-AFGR50: 12,500 aircraft of 128 x 128 pixels in 50 types, 250 each.

It lies where only a browser gets it, and its publisher gives no checksum. It comes as folders train and val;
the split is ours, so they are put together again.
"""

from erkt.data.benchmarks.benchmark import Benchmark

AFGR50 = Benchmark(
    name="afgr50",
    title="BIT-AFGR50",
    counts=dict.fromkeys(sorted(f"A{number}" for number in range(50)), 250),
    side=128,
    archive=None,
    sha256=None,
    repacked=True,
    repacked_sha256=None,
    instructions="get BIT-AFGR50 in a browser, from the Google Drive folder "
    "https://drive.google.com/drive/folders/1sfijypMjigxccowOZbdkRInyXRJkpRXI or from "
    "https://pan.baidu.com/s/1GTCRa-N2rpkEMaqZJb_hCw (code KTYG), both named at "
    "https://github.com/wgqqgw/BIT-KTYG-AFGR; then set dataset.location to the folder, zip or tar that holds "
    "train and val of one split (20-80 has all images), anywhere on this machine",
    licence="academic research only, no commercial use, credit required",
    citation="Wang et al., P2FEViT: Plug-and-Play CNN Feature Embedded Hybrid Vision Transformer for Remote "
    "Sensing Image Classification, Remote Sensing 15(7), 2023, doi:10.3390/rs15071773",
    origin="https://github.com/wgqqgw/BIT-KTYG-AFGR",
)
