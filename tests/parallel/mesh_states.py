"""Train states on eight devices: where they are made, written, read and used."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P
from sharded_examples import (
    FSDP,
    MIXTURE,
    OPTIMIZER,
    bits,
    digits,
    equal,
    parallel,
    started,
    training,
)

import funcnn as fn

DENSE = fn.Chain(fn.Dense(64), fn.relu, fn.Dense(8))
INPUTS = jax.ShapeDtypeStruct((16, 32), jnp.float32)


def created(optimizer, mesh, partition=FSDP, model=DENSE):
    key = jax.random.key(0)
    return training.TrainState.create(
        model, optimizer, key, INPUTS, mesh=mesh, partition=partition
    )


def specs(tree):
    return [leaf.sharding.spec for leaf in jax.tree.leaves(tree)]


def test_a_state_is_made_in_parts_and_is_that_of_one_device():
    mesh = parallel.make_mesh()
    state = created(optax.adam(1e-3), mesh)
    np.testing.assert_allclose(
        state.params[0]["kernel"],
        created(optax.adam(1e-3), None, None).params[0]["kernel"],
        rtol=1e-6,
    )
    for tree in (state.params, state.opt_state[0].mu, state.opt_state[0].nu):
        kernel = tree[0]["kernel"]
        assert kernel.sharding.spec == P(None, "data")
        assert {s.data.shape for s in kernel.addressable_shards} == {(32, 8)}


def test_no_device_has_all_of_what_is_split():
    mesh = parallel.make_mesh()
    make = jax.jit(lambda key: created(optax.adam(1e-3), mesh))
    memory = make.lower(jax.random.key(0)).compile().memory_analysis()
    whole = 3 * 4 * (32 * 64 + 64 * 8)
    assert memory.output_size_in_bytes < whole / 8 + 2000


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(optax.linear_schedule(0.1, 0.0, 5)),
        optax.inject_hyperparams(optax.adamw)(0.1),
        training.average_params(optax.apply_if_finite(optax.sgd(0.1, 0.9), 3), 0.9),
        training.by_path({"*.bias": optax.adam(0.1)}, default=optax.sgd(0.1, 0.9)),
        optax.chain(optax.clip_by_global_norm(1.0), optax.lion(0.1)),
    ],
    ids=["adam", "injected", "average", "by path", "chain"],
)
def test_the_optimizer_s_numbers_are_where_their_parameters_are(optimizer):
    state = created(optimizer, parallel.make_mesh())
    places = {leaf.shape: leaf.sharding.spec for leaf in jax.tree.leaves(state.params)}
    assert places[32, 64] == P(None, "data")
    own = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
    assert any(leaf.shape == (32, 64) for leaf in own)
    for leaf in own:
        assert leaf.sharding.spec == places[leaf.shape]


def test_numbers_of_another_shape_are_whole():
    factored = optax.adafactor(0.1, min_dim_size_to_factor=8)
    state = created(factored, parallel.make_mesh())
    assert state.params[0]["kernel"].sharding.spec == P(None, "data")
    rows = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.shape == (32,)]
    assert rows
    assert all(leaf.sharding.is_fully_replicated for leaf in rows)


def test_the_abstract_state_is_that_of_the_real_one_and_compiles():
    mesh, adam = parallel.make_mesh(4, 2), optax.adam(1e-3)
    abstract = training.TrainState.abstract(
        DENSE, adam, INPUTS, mesh=mesh, partition=MIXTURE
    )
    state = created(adam, mesh, MIXTURE)
    types = jax.tree.map(lambda a: (a.shape, a.dtype, a.sharding), abstract)
    assert types == jax.tree.map(lambda a: (a.shape, a.dtype, a.sharding), state)
    loss = training.supervised(DENSE, fn.softmax_cross_entropy)
    step = training.make_step(loss, adam, mesh=mesh, partition=MIXTURE)
    batch = INPUTS, jax.ShapeDtypeStruct((16,), jnp.int32)
    compiled = step.lower(abstract, batch).compile()
    new, _ = compiled.output_shardings
    assert new.params[0]["kernel"].spec == state.params[0]["kernel"].sharding.spec


MESHES = {
    "1": lambda: parallel.make_mesh(1),
    "2": lambda: parallel.make_mesh(2),
    "2 x 2": lambda: parallel.make_mesh(2, 2),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A checkpoint and a file of weights, of a state on eight devices."""
    folder = tmp_path_factory.mktemp("written")
    state = started(digits(), parallel.make_mesh(4, 2), MIXTURE)
    with training.Checkpoints(folder / "checkpoints").opened() as opened:
        opened.save(5, state)
    training.save_weights(folder / "weights.safetensors", state.params, state.state)
    return folder, state


@pytest.mark.parametrize("partition", [None, MIXTURE], ids=["whole", "split"])
@pytest.mark.parametrize("mesh", [*MESHES, "none"])
def test_what_eight_devices_wrote_others_read_bit_by_bit(written, mesh, partition):
    folder, state = written
    on = MESHES[mesh]() if mesh in MESHES else None
    like = started(digits(), on, partition if on else None, seed=1)
    restored = training.Checkpoints(folder / "checkpoints").newest(like).train_state
    assert equal(restored, state)
    weights = training.load_weights(
        folder / "weights.safetensors", like.params, like.state
    )
    assert equal(weights, (state.params, state.state))
    if on:
        assert specs(restored) == specs(like)
        assert specs(weights) == specs((like.params, like.state))


