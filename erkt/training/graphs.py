"""Steps as CUDA graphs: a step is recorded once for each shape of batch, and then launched as a whole.

A small network in small batches is bound by what the host does for each of a thousand kernels. A recorded
step has the same kernels in the same order and is one launch. What changes from step to step lies where the
recorded kernels look: the batch and the learning rate are copied there, and dropout follows the generator's
seed. See "CUDA graphs" in torch's documentation.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from erkt.errors import ErktError
from erkt.machine.device import on_host
from erkt.networks.models import Classifier
from erkt.params.recipe import Recipe
from erkt.training.step import Objective, Shown, Step

BEFORE = 3
"""Steps of a shape that run as usual before one is recorded: by then the optimizer has its moments, and
libraries have chosen their kernels."""

Made = TypeVar("Made")


class Recorder(Protocol):
    """What records a call that works on tensors which stay where they are."""

    def beside(self, call: Callable[[], Made]) -> Made:
        """Make ``call`` as it is, but where a recording would be made."""

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Record ``call``, which does not run then; return what runs it and returns its tensor.

        The tensor is the same one each time.
        """


class CudaRecorder:
    """CUDA graphs of one training, on a stream of their own and with their memory in common."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own stub
        self._pool = torch.cuda.graph_pool_handle()

    def beside(self, call: Callable[[], Made]) -> Made:
        """As ``Recorder.beside``: on its own stream, where gradients stay that were first made there."""
        around = torch.cuda.current_stream()
        self._stream.wait_stream(around)
        with torch.cuda.stream(self._stream), warnings.catch_warnings():
            # AdamW advises against what graphs need, at its first step, which is not recorded.
            warnings.filterwarnings("ignore", ".*capturable=True", UserWarning)
            made = call()
        around.wait_stream(self._stream)
        return made

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """As ``Recorder.record``; other threads may pin memory meanwhile.

        Raises ErktError if the call cannot be recorded, as where it reads a number back.
        """
        graph, around = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                made = call()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.set_stream(around)  # an ending that fails leaves the stream of the recording
            cause = str(error.__context__ or error).partition("\n")[0]
            raise ErktError(
                f"a step of this network cannot be a CUDA graph ({cause}); set runtime.graphs: false"
            ) from error

        def replay() -> Tensor:
            graph.replay()
            return made

        return replay


def own_recorder(device: torch.device) -> Recorder | None:
    """Return what records the steps of one training on ``device``; None on a CPU."""
    return None if on_host(device) else CudaRecorder()


class RecordedStep(Step):
    """The steps of ``Step`` in one process; the learning rate is rounded to float32."""

    def __init__(
        self,
        model: Classifier,
        objective: Objective,
        recipe: Recipe,
        device: torch.device,
        recorder: Recorder,
    ) -> None:
        self._rate = torch.tensor(recipe.learning_rate, dtype=torch.float32, device=device)
        super().__init__(model, objective, recipe, device)
        self._recorder = recorder
        self._times: Counter[torch.Size] = Counter()
        self._recorded: dict[torch.Size, _Recording] = {}

    def _adamw(self) -> torch.optim.AdamW:
        decay = self._recipe.weight_decay
        return torch.optim.AdamW(
            self.parameters, lr=self._rate, weight_decay=decay, fused=True, capturable=True
        )

    def _set(self, rate: float) -> None:
        self._rate.fill_(rate)

    def _take(self, shown: Shown, count: int, epoch: int) -> dict[str, Tensor]:
        take, shape = super()._take, shown.images.shape
        if epoch >= self._objective.same_from:
            self._times[shape] += 1
        if self._times[shape] <= BEFORE:
            return self._recorder.beside(lambda: take(shown, count, epoch))
        if shape not in self._recorded:
            self._recorded[shape] = _Recording(self._recorder, lambda held: take(held, count, epoch), shown)
        return self._recorded[shape](shown)


class _Recording:
    """A recorded step for batches of the shapes of ``shown``."""

    def __init__(self, recorder: Recorder, take: Callable[[Shown], dict[str, Tensor]], shown: Shown) -> None:
        teacher = None if shown.teacher is None else shown.teacher.clone()
        self._held = Shown(
            shown.images.clone(), teacher, shown.label_a.clone(), shown.label_b.clone(), shown.alpha.clone()
        )
        self._names: list[str] = []

        def call() -> Tensor:
            parts = take(self._held)
            self._names[:] = parts
            return torch.stack(list(parts.values()))

        self._replay = recorder.record(call)

    def __call__(self, shown: Shown) -> dict[str, Tensor]:
        for held, new in zip(self._held, shown, strict=True):
            if held is not None and new is not None:
                held.copy_(new)
        values = self._replay().clone()
        return dict(zip(self._names, values.unbind(), strict=True))
