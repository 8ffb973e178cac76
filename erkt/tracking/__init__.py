"""The mirror of runs in MLflow; the files under ``metrics/`` are complete without it."""
