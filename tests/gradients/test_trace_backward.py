"""`trace_backward` shows every rule, and passes on what `jax.grad` does."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import no_cases, sine_rule, tell_tale
from jax import lax
from shares import a_share_of_rows

import funcnn as fn


def draw(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), "float32")


MLP = fn.Chain(fn.Dense(4), fn.tanh, fn.Dense(3))
CNN = fn.Chain(
    fn.Conv(2, (3, 3)), fn.relu, fn.MaxPool((2, 2)), fn.Flatten(), fn.Dense(3)
)
LABELS = jnp.arange(4) % 3
X = draw(2, 3)
W = draw(3, 3)


def model_loss(model):
    def loss(params, state, x, labels):
        logits, state = model.apply(params, state, x)
        return fn.softmax_cross_entropy(logits, labels).mean(), state

    return loss


def model_arguments(model, *shape):
    x = draw(*shape)
    return *model.init(jax.random.key(0), x), x, LABELS


def shared(x, w):
    h = fn.tanh(x @ w) @ w
    return (h * h).sum() + fn.relu(w).sum()


def scanned(length, reverse=False):
    def f(x, w):
        def step(carry, row):
            carry = fn.tanh(carry @ w) + row
            return carry, (carry.sum(), fn.relu(row))

        rows = jnp.linspace(-1, 1, 3 * length).reshape(length, 3) * x[0, 0]
        end, (sums, ys) = lax.scan(step, x, rows, reverse=reverse)
        return end.sum() + (sums**2).sum() + (ys * rows).sum()

    return f


def branched(x, w):
    small = lax.cond(x.sum() > 1e3, lambda x: fn.relu(x), lambda x: fn.tanh(x) @ w, x)
    return lax.switch(7, [jnp.sin, fn.tanh, lambda x: x * x], small).sum()


def third_party(x, w):
    return (jax.nn.relu(x) @ w).sum() + jax.nn.silu(x).sum() + jax.nn.logsumexp(w)


def looped(x, w):
    return lax.fori_loop(0, 3, lambda i, h: fn.tanh(h @ w), x).sum()


def with_plain_number(x, scale):
    return fn.tanh(x * scale).sum()


def two_outputs(x, w):
    @jax.custom_vjp
    def both(x, w):
        return x @ w, jnp.sin(x)

    both.defvjp(
        lambda x, w: (both(x, w), (x, w)),
        lambda s, g: (g[0] @ s[1].T + jnp.cos(s[0]) * g[1], s[0].T @ g[0]),
    )
    return both(x, w)[1].sum() * 3


def stopped(x, w):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    told = jax.pure_callback(np.asarray, shape, lax.stop_gradient(x))
    return (fn.tanh(x) * told @ w).sum()


PROGRAMS = {
    "MLP": (model_loss(MLP), model_arguments(MLP, 4, 5)),
    "CNN": (model_loss(CNN), model_arguments(CNN, 4, 6, 6, 1)),
    "shared arguments": (shared, (X, W)),
    "scan": (scanned(3), (X, W)),
    "scan backwards": (scanned(3, reverse=True), (X, W)),
    "long scan": (scanned(20), (X, W)),
    "long scan backwards": (scanned(20, reverse=True), (X, W)),
    "scan of one": (scanned(1), (X, W)),
    "empty scan": (scanned(0), (X, W)),
    "cond and switch": (branched, (X, W)),
    "third-party rules": (third_party, (X, W)),
    "fori_loop": (looped, (X, W)),
    "jit": (jax.jit(shared), (X, W)),
    "jit in jit": (lambda x, w: jax.jit(jax.jit(shared))(x, w) * 2, (X, W)),
    "checkpoint": (jax.checkpoint(shared), (X, W)),
    "checkpoint in scan": (
        lambda x, w: lax.scan(
            jax.checkpoint(lambda c, r: (fn.tanh(c * r), None)), x, w[:, None]
        )[0].sum(),
        (X, W),
    ),
    "vmap": (lambda x, w: jax.vmap(lambda r: fn.softmax(r @ w)[0])(x).sum(), (X, W)),
    "integer arguments": (
        lambda table, ids: (fn.tanh(table[ids]) ** 2).sum(),
        (W, jnp.array([0, 2, 2])),
    ),
    "keys": (
        lambda x, key: (fn.dropout(fn.tanh(x), key, 0.5) ** 2).sum(),
        (X, jax.random.key(3)),
    ),
    "a plain number": (with_plain_number, (X, 0.5)),
    "an unused argument": (lambda x, w: fn.tanh(x).sum(), (X, W)),
    "stop_gradient": (lambda x: (lax.stop_gradient(fn.tanh(x)) * x).sum(), (X,)),
    "a callback behind stop_gradient": (stopped, (X, W)),
    "a rule of two outputs": (two_outputs, (X, W)),
    "half precision": (lambda x: fn.gelu(x.astype("bfloat16")).sum(), (X,)),
    "a rule with another slope": (lambda x: tell_tale(x).sum(), (X,)),
    "the argument itself": (lambda x: x, (2.0,)),
}


def differentiable(leaf):
    return jnp.issubdtype(jax.typeof(leaf).dtype, jnp.inexact)


def widened(leaf):
    wide = jax.typeof(leaf).dtype == jnp.float32
    return jnp.asarray(leaf, "float64") if wide else leaf


def expected_gradients(f, args):
    """By `jax.grad` of the whole; None where there is none."""
    leaves, tree = jax.tree.flatten(args)
    chosen = [i for i, leaf in enumerate(leaves) if differentiable(leaf)]

    def of_floats(floats):
        mixed = list(leaves)
        for i, value in zip(chosen, floats):
            mixed[i] = value
        output = f(*jax.tree.unflatten(tree, mixed))
        return output[0] if isinstance(output, tuple) else output

    gradients = jax.grad(of_floats)([leaves[i] for i in chosen])
    found = dict(zip(chosen, gradients))
    return jax.tree.unflatten(tree, [found.get(i) for i in range(len(leaves))])


@pytest.mark.parametrize(("f", "args"), a_share_of_rows(PROGRAMS, 9))
def test_what_reaches_the_arguments_is_the_gradient(f, args):
    # in float64, where rounding hides nothing
    with jax.enable_x64(True):
        args = jax.tree.map(widened, args)
        traced = fn.trace_backward(f, *args).gradients
        expected = expected_gradients(f, args)
    chex.assert_trees_all_close(traced, expected, rtol=1e-10, atol=1e-12)
    chex.assert_trees_all_equal_dtypes(traced, expected)


@pytest.mark.slow
def test_in_float32_it_is_the_gradient_too():
    f, *args = unpacked("CNN")
    traced = fn.trace_backward(f, *args).gradients
    expected = expected_gradients(f, tuple(args))
    chex.assert_trees_all_close(traced, expected, rtol=1e-5, atol=1e-6)


def test_every_rule_has_a_row_in_program_order():
    report = fn.trace_backward(*unpacked("CNN"))
    names = [row.name for row in report.rows]
    assert names == ["conv", "relu", "max_pool", "affine", "class_numbers"]
    assert [row.number for row in report.rows] == [1, 2, 3, 4, 5]
    assert report.summary == "5 rules"
    assert report.ok


def test_a_row_has_what_came_and_what_went():
    def f(x, weight):
        return 2 * sine_rule()(x, weight).sum()

    x, weight = jnp.array([0.5, 1.0]), jnp.float32(3)
    (row,) = fn.trace_backward(f, x, weight).rows
    chex.assert_trees_all_close(row.inputs, (x, weight))
    chex.assert_trees_all_close(row.outputs, (3 * jnp.sin(x),), rtol=1e-6)
    chex.assert_trees_all_close(row.arrived, (jnp.full(2, 2.0),))
    expected = 6 * jnp.cos(x), 2 * jnp.sin(x).sum()
    chex.assert_trees_all_close(row.sent, expected, rtol=1e-6)


def test_the_chain_is_unbroken():
    # What a rule sends is what reaches the one before it.
    report = fn.trace_backward(lambda x: fn.tanh(fn.relu(fn.gelu(x))).sum(), X)
    for before, after in zip(report.rows, report.rows[1:]):
        chex.assert_trees_all_equal(before.outputs[0], after.inputs[0])
        chex.assert_trees_all_equal(before.arrived[0], after.sent[0])


def test_a_wrong_rule_is_seen_at_work():
    (row,) = fn.trace_backward(lambda x: tell_tale(x).sum(), X).rows
    assert row.name == "triple"
    chex.assert_trees_all_equal(row.outputs[0], 2 * X)
    chex.assert_trees_all_equal(row.sent[0], jnp.full_like(X, 5))


def unpacked(name):
    f, args = PROGRAMS[name]
    return f, *args


def line_of(function, offset):
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


def test_places_are_the_user_s_call_and_the_rule():
    def f(x):
        x = x + 1
        return fn.relu(x).sum()

    (row,) = fn.trace_backward(f, X).rows
    assert row.place == line_of(f, 2)
    file, _, line = row.rule_place.rpartition(":")
    assert file == fn.ops.relu.__code__.co_filename
    assert line.isdigit()
    name, place = row.operation.splitlines()
    assert name == "1. relu"
    assert place.endswith(f"_backward.py:{row.place.rpartition(':')[2]}")


def test_where_jit_has_traced_before_the_place_is_of_the_call():
    inner = jax.jit(fn.relu)
    inner(X)

    def f(x):
        return inner(x).sum()

    (row,) = fn.trace_backward(f, X).rows
    assert row.place == line_of(f, 1)


PATHS = {
    "jit": (jax.jit(fn.tanh), ["jit/custom_vjp_call"]),
    "cond": (
        lambda x: lax.cond(True, lambda x: fn.tanh(x), lambda x: x, x),
        ["cond[1]/custom_vjp_call"],
    ),
    "checkpoint": (jax.checkpoint(fn.tanh), ["checkpoint/custom_vjp_call"]),
    "custom_jvp": (
        lambda x: jax.nn.silu(jax.nn.relu(x)),
        ["custom_jvp_call"],
    ),
    "scan in jit": (
        jax.jit(lambda x: lax.scan(lambda c, r: (fn.tanh(c), None), x, None, 2)[0]),
        ["jit/scan[0]/custom_vjp_call", "jit/scan[1]/custom_vjp_call"],
    ),
    "while_loop": (
        lambda x: lax.while_loop(
            lambda c: c[0] < 2, lambda c: (c[0] + 1, fn.tanh(c[1])), (0, x)
        )[1],
        ["while[0]/custom_vjp_call", "while[1]/custom_vjp_call"],
    ),
}


@pytest.mark.parametrize(("f", "paths"), PATHS.values(), ids=PATHS)
def test_paths_say_where_in_the_program(f, paths):
    report = fn.trace_backward(lambda x: f(x).sum(), X)
    assert [row.path for row in report.rows] == paths


def test_a_while_loop_is_differentiated_although_jax_refuses():
    f, _ = PATHS["while_loop"]
    traced = fn.trace_backward(lambda x: f(x).sum(), X).gradients[0]
    twice = jax.grad(lambda x: jnp.tanh(jnp.tanh(x)).sum())(X)
    chex.assert_trees_all_close(traced, twice, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_of_a_long_scan_the_ends_are_shown_and_it_is_said(reverse):
    report = fn.trace_backward(scanned(9, reverse), X, W)
    places = [row.path.partition("/")[0] for row in report.rows]
    ends = ["scan[0]"] * 2 + ["scan[8]"] * 2
    assert places == (ends[::-1] if reverse else ends)
    assert report.notes == ("scan: iterations 0 and 8 of 9 shown",)


def test_a_scan_of_eight_is_shown_whole():
    report = fn.trace_backward(scanned(8), X, W)
    assert len(report.rows) == 16
    assert report.notes == ()


def test_a_rule_that_nothing_reaches_sends_nothing():
    def f(x):
        unused = fn.relu(x)
        return fn.tanh(x).sum(), unused

    reached = fn.trace_backward(lambda x: (fn.tanh(x).sum(), fn.relu(x)), X)
    assert [row.name for row in reached.rows] == ["relu", "tanh"][::-1]
    lost, kept = fn.trace_backward(f, X).rows
    assert (lost.name, lost.arrived, lost.sent) == ("relu", (None,), (None,))
    assert kept.sent[0] is not None


def test_integers_and_constants_are_sent_nothing():
    row = fn.trace_backward(*unpacked("CNN")).rows[-1]
    assert row.inputs[1].dtype == "int32"
    assert row.sent[1] is None
    constant = fn.trace_backward(lambda x: (fn.tanh(jnp.ones(3)) * x).sum(), 2.0)
    assert constant.rows[0].arrived == (None,)


def test_what_is_sent_stands_beside_its_input():
    @jax.custom_vjp
    def rows_of(ids, table):
        return table[ids]

    rows_of.defvjp(
        lambda ids, table: (table[ids], (ids, table)),
        lambda s, g: (None, jnp.zeros_like(s[1]).at[s[0]].add(g)),
    )
    report = fn.trace_backward(lambda t: rows_of(jnp.array([0, 2, 2]), t).sum(), W)
    ids, table = report.rows[0].sent
    assert ids is None
    np.testing.assert_array_equal(table[:, 0], [1, 0, 2])


def test_of_two_outputs_one_may_be_reached():
    (row,) = fn.trace_backward(*unpacked("a rule of two outputs")).rows
    assert row.arrived[0] is None
    chex.assert_trees_all_equal(row.arrived[1], jnp.full_like(X, 3))
    assert "output 1" in row.array


def test_plain_operations_are_shown_on_demand():
    f = lambda x: (jnp.sin(fn.tanh(x)) * 2).sum()  # noqa: E731
    assert [row.name for row in fn.trace_backward(f, X).rows] == ["tanh"]
    every = fn.trace_backward(f, X, every_operation=True)
    assert [row.name for row in every.rows] == ["tanh", "sin", "mul", "reduce_sum"]
    assert every.summary == "4 operations"
    chex.assert_trees_all_close(every.rows[1].sent[0], 2 * jnp.cos(jnp.tanh(X)))


def test_the_table_fits_110_columns_and_shows_norms_and_ranges():
    def long_name_of_a_rule_that_takes_much_room(x):
        return x

    def forward(x):
        return x, ()

    rule = fn.rule(
        long_name_of_a_rule_that_takes_much_room,
        forward,
        lambda s, g: (g * -1.234567e-05,),
        cases=no_cases,
    )
    deep = jax.jit(jax.checkpoint(jax.jit(jax.checkpoint(rule))))
    x = jnp.linspace(-1.234567e-05, 2.345678e10, 120).reshape(1, 2, 3, 4, 5, 1, 1, 1)
    report = fn.trace_backward(lambda x: deep(x).sum() * 1e-5, x)
    assert max(map(len, str(report).splitlines())) <= 110
    x = jnp.array([-1.0, 3.0])
    small = str(fn.trace_backward(lambda x: 2 * fn.relu(x).sum(), x))
    input_line, output_line = small.splitlines()[3:5]
    assert input_line.endswith("input 0  f32[2]  [-1, 3]  [0, 2]     2")
    assert output_line.split()[-3:] == ["[2,", "2]", "2.83"]


def test_everything_is_in_the_json_and_on_the_page(tmp_path):
    report = fn.trace_backward(*unpacked("keys"))
    report.save(tmp_path / "trace.html")
    report.save(tmp_path / "trace.json")
    assert '"sent"' in (tmp_path / "trace.json").read_text()
    assert "arrived" in (tmp_path / "trace.html").read_text()


@pytest.mark.parametrize(
    ("f", "given"),
    [
        (fn.relu, r"f32\[2,3\]"),
        (lambda x: jnp.int32(1), r"i32\[\]"),
        (lambda x: {"a": x.sum(), "b": x.sum()}, r"f32\[\], f32\[\]"),
        (lambda x: None, "no array"),
    ],
)
def test_what_is_no_scalar_is_refused(f, given):
    with pytest.raises(TypeError, match=f"must give a scalar of floats.*got {given}"):
        fn.trace_backward(f, X)


def test_inside_jit_it_is_refused():
    with pytest.raises(TypeError, match="trace_backward needs values"):
        jax.jit(lambda x: fn.trace_backward(jnp.sum, x).gradients[0])(X)


def test_arguments_that_are_no_arrays_are_kept():
    def f(x, mode, axis, nothing, words):
        assert nothing is None
        assert words[0] == "text"
        return getattr(fn.tanh(x), mode)(axis).sum()

    report = fn.trace_backward(f, X, "mean", 0, None, np.array(["text"]))
    assert report.gradients[1:] == (None, None, None, None)
    chex.assert_shape(report.gradients[0], X.shape)


def test_a_sum_of_cotangents_is_not_what_each_rule_sent():
    report = fn.trace_backward(lambda x: (fn.relu(x) + fn.tanh(x)).sum(), X)
    relu, tanh = report.rows
    total = relu.sent[0] + tanh.sent[0]
    chex.assert_trees_all_close(report.gradients[0], total, rtol=1e-6)
