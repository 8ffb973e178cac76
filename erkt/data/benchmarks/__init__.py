"""The paper's benchmarks and EuroSAT: where each lies, what it holds and how it is recognised."""

from erkt.data.benchmarks.afgr50 import AFGR50
from erkt.data.benchmarks.aid30 import AID30
from erkt.data.benchmarks.benchmark import Benchmark, HubFile
from erkt.data.benchmarks.eurosat import EUROSAT
from erkt.data.benchmarks.nwpu45 import NWPU45

__all__ = ["BENCHMARKS", "Benchmark", "HubFile"]

BENCHMARKS = {benchmark.name: benchmark for benchmark in (AID30, NWPU45, AFGR50, EUROSAT)}
