"""Steps on eight devices: the single device's losses and gradients, in one program."""

import functools
import itertools
import logging
import re

import jax
import numpy as np
import optax
import pytest
from executions import executions_on_many
from jax import lax
from jax.sharding import PartitionSpec as P
from sharded_examples import (
    EXAMPLES,
    FSDP,
    MIXTURE,
    OPTIMIZER,
    PARTITIONS,
    STEPS,
    TENSOR,
    parallel,
    started,
    trained,
    training,
)

every_example = pytest.mark.parametrize("name", EXAMPLES)
QUICK = [("digits", "mixture"), ("language", "mixture")]
every_way = pytest.mark.parametrize(
    ("name", "partition"),
    [
        pytest.param(*way, marks=() if way in QUICK else pytest.mark.slow)
        for way in itertools.product(EXAMPLES, PARTITIONS)
    ],
)


@functools.cache
def example(name):
    return EXAMPLES[name]()


@functools.cache
def alone(name, **options):
    return trained(example(name), **options)


def assert_close(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, np.abs(b).max()), rtol=0)


@every_way
def test_losses_and_gradients_are_the_single_device_s(name, partition):
    sizes, partition = PARTITIONS[partition]
    mesh = parallel.make_mesh(*sizes)
    losses, gradients, state = trained(example(name), mesh, partition)
    wanted, wanted_gradients, wanted_state = alone(name)
    assert wanted[-1] < wanted[0]
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, wanted, atol=1e-5, rtol=0)
    assert_close(gradients, wanted_gradients)
    assert_close(state.state, wanted_state.state)


@pytest.mark.slow
@every_example
def test_a_batch_in_parts_is_that_of_a_single_device(name):
    mesh = parallel.make_mesh(4, 2)
    got = trained(example(name), mesh, MIXTURE, steps=2, accumulate=2)
    wanted = alone(name, steps=2, accumulate=2)
    np.testing.assert_allclose(got[0], wanted[0], atol=1e-5, rtol=0)
    assert_close(got[1], wanted[1])


@pytest.mark.slow
def test_all_options_together_give_the_single_device_s_losses():
    options = {"remat": True, "gradient_norms": True, "stop_at_nonfinite": True}
    mesh = parallel.make_mesh(2, 2)
    got = trained(example("language"), mesh, MIXTURE, steps=2, **options)
    wanted = alone("language")
    np.testing.assert_allclose(got[0], wanted[0][:2], atol=1e-5, rtol=0)


def counting(loss_fn):
    """The loss, and the list that grows with each trace of it."""
    calls = []

    def counted(*args, **options):
        calls.append(args)
        return loss_fn(*args, **options)

    return counted, calls


@pytest.mark.parametrize(
    "partition",
    [pytest.param(None, marks=pytest.mark.slow), MIXTURE],
    ids=["replicated", "mixture"],
)
def test_a_step_is_compiled_once_is_one_dispatch_and_donates(partition):
    mesh, model = parallel.make_mesh(4, 2), example("digits")
    loss, calls = counting(model.loss)
    step = training.make_step(loss, OPTIMIZER, mesh=mesh, partition=partition)
    state = started(model, mesh, partition)
    before = jax.tree.leaves((state.params, state.opt_state[1]))
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    with compilations() as compiled:
        for batch in model.batches[:3]:
            state, metrics = step(state, parallel.shard_batch(batch, mesh))
    assert len(calls) == 1
    assert compiled.count("jit(step)") == 1
    assert all(leaf.is_deleted() for leaf in before)
    assert jax.tree.map(lambda leaf: leaf.sharding, state) == shardings
    assert all(m.sharding.is_fully_replicated for m in metrics.values())
    assert len(metrics["loss"].sharding.device_set) == mesh.size
    batch = parallel.shard_batch(model.batches[3], mesh)
    assert executions_on_many(step, state, batch) == ["jit_step"]


class compilations(list):
    """The names of what JAX compiles inside of it."""

    def __enter__(self):
        self._logger = logging.getLogger("jax._src.interpreters.pxla")
        self._before = self._logger.level, self._logger.propagate
        self._handler = logging.Handler()
        self._handler.emit = lambda record: self.extend(
            word for word in record.getMessage().split() if word.startswith("jit(")
        )
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        return self

    def __exit__(self, *error):
        self._logger.removeHandler(self._handler)
        self._logger.level, self._logger.propagate = self._before


@pytest.mark.slow
def test_a_state_and_a_batch_that_are_not_on_the_mesh_are_put_there():
    mesh, model = parallel.make_mesh(), example("digits")
    step = training.make_step(model.loss, OPTIMIZER, mesh=mesh, partition=FSDP)
    state, metrics = step(started(model), model.batches[0])
    np.testing.assert_allclose(metrics["loss"], alone("digits")[0][0], atol=1e-5)
    wanted = training.TrainState.abstract(
        model.model, OPTIMIZER, model.batches[0][0], mesh=mesh, partition=FSDP
    )
    for leaf, place in zip(jax.tree.leaves(state), jax.tree.leaves(wanted)):
        assert leaf.sharding == place.sharding


