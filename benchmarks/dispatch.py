"""What a call of funcnn's training step costs beside bare `jax.jit`."""

import pathlib
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table

Step = Callable[[Any, Any], tuple[Any, Any]]


def dispatch(
    rounds: Annotated[int, typer.Option(help="Turns of each step.", min=1)] = 21,
    calls: Annotated[int, typer.Option(help="Calls in a turn.", min=1)] = 1000,
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """The training step's own cost: a call of it beside bare jax.jit.

    A model so small that a step is nearly only its dispatch; the step as funcnn
    makes it, the same function under jax.jit, and a step by hand, which carries
    parameters and the optimizer's state alone. Writes dispatch.json and dispatch.md.
    """
    seconds: dict[str, list[float]] = {name: [] for name in _STEPS}
    try:
        started = {name: start() for name, start in _STEPS.items()}
        for number in range(rounds):
            print(f"dispatch: round {number + 1} of {rounds}", file=sys.stderr)
            for name, (step, carry, batch) in started.items():
                elapsed, carry = _timed(step, carry, batch, calls)
                seconds[name].append(elapsed / calls)
                started[name] = step, carry, batch
    except KeyboardInterrupt:
        print("interrupted; what was measured is written", file=sys.stderr)
    text = _table(seconds)
    write(out, "dispatch", "The training step's dispatch", f"```\n{text}\n```", seconds)
    print(text)


def _timed(step: Step, carry: Any, batch: Any, calls: int) -> tuple[float, Any]:
    import jax

    start = time.perf_counter()
    for _ in range(calls):
        carry, _ = step(carry, batch)
    jax.block_until_ready(carry)
    return time.perf_counter() - start, carry


def _ours() -> tuple[Step, Any, Any]:
    import jax
    import jax.numpy as jnp
    import optax

    import funcnn as fn

    batch = jnp.ones((8, 4)), jnp.zeros(8, jnp.int32)
    model, optimizer = fn.Chain(fn.Dense(4), fn.relu, fn.Dense(2)), optax.adam(1e-3)
    loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy)
    key = jax.random.key(0)
    state = fn.training.TrainState.create(model, optimizer, key, batch[0])
    return fn.training.make_step(loss_fn, optimizer), state, batch


def _bare() -> tuple[Step, Any, Any]:
    import jax

    step: Any
    step, state, batch = _ours()
    return jax.jit(step.__wrapped__, donate_argnums=0), state, batch


def _by_hand() -> tuple[Step, Any, Any]:
    import jax
    import optax

    import funcnn as fn

    _, state, batch = _ours()
    optimizer = optax.adam(1e-3)
    model = fn.stateless(fn.Chain(fn.Dense(4), fn.relu, fn.Dense(2)))

    def loss_fn(params: Any, x: jax.Array, labels: jax.Array) -> jax.Array:
        return fn.softmax_cross_entropy(model.apply(params, x), labels).mean()

    def step(carry: Any, batch: Any) -> tuple[Any, jax.Array]:
        params, opt_state = carry
        loss, grads = jax.value_and_grad(loss_fn)(params, *batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.jit(step, donate_argnums=0), (state.params, state.opt_state), batch


_STEPS = {
    "funcnn's step": _ours,
    "bare jax.jit of it": _bare,
    "a step by hand": _by_hand,
}


def _table(seconds: dict[str, list[float]]) -> str:
    ours, *_ = seconds.values()
    rows = []
    for name, own in seconds.items():
        if not own:
            continue
        low, middle, high = np.percentile(own, [25, 50, 75]) * 1e6
        ratio = np.median([a / b for a, b in zip(ours, own)])
        rows.append([name, f"{middle:.1f}", f"{low:.1f} to {high:.1f}", f"{ratio:.3f}"])
    header = ["", "microseconds", "half of the rounds", "funcnn's over it"]
    return text_table(header, rows)
