"""What the recurrences' docstrings promise beyond their gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix import assert_near, refused

from funcnn import ops
from funcnn.ops._recurrence import _linear_recurrence

BATCH, TIME, INPUTS, HIDDEN = 3, 5, 2, 4
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 1, 0, 1]], bool)
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
every_op = pytest.mark.parametrize("name", GATES)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def arguments(name):
    """The parameters, and a carry, of one of the ops."""
    gates = GATES[name]
    params = {
        "kernel": normal(INPUTS, gates * HIDDEN, seed=1),
        "recurrent_kernel": normal(HIDDEN, gates * HIDDEN, seed=2),
        "bias": normal(gates * HIDDEN, seed=3),
    }
    if name == "gru":
        params["recurrent_bias"] = normal(HIDDEN, seed=4)
    carry = normal(2, BATCH, HIDDEN, seed=5)
    return params, tuple(carry) if name == "lstm" else carry[0]


def call(name, x, params, carry=None, **options):
    return getattr(ops, name)(x, **params, carry=carry, **options)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def step(name, x, carry, p):
    """One step of one example, as the docstrings have it."""
    h = carry[0]
    w, u = x @ p["kernel"] + p["bias"], h @ p["recurrent_kernel"]
    if name == "rnn":
        return (np.tanh(w + u),)
    if name == "gru":
        (w_r, w_z, w_n), (u_r, u_z, u_n) = np.split(w, 3), np.split(u, 3)
        r, z = logistic(w_r + u_r), logistic(w_z + u_z)
        return ((1 - z) * np.tanh(w_n + r * (u_n + p["recurrent_bias"])) + z * h,)
    i, f, g, o = np.split(w + u, 4)
    c = logistic(f) * carry[1] + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def loop(name, x, params, carry, mask, reverse):
    """The op for one example, in NumPy; steps without mask change nothing."""
    outputs = [None] * len(x)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        if mask[t]:
            carry = step(name, x[t], carry, params)
        outputs[t] = carry[0]
    return np.array(outputs), carry


@every_op
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_recurrences_are_loops_over_their_steps(name, reverse, masked):
    params, carry = arguments(name)
    x = normal(BATCH, TIME, INPUTS)
    options = {"mask": MASK if masked else None, "reverse": reverse}
    y, last = call(name, x, params, carry, **options)
    last = last if name == "lstm" else (last,)
    for row in range(BATCH):
        first = [c[row] for c in (carry if name == "lstm" else (carry,))]
        mask = MASK[row] if masked else np.ones(TIME, bool)
        expected, end = loop(name, x[row], params, first, mask, reverse)
        assert_near(y[row], jnp.asarray(expected), 1e-12)
        assert_near([c[row] for c in last], list(map(jnp.asarray, end)), 1e-12)


@every_op
def test_what_stands_in_the_padding_has_no_influence(name):
    params, carry = arguments(name)
    x = normal(BATCH, TIME, INPUTS)

    def outputs(x, params):
        return call(name, x, params, carry, mask=MASK)[0]

    got, pull = jax.vjp(outputs, np.where(MASK[..., None], x, np.nan), params)
    expected, pull_zeros = jax.vjp(outputs, np.where(MASK[..., None], x, 0), params)
    assert_near(got, expected, 0)
    cotangents = pull(jnp.ones_like(got))
    assert_near(cotangents, pull_zeros(jnp.ones_like(got)), 0)
    assert not np.any(cotangents[0][~MASK])


@every_op
def test_in_two_pieces_with_the_carry_between_them(name):
    params, carry = arguments(name)
    x = normal(BATCH, TIME, INPUTS)
    whole = call(name, x, params, carry)
    first, between = call(name, x[:, :2], params, carry)
    second, last = call(name, x[:, 2:], params, between)
    assert_near((jnp.concatenate([first, second], 1), last), whole, 1e-12)
    backwards, _ = call(name, x[:, 2:], params, carry, reverse=True)
    masked, _ = call(
        name, x, params, carry, mask=np.arange(TIME) >= 2 + 0 * x[..., 0], reverse=True
    )
    assert_near(masked[:, 2:], backwards, 1e-12)


@every_op
def test_batch_axes_may_be_many_or_none_and_the_rest_left_out(name):
    params, carry = arguments(name)
    x = normal(BATCH, TIME, INPUTS)
    y, _ = call(name, x, params)
    nested = call(name, x[None, :, None], params)[0]
    assert_near(nested[0, :, 0], y, 1e-15)
    single, last = call(name, x[0], params)
    assert_near(single, y[0], 1e-15)
    assert {leaf.shape for leaf in jax.tree.leaves(last)} == {(HIDDEN,)}
    zeros = {n: np.zeros_like(p) if "bias" in n else p for n, p in params.items()}
    none = {n: p for n, p in params.items() if "bias" not in n}
    assert_near(call(name, x, none), call(name, x, zeros), 1e-15)
    empty, last = call(name, x[:, :0], params, carry)
    assert empty.shape == (BATCH, 0, HIDDEN)
    assert_near(last, jax.tree.map(jnp.asarray, carry), 0)


def _scans(jaxpr):
    """Those of a program, in all branches for the platforms, and within scans."""
    for equation in jaxpr.eqns:
        programs = equation.params.get("branches", ())
        if equation.primitive.name == "scan":
            yield equation
            programs = [equation.params["jaxpr"]]
        for program in programs:
            yield from _scans(program.jaxpr)


@every_op
def test_the_kernels_gradients_are_products_after_the_scan(name):
    """Summed up step by step, they would be carried by a scan of all steps."""
    params, _ = arguments(name)
    x = normal(BATCH, 16, INPUTS)
    gradient = jax.grad(lambda params: call(name, x, params)[0].sum())
    program = jax.make_jaxpr(gradient)(params)
    scans = list(_scans(program.jaxpr))
    # of all steps for each kind of platform, or of parts with one of their steps
    lengths = [2, 8, 16]
    assert sorted(scan.params["length"] for scan in scans) == sorted(lengths * 2)
    for scan in scans:
        if scan.params["length"] == 8:
            continue
        made = {v.aval.shape[-2:] for v in scan.outvars}
        assert not made & {params[n].shape for n in ("kernel", "recurrent_kernel")}


@every_op
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_rounded_once(name, dtype):
    params, carry = arguments(name)
    x = normal(BATCH, 64, INPUTS)
    low = jax.tree.map(lambda a: jnp.asarray(a, dtype), (x, params, carry))
    y, last = call(name, *low)
    expected = call(name, *jax.tree.map(lambda a: a.astype(np.float64), low))
    assert y.dtype == jax.tree.leaves(last)[0].dtype == dtype
    assert_near(
        jax.tree.map(lambda a: a.astype(np.float64), (y, last)),
        expected,
        float(jnp.finfo(dtype).eps),
    )


def test_slopes_keep_their_digits_where_the_gates_saturate():
    x, kernel, h = np.float32([[9.0]]), np.ones((1, 1), np.float32), np.zeros(1)
    slope = jax.grad(lambda x: ops.rnn(x, kernel, 0 * kernel)[0].sum())(x)
    assert float(slope[0, 0]) == pytest.approx(1 / np.cosh(9.0) ** 2, rel=1e-5)
    kernel = np.float32([[0, 1, 0, 0]])  # the forget gate, with a cell of 1 behind it
    recurrent, bias = np.zeros((1, 4), np.float32), np.zeros(4, np.float32)

    def cell(x):
        carry = np.float32(h), np.ones(1, np.float32)
        return ops.lstm(x, kernel, recurrent, bias, carry)[1][1].sum()

    slope = jax.grad(cell)(np.float32([[20.0]]))
    assert float(slope[0, 0]) == pytest.approx(np.exp(-20.0), rel=1e-5)


# Linear ones.


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("time", [1, 2, 7])
def test_linear_recurrences_are_the_same_by_steps_and_by_halves(time, reverse):
    """The one is what a CPU runs, the other what accelerators do."""
    args = normal(2, time, 3), normal(2, time, 3, seed=1), normal(2, 3, seed=2)
    g = normal(2, time, 3, seed=3)
    pairs = [
        jax.vjp(functools.partial(by, reverse=reverse), *map(jnp.asarray, args))
        for by in (_linear_recurrence._by_steps, _linear_recurrence._by_halves)
    ]
    (steps, pull_steps), (halves, pull_halves) = pairs
    assert_near(halves, steps, 1e-12)
    assert_near(pull_halves(jnp.asarray(g)), pull_steps(jnp.asarray(g)), 1e-12)


@pytest.mark.slow
def test_linear_recurrences_of_ones_are_sums_and_of_nothing_added_products():
    x, initial = normal(2, 300, 3) / 9, normal(2, 3, seed=1)
    sums = ops.linear_recurrence(np.ones_like(x), x, initial)
    assert_near(sums, jnp.asarray(initial[:, None] + x.cumsum(1)), 1e-12)
    products = ops.linear_recurrence(1 + x, np.zeros_like(x), initial)
    assert_near(products, jnp.asarray(initial[:, None] * (1 + x).cumprod(1)), 1e-11)
    backwards = ops.linear_recurrence(1 + x, x, initial, reverse=True)
    flipped = ops.linear_recurrence(1 + x[:, ::-1], x[:, ::-1], initial)[:, ::-1]
    assert_near(backwards, flipped, 1e-13)


def test_linear_recurrences_of_no_steps():
    y, pull = jax.vjp(ops.linear_recurrence, *[np.zeros((2, 0, 3))] * 2, normal(2, 3))
    assert y.shape == (2, 0, 3)
    assert not np.any(pull(y)[2])
    y, last = ops.min_gru(np.zeros((0, 3)), np.zeros((0, 3)), normal(3))
    assert_near(last, jnp.asarray(normal(3)), 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_min_gru_is_a_loop_over_its_steps(reverse):
    gate, v, h = normal(BATCH, TIME, 4), normal(BATCH, TIME, 4, seed=1), normal(4)
    v[0, 1] = 0
    options = {"mask": MASK, "reverse": reverse, "positive": True}
    y, last = ops.min_gru(gate, v, np.tile(h, (BATCH, 1)), **options)
    z, c = logistic(gate), np.where(v < 0, logistic(v), v + 0.5)
    for row in range(BATCH):
        state, expected = h, np.zeros((TIME, 4))
        for t in reversed(range(TIME)) if reverse else range(TIME):
            if MASK[row, t]:
                state = (1 - z[row, t]) * state + z[row, t] * c[row, t]
            expected[t] = state
        assert_near((y[row], last[row]), (jnp.asarray(expected), jnp.asarray(state)))


def test_min_gru_is_the_papers_form_in_logarithms():
    gate, v = normal(TIME, 4), normal(TIME, 4, seed=1)
    log_z, log_a = -np.logaddexp(0, -gate), -np.logaddexp(0, gate)
    log_c = np.where(v >= 0, np.log(np.maximum(v, 0) + 0.5), -np.logaddexp(0, -v))
    summed = log_a.cumsum(0)
    log_h = summed + np.logaddexp.accumulate(log_z + log_c - summed, 0)
    assert_near(ops.min_gru(gate, v, positive=True)[0], jnp.exp(log_h), 1e-12)


def test_what_stands_in_the_padding_of_min_gru_has_no_influence():
    gate, v = normal(BATCH, TIME, 4), normal(BATCH, TIME, 4, seed=1)
    hidden = np.where(MASK[..., None], gate, np.nan), np.where(MASK[..., None], v, 7e9)
    op = functools.partial(ops.min_gru, mask=MASK)
    (y, _), pull = jax.vjp(op, *hidden)
    assert_near(y, op(gate, v)[0], 0)
    for cotangent in pull((jnp.ones_like(y), jnp.ones_like(y[:, 0]))):
        assert np.isfinite(cotangent).all()
        assert not np.any(cotangent[~MASK])


# Bad input.

X = normal(BATCH, TIME, INPUTS)
P = arguments("lstm")[0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ops.lstm(X, **P | {"kernel": normal(3, 16)}),
            ["(3, 16)", "(3, 5, 2)"],
        ),
        (lambda: ops.lstm(X, **P | {"kernel": normal(2, 12)}), ["(n, 16)", "(2, 12)"]),
        (lambda: ops.gru(X, P["kernel"], P["recurrent_kernel"]), ["(h, 3 h)"]),
        (lambda: ops.rnn(X, P["kernel"], P["recurrent_kernel"]), ["(h, h)"]),
        (lambda: ops.lstm(X[0, 0], **P), ["(..., time, 2)"]),
        (lambda: ops.lstm(X, **P | {"bias": normal(4)}), ["bias", "(16,)", "(4,)"]),
        (lambda: ops.lstm(X, **P, carry=(X[:, 0], X[:, 0])), ["h of shape (3, 4)"]),
        (lambda: ops.lstm(X, **P, mask=MASK[:, 0]), ["mask", "(3, 5)", "(3,)"]),
        (lambda: ops.lstm(X, **P, mask=X[..., 0]), ["mask", "booleans", "float64"]),
        (lambda: ops.linear_recurrence(X, X[0]), ["one shape"]),
        (lambda: ops.linear_recurrence(X, X, X[0, 0]), ["(3, 2)", "(2,)"]),
        (lambda: ops.linear_recurrence(X[0, 0], X[0, 0]), ["(..., time, n)", "(2,)"]),
        (lambda: ops.min_gru(X, X, mask=MASK[0]), ["mask", "(3, 5)", "(5,)"]),
    ],
)
def test_errors_say_what_was_given_and_what_is_needed(call, words):
    with refused((ValueError, TypeError), words):
        call()
