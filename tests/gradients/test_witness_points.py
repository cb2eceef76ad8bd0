"""Points that seek kinks: every boundary is seen, kept away from, and reached."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn as fn
from funcnn.gradients._points import away, margins, snapped


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


X, IMAGE = normal(3, 4), normal(1, 4, 4, 1)
LABELS = np.array([0, 2, 1])


def relu(x):
    return jnp.maximum(x, 0)


def pool_by_window(x):
    window = (1, 2, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def pool_by_comparing(x):
    above, below = x[:, ::2], x[:, 1::2]
    return jnp.where(above >= below, above, below)


def cross_entropy(x):
    return -jnp.take_along_axis(jax.nn.log_softmax(x), LABELS[:, None], 1)


def net(x, kernel, bias):
    return jax.nn.relu(jnp.sin(x @ kernel) + bias).sum()


def scanned(x):
    return jax.lax.scan(lambda c, r: (jnp.maximum(c, r) * 0.9, None), x[0], x)[0]


def branching(x):
    def other(x):
        return jnp.maximum(x, 0.5)

    return jax.lax.cond(x[0, 0] > 0, jnp.abs, other, x)


def looping(x):
    return jax.lax.while_loop(lambda x: (jnp.abs(x) > 0.1).any(), lambda x: x / 2, x)


# f, arguments, and the boundaries that must be there and be reached
PROGRAMS = {
    "relu": (relu, [X], ["max"]),
    "jax.nn.relu": (jax.nn.relu, [X], ["max"]),
    "abs": (lambda x: jnp.abs(x), [X], ["abs"]),
    "max": (lambda x: jnp.maximum(x, jnp.sin(2 * x)), [X], ["max"]),
    "pool by window": (pool_by_window, [IMAGE], ["reduce_window_max"]),
    "pool by comparing": (pool_by_comparing, [IMAGE], ["ge"]),
    "clip": (lambda x: jnp.clip(x, -1, 1), [X], ["max", "min"]),
    "clamp": (lambda x: jax.lax.clamp(-1.0, x, 1.0), [X], ["clamp"]),
    "leaky relu": (lambda x: jax.nn.leaky_relu(x), [X], ["ge"]),
    "sort": (lambda x: jnp.sort(x), [X], ["sort"]),
    "where": (lambda w: jnp.where(jnp.abs(w) <= 1, w, 0), [X], ["abs", "le"]),
    "cross entropy": (cross_entropy, [X], ["reduce_max"]),
    "logsumexp": (lambda x: jax.nn.logsumexp(x, -1), [X], ["reduce_max"]),
    "net": (net, [X, normal(4, 5), normal(5)], ["max"]),
    "steps": (lambda x: jnp.floor(3 * x) + jnp.round(x), [X], ["floor", "round"]),
    "cast": (lambda x: (4 * x).astype(jnp.int32), [X], ["convert_element_type"]),
    "rem": (lambda x: jnp.fmod(x, 0.3), [X], ["rem"]),
    "scan": (scanned, [X], ["max"]),
    "cond": (branching, [X], ["gt", "abs"]),
    "while": (looping, [X], ["abs", "gt"]),
    "cummax": (lambda x: jax.lax.cummax(x, 1), [X], ["cummax"]),
    "cummin": (lambda x: jax.lax.cummin(x, 1, reverse=True), [X], ["cummin"]),
    "top_k": (lambda x: jax.lax.top_k(x, 2), [X], ["top_k"]),
    "argmax": (lambda x: jnp.argmax(x, -1), [X], ["argmax"]),
    "remat": (jax.checkpoint(relu), [X], ["max"]),
    "a rule of ours": (lambda x: fn.relu(x), [X], ["le"]),
}
every_program = pytest.mark.parametrize("name", PROGRAMS)


def smallest(f, *args):
    """The smallest margin of each kind, where there is something to compare."""
    found = {}
    for m in margins(f, *args):
        least = np.abs(m.values).min(initial=np.inf)
        found[m.kind] = min(least, found.get(m.kind, np.inf))
    return found


@every_program
def test_every_boundary_is_seen_with_its_line(name):
    f, args, kinds = PROGRAMS[name]
    found = {m.kind: m for m in margins(f, *args)}
    assert set(kinds) <= set(found)
    if name != "jax.nn.relu":  # all of it is JAX's
        source = "_pointwise.py:" if "ours" in name else "test_witness_points.py:"
        assert source in found[kinds[0]].source


@every_program
def test_every_boundary_is_reached_exactly(name):
    f, args, kinds = PROGRAMS[name]
    points = [p for p in snapped(f, tuple(args), 20) if " of " in p.label]
    for kind in kinds:
        point = next(p for p in points if f" of {kind} at " in p.label)
        assert smallest(f, *point.args)[kind] == 0
        for given, got in zip(args, point.args):
            assert got.shape == given.shape
            assert got.dtype == given.dtype


@every_program
def test_a_generic_point_is_away_from_every_boundary(name):
    f, args, _ = PROGRAMS[name]
    point = away(f, tuple(args), 0)
    assert point.steps >= 10
    for got, given in zip(point.args, args):
        assert 0 < np.abs(got - given).max() < 10 * np.abs(given).max()
    if name in ("relu", "abs", "net"):
        assert min(smallest(f, *point.args).values()) > 1e-4


def values_of(kind, f, *args):
    return next(m.values for m in margins(f, *args) if m.kind == kind)


def test_margins_are_signed_differences():
    np.testing.assert_allclose(values_of("max", relu, X), X)
    np.testing.assert_allclose(
        values_of("le", PROGRAMS["where"][0], X), np.abs(X) - 1, rtol=1e-15
    )
    both = values_of("clamp", PROGRAMS["clamp"][0], X)
    np.testing.assert_allclose(both, np.stack([X + 1, 1 - X]))
    floor, half = (values_of(k, PROGRAMS["steps"][0], X) for k in ("floor", "round"))
    np.testing.assert_allclose(floor, 3 * X - np.round(3 * X))
    np.testing.assert_allclose(half, X - np.floor(X) - 0.5)


def test_margins_of_an_axis_are_gaps():
    ordered = np.sort(X)
    gap = ordered[:, -1] - ordered[:, -2]
    np.testing.assert_allclose(values_of("argmax", PROGRAMS["argmax"][0], X), gap)
    np.testing.assert_allclose(values_of("reduce_max", cross_entropy, X), gap)
    low = values_of("reduce_min", lambda x: x.min((0, 1)), X)
    np.testing.assert_allclose(low, np.diff(np.sort(X.ravel()))[0])
    neighbours = values_of("sort", PROGRAMS["sort"][0], X)
    np.testing.assert_allclose(neighbours, np.diff(ordered))


def test_margins_of_windows_are_gaps_inside_the_padding():
    def f(x):
        pool = jax.lax.reduce_window
        return pool(x, -jnp.inf, jax.lax.max, (3,), (2,), "SAME", None, (2,))

    x = np.array([1.0, 5, 2, 7, 4])
    # entries two apart, around positions 0, 2 and 4
    padded = np.array([-np.inf, -np.inf, *x, -np.inf, -np.inf])
    windows = [sorted(padded[i : i + 5 : 2]) for i in (0, 2, 4)]
    expected = [w[-1] - w[-2] for w in windows]
    np.testing.assert_array_equal(values_of("reduce_window_max", f, x), expected)


def test_every_round_of_a_scan_is_recorded_and_one_of_a_while():
    assert values_of("max", scanned, X).shape == X.shape
    assert not values_of("max", scanned, X)[0].any()  # it begins with x[0] itself
    assert values_of("gt", looping, X).shape == X.shape


def test_the_branch_not_taken_has_no_margin():
    positive, negative = np.abs(X), -np.abs(X)
    assert np.isinf(values_of("max", branching, positive)).all()
    np.testing.assert_array_equal(values_of("abs", branching, positive), positive)
    assert np.isinf(values_of("abs", branching, negative)).all()


def test_what_no_float_moves_has_no_margin():
    def f(x, n):
        fixed = jnp.maximum(jnp.arange(4.0), 1.5)
        nan = jnp.where(x != x, 0.0, x)
        return nan * fixed * jnp.maximum(n, 3)

    assert margins(f, X, np.int32(3)) == []
    assert snapped(f, (X, np.int32(3)), 0) == []


def test_only_the_branch_for_this_platform_is_met():
    def f(x):
        return jax.lax.platform_dependent(x, tpu=jnp.abs, default=relu)

    assert [m.kind for m in margins(f, X)] == ["max"]


def test_a_boundary_that_does_not_move_is_no_boundary():
    # abs of a relu's flat part is exactly 0, and stays so
    point = away(lambda x: jnp.abs(relu(x)), (X,), 0)
    assert point.steps >= 10


def test_a_point_on_a_kink_is_left():
    on = np.array([0.0, 1.0, -2.0])
    assert np.abs(away(jnp.abs, (on,), jax.random.key(3)).args[0]).min() > 1e-4


def test_a_crowd_of_boundaries_gives_the_best_of_the_tries():
    places = np.linspace(-4, 4, 20001)
    point = away(lambda x: jnp.abs(x[:, None] - places), (X[0],), 0)
    assert 0 < point.steps < 10


def test_structural_points_say_what_they_are():
    def f(x, shift):
        return jnp.sin(x) + shift

    points = {p.label: p.args for p in snapped(f, (X, np.float64(2.0)), 20)}
    assert list(points) == [
        "x = 0",
        "x[0, 0] = 0",
        "x[0, 1] = x[0, 0]",
        "x equal along its last axis",
        "x all equal",
        "shift = 0",
    ]
    assert not points["x = 0"][0].any()
    assert points["x[0, 0] = 0"][0][0, 0] == 0
    tied = points["x[0, 1] = x[0, 0]"][0]
    assert tied[0, 1] == tied[0, 0] == X[0, 0]
    assert (points["x equal along its last axis"][0] == X[:, :1]).all()
    assert (points["x all equal"][0] == X[0, 0]).all()
    assert points["shift = 0"][1] == 0


def test_leaves_are_named_by_their_path_and_others_are_kept():
    def f(params, name, *rest):
        assert name == "tanh"
        return jnp.tanh(params["w"]) + rest[0]

    args = ({"w": X}, "tanh", np.float64(1.0), np.int32(2))
    points = snapped(f, args, 3)
    assert points[0].label == "params['w'] = 0"
    assert points[0].args[1:] == args[1:]


def test_kinds_take_turns_and_the_limit_holds():
    def f(x):
        return jnp.abs(x) + jnp.abs(x - 0.5) + jnp.floor(x)

    labels = [p.label.split(" at ")[0] for p in snapped(f, (X,), 4)]
    assert labels == ["zero of abs", "x = 0", "step of floor", "x[0, 0] = 0"]


def test_the_max_shift_is_harmless_where_it_ties():
    points = snapped(cross_entropy, (X,), 20)
    tied = next(p.args[0] for p in points if "reduce_max" in p.label)
    got = jax.grad(lambda x: cross_entropy(x).sum())(tied)
    expected = np.exp(tied) / np.exp(tied).sum(-1, keepdims=True)
    expected[range(3), LABELS] -= 1
    np.testing.assert_allclose(got, expected, atol=1e-14)


def test_low_precision_points_are_exact_too():
    for dtype in (np.float32, jnp.bfloat16):
        x = X.astype(dtype)
        point = next(p for p in snapped(lambda x: jnp.abs(x - 0.3), (x,), 1))
        assert point.args[0].dtype == dtype
        (margin,) = margins(lambda x: jnp.abs(x - 0.3), *point.args)
        assert 0 in margin.values


def test_what_hides_a_derivative_does_not_hide_a_boundary():
    found = margins(lambda x: jnp.abs(jax.lax.stop_gradient(x)), X)
    assert [m.kind for m in found] == ["abs"]
