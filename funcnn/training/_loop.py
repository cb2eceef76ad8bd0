"""The loop that `fit` runs: steps, epochs, and what happens between them."""

import dataclasses
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jax.sharding import Mesh

from funcnn.training._checkpoints._checkpoints import Store
from funcnn.training._evaluate import evaluate
from funcnn.training._feed import fed
from funcnn.training._loss import LossFunction, Metrics
from funcnn.training._nonfinite import NonFiniteError, where_nonfinite
from funcnn.training._progress import Progress
from funcnn.training._run import Record, Run
from funcnn.training._state import TrainState
from funcnn.training._step import Step

_IN_FLIGHT = 8  # steps whose metrics are not waited for, so that none waits for us


@dataclasses.dataclass
class Loop:
    """What a run is made of, and how far it is; see `fit` for the names."""

    loss_fn: LossFunction
    step: Step
    train_data: Any
    test_data: Any
    batch_size: int
    seed: int
    mesh: Mesh | None
    batches: int  # in an epoch
    interrupted: Callable[[], int]
    display: Progress
    on_epoch: Callable[[TrainState, Record], None] | None
    sinks: Sequence[Callable[[Record], None]]
    store: Store | None
    train_state: TrainState
    run: Run

    def __post_init__(self) -> None:
        self._done = int(self.train_state.step)
        self._waiting: deque[Metrics] = deque()

    def train(self, epochs: int) -> None:
        """Goes on to the end of that epoch, or until a signal comes.

        Raises:
          NonFiniteError: see `fit`.
        """
        for sink in self.sinks:
            getattr(sink, "restart", lambda records: None)(list(self.run.history))
        while self.run.epoch <= epochs and not self.interrupted():
            finite = self._steps()
            if not finite:
                self._stop()
            if self.run.current.batch == self.batches:
                self._end_epoch()
        history = self.run.history
        history.signal = self.interrupted()
        history.interrupted = bool(history.signal)
        history.not_saved = self._finish()

    def _steps(self) -> bool:
        """The rest of the epoch; False when a number was not finite."""
        current = self.run.current
        for batch in self._batches():
            if self.interrupted() or not self._fetch(_IN_FLIGHT):
                break
            self.train_state, metrics = self.step(self.train_state, batch)
            self._waiting.append(metrics)
            current.batch, self._done = current.batch + 1, self._done + 1
            self.display.batch(self.run.epoch, current.batch, self.batches)
            if self._due() and self._fetch(0):
                self._save()
        return self._fetch(0)

    def _batches(self) -> Iterator[Any]:
        order = {"seed": self.seed, "epoch": self.run.epoch}
        start = self.run.current.batch
        return fed(self.mesh, self.train_data, self.batch_size, **order, start=start)

    def _fetch(self, left: int) -> bool:
        """Counts the metrics of all but the newest steps; False at one not finite."""
        while len(self._waiting) > left:
            if not self._waiting[0].get("finite", True):
                return False
            self.run.current.add(self._waiting.popleft())
        return True

    def _due(self) -> bool:
        """Whether a checkpoint is to be written here, in the midst of an epoch."""
        every = self.store.every if self.store else None
        inside = self.run.current.batch < self.batches
        return every is not None and inside and self._done % every == 0

    def _end_epoch(self) -> None:
        record = self.run.current.record(self.run.epoch, self.batch_size)
        if self.test_data is not None:
            data, mesh = self.test_data, self.mesh
            tested = evaluate(self.loss_fn, self.train_state, data, mesh=mesh)
            record |= {f"test_{name}": value for name, value in tested.items()}
        self.run.ended(record)
        self.display.epoch(record)
        self._tell(record)
        self._save()
        if self.on_epoch is not None:
            self.on_epoch(self.train_state, record)

    def _stop(self) -> None:
        """Back to before the first step that was not finite, which is said."""
        bad = -1 - int(self.train_state.step)
        self.run.current.batch -= self._done - bad
        self._done = bad
        self._waiting.clear()
        step = -1 - self.train_state.step  # `bad`, and where the old one is
        self.train_state = self.train_state._replace(step=step)
        where = where_nonfinite(self.loss_fn, self.train_state, next(self._batches()))
        not_saved = self._finish()
        newest = None if not_saved or not self.store else self.store.newest()
        kept = (
            f"the last checkpoint is {newest}" if newest else "there is no checkpoint"
        )
        place = f"epoch {self.run.epoch}, batch {self.run.current.batch + 1}"
        message = (
            f"step {bad + 1} ({place}): the loss or its gradient is not finite; "
            f"the parameters are those before it, and {kept}\n{where}"
        )
        raise NonFiniteError(message, self.train_state, self.run.history)

    def _tell(self, record: Record) -> None:
        """Hands the record to all sinks; a full disk does not end the run."""
        self.run.history.not_told = ""
        for sink in self.sinks:
            try:
                sink(record)
            except OSError as error:
                self.run.history.not_told = str(error)
                warnings.warn(f"a record was not written: {error}", stacklevel=2)

    def _save(self) -> None:
        """Begins a checkpoint; a disk that is full now may not be later."""
        if self.store is None:
            return
        try:
            self.store.save(self._done, self.train_state, self.run.progress())
        except OSError as error:
            warnings.warn(
                f"training goes on without a checkpoint: {error}", stacklevel=2
            )

    def _finish(self) -> str:
        """The last checkpoint; why it could not be written, or nothing."""
        if self.store is None:
            return ""
        self._save()
        try:
            self.store.wait()
        except OSError as error:
            return str(error)
        return ""
