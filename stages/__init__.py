"""The stages of the pipeline, one thin script each: coordinates in, params, library calls, declared outputs."""

import gc
import sys

# Importing torch, timm and MLflow creates very many objects, and nearly all of them stay. Going through them again and
# again takes the garbage collector much of a short stage's time, so it is off until all is imported (``common``).
if sys.argv[0] == "-m":  # so it is, by Python's manual, while `python -m stages.<stage>` looks for its module
    gc.disable()
