"""What every layer promises: shapes, names, dtypes, values, transformations."""

import copy
import dataclasses
import functools
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import initializers
from layer_table import LAYERS, NESTED, made, shape, shapes
from shares import a_share_of_rows

import funcnn as fn

KEY = jax.random.key(1)
every_layer = pytest.mark.parametrize(
    ("layer", "x", "output", "params", "state"), LAYERS.values(), ids=LAYERS
)
some_layers = pytest.mark.parametrize(
    ("layer", "x", "output", "params", "state"), a_share_of_rows(LAYERS, 12)
)
# What the code of a layer is read with: the names of this library, and the
# functions that the examples were given.
NAMES = {name: getattr(fn, name) for name in fn.__all__} | {
    "zeros": initializers.zeros,
    "ones": initializers.ones,
    "partial": functools.partial,
    "concatenate": jnp.concatenate,
    "sum": sum,
}


def test_every_layer_is_in_the_table():
    def kinds(layer):
        yield type(layer)
        for part in getattr(layer, "layers", ()):
            yield from kinds(part)

    tested = {kind for row in LAYERS.values() for kind in kinds(row[0])}
    values = [getattr(fn.layers, name) for name in fn.layers.__all__]
    defined = {v for v in values if isinstance(v, type) and issubclass(v, fn.Layer)}
    assert defined - {fn.Layer} <= tested


@every_layer
def test_init_gives_the_shapes_and_names_that_are_promised(
    layer, x, output, params, state
):
    made_params, made_state = jax.eval_shape(lambda key: layer.init(key, x), KEY)
    assert shapes(made_params) == params
    assert shapes(made_state) == state


@every_layer
@pytest.mark.parametrize("train", [False, True])
def test_apply_gives_the_output_and_the_state_that_are_promised(
    layer, x, output, params, state, train
):
    def run(key, x):
        variables = layer.init(key, x)
        return layer.apply(*variables, x, key=key, train=train), variables[1]

    (y, new_state), old_state = jax.eval_shape(run, KEY, x)
    assert y.shape == output
    assert jax.tree.structure(new_state) == jax.tree.structure(old_state)
    chex.assert_trees_all_equal_shapes_and_dtypes(new_state, old_state)


@pytest.mark.parametrize(
    ("layer", "x", "output", "params", "state"), a_share_of_rows(LAYERS, 4, 1)
)
def test_init_from_a_shape_is_init_from_an_array(layer, x, output, params, state):
    array = jnp.zeros(x.shape, x.dtype)
    promised = jax.eval_shape(lambda key: layer.init(key, x), KEY)
    real = jax.jit(lambda key: layer.init(key, array))(KEY)
    chex.assert_trees_all_equal_shapes_and_dtypes(promised, real)
    chex.assert_trees_all_equal(real, jax.jit(lambda key: layer.init(key, x))(KEY))


@every_layer
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_parameters_and_output_have_the_dtype_of_the_input(
    layer, x, output, params, state, dtype
):
    if jnp.issubdtype(x.dtype, jnp.floating):
        x = shape(*x.shape, dtype=dtype)
    else:
        dtype = "float32"  # integer ids say nothing about the table

    def run(key, x):
        variables = layer.init(key, x)
        return variables, layer.apply(*variables, x, key=key, train=True)

    (made_params, _), (y, new_state) = jax.eval_shape(run, KEY, x)
    assert {leaf.dtype for leaf in jax.tree.leaves(made_params)} <= {jnp.dtype(dtype)}
    assert y.dtype == dtype
    # running statistics move by small steps, which half precision would lose
    assert {leaf.dtype for leaf in jax.tree.leaves(new_state)} <= {jnp.dtype("float32")}


@every_layer
def test_parameters_are_float64_where_the_input_is(layer, x, output, params, state):
    with jax.enable_x64(True):
        wide = x.dtype
        if jnp.issubdtype(x.dtype, jnp.floating):
            wide = "float64"
        wide_x = shape(*x.shape, dtype=wide)
        made_params, made_state = jax.eval_shape(
            lambda key: layer.init(key, wide_x), jax.random.key(0)
        )
        leaves = jax.tree.leaves((made_params, made_state))
        assert {leaf.dtype for leaf in leaves} <= {jnp.dtype("float64")}


