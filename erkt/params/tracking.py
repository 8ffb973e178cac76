"""Where runs are mirrored; no stage declares this section, since it changes no result."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tracking:
    """``enabled: false`` switches MLflow off; the JSON files under ``metrics/`` are complete without it."""

    enabled: bool
    experiment: str
