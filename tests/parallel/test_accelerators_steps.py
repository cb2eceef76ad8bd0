"""Every model's training step is compiled for TPUs or GPUs, of which none is here."""

import inspect

import jax
import jax.numpy as jnp
import optax
import pytest
from accelerators import ONE, SEVERAL

import funcnn as fn
from funcnn.parallel import (
    compile_for,
    fully_sharded,
    largest_batch,
    make_mesh,
    target_devices,
)
from funcnn.training import TrainState, make_step, supervised

pytestmark = pytest.mark.accelerators

IMAGES = jax.ShapeDtypeStruct((8, 28, 28, 1), jnp.float32)
LABELS = jax.ShapeDtypeStruct((8,), jnp.int32)
# A new model is one entry: what it is trained on.
MODELS = {
    "mlp": (lambda: fn.models.mlp(10), (IMAGES, LABELS)),
    "cnn": (lambda: fn.models.cnn(10), (IMAGES, LABELS)),
}


def test_every_model_has_its_entry():
    public = (getattr(fn.models, name) for name in fn.models.__all__)
    assert {f.__name__ for f in public if inspect.isfunction(f)} == set(MODELS)


def step_of(name, target, precision=None, partition=None):
    make, batch = MODELS[name]
    mesh = make_mesh(devices=target_devices(target))
    model, optimizer = make(), optax.adam(1e-3)
    state = TrainState.abstract(
        model, optimizer, batch[0], mesh=mesh, partition=partition
    )
    loss_fn = supervised(model, fn.softmax_cross_entropy)
    options = {"precision": precision, "mesh": mesh, "partition": partition}
    return make_step(loss_fn, optimizer, **options), (state, batch)


@pytest.mark.parametrize("precision", [None, "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_step_compiles_for_one_chip(name, precision):
    step, args = step_of(name, ONE, precision)
    report = compile_for(ONE, step, *args)
    assert report.fits
    assert report.memory.aliased >= 0.9 * report.memory.outputs  # it is donated
    assert report.flops > 1e6
    assert report.collectives == ()
    assert (report.compiler_seconds is None) == ONE.startswith("gpu")


@pytest.mark.parametrize("name", MODELS)
def test_a_step_compiles_in_parts_for_several_chips(name):
    whole = compile_for(SEVERAL, *with_args(step_of(name, SEVERAL)))
    assert "all-reduce" in {row.kind for row in whole.collectives}
    assert whole.compiler_seconds is None
    assert whole.roofline_seconds >= whole.collective_seconds > 0
    split = compile_for(
        SEVERAL, *with_args(step_of(name, SEVERAL, partition=fully_sharded()))
    )
    assert split.memory.arguments < 0.5 * whole.memory.arguments


def with_args(pair):
    return pair[0], *pair[1]


def test_the_largest_batch_is_that_which_just_fits():
    def program(batch):
        x = jax.ShapeDtypeStruct((batch, 2**20), jnp.float32)
        # temporaries of x's size, which has no argument's place
        return lambda x: jnp.sort(x + 1, axis=0)[0], (x,)

    batch, report = largest_batch(ONE, program, multiple=64, start=1024)
    assert report.fits
    assert batch * 2**22 * 2 < report.target.chip.memory * 1.05
    f, args = program(batch + 64)
    assert not compile_for(ONE, f, *args).fits
