"""How large everything is: as on the day, and as a rehearsal of the same path on a CPU."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """``views`` are sides in pixels at which views are compared, ``side`` that of every other comparison.

    ``steps`` are those of a short training, ``seen`` the images of a view, ``memory`` number and side of the
    images beside which peak memory is measured. ``raced`` are the sides of the benchmarks, the most telling
    first. ``matrix`` is the side of the products and ``copied`` the bytes of the copies that measure the
    device, each ``repeats`` times. ``student`` and ``teacher`` stand for the paper's networks where given.
    """

    views: tuple[int, ...]
    seen: int
    side: int
    steps: int
    memory: tuple[int, int]
    raced: tuple[int, ...]
    matrix: int
    copied: int
    repeats: int
    student: str | None = None
    teacher: str | None = None


REAL = Sizes(
    views=(64, 128, 256),
    seen=120,
    side=128,
    steps=6,
    memory=(31_500, 256),
    raced=(256, 128, 64),
    matrix=8192,
    copied=2**31,
    repeats=10,
)
TOY = Sizes(
    views=(32,),
    seen=8,
    side=32,
    steps=4,
    memory=(200, 32),
    raced=(32,),
    matrix=64,
    copied=2**16,
    repeats=2,
    student="test_resnet",
    teacher="test_byobnet",
)
