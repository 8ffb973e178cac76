"""The stages of the pipeline, one thin script each: coordinates in, params, library calls, declared outputs."""

import gc
import sys

# Importing torch, timm and MLflow makes a million objects that stay. Python would look through them for garbage
# again and again, which takes much of a short stage's time; ``common`` lets it look once all are imported.
if sys.argv[0] == "-m":  # so it is, by Python's manual, while `python -m stages.<stage>` looks for its module
    gc.disable()
