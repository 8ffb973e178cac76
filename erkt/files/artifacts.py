"""The names of the files that stages hand to each other."""

ENSEMBLE = "ensemble.json"
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
