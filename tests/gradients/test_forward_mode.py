"""`forward_mode` makes tangent maps of backward passes, and says where it cannot."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import no_cases, tell_tale
from rule_places import PLACES, PLAIN_PLACES, TRANSFORMATIONS, X, ours, traced_before
from shares import a_share

import funcnn as fn


def product_plain(x, weight):
    return jnp.sin(x) * weight


product = fn.rule(
    product_plain,
    lambda x, weight: (jnp.sin(x) * weight, (x, weight)),
    lambda saved, g: (g * jnp.cos(saved[0]) * saved[1], g * jnp.sin(saved[0])),
    cases=no_cases,
)


@jax.custom_vjp
def cubed(x):
    return x**3


cubed.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x * x * g,))

kept = jax.custom_jvp(lambda x: x)
kept.defjvp(lambda xs, ts: (xs[0], 7 * ts[0]))


def ruled(x):
    return product(x, x) + kept(cubed(x))


def declared(x):
    return product_plain(x, x) + 7 * x**3 - 6 * jax.lax.stop_gradient(x**3)


# Without those that bring along a rule of their own: its slope is no derivative.
SOUND_PLACES = [place for place in PLACES if PLAIN_PLACES[place] is PLACES[place]]


def sound(x):
    return product(x, x) + cubed(x)


def sound_plain(x):
    return product_plain(x, x) + x**3


def assert_same(f, expected):
    chex.assert_trees_all_close(f(X), expected(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transformation", a_share(TRANSFORMATIONS, 9, 3))
@pytest.mark.parametrize("place", SOUND_PLACES)
def test_derivatives_in_both_modes(place, transformation):
    transformed, placed = TRANSFORMATIONS[transformation], PLACES[place]
    both = fn.forward_mode(placed(sound))
    assert_same(transformed(both), transformed(placed(sound_plain)))


@pytest.mark.parametrize("transformation", a_share(["jvp", "jit of grad"], 2))
@pytest.mark.parametrize("place", [p for p in SOUND_PLACES if "shard_map" not in p])
def test_rules_in_programs_traced_before(place, transformation):
    transformed, placed = TRANSFORMATIONS[transformation], PLACES[place]
    both = fn.forward_mode(traced_before(placed(sound)))
    assert_same(transformed(both), transformed(placed(sound_plain)))


@pytest.mark.parametrize("place", [p for p in SOUND_PLACES if "shard_map" in p])
def test_rules_in_a_shard_map_traced_before_are_right_or_refused(place):
    placed, push = PLACES[place], TRANSFORMATIONS["jvp"]
    both = push(fn.forward_mode(traced_before(placed(sound))))
    try:
        slopes, refused = both(X), ""
    except NotImplementedError as error:
        slopes, refused = None, str(error)
    if slopes is None:
        assert "shard_map" in refused
    else:
        expected = push(placed(sound_plain))(X)
        chex.assert_trees_all_close(slopes, expected, rtol=1e-5)


def test_the_rules_are_used_and_rules_of_forward_mode_stay():
    _, slope = jax.jvp(fn.forward_mode(ruled), (X,), (1.0,))
    chex.assert_trees_all_close(slope, jax.grad(declared)(X), rtol=1e-6)
    assert jax.jvp(fn.forward_mode(ours), (X,), (1.0,))[1] == 50
    assert jax.grad(fn.forward_mode(ours))(X) == 50


def test_inside_autodiff_there_are_no_rules():
    # 3 is the slope of the reference, where `forward` has 2 and `backward` 5
    for f in (
        fn.autodiff(fn.forward_mode(tell_tale)),
        fn.forward_mode(fn.autodiff(tell_tale)),
    ):
        assert jax.jvp(f, (2.0,), (1.0,)) == (6, 3)


def test_integers_keys_statics_and_parts_that_do_not_move():
    def noisy(x, key, n, power):
        return {"y": x**power * n + jax.random.normal(key), "n": n + 1, "key": key}

    op = jax.custom_vjp(noisy, nondiff_argnums=(3,))
    op.defvjp(
        lambda x, key, n, power: (noisy(x, key, n, power), (x, n)),
        lambda power, saved, g: (
            g["y"] * power * saved[0] ** (power - 1) * saved[1],
            None,
            None,
        ),
    )
    key = jax.random.key(0)
    both = lambda x: fn.forward_mode(op)(x, key, jnp.int32(2), 3)  # noqa: E731
    plain = lambda x: noisy(x, key, jnp.int32(2), 3)  # noqa: E731
    output, tangent = jax.jvp(both, (X,), (1.0,))
    expected, slope = jax.jvp(plain, (X,), (1.0,))
    assert output["n"] == expected["n"] == 3
    assert output["key"] == key
    chex.assert_trees_all_close(output["y"], expected["y"])
    chex.assert_trees_all_close(tangent["y"], slope["y"])
    assert tangent["n"].dtype == jax.dtypes.float0


def test_an_op_of_integers_alone_and_one_without_floats_out():
    def rounded(x):
        return jnp.int32(x)

    op = fn.rule(
        rounded, lambda x: (jnp.int32(x), ()), lambda saved, g: (None,), cases=no_cases
    )
    output, tangent = jax.jvp(fn.forward_mode(op), (X,), (1.0,))
    assert output == 0
    assert tangent.dtype == jax.dtypes.float0


def test_no_more_is_kept_than_what_the_rule_saves():
    wave = jax.custom_vjp(lambda x: jnp.sin(x))
    wave.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.tanh(x) / jnp.sin(x),))
    x = jnp.ones(100)
    _, pull = jax.vjp(wave, x)
    _, both = jax.vjp(fn.forward_mode(wave), x)
    sizes = [sum(leaf.nbytes for leaf in jax.tree.leaves(p)) for p in (pull, both)]
    assert sizes[1] <= sizes[0]


def looping_backward(x, g):
    return (jax.lax.while_loop(lambda c: c[0] < x, lambda c: c * 2, g[None])[0],)


REFUSED = {
    "not linear": (lambda x, g: (jnp.clip(g, -1, 1),), "clamp|clip|max|min"),
    "a product of cotangents": (lambda x, g: (g * jnp.abs(g),), "AssertionError"),
    "a loop of unknown length": (looping_backward, "while"),
    "a callback": (
        lambda x, g: (
            jax.pure_callback(np.asarray, jax.ShapeDtypeStruct((), "float32"), g),
        ),
        "callback",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_backward_pass_without_a_transpose_is_named(case):
    backward, why = REFUSED[case]
    refused = jax.custom_vjp(lambda x: x * x)
    refused.defvjp(lambda x: (x * x, x), backward)
    refused.__name__ = "refused"
    assert fn.forward_mode(refused)(X) == refused(X)
    place = rf"(?s)refused \(.*{__file__.rpartition('/')[2]}:\d+\).*({why})"
    for transformed in (TRANSFORMATIONS["jvp"], jax.jacfwd, jax.grad, jax.hessian):
        with pytest.raises(NotImplementedError, match=place):
            transformed(fn.forward_mode(refused))(X)


def test_an_error_of_the_rule_itself_is_not_hidden():
    op = fn.rule(
        lambda x: x * x, lambda x: (x * x, x), lambda x, g: (g, g), cases=no_cases
    )
    with pytest.raises(ValueError, match="2 cotangents"):
        jax.jvp(fn.forward_mode(op), (X,), (1.0,))


def test_the_result_has_the_name_of_the_function():
    assert fn.forward_mode(ruled).__name__ == "ruled"
