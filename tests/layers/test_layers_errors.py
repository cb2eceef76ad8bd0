"""Errors name the layer, what came, and what is needed."""

import jax
import jax.numpy as jnp
import pytest
from layer_table import made, shape

import funcnn as fn

KEY = jax.random.key(0)


def init_error(model, x, error=fn.ShapeError):
    with pytest.raises(error) as caught:
        jax.eval_shape(lambda key: model.init(key, x), KEY)
    return caught.value


def apply_error(model, good, bad, error=fn.ShapeError):
    params, state, _ = made(model, good)
    with pytest.raises(error) as caught:
        model.apply(params, state, jnp.zeros(bad.shape, bad.dtype))
    return caught.value


FIRST = fn.Chain(fn.Dense(3), fn.relu)
DEEP = fn.Chain(fn.relu, fn.Residual(fn.Chain(fn.Dense(3))))
PLACES = {
    "Dense": fn.Dense(3),
    "Chain[0].Dense": FIRST,
    "Chain[2].Dense": fn.Chain(fn.relu, fn.relu, fn.Dense(3)),
    "Chain[1].Residual.Chain[0].Dense": DEEP,
    "Residual.shortcut.Dense": fn.Residual(lambda x: jnp.ones((2, 3)), fn.Dense(3)),
    "Parallel[1].Chain[0].Dense": fn.Parallel(fn.relu, FIRST),
}


@pytest.mark.parametrize(("path", "model"), PLACES.items(), ids=PLACES)
def test_apply_says_where_what_came_and_what_is_needed(path, model):
    error = apply_error(model, shape(2, 3), shape(2, 5))
    assert error.path == path
    assert str(error).startswith(f"{path}: affine: ")
    assert "kernel (3, 3) needs x of shape (..., 3), got (2, 5)" in str(error)
    assert isinstance(error, ValueError)


CONVS = {
    "Conv": fn.Conv(2, (3, 3)),
    "Chain[0].Conv": fn.Chain(fn.Conv(2, (3, 3))),
    "Chain[2].Conv": fn.Chain(fn.relu, fn.Flatten(), fn.Conv(2, (3, 3))),
    "Chain[1].Residual.Chain[0].Conv": fn.Chain(
        fn.relu, fn.Residual(fn.Chain(fn.Conv(2, (3, 3))))
    ),
}


@pytest.mark.parametrize(("path", "model"), CONVS.items(), ids=CONVS)
def test_init_says_where_what_came_and_what_is_needed(path, model):
    error = init_error(model, shape(2, 3))
    assert error.path == path
    assert str(error).startswith(
        f"{path}: needs x of shape (batch, *spatial, channels)"
    )
    assert "got (2, 3)" in str(error)


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (fn.Dense(3), shape(), r"Dense: needs x of shape \(\.\.\., n\), got \(\)"),
        (fn.BinaryDense(3), shape(), r"BinaryDense: needs x of shape"),
        (fn.LayerNorm(), shape(), r"LayerNorm: needs x of shape \(\.\.\., n\)"),
        (fn.BatchNorm(), shape(3), r"BatchNorm: needs .*channels\), got \(3,\)"),
        (fn.Conv(4, (3,), groups=2), shape(1, 5, 3), "Conv: .*groups=2, got"),
        (fn.ConvTranspose(4, (3, 3)), shape(1, 5, 3), "ConvTranspose: .* 2 spatial"),
        (fn.CausalConv(4, 3), shape(1, 5, 5, 3), "CausalConv: .* with 1 spatial"),
        (fn.DepthwiseConv((3,)), shape(2, 3), "DepthwiseConv: .* with 1 spatial"),
        (fn.SeparableConv(4, (3,)), shape(2, 3), "SeparableConv: .* with 1 spatial"),
    ],
)
def test_every_init_refuses_what_it_cannot_take(layer, x, words):
    with pytest.raises(fn.ShapeError, match=words):
        layer.init(KEY, x)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (fn.Flatten(), r"Chain\[0\]\.Flatten: needs x of shape \(batch, \.\.\.\), got"),
        (fn.MaxPool(2), r"Chain\[0\]\.MaxPool: max_pool: needs x of shape"),
        (fn.AvgPool((2, 2)), r"Chain\[0\]\.AvgPool: avg_pool: .* with 2 spatial"),
        (fn.GlobalMaxPool(), r"Chain\[0\]\.GlobalMaxPool: global_max_pool: needs"),
        (fn.Resize(3), r"Chain\[0\]\.Resize: resize_bilinear: needs"),
    ],
)
def test_a_layer_without_parameters_is_found_when_its_chain_is_made(layer, words):
    with pytest.raises(fn.ShapeError, match=words):
        fn.Chain(layer).init(KEY, shape())


