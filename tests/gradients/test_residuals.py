"""`saved_bytes` counts what is kept for the backward pass, each array once."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn as fn

X = np.ones((4, 3), np.float32)  # 48 bytes
KERNEL, BIAS = np.ones((3, 2), np.float32), np.zeros(2, np.float32)  # 24 and 8 bytes
WEIGHT = jnp.ones((3, 2))


def counted(f, *args):
    """All that is kept, and what of it the forward pass makes."""
    return fn.saved_bytes(f, *args), fn.saved_bytes(f, *args, inputs=False)


def sin_times_weight(x):
    return jnp.sin(x) @ WEIGHT


def two_relus(x):
    return fn.relu(x) * fn.relu(x)


def kept_by_two(x):
    y = jnp.sin(x)  # which needs the cosine
    return fn.affine(y, WEIGHT, BIAS) - fn.affine(y, WEIGHT, BIAS)


@jax.custom_vjp
def keeps_integers(x):
    return x[:2].sum()


keeps_integers.defvjp(
    lambda x: (x[:2].sum(), jnp.arange(6, dtype=jnp.int16)),
    lambda numbers, g: (jnp.zeros((4, 3)) + g * numbers[0],),
)


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        # x and the kernel; of the bias no more than its type
        (fn.affine, (X, KERNEL, BIAS), (48 + 24, 0)),
        (fn.autodiff(fn.affine), (X, KERNEL, BIAS), (48 + 24, 0)),
        (fn.relu, (X,), (12, 12)),  # booleans
        (lambda x: x * 2, (X,), (0, 0)),
        (lambda x: x * x, (X,), (48, 0)),
        (kept_by_two, (X,), (48 + 24 + 48, 48 + 48)),  # not 48 + 48 + 48
        (jnp.exp, (X,), (48, 48)),  # its own output
        (sin_times_weight, (X,), (48 + 24, 48)),  # the cosine, and a constant
        (jax.jit(sin_times_weight), (X,), (48 + 24, 48)),
        (jax.checkpoint(sin_times_weight), (X,), (48 + 24, 0)),
        (keeps_integers, (X,), (12, 12)),
        (jnp.argmax, (X,), (0, 0)),
    ],
)
def test_each_array_counts_once(f, args, expected):
    assert counted(f, *args) == expected


def test_a_key_counts_and_an_integer_argument_is_not_differentiated():
    key = jax.random.key(0)
    assert counted(lambda x, key: fn.dropout(x, key, 0.5), X, key) == (8, 0)
    ids = np.zeros((5, 2), np.int32)
    assert counted(fn.embedding, KERNEL, ids) == counted(
        lambda table: fn.embedding(table, ids), KERNEL
    )


def test_a_scan_keeps_something_of_every_turn():
    def repeated(x):
        return jax.lax.scan(lambda x, _: (jnp.sin(x), None), x, None, length=7)[0]

    assert counted(repeated, X) == (7 * 48, 7 * 48)


def test_pytrees_and_what_is_no_array():
    def f(params, names, squared, scale):
        product = params["a"] * params["b"]
        return (product**2 if squared else product) * scale, "an output", 3

    params = {"a": X, "b": X + 1}
    # a, b, the scale, and the product, for the gradient of the scale
    scale = np.float32(2)
    assert counted(f, params, ["no", "use"], False, scale) == (2 * 48 + 4 + 48, 48)
    assert fn.saved_bytes(f, params, [], True, scale) > 2 * 48 + 4 + 48
    assert counted(lambda x, times: x * x * times, 2.0, 2) == (4, 0)


def test_nothing_is_run():
    def f(x):
        # JAX traces it, and would raise when it is run
        jax.debug.callback(lambda: pytest.fail("f was run"))
        return jnp.sin(x)

    assert counted(f, X) == (48, 48)
    jax.effects_barrier()
    huge = jax.ShapeDtypeStruct((10**6, 10**6), jnp.float32)
    assert fn.saved_bytes(jnp.sin, huge) == 4 * 10**12


def test_it_counts_by_dtype():
    types = [jax.ShapeDtypeStruct((10,), d) for d in (jnp.bfloat16, jnp.float32)]
    assert [fn.saved_bytes(jnp.exp, t) for t in types] == [20, 40]
    # JAX makes a float32 of NumPy's float64
    assert fn.saved_bytes(jnp.exp, np.ones(10, np.float64)) == 40
    with jax.enable_x64(True):
        assert fn.saved_bytes(jnp.exp, np.ones(10, np.float64)) == 80


def test_inside_of_jit():
    @jax.jit
    def inside(x):
        return x * fn.saved_bytes(sin_times_weight, x)

    chex.assert_trees_all_close(inside(X), X * 72)


def test_a_rule_against_autodiff():
    assert counted(two_relus, X) == (2 * 12 + 2 * 48, 2 * 12 + 2 * 48)
    assert fn.saved_bytes(two_relus, X) < fn.saved_bytes(fn.autodiff(two_relus), X)


def test_it_is_what_check_reports():
    (row,) = fn.check(fn.gelu, X, fast=True).rows
    manual, automatic, inputs = row.bytes_saved
    assert manual == fn.saved_bytes(fn.gelu, X)
    assert automatic == fn.saved_bytes(fn.autodiff(fn.gelu), X)
    assert inputs == X.nbytes


def test_errors():
    with pytest.raises(TypeError, match="needs a function, got int"):
        fn.saved_bytes(3, X)
    with pytest.raises(TypeError, match=r"of floats.*abs was given int32\[2\], str"):
        fn.saved_bytes(abs, np.ones(2, np.int32), "text")
    with pytest.raises(TypeError, match="was given nothing"):
        fn.saved_bytes(abs)


def turns(x):
    return jax.lax.while_loop(lambda x: x.sum() < 3, lambda x: x * 2, x)


@pytest.mark.parametrize("f", [turns, lambda x: x if x.sum() > 0 else -x])
def test_what_cannot_be_differentiated(f):
    with pytest.raises((TypeError, ValueError)) as raised:
        fn.saved_bytes(f, X)
    assert "saved_bytes: while tracing f and its gradient" in raised.value.__notes__