@every_layer
def test_equality_hash_pickle_and_copy_go_by_value(layer, x, output, params, state):
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert other == layer
        assert hash(other) == hash(layer)
        assert repr(other) == repr(layer)
    assert len({layer, copy.copy(layer)}) == 1


def test_layers_that_differ_are_unequal():
    layers = [row[0] for row in LAYERS.values()] + [NESTED]
    assert len(set(layers)) == len(layers)
    assert fn.Dense(3) != fn.Dense(4)
    assert fn.Chain(fn.Dense(3)) != fn.Chain(fn.Dense(3), fn.relu)
    assert fn.MaxPool(2) != fn.AvgPool(2)


@every_layer
def test_repr_is_code_that_builds_the_layer(layer, x, output, params, state):
    assert eval(repr(layer), NAMES) == layer


def test_repr_of_a_nested_model_is_code_on_many_lines():
    text = repr(NESTED)
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) > 8
    built = eval(text, dict(NAMES))
    # a functools.partial is equal to itself alone, so compare what was printed
    assert repr(built) == text
    assert built.layers[:3] == NESTED.layers[:3]


def test_repr_shows_only_what_differs_from_the_defaults():
    assert repr(fn.Dense(3)) == "Dense(3)"
    assert repr(fn.Dense(3, use_bias=False)) == "Dense(3, use_bias=False)"
    assert repr(fn.Chain(fn.Dense(3), fn.relu)) == "Chain(Dense(3), relu)"
    parallel = fn.Parallel(fn.Dense(4), fn.Dense(4), merge=sum)
    assert repr(parallel) == "Parallel(Dense(4), Dense(4), merge=sum)"


@every_layer
def test_layers_are_frozen(layer, x, output, params, state):
    fields = dataclasses.fields(layer)
    for field in [f.name for f in fields] or ["anything"]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(layer, field, 1)


def test_layers_are_static_arguments_of_jit():
    traces = []

    def f(layer, x):
        traces.append(layer)
        return layer.apply({"kernel": jnp.ones((2, 3))}, (), x)[0]

    compiled = jax.jit(f, static_argnums=0)
    compiled(fn.Dense(3, use_bias=False), jnp.ones(2))
    compiled(fn.Dense(3, use_bias=False), jnp.ones(2))
    assert len(traces) == 1


def loss_of(layer, state, key):
    def loss(params, x):
        y, _ = layer.apply(params, state, x, key=key, train=True)
        return (y**2).mean()

    return loss


@some_layers
def test_gradients_go_through_jit_checkpoint_and_scan_alike(
    layer, x, output, params, state
):
    made_params, made_state, x = made(layer, x)
    loss = loss_of(layer, made_state, KEY)

    def scanned(params, x):
        step = lambda total, x: (total + loss(params, x), None)  # noqa: E731
        return jax.lax.scan(step, 0.0, x[None])[0]

    @jax.jit
    def gradients(params, x):
        return [jax.grad(f)(params, x) for f in (loss, jax.checkpoint(loss), scanned)]

    plain, checkpointed, looped = gradients(made_params, x)
    chex.assert_tree_all_finite(plain)
    chex.assert_trees_all_close(plain, checkpointed, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(plain, looped, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_equal_shapes_and_dtypes(plain, made_params)


@some_layers
def test_a_batch_of_parameters_goes_through_vmap(layer, x, output, params, state):
    def run(key):
        made_params, made_state = layer.init(key, x)
        ones = jnp.ones(x.shape, x.dtype)
        return layer.apply(made_params, made_state, ones, key=key, train=True)

    keys = jax.random.split(KEY, 2)
    batched, single = jax.jit(lambda keys: (jax.vmap(run)(keys), run(keys[1])))(keys)
    second = jax.tree.map(lambda leaf: leaf[1], batched)
    assert second[0].shape == output
    chex.assert_trees_all_close(second, single, rtol=1e-5, atol=1e-6)


def test_numpys_float64_counts_as_jaxs_float():
    """Without float64 in JAX it is float32, and there is no warning."""
    x = np.ones((2, 4))
    model = fn.Chain(fn.Dense(3), fn.BatchNorm(), fn.LayerNorm())
    params, state = model.init(jax.random.key(0), x)
    leaves = jax.tree.leaves((params, state))
    assert {leaf.dtype.name for leaf in leaves} == {"float32"}
    assert model.apply(params, state, x)[0].dtype == np.float32
    assert fn.summary(model, x).parameters == 3 * 4 + 3 + 6 + 6
