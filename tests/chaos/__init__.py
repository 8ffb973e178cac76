"""Faults of many kinds, drawn from a seed, and whether the pipeline survives each: ``make chaos``."""
