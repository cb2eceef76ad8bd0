"""The plain training loop."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import jax
import optax

from funcnn.data import count_batches
from funcnn.parallel._batch import check_rows
from funcnn.parallel._processes import agreed, is_first
from funcnn.training._checkpoints._checkpoints import Checkpoints, Store
from funcnn.training._checkpoints._progress import check_progress
from funcnn.training._interrupt import interruptible
from funcnn.training._loop import Loop
from funcnn.training._loss import LossFunction
from funcnn.training._progress import Progress, shown
from funcnn.training._run import History, Record, Run, settings_of
from funcnn.training._state import TrainState, shardings_of
from funcnn.training._step import StepOptions, make_step


def fit(
    loss_fn: LossFunction,
    optimizer: optax.GradientTransformation,
    train_state: TrainState,
    train_data: Any,
    test_data: Any = None,
    *,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    on_epoch: Callable[[TrainState, Record], None] | None = None,
    progress: bool | Progress = True,
    checkpoints: Checkpoints | str | os.PathLike[str] | None = None,
    sinks: Sequence[Callable[[Record], None]] = (),
    **options: Unpack[StepOptions],
) -> tuple[TrainState, History]:
    """Trains for `epochs` passes over the data, in an order that `seed` decides.

    The order is a pure function of seed, epoch and position (`funcnn.data.batches`);
    each epoch leaves out what does not fill a batch.

    With `checkpoints` a run that was killed, at any moment, is gone on with by calling
    `fit` again with the same arguments: it begins at the newest checkpoint that is
    whole and ends with the same bits as if it had never been killed (on the same
    machine, with the same versions).

    Args:
      loss_fn: as for `make_step`.
      optimizer: any Optax transformation.
      train_state: where to start; it is donated, so use the one that comes back.
      train_data: a tuple of equally long arrays, such as (inputs, targets).
      test_data: the same, evaluated after every epoch; or None.
      epochs: how many passes.
      batch_size: examples per step.
      seed: of the data's order.
      on_epoch: called with the train state and the record after every epoch. The
        state is donated to the next step: copy what is to be kept.
      progress: True for a bar on a terminal (if Rich is installed) and plain lines
        elsewhere, on standard error; False for nothing; or an object of one's own.
      checkpoints: where and how often to write them; or only their folder.
      sinks: called with every record, such as `JsonLines` and `TensorBoard`; those
        that have `restart` are first told the records of a run that goes on.
      **options: those of `make_step`; `stop_at_nonfinite` is True here. With a `mesh`
        the same script runs on one device and on many: the batches are the same, and
        each process reads only the rows of its devices. With several processes all
        call `fit` with the same arguments; the first alone shows progress, tells the
        sinks and writes checkpoints, which all of them read when a run goes on; and
        a signal that came to one of them ends them all after the same step.

    Returns:
      The train state and the history: per epoch a dict with `epoch`, the metrics
      as `train_...`, means over the epoch's batches as they were trained on, and
      `test_...`, `seconds` and `examples_per_second` (of training alone). After
      Ctrl-C or SIGTERM they are those reached so far and `history.interrupted` is
      True; a second one raises KeyboardInterrupt at once. `history.not_saved` says
      why the last checkpoint could not be written.

    Raises:
      ValueError: when the arrays differ in length or do not fill a batch, or the
        batch cannot be split over the mesh.
      NonFiniteError: when a loss or gradient is not finite: it says of which step
        and operation, and has the train state before it. So it is too when
        `optax.apply_if_finite` has skipped as many steps as it may.
      CheckpointError: when the folder's checkpoints are of another model, optimizer,
        data, batch size or seed, are all damaged, or another run writes there.
    """
    total = count_batches(len(train_data[0]), batch_size)
    step_options: StepOptions = {"stop_at_nonfinite": True, **options}
    step = make_step(loss_fn, optimizer, **step_options)
    mesh = options.get("mesh")
    if mesh is not None:
        check_rows((batch_size,), mesh, options.get("accumulate", 1))
        shardings = shardings_of(train_state, mesh, options.get("partition"))
        train_state = jax.device_put(train_state, shardings)
    progress = is_first() and progress
    with contextlib.ExitStack() as stack:
        interrupted = agreed(stack.enter_context(interruptible()))
        run, store = Run(), None
        if checkpoints is not None:
            folder = _folder(checkpoints, settings_of(train_data, batch_size, seed))
            store = stack.enter_context(folder.opened())
            train_state, run = _resumed(folder, store, train_state, total)
        loop = Loop(
            loss_fn=loss_fn,
            step=step,
            train_data=train_data,
            test_data=test_data,
            batch_size=batch_size,
            seed=seed,
            mesh=mesh,
            batches=total,
            interrupted=interrupted,
            display=stack.enter_context(shown(epochs, progress, batch_size)),
            on_epoch=on_epoch,
            sinks=sinks if is_first() else (),
            store=store,
            train_state=train_state,
            run=run,
        )
        loop.train(epochs)
    return loop.train_state, loop.run.history


def _folder(
    checkpoints: Checkpoints | str | os.PathLike[str], settings: dict[str, Any]
) -> Checkpoints:
    """The folder, which compares these settings too."""
    if not isinstance(checkpoints, Checkpoints):
        checkpoints = Checkpoints(checkpoints)
    both = {**checkpoints.settings, **settings}
    return dataclasses.replace(checkpoints, settings=both)


def _resumed(
    folder: Checkpoints, store: Store, train_state: TrainState, batches: int
) -> tuple[TrainState, Run]:
    """The newest checkpoint, or what was given."""
    restored = folder.newest(train_state)
    if restored is None:
        return train_state, Run()
    check_progress(restored.path, restored.progress, batches)
    store.set_aside(int(restored.train_state.step))
    return restored.train_state, Run.resumed(restored.progress)