def test_a_shape_error_in_a_plain_function_names_it():
    def join(x):
        return fn.affine(x, jnp.ones((9, 9)))

    with pytest.raises(fn.ShapeError, match=r"Chain\[1\]\.join: affine: kernel"):
        fn.Chain(fn.relu, join).init(KEY, shape(2, 3))


@pytest.mark.parametrize(
    "model", [fn.Residual(fn.Dense(4)), fn.Residual(fn.Dense(4), fn.Dense(5))]
)
def test_residual_refuses_a_sum_of_unequal_shapes(model):
    error = init_error(fn.Chain(model), shape(2, 3))
    assert error.path == "Chain[0].Residual"
    assert "output (2, 4)" in str(error)
    assert "must have one shape" in str(error)


DTYPES = {
    "Conv": (fn.Conv(2, (3, 3)), "x must be of a float dtype"),
    "Dense": (fn.Dense(2), "x must be of a float dtype"),
    "MaxPool": (fn.MaxPool(2), "x must be of a float dtype"),
    "BatchNorm": (fn.BatchNorm(), "x must be of a float dtype"),
    "LayerNorm": (fn.LayerNorm(), "x must be of a float dtype"),
}


@pytest.mark.parametrize("name", DTYPES)
def test_images_of_bytes_are_refused_by_name(name):
    layer, words = DTYPES[name]
    images = shape(2, 4, 4, 3, dtype="uint8")
    error = init_error(fn.Chain(layer), images, fn.DtypeError)
    assert error.path == f"Chain[0].{name}"
    assert words in str(error)
    assert "uint8" in str(error)
    assert isinstance(error, TypeError)


def test_images_of_bytes_are_refused_in_apply():
    error = apply_error(
        fn.Chain(fn.Conv(2, (3, 3))),
        shape(2, 4, 4, 3),
        shape(2, 4, 4, 3, dtype="uint8"),
        fn.DtypeError,
    )
    assert str(error).startswith("Chain[0].Conv: conv: x must be")


def test_floats_as_ids_are_refused():
    error = init_error(fn.Chain(fn.Embed(7, 3)), shape(2), fn.DtypeError)
    assert str(error) == "Chain[0].Embed: embedding: ids must be integers, got float32"


@pytest.mark.parametrize("params", [(), ({},), None, {"kernel": 1}])
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Chain", fn.Chain(fn.relu, fn.relu)),
        ("Parallel", fn.Parallel(fn.relu, fn.relu)),
        ("Residual", fn.Residual(fn.relu, fn.relu)),
    ],
)
def test_a_wrong_number_of_parameters_is_refused(name, model, params):
    with pytest.raises(fn.LayerError, match=f"{name}: needs a tuple .* 2 layers, got"):
        model.apply(params, (), jnp.ones(2))


def test_a_wrong_number_of_parameters_names_its_place():
    model = fn.Chain(fn.relu, fn.Parallel(fn.relu))
    with pytest.raises(fn.LayerError) as caught:
        model.apply(((), ((), ())), (), jnp.ones(2))
    assert caught.value.path == "Chain[1].Parallel"


def test_a_kernel_size_of_one_number_is_refused():
    for layer in (fn.Conv, fn.ConvTranspose, fn.SeparableConv):
        words = rf"{layer.__name__}: kernel_size .* such as \(3, 3\)"
        with pytest.raises(TypeError, match=words):
            layer(4, 3)


def test_a_method_of_resizing_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match=r'Resize: method must be .* got "?.?area'):
        fn.Resize(3, "area")


def test_a_class_of_one_s_own_over_another_names_itself_once():
    class Inheriting(fn.Dense):
        pass

    class Calling(fn.Dense):
        def apply(self, params, state, x, *, key=None, train=False):
            return super().apply(params, state, x, key=key, train=train)

    for layer in (Inheriting(3), Calling(3)):
        error = apply_error(fn.Chain(layer), shape(2, 4), shape(2, 5))
        assert error.path == f"Chain[0].{type(layer).__name__}"


def test_errors_keep_their_place_under_transformations():
    model = fn.Chain(fn.relu, fn.Dense(3))
    params, state, _ = made(model, shape(2, 3))
    run = lambda x: model.apply(params, state, x)[0].sum()  # noqa: E731
    for f in (jax.jit(run), jax.grad(run), jax.vmap(run), jax.checkpoint(run)):
        with pytest.raises(fn.ShapeError, match=r"Chain\[1\]\.Dense"):
            f(jnp.ones((2, 5)))
