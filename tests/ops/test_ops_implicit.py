"""What the implicit and memory-saving ops promise beyond their gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import assert_near
from shares import a_share, a_share_of_rows

import funcnn as fn
from funcnn import ops


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def affine_cell(params, z):
    return params["kernel"] @ z + params["bias"]


def affine_params():
    return {"kernel": 0.15 * normal(4, 4, seed=1), "bias": normal(4, seed=2)}


def solved(params):
    return jnp.linalg.solve(jnp.eye(4) - params["kernel"], params["bias"])


# Functions as arguments: each op by a call `run(f, params, x)`, f(params, x).


def along(f):
    return lambda params, t, y: f(params, y)


BY_OP = {
    "fixed_point": lambda f, p, x: ops.fixed_point(
        lambda p, z: 0.3 * jnp.sin(f(p, z)), p, x, iterations=40
    ),
    "monotone_root": lambda f, p, x: ops.monotone_root(
        lambda p, z: 2 * z - jnp.sin(z + f(p, x)), p, x - 9, x + 9
    ),
    "ode_checkpointed": lambda f, p, x: ops.ode_checkpointed(
        along(f), p, x, jnp.array([0.0, 0.3]), steps=4
    ),
    "ode_adjoint": lambda f, p, x: ops.ode_adjoint(
        along(f), p, x, jnp.array([0.0, 0.03]), steps=20
    ),
    "reversible_sequence": lambda f, p, x: ops.reversible_sequence(
        f, f, jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), p), x, x
    )[0],
}
every_op = pytest.mark.parametrize("run", BY_OP.values(), ids=BY_OP)
one_op = pytest.mark.parametrize(
    "run", a_share_of_rows({n: (run,) for n, run in BY_OP.items()}, 5)
)


def with_tree(params, x):
    """Of parameters that are a tree, with an integer and a key in it."""
    noise = jax.random.normal(params["key"], x.shape)
    return jnp.sin(params["w"][0] * x + noise) * params["w"][1] * params["times"]


def tree():
    return {
        "w": (normal(3, seed=3), jnp.float64(0.7)),
        "times": jnp.array(2),
        "key": jax.random.key(5),
    }


@one_op
def test_parameters_may_be_a_tree_of_any_dtypes(run):
    def loss(w, x, through=lambda f: f):
        return (through(run)(with_tree, tree() | {"w": w}, x) ** 2).sum()

    both = [
        jax.grad(functools.partial(loss, through=through), (0, 1))(
            tree()["w"], normal(3, seed=4)
        )
        for through in (lambda f: f, fn.autodiff)
    ]
    for got, expected in zip(*map(jax.tree.leaves, both)):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


@every_op
@pytest.mark.parametrize("way", a_share(["grad", "jit", "vmap", "forward"], 4))
def test_what_a_function_closes_over_is_differentiated(run, way):
    x = normal(3, seed=4)

    def closed(w, x):
        number = jnp.argmax(x) + 1  # an integer that is traced is no constant
        return run(lambda p, x: jnp.sin(w * x + p) * number, jnp.float64(0.3), x).sum()

    def given(w, x):
        def f(p, x):
            return jnp.sin(p[0] * x + p[1]) * p[2]

        return run(f, (w, jnp.float64(0.3), jnp.argmax(x) + 1), x).sum()

    def derivative(f):
        if way == "vmap":
            return jax.vmap(jax.grad(f), (0, None))(jnp.stack([x, 2 * x]), x)
        if way == "forward":
            return jax.jvp(fn.forward_mode(f), (x, x), (x, x))[1]
        return jax.grad(jax.jit(f) if way == "jit" else f)(x, x)

    np.testing.assert_allclose(derivative(closed), derivative(given), rtol=1e-9)


def test_functions_may_have_rules_inside():
    kernel = 0.2 * normal(3, 3, seed=5)

    def cell(kernel, z):
        return fn.tanh(fn.affine(z, kernel)) + 1

    def loss(kernel, through):
        return (through(ops.fixed_point)(cell, kernel, jnp.zeros(3)) ** 2).sum()

    manual, automatic = (
        jax.grad(loss)(kernel, through) for through in (lambda f: f, fn.autodiff)
    )
    assert_near(manual, automatic)


CALLS = {
    "fixed_point": lambda f, x: ops.fixed_point(f, x, x),
    "monotone_root": lambda f, x: ops.monotone_root(f, x, x, x),
    "ode_checkpointed": lambda f, x: ops.ode_checkpointed(along(f), x, x, x),
    "ode_adjoint": lambda f, x: ops.ode_adjoint(along(f), x, x, x),
    "reversible_sequence": lambda f, x: ops.reversible_sequence(f, f, x, x, x),
}


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda p, z: z[:2], fn.ShapeError, ["(3,)", "(2,)"]),
        (lambda p, z: (z, z), TypeError, ["one array", "tuple"]),
        (lambda p, z: z > 0, fn.DtypeError, ["floats", "bool"]),
    ],
)
@pytest.mark.parametrize("name", CALLS)
def test_functions_that_do_not_fit(name, f, error, words):
    with pytest.raises(error) as caught:
        CALLS[name](f, jnp.ones(3))
    for word in [name, *words]:
        assert word in str(caught.value)


class Unhashable:
    __hash__ = None

    def __call__(self, params, z):
        return z


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: ops.fixed_point(3, x, x), TypeError, ["function", "int"]),
        (lambda x: ops.fixed_point(Unhashable(), x, x), TypeError, ["hashable"]),
        (lambda x: ops.fixed_point(min, x, x, iterations=0), ValueError, ["0"]),
        (lambda x: ops.fixed_point(min, {"a": 1j}, x), fn.DtypeError, ["'a'"]),
        (lambda x: ops.fixed_point(min, x, x > 0), fn.DtypeError, ["x0", "bool"]),
        (lambda x: ops.monotone_root(min, x, x, x, iterations=-1), ValueError, ["-1"]),
        (lambda x: ops.ode_adjoint(min, x, x, x, steps=0), ValueError, ["steps"]),
        (lambda x: ops.ode_adjoint(min, x, x, x[0]), fn.ShapeError, ["times", "()"]),
        (
            lambda x: ops.reversible_sequence(min, min, (x, x[:2]), x, x),
            fn.ShapeError,
            ["first axis", "[0] (3,)", "[1] (2,)"],
        ),
        (
            lambda x: ops.reversible_sequence(min, min, (), x, x),
            fn.ShapeError,
            ["first axis", "none"],
        ),
        (lambda x: ops.sinkhorn(x, epsilon=1), fn.ShapeError, ["(..., n, m)", "(3,)"]),
        (
            lambda x: ops.sinkhorn(x[None], x, epsilon=1),
            fn.ShapeError,
            ["(1,)", "(3,)"],
        ),
        (lambda x: ops.sinkhorn(x[None], epsilon=0), ValueError, ["epsilon", "0"]),
        (
            lambda x: ops.sinkhorn(x[None], epsilon=1, iterations=0),
            ValueError,
            ["iterations"],
        ),
    ],
)
def test_arguments_that_do_not_fit(call, error, words):
    with pytest.raises(error) as caught:
        call(jnp.ones(3))
    for word in words:
        assert word in str(caught.value)


# Fixed points.


@pytest.mark.slow
def test_a_fixed_point_is_the_solution_and_its_derivatives_are():
    params = affine_params()
    z = ops.fixed_point(affine_cell, params, jnp.zeros(4))
    assert_near(z, solved(params))
    for order in (jax.jacrev, lambda f: jax.jacrev(jax.jacrev(f))):
        got = order(lambda p: ops.fixed_point(affine_cell, p, jnp.zeros(4)))(params)
        assert_near(got, order(solved)(params))


def test_second_derivatives_are_right_from_a_start_that_is_the_end():
    params = affine_params()
    z = solved(params)

    def loss(bias):
        given = params | {"bias": bias}
        return (ops.fixed_point(affine_cell, given, z) ** 3).sum()

    expected = jax.hessian(lambda b: (solved(params | {"bias": b}) ** 3).sum())
    assert_near(jax.jacrev(jax.grad(loss))(params["bias"]), expected(params["bias"]))


def test_what_does_not_converge_is_nan():
    def cell(factor, z):
        return factor * z + 1

    z, pull = jax.vjp(
        lambda p: ops.fixed_point(cell, p, jnp.zeros(3)), jnp.array([0.5, -1.0, 2.0])
    )
    assert np.isnan(z).tolist() == [False, True, True]
    assert z[0] == pytest.approx(2)
    assert np.isnan(pull(jnp.ones(3))[0]).any()


def test_a_gradient_that_does_not_converge_is_nan():
    """At the start there is nothing left to do, while backwards all is."""
    slow = jnp.array(0.999)

    def fixed(p):
        return ops.fixed_point(lambda p, z: p * z + 1, p, 1 / (1 - slow), iterations=9)

    z, pull = jax.vjp(fixed, slow)
    assert z == pytest.approx(1000)
    assert np.isnan(pull(jnp.ones(()))[0])


def test_half_precision_iterates_in_float32():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), affine_params())
    z = ops.fixed_point(affine_cell, params, jnp.zeros(4, jnp.bfloat16))
    assert z.dtype == jnp.bfloat16
    exact = solved(jax.tree.map(lambda leaf: leaf.astype(float), params))
    np.testing.assert_allclose(z.astype(float), exact, rtol=2**-8)


# Roots.


@pytest.mark.slow
def test_a_root_inverts_a_distribution_function():
    u = jnp.array([1e-12, 0.1, 0.5, 0.975])

    def quantile(u):
        return ops.monotone_root(lambda u, x: jax.scipy.stats.norm.cdf(x) - u, u, -9, 9)

    assert_near(quantile(u), jax.scipy.special.ndtri(u))
    for order in (jax.grad, lambda f: jax.grad(jax.grad(f))):
        got, expected = (
            jax.vmap(order(f))(u) for f in (quantile, jax.scipy.special.ndtri)
        )
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12)


def test_no_root_is_nan_and_a_multiple_one_is_a_number():
    x = ops.monotone_root(
        lambda p, x: (x - p) ** 3, jnp.array([0.0, 0.25, 2.0, -2.0]), -1, 1
    )
    assert np.isnan(x).tolist() == [False, False, True, True]
    np.testing.assert_allclose(x[:2], [0, 0.25], atol=1e-15)


def test_too_few_halvings_are_nan_where_newton_does_not_make_up_for_them():
    def f(p, x):
        return jnp.arctan(50 * x) - p

    p = jnp.array([-0.01, 0.7])
    x = ops.monotone_root(f, p, -10, 9, iterations=2)
    assert np.isnan(x).any()
    right = ops.monotone_root(f, p, -10, 9)
    np.testing.assert_allclose(right, np.tan(p) / 50, rtol=1e-12)


def test_a_root_at_the_end_of_the_interval_is_found():
    slope, root = jnp.array([2.0, 3.0]), jnp.array([1.0, 4.0])

    def x(root):
        return ops.monotone_root(lambda p, x: slope * (x - p), root, 1.0, 4.0)

    assert_near(x(root), root)
    assert_near(jax.vjp(x, root)[1](jnp.ones(2))[0], jnp.ones(2))


# Ordinary differential equations.

ODES = pytest.mark.parametrize("ode", [ops.ode_checkpointed, ops.ode_adjoint])


def decay(rates, t, y):
    return -rates * y + 0 * t


@ODES
def test_the_solution_and_its_derivatives_are_those_of_the_equation(ode):
    rates, y0 = jnp.array([0.5, -1.0]), jnp.array([1.0, 2.0])
    times = jnp.array([0.2, 1.0, 0.7])  # back and forth

    def exact(rates, y0, times):
        return y0 * jnp.exp(-rates * (times - times[0])[:, None])

    def found(rates, y0, times):
        return ode(decay, rates, y0, times, steps=100)

    arguments = rates, y0, times
    np.testing.assert_allclose(found(*arguments), exact(*arguments), rtol=1e-8)
    for got, expected in zip(
        jax.jacrev(found, (0, 1, 2))(*arguments),
        jax.jacrev(exact, (0, 1, 2))(*arguments),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-8)


@ODES
def test_the_error_falls_with_the_fourth_power_of_the_step(ode):
    def error(steps):
        times, one = jnp.array([0.0, 2.0]), jnp.ones(1)
        y, pull = jax.vjp(lambda r: ode(decay, r, one, times, steps=steps), one)
        slope = pull(jnp.ones_like(y))[0]
        return abs(y[1, 0] - np.exp(-2)), abs(slope[0] + 2 * np.exp(-2))

    for coarse, fine in zip(error(40), error(80)):
        assert 10 < coarse / fine < 20


def memory(f, *args):
    return jax.jit(jax.grad(f)).lower(*args).compile().memory_analysis()


def test_memory_grows_with_the_root_of_the_steps_and_not_at_all():
    def used(ode, steps):
        def loss(p, y0):
            f = lambda p, t, y: jnp.sin(p * y + t)  # noqa: E731
            return ode(f, p, y0, jnp.array([0.0, 1.0]), steps=steps)[-1].sum()

        y0 = jax.ShapeDtypeStruct((1000,), float)
        return memory(loss, y0, y0).temp_size_in_bytes / 8000  # in states

    growth = used(ops.ode_checkpointed, 1024) - used(ops.ode_checkpointed, 16)
    assert growth < 2 * (32 - 4) + 10
    assert used(ops.ode_adjoint, 1024) < used(ops.ode_adjoint, 16) + 2


# Optimal transport.


def test_a_plan_has_its_marginals():
    cost, a, b = normal(2, 5, 3), jnp.exp(normal(2, 5)), jnp.exp(normal(2, 3, seed=1))
    a, b = a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)
    plan = ops.sinkhorn(cost, a, b, epsilon=0.3, iterations=200)
    assert_near(plan.sum(-1), a)
    assert_near(plan.sum(-2), b)
    uniform = ops.sinkhorn(cost, epsilon=0.3)
    assert_near(uniform.sum(-2), jnp.full((2, 3), 1 / 3))
    assert_near(uniform.sum(-1), jnp.full((2, 5), 1 / 5))


def test_a_small_epsilon_gives_the_best_assignment():
    cost = jnp.array([[5.0, 4.0, 0.0], [3.0, 0.0, 4.0], [0.0, 4.0, 5.0]])
    plan, pull = jax.vjp(lambda c: ops.sinkhorn(c, epsilon=0.01), cost)
    np.testing.assert_allclose(3 * plan, np.eye(3)[::-1], atol=1e-9)
    assert np.isfinite(pull(normal(3, 3))[0]).all()


def test_the_gradient_is_the_implicit_one_where_the_plan_has_converged():
    cost, g = normal(4, 3), normal(4, 3, seed=1)
    a, b = jnp.full(4, 0.25), jnp.array([0.2, 0.3, 0.5])
    epsilon = 0.5
    plan, pull = jax.vjp(lambda c: ops.sinkhorn(c, a, b, epsilon=epsilon), cost)
    # Eisenberger et al.: the sums of dP are 0, by multipliers of rows and columns
    system = jnp.block([[jnp.diag(a), plan], [plan.T, jnp.diag(b)]])
    right = jnp.concatenate([(g * plan).sum(1), (g * plan).sum(0)])
    u, v = jnp.split(jnp.linalg.lstsq(system, right)[0], [4])
    assert_near(pull(g)[0], plan * (u[:, None] + v - g) / epsilon)


@pytest.mark.slow
def test_the_gradient_of_a_plan_that_hardly_spreads_keeps_its_digits():
    random = np.random.default_rng(8)
    cost = np.float32(40 * random.standard_normal((3, 2)))
    g = np.float32(random.standard_normal((3, 2)))

    def gradient(through, dtype):
        op = through(functools.partial(ops.sinkhorn, epsilon=1.0, iterations=1))
        return jax.vjp(op, jnp.asarray(cost, dtype))[1](jnp.asarray(g, dtype))[0]

    exact = gradient(lambda f: f, jnp.float64)
    manual = gradient(lambda f: f, jnp.float32)
    automatic = gradient(fn.autodiff, jnp.float32)
    assert abs(manual - exact).max() < 1e-5 * abs(exact).max()
    assert abs(automatic - exact).max() > 0.1 * abs(exact).max()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1)])
def test_one_row_or_one_column_leave_no_choice(shape):
    plan, pull = jax.vjp(lambda c: ops.sinkhorn(c, epsilon=0.7), normal(*shape))
    assert_near(plan, jnp.full(shape, 1 / plan.size))
    np.testing.assert_allclose(pull(normal(*shape))[0], 0, atol=1e-14)


@pytest.mark.slow
def test_what_weighs_nothing_may_cost_anything():
    cost = jnp.zeros((3, 3), jnp.float32).at[2].set(-1e5).at[:, 2].set(-1e5)
    half = jnp.array([0.5, 0.5, 0], jnp.float32)
    plan, pull = jax.vjp(lambda *x: ops.sinkhorn(*x, epsilon=0.1), cost, half, half)
    np.testing.assert_allclose(plan, half[:, None] * half, rtol=1e-6)
    for cotangent in pull(jnp.ones_like(plan)):
        assert np.isfinite(cotangent[:2]).all()


# Reversible sequences.


def left(p, x):
    return jnp.tanh(x @ p["left"])


def right(p, x):
    return jnp.tanh(x @ p["right"])


def reversible_loss(params, x1, x2, op=ops.reversible_sequence):
    y1, y2 = op(left, right, params, x1, x2)
    return (y1 * y2).mean()


def test_reversible_memory_does_not_grow_with_depth():
    def used(n, op=ops.reversible_sequence):
        kernels = jax.ShapeDtypeStruct((n, 8, 8), jnp.float32)
        x = jax.ShapeDtypeStruct((4096, 8), jnp.float32)
        loss = functools.partial(reversible_loss, op=op)
        found = memory(loss, {"left": kernels, "right": kernels}, x, x)
        return (
            found.temp_size_in_bytes
            + found.argument_size_in_bytes
            + found.output_size_in_bytes
        )

    assert used(100) < 1.3 * used(10)
    plain = fn.autodiff(ops.reversible_sequence)
    assert used(100, plain) > 5 * used(10, plain)


@pytest.mark.parametrize(("n", "bound"), [(10, 10), (100, 100)])
def test_rounding_grows_no_faster_than_the_number_of_blocks(n, bound):
    """In units in the last place of the largest entry."""
    small = {
        "left": normal(n, 8, 8) / np.sqrt(8 * n),
        "right": normal(n, 8, 8, seed=1) / np.sqrt(8 * n),
    }
    narrow, x1, x2 = jax.tree.map(
        np.float32, (small, normal(4, 8, seed=2), normal(4, 8, seed=3))
    )
    gradient = jax.jit(jax.grad(reversible_loss))
    got = gradient(narrow, x1, x2)
    exact = gradient(*jax.tree.map(np.float64, (narrow, x1, x2)))
    for g, e in zip(jax.tree.leaves(got), jax.tree.leaves(exact)):
        error = abs(g - e).max() / abs(e).max()
        assert error < bound * np.finfo(np.float32).eps


def test_no_block_does_nothing():
    x1, x2 = normal(2), normal(3)
    params = {"left": jnp.ones((0, 3, 2)), "right": jnp.ones((0, 2, 3))}
    assert_near(ops.reversible_sequence(left, right, params, x1, x2), (x1, x2))