# fit, which puts everything where it belongs


def fitted(mesh=None, partition=None, state=None, **options):
    example = digits()
    images, labels = (np.concatenate(parts) for parts in zip(*example.batches))
    test = images[:21], labels[:21]
    options = {"epochs": 2, "batch_size": 16, "progress": False} | options
    return training.fit(
        example.loss,
        OPTIMIZER,
        state or started(example, mesh, partition),
        (images.astype(np.float64), labels.astype(np.int64)),
        test,
        mesh=mesh,
        partition=partition,
        **options,
    )


def figures(history):
    """All that are of the model, not of time."""
    return [
        {name: value for name, value in record.items() if "second" not in name}
        for record in history
    ]


def test_fit_on_a_mesh_gives_the_single_device_s_history(tmp_path):
    wanted, wanted_history = fitted()
    mesh, folder = parallel.make_mesh(4, 2), tmp_path / "checkpoints"
    elsewhere = started(digits())  # it is put on the mesh
    _, first = fitted(mesh, MIXTURE, elsewhere, epochs=1, checkpoints=folder)
    versions_of_others(folder)
    with pytest.warns(match="going on with other versions: devices 8 x others to 8"):
        state, history = fitted(mesh, MIXTURE, checkpoints=folder)
    assert figures(history)[:1] == figures(first)
    for got, record in zip(figures(history), figures(wanted_history), strict=True):
        assert got == pytest.approx(record, abs=1e-5)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(wanted.params)):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert state.params[8]["kernel"].sharding.spec == P("data", "model")


def versions_of_others(folder):
    """Has the newest checkpoint say that it is of another number of devices."""
    from funcnn.training._checkpoints import _contents

    path = training.Checkpoints(folder).paths()[-1]
    text = (path / "progress.json").read_text()
    assert '"devices": "8 x cpu"' in text
    other = text.replace('"devices": "8 x cpu"', '"devices": "8 x others"')
    (path / "progress.json").write_text(other)
    (path / "manifest.json").unlink()
    _contents._seal(path)


def test_fit_refuses_a_batch_that_cannot_be_split():
    with pytest.raises(ValueError, match=r"\(12,\) cannot .* the 8 devices"):
        fitted(parallel.make_mesh(), batch_size=12)


def test_evaluate_on_a_mesh_counts_every_example_once():
    example, mesh = digits(), parallel.make_mesh()
    images, labels = (np.concatenate(parts) for parts in zip(*example.batches))
    for count in (3, 21):
        data = images[:count], labels[:count]
        wanted = training.evaluate(example.loss, started(example), data)
        got = training.evaluate(
            example.loss, started(example, mesh), data, batch_size=20, mesh=mesh
        )
        assert got == pytest.approx(wanted, abs=1e-5)


# Meshes and batches


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({}, (8, 1)),
        ({"model": 2}, (4, 2)),
        ({"data": 2, "model": -1}, (2, 4)),
        ({"data": 2}, (2, 1)),
    ],
)
def test_make_mesh_has_the_axes_data_and_model(sizes, shape):
    mesh = parallel.make_mesh(**sizes)
    assert mesh.axis_names == ("data", "model")
    assert mesh.devices.shape == shape
    few = parallel.make_mesh(devices=jax.devices()[2:5])
    assert few.shape == {"data": 3, "model": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": 3, "model": 3}, "data=3 times model=3 are 9 devices, there are 8"),
        ({"model": 3}, "model=3 does not divide 8 devices"),
        ({"data": 9, "model": -1}, "data=9 does not divide 8 devices"),
        ({"data": -1, "model": -1}, "got data=-1, model=-1"),
        ({"data": 0}, "got data=0, model=1"),
    ],
)
def test_make_mesh_says_which_numbers_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        parallel.make_mesh(**options)
    with pytest.raises(ValueError, match="are 2 devices, there are 3"):
        parallel.make_mesh(2, devices=jax.devices()[:3])


def test_a_batch_is_split_over_the_mesh():
    mesh = parallel.make_mesh(4, 2)
    batch = {"x": np.arange(16.0).reshape(8, 2), "y": np.arange(8)}
    placed = parallel.shard_batch(batch, mesh)
    assert equal(placed, jax.tree.map(jnp.asarray, batch))
    assert {s.data.shape for s in placed["x"].addressable_shards} == {(2, 2)}
    with pytest.raises(ValueError, match=r"\(6,\) cannot be split .* the 4 devices"):
        parallel.shard_batch(np.arange(6), mesh)
    with pytest.raises(ValueError, match="no axis 'data', it has 'x'"):
        parallel.shard_batch(batch, jax.make_mesh((8,), ("x",)))


def test_equal_sees_a_bit():
    # without this the tests above would prove nothing
    state = started(digits())
    other = bits(state)
    other.params[8]["kernel"][3, 4] += 1e-9
    assert equal(state, bits(state))
    assert not equal(state, other)
