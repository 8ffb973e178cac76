"""Where tensors live and how many threads work on them; changes rounding at most."""

import torch

from erkt.errors import ErktError
from erkt.params.runtime import Runtime


def choose(settings: Runtime) -> torch.device:
    """Return the device that ``settings`` name, with torch's thread count set as a side effect.

    Raises ErktError if a GPU is asked for and none is there.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ErktError("runtime.device: cuda, but torch sees no GPU here; set device: auto")
    gpu = settings.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")
