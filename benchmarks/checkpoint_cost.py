"""What checkpoints cost: the time of a run with them and without, and its memory."""

import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table

EVERY = 50
_EPOCHS = 2  # so that each epoch, which ends with a checkpoint anyway, has EVERY steps
_STEPS = 5000  # of the run whose memory is looked at
_KINDS = {"without": None, "with": EVERY}

Times = tuple[float, float]  # by the clock, and of the processor


def checkpoints(
    rounds: Annotated[int, typer.Option(help="Turns of each run.", min=1)] = 11,
    batch_sizes: Annotated[
        str, typer.Option(help="Batch sizes of the digits CNN, by commas.")
    ] = "64,128",
    steps: Annotated[
        int, typer.Option(help="Steps of the run for memory.", min=50)
    ] = _STEPS,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """What a checkpoint every 50 steps costs: time by turns, and memory.

    Runs of 100 steps of the digits CNN, with checkpoints and without, one after the
    other; each is timed from when its first step is compiled and handed over, to its
    last checkpoint on the disk. Where the machine has other work, their ratio says
    little: so one checkpoint is timed by itself too. Resident memory is that of a small
    net's long run, at a fifth of its steps and at its end. Writes checkpoints.json and
    checkpoints.md.
    """
    sizes = [int(size) for size in batch_sizes.split(",")]
    measured: dict[int, dict[str, list[Times]]] = {
        size: {name: [] for name in _KINDS} for size in sizes
    }
    try:
        for number in range(rounds):
            print(f"checkpoints: round {number + 1} of {rounds}", file=sys.stderr)
            # Who is first changes, so that none always has the warmer machine.
            for size in sizes:
                for name in list(_KINDS)[:: -1 if number % 2 else 1]:
                    measured[size][name].append(timed(size, _KINDS[name]))
    except KeyboardInterrupt:
        print("interrupted; what was measured is written", file=sys.stderr)
    one, memory = alone(), resident(steps)
    text = f"```\n{_table(measured)}\n```\n\n{_single(one)}\n{_grown(memory)}"
    record = {"seconds": measured, "one_checkpoint": one, "resident_bytes": memory}
    write(out, "checkpoints", "What checkpoints cost", text, record)
    print(text.replace("```\n", "").replace("\n```", ""))


class Stopwatch:
    """A display of progress that notes when the first step was handed over."""

    def __init__(self) -> None:
        self.began: Times | None = None

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Notes the first one."""
        self.began = self.began or now()

    def epoch(self, record: dict[str, Any]) -> None:
        """Nothing."""


def now() -> Times:
    """The clock, and the processor time of this process and its threads."""
    return time.perf_counter(), time.process_time()


def timed(batch_size: int, every: int | None) -> Times:
    """What the steps of a run take, with checkpoints unless `every` is None."""
    import jax

    import funcnn as fn

    loss_fn, optimizer, state = _started(batch_size)
    data = tuple(array[: EVERY * batch_size] for array in fn.data.digits().train)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        state, _ = fn.training.fit(
            loss_fn,
            optimizer,
            state,
            data,
            epochs=_EPOCHS,
            batch_size=batch_size,
            progress=watch,
            checkpoints=_checkpoints(folder, every),
        )
        jax.block_until_ready(state)
        ended = now()
    assert watch.began is not None
    return ended[0] - watch.began[0], ended[1] - watch.began[1]


def alone(count: int = 20) -> Times:
    """What a checkpoint of the digits CNN takes when nothing else goes on."""
    import funcnn as fn
    from funcnn.training._run import Run

    *_, state = _started(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        fn.training.Checkpoints(folder).opened() as store,
    ):
        store.save(0, state, Run().progress())
        store.wait()
        began = now()
        for number in range(count):
            store.save(number + 1, state, Run().progress())
            store.wait()
        ended = now()
    return (ended[0] - began[0]) / count, (ended[1] - began[1]) / count


def _started(batch_size: int) -> tuple[Any, Any, Any]:
    import jax
    import optax

    import funcnn as fn

    model, optimizer = fn.models.cnn(10), optax.adam(1e-3)
    loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy)
    x = jax.ShapeDtypeStruct((batch_size, 28, 28, 1), np.float32)
    create = fn.training.TrainState.create
    return loss_fn, optimizer, create(model, optimizer, jax.random.key(0), x)


def _checkpoints(folder: str, every: int | None) -> Any:
    import funcnn as fn

    return None if every is None else fn.training.Checkpoints(folder, every=every)


def resident(steps: int, spoil: str = "") -> dict[int, int]:
    """Bytes of a process that trains a small net, by the steps that it has done.

    Args:
      steps: how many, with a checkpoint every 50; it is looked at after a fifth of
        them and at the end.
      spoil: Python that is run before, for whoever wants to see a leak found.
    """
    command = [sys.executable, "-c", f"{spoil}\n{_LONG_RUN}", str(steps), str(EVERY)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {int(n): int(size) for n, size in map(str.split, done.stdout.splitlines())}


_LONG_RUN = """
import gc, resource, sys, tempfile
import jax, numpy as np, optax
import funcnn as fn

steps, every = map(int, sys.argv[1:])
model, optimizer = fn.Chain(fn.Dense(64), fn.relu, fn.Dense(10)), optax.adam(1e-3)
data = np.ones((8 * 100, 784), np.float32), np.zeros(8 * 100, np.int32)
loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy)
create = fn.training.TrainState.create
state = create(model, optimizer, jax.random.key(0), data[0][:8])

class Look:
    def batch(self, epoch, done, total):
        number = (epoch - 1) * total + done
        if number in (steps // 5, steps):
            gc.collect()
            pages = int(open("/proc/self/statm").read().split()[1])
            print(number, pages * resource.getpagesize())
    def epoch(self, record):
        pass

with tempfile.TemporaryDirectory() as folder:
    checkpoints = fn.training.Checkpoints(folder, every=every)
    fn.training.fit(
        loss_fn, optimizer, state, data, epochs=steps // 100, batch_size=8,
        progress=Look(), checkpoints=checkpoints,
    )
"""


def _table(measured: dict[int, dict[str, list[Times]]]) -> str:
    rows = []
    for size, own in measured.items():
        for column, kind in enumerate(("clock", "processor")):
            seconds = {name: [t[column] for t in own[name]] for name in own}
            pairs = list(zip(seconds["with"], seconds["without"]))
            if pairs:
                ratios = [a / b for a, b in pairs]
                medians = [f"{np.median(seconds[name]):.2f}" for name in _KINDS]
                low, middle, high = np.percentile(ratios, [25, 50, 75])
                spread = f"{low:.3f} to {high:.3f}"
                rows.append([f"{size}", kind, *medians, f"{middle:.3f}", spread])
    header = ["batch", "time", "without (s)", "with (s)", "ratio", "half of the rounds"]
    return text_table(header, rows, left=(1,))


def _single(one: Times) -> str:
    return (
        f"One checkpoint by itself: {one[0] * 1e3:.1f} ms, of which the processor "
        f"works {one[1] * 1e3:.1f}."
    )


def _grown(memory: dict[int, int]) -> str:
    if len(memory) < 2:
        return "Resident memory was not measured to the end."
    (first, before), (last, after) = sorted(memory.items())
    return (
        f"Resident memory of a small net's run with a checkpoint every {EVERY} steps:\n"
        f"{before / 1e6:.1f} MB after {first:,} steps, "
        f"{after / 1e6:.1f} after {last:,}."
    )
