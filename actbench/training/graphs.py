"""Ways to compute an update that do not follow it line by line: the network compiled, the whole update captured.

compile     torch.compile (inductor) of the network's training forward and backward pass; evaluation, checkpoints and
            what looks into the network keep the network itself, whose tensors the compiled one shares. Random draws
            stay PyTorch's own (`fallback_random`), so that the step's seed decides them as it does elsewhere.
capture     on a GPU: after a few updates as usual, the next is recorded as one CUDA graph (forward, backward,
            clipping, optimiser, moving average) and then replayed: a step is one launch, whatever the network.
            Learning rate and batch are copied to where the graph reads them; the generator's state is read at every
            replay, so per-step seeds hold. A batch of another shape is taken as usual. Values are those of the same
            kernels without a graph. CUDA graphs of our own rather than torch.compile's `reduce-overhead`: they need no
            compiler and no minute of compiling, and the optimiser is in them.
Phases      Both are made for the network as it is: a phase that changes, or another lambda of deep training, discards
            them, and they are made anew. Each new lambda is compiled anew, which takes as long as the first time.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from actbench.activations.base import PhaseChange
from actbench.data.source import Batch, DetectionBatch
from actbench.errors import ActbenchError
from actbench.recipe.schema import TrainSettings
from actbench.training.state import State
from actbench.training.updates import update_unseen

BACKEND = "inductor"
WARM_UPDATES = 3
"""Before a capture: kernels are chosen, and the optimiser makes its state, in the first ones."""


class Graphs:
    """How the updates of a run are computed; `step` takes one without waiting for the device."""

    def __init__(self, state: State, settings: TrainSettings, device: torch.device) -> None:
        self._state, self._settings, self._device = state, settings, device
        self._deep_lambda: float | None = None
        self._captured: _CapturedUpdate | None = None
        self.rebuild()

    def begin_epoch(self, deep_lambda: float | None, changes: Mapping[str, PhaseChange]) -> None:
        """Called when activations and deep training are in the epoch's phase."""
        if deep_lambda != self._deep_lambda or changes:
            self.rebuild()
        self._deep_lambda = deep_lambda

    def rebuild(self) -> None:
        """Discards what was made for a network that has changed, or for tensors that lie elsewhere now."""
        state, settings = self._state, self._settings
        if settings.compile:
            state.compiled = _compiled(state.model)
        if settings.capture and self._device.type == "cuda":
            self._captured = _CapturedUpdate(state, settings, self._device)

    def step(self, batch: Batch | DetectionBatch) -> Tensor:
        """One update; its loss, () float64, stays on the device and is good until the next."""
        if self._captured and isinstance(batch, Batch):
            return self._captured(batch)
        return update_unseen(self._state, batch, self._settings, self._device)


def _compiled(model: nn.Module) -> nn.Module:
    # Without a reset, the functions of earlier networks would count against the number of forms that may be compiled,
    # beyond which PyTorch goes back to uncompiled code in silence.
    torch._dynamo.reset()
    if BACKEND == "inductor":
        compiled = torch.compile(model, options={"fallback_random": True})
    else:
        compiled = torch.compile(model, backend=BACKEND)
    assert isinstance(compiled, nn.Module)
    return compiled


class _CapturedUpdate:
    """Updates as usual at first, then recorded once and replayed."""

    def __init__(self, state: State, settings: TrainSettings, device: torch.device) -> None:
        self._state, self._settings, self._device = state, settings, device
        # Autograd goes back on the stream of the forward pass, so the updates before it are on the graph's own too.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch | None = None
        self._loss: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        with torch.cuda.device(self._device):
            return self._take(batch)

    def _take(self, batch: Batch) -> Tensor:
        if self._graph is None and self._taken >= WARM_UPDATES:
            self._capture(batch)
        if self._graph is None or not self._fits(batch):
            return self._as_usual(batch)
        assert self._batch is not None
        assert self._loss is not None
        for place, value in zip(self._batch, batch, strict=True):
            place.copy_(value)
        self._graph.replay()
        return self._loss

    def _as_usual(self, batch: Batch) -> Tensor:
        self._taken += 1
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            loss = update_unseen(self._state, batch, self._settings, self._device)
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        return loss

    def _capture(self, batch: Batch) -> None:
        """Records the update without computing it."""
        self._batch = Batch(batch.images.clone(), batch.targets.clone())
        self._state.optimizer.zero_grad(set_to_none=True)  # gradients get their place in the graph's memory
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._loss = update_unseen(self._state, self._batch, self._settings, self._device)
        except RuntimeError as error:
            raise ActbenchError(
                f"the update cannot be captured as a CUDA graph: {str(error).splitlines()[0]}",
                key="train.capture",
                hints=["leave train.capture out, and the updates are taken one by one"],
            ) from error
        self._graph = graph

    def _fits(self, batch: Batch) -> bool:
        assert self._batch is not None
        return all(
            mine.shape == theirs.shape and mine.dtype == theirs.dtype
            for mine, theirs in zip(self._batch, batch, strict=True)
        )
