"""Pages that a step need not ask the system for."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource
import jax, jax.numpy as jnp, optax
import funcnn as fn

model = fn.Chain(fn.Dense(1024), fn.relu, fn.Dense(1024), fn.relu, fn.Dense(1))
loss_fn = fn.training.supervised(model, fn.l2_loss)
step = fn.training.make_step(loss_fn, optax.sgd(1e-3))
batch = jnp.ones((4096, 8)), jnp.ones((4096, 1))
create = fn.training.TrainState.create
state = create(model, optax.sgd(1e-3), jax.random.key(0), batch[0])

def steps(state, number):
    for _ in range(number):
        state, _ = step(state, batch)
    jax.block_until_ready(state)
    return state, resource.getrusage(resource.RUSAGE_SELF).ru_minflt

state, before = steps(state, 5)
state, after = steps(state, 10)
print((after - before) / 10, fn.training.keep_freed_memory())
"""
SETTINGS = "MALLOC_", "GLIBC_TUNABLES", "FUNCNN_KEEP_MEMORY"


def faults(**environment):
    """Pages that a step takes, and what `keep_freed_memory` says."""
    rest = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env=rest | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    number, kept = done.stdout.split()
    return float(number), kept == "True"


@pytest.mark.slow
def test_a_step_takes_few_pages_from_the_system():
    number, kept = faults()
    assert kept
    assert number < 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"FUNCNN_KEEP_MEMORY": "0"},
        pytest.param({"MALLOC_ARENA_MAX": "4"}, marks=pytest.mark.slow),
        pytest.param(
            {"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"}, marks=pytest.mark.slow
        ),
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_whoever_wants_it_otherwise_is_heard(environment):
    number, kept = faults(**environment)
    assert not kept
    # of 4 KiB; a layer's outputs are 16 MiB
    assert number > 20_000
