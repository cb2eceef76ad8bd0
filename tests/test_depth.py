"""What depth costs: a transformer's training step, compiled."""

import subprocess
import sys

import pytest

STEP = """
import statistics, time
import jax, jax.numpy as jnp, optax
import funcnn as fn

def seconds(depth, number):
    attention = fn.MultiHeadAttention(4, kv_heads=2, causal=True, rotary=True)
    block = fn.TransformerBlock(attention, fn.GatedFeedForward(256), fn.RMSNorm())
    model = fn.Chain(fn.Embed(97 + number, 64), fn.Repeat(block, depth), fn.Dense(97))
    loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy)
    optimizer = optax.adam(1e-3)
    x = jax.ShapeDtypeStruct((2, 128), jnp.int32)
    create = lambda key: fn.training.TrainState.create(model, optimizer, key, x)
    state = jax.eval_shape(create, jax.random.key(0))
    step = fn.training.make_step(loss_fn, optimizer)
    start = time.perf_counter()
    step.lower(state, (x, x)).compile()
    return time.perf_counter() - start

seconds(3, 0)
pairs = [(seconds(48, n), seconds(2, n)) for n in (1, 2, 3)]  # of new programs each
print(statistics.median(deep / shallow for deep, shallow in pairs))
"""


@pytest.mark.slow
def test_48_transformer_blocks_compile_in_1_5_times_the_time_of_2():
    done = subprocess.run(
        [sys.executable, "-c", STEP], capture_output=True, text=True, check=True
    )
    ratio = float(done.stdout)
    print(f"{ratio:.2f}")
    assert ratio <= 1.5
