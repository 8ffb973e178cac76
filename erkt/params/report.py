"""What is reported beyond what a protocol needs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """``test_sweep`` scores every weight of the ensemble on the test part, which is the paper's Table 6.

    Nothing is chosen from it. It is off unless a table asks for it, since whoever sees it may choose. It is
    no part of ``ensemble``: turning it on must not search weights again.
    """

    test_sweep: bool
