"""Check up on machine and repository before a long run; change nothing.

One line a finding: ok, note (it will do), problem (mend it first), the latter two with what to do. The exit
status is 1 if there is a problem. Takes some seconds: what gives no answer is not waited for.
"""

import os
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from erkt.pipeline.doctor.checkup import check_up


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Print the findings as they come, then how many of them ask for something."""
    counts: Counter[str] = Counter()
    for finding in check_up(Path.cwd(), os.environ):
        print(finding, flush=True)
        counts[finding.level] += 1
    print(f"problems: {counts['problem']}, notes: {counts['note']}")
    return 1 if counts["problem"] else 0
