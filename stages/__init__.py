"""The stages of the pipeline, one thin script each: coordinates in, params, library calls, declared outputs."""