@pytest.mark.slow
def test_a_partition_by_patterns_is_the_single_device_s_too():
    by_path = {"8.kernel": P(None, "model"), "*.bias": P(), "0.kernel": P()}
    losses, *_ = trained(example("digits"), parallel.make_mesh(2, 4), by_path, steps=3)
    np.testing.assert_allclose(losses, alone("digits")[0][:3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_batch_that_cannot_be_split_is_refused(accumulate):
    mesh, model = parallel.make_mesh(8), example("digits")
    step = training.make_step(model.loss, OPTIMIZER, mesh=mesh, accumulate=accumulate)
    images, labels = model.batches[0]
    rows = 8 if accumulate == 2 else 12
    with pytest.raises(ValueError, match=rf"\({rows}, 14, 14, 1\) .* the 8 devices"):
        step(started(model, mesh), (images[:rows], labels[:rows]))


def test_a_partition_needs_a_mesh():
    with pytest.raises(ValueError, match="a partition needs a mesh"):
        training.make_step(example("digits").loss, OPTIMIZER, partition=TENSOR)
    with pytest.raises(ValueError, match="a partition needs a mesh"):
        started(example("digits"), partition=TENSOR)


# Inside shard_map, where each device sees its own part of the batch.


def gradient_of(model, axis_name=None):
    """The value and gradient of the loss; along an axis of its mean."""

    def loss(params, state, batch, key):
        loss, (state, _) = model.loss(params, state, batch, key=key, train=True)
        return lax.pmean(loss, axis_name) if axis_name else loss, state

    return jax.value_and_grad(loss, has_aux=True)


def mapped(model, mesh):
    return jax.shard_map(
        gradient_of(model, "data"),
        mesh=mesh,
        in_specs=(P(), P(), P("data"), P()),
        out_specs=P(),
        check_vma=True,
    )


@pytest.mark.slow
@every_example
def test_in_shard_map_losses_and_gradients_are_the_single_device_s(name):
    one, many = EXAMPLES[name](), EXAMPLES[name]("data")
    on_eight = jax.jit(mapped(many, parallel.make_mesh(8)))
    alone, optimizer = jax.jit(gradient_of(one)), optax.sgd(0.05, momentum=0.9)
    state = started(one, optimizer=optimizer)
    _, params, state, opt_state, key = state
    for number in range(STEPS):
        args = params, state, one.batches[number % 4], jax.random.fold_in(key, number)
        (loss, new), grads = on_eight(*args)
        (wanted, wanted_new), wanted_grads = alone(*args)
        np.testing.assert_allclose(loss, wanted, atol=1e-5)
        assert_close((grads, new), (wanted_grads, wanted_new))
        updates, opt_state = optimizer.update(grads, opt_state)
        params, state = optax.apply_updates(params, updates), new


# What is sent, by the compiled programs.


def gathered(name, sizes, partition, rows):
    """The shapes of what is gathered or exchanged by a step on batches of so many."""
    mesh, model = parallel.make_mesh(*sizes), EXAMPLES[name]()
    batch = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((rows, *a.shape[1:]), a.dtype), model.batches[0]
    )
    state = training.TrainState.abstract(
        model.model, OPTIMIZER, batch[0], mesh=mesh, partition=partition
    )
    step = training.make_step(model.loss, OPTIMIZER, mesh=mesh, partition=partition)
    text = step.lower(state, batch).compile().as_text()
    found = re.findall(r"= (.*?) (?:all-gather|all-to-all)(?:-start)?\(", text)
    shapes = re.findall(r"\w+\[([\d,]*)\]", " ".join(found))
    return [tuple(int(n) for n in shape.split(",") if n) for shape in shapes], text


def test_data_parallel_sends_sums_alone():
    found, text = gathered("digits", (8, 1), None, rows=8 * 56)
    assert "all-reduce" in text
    assert found == []


@pytest.mark.slow
def test_fully_sharded_gathers_parameters_and_no_activations():
    found, _ = gathered("language", (8, 1), FSDP, rows=56)
    assert (16, 64) in found  # a kernel
    of_batch = [shape for shape in found if any(n % 7 == 0 for n in shape)]
    assert of_batch == []


@pytest.mark.slow
def test_tensor_parallel_gathers_no_heads():
    found, text = gathered("language", (4, 2), TENSOR, rows=56)
    assert "all-reduce" in text
    assert [shape for shape in found if len(shape) > 2] == []
