"""The stages of the pipeline, one thin script each: coordinates and params in, declared outputs out."""
