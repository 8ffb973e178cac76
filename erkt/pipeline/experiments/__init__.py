"""Experiments: rows of params beside a preset, run through DVC, compared over seeds and test images."""
