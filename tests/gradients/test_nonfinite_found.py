"""`find_nonfinite` names the operation that made a NaN or an infinity, and only it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import no_cases
from jax import lax

import funcnn as fn
from funcnn.gradients._culprits import first_made

X = jnp.array([1.0, 0.0, 2.0])


def line_of(function, offset=0):
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


def only_row(f, *args):
    report = fn.find_nonfinite(f, *args)
    assert not report.ok
    (row,) = report.rows
    return row


@jax.custom_vjp
def doubled(x):
    return 2 * x


def doubled_backward(x, g):
    return (g / (x - x),)


doubled.defvjp(lambda x: (2 * x, x), doubled_backward)


def kept(x):
    return x


ours = fn.rule(
    kept, lambda x: (x, x), lambda x, g: (g * jnp.log(0 * x),), cases=no_cases
)


def masked_log(x):
    return jnp.where(x > 0, jnp.log(x), 0)


safe_log = fn.rule(
    masked_log,
    lambda x: (masked_log(x), x),
    lambda x, g: (jnp.where(x > 0, g / x, 0),),
    cases=no_cases,
)


def in_scan(x):
    return lax.scan(lambda c, x: (c + jnp.log(x), None), 0.0, x)[0]


def in_while(x):
    def body(carry):
        i, total = carry
        return i + 1, total + x[0] / (3.0 - i)

    return lax.while_loop(lambda c: c[0] < 5, body, (0, 0.0))[1]


def attention(scores, mask):
    masked = jnp.where(mask, scores, -jnp.inf)
    return (jax.nn.softmax(masked) ** 2).sum() + jax.nn.logsumexp(masked)


CAUSAL = np.tril(np.ones((3, 3), bool))

# name: (function, arguments, direction, operation, what, first index, its operands)
CULPRITS = {
    "log of 0": (lambda x: jnp.log(x), X, "forward", "log", "-inf", (1,), ["0"]),
    "0/0": (lambda x: (x / x).sum(), X, "forward", "div", "nan", (1,), ["0", "0"]),
    "exp overflows": (jnp.exp, 1000.0, "forward", "exp", "inf", (), ["1e+03"]),
    "overflow of a cast": (
        lambda x: x.astype("float16") / 2,
        7e4 * X,
        "forward",
        "convert_element_type",
        "inf",
        (0,),
        ["7e+04"],
    ),
    "overflow of a sum": (
        lambda x: x.sum(),
        jnp.full(2, 3e38),
        "forward",
        "reduce_sum",
        "inf",
        (),
        ["-"],
    ),
    "infinity less infinity": (
        lambda x: (jnp.inf * (x + 1)) - jnp.inf,
        X,
        "forward",
        "sub",
        "nan",
        (0,),
        ["inf", "inf"],
    ),
    "slope of sqrt at 0": (
        lambda x: jnp.sqrt(x).sum(),
        X,
        "backward",
        "sqrt",
        "inf",
        (1,),
        ["0", "1"],
    ),
    "where after sqrt": (
        lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0).sum(),
        X,
        "backward",
        "sqrt",
        "nan",
        (1,),
        ["0", "0"],
    ),
    "where after log": (
        lambda x: jnp.where(x > 0, jnp.log(x), 0.0).sum(),
        X,
        "forward",
        "log",
        "-inf",
        (1,),
        ["0"],
    ),
    "a row that is masked whole": (
        lambda x: attention(x, CAUSAL & False),
        jnp.ones((3, 3)),
        "forward",
        "sub",
        "nan",
        (0, 0),
        ["-inf", "-"],
    ),
    "beside a masked entry": (
        lambda x: jnp.log(jnp.where(x > 1, jnp.inf, x)),
        X,
        "forward",
        "log",
        "-inf",
        (1,),
        ["0"],
    ),
    "third-party backward": (
        lambda x: doubled(x).sum(),
        X,
        "backward",
        "doubled",
        "inf",
        (0,),
        ["1", "1"],
    ),
    "a sum of cotangents": (
        lambda x: (x * jnp.float16(4e4)).sum() + (x * jnp.float16(3e4)).sum(),
        jnp.zeros(2, "float16"),
        "backward",
        "mul",
        "inf",
        (0,),
        ["3e+04", "4e+04"],
    ),
}


@pytest.mark.parametrize("case", CULPRITS.values(), ids=CULPRITS)
def test_the_operation_that_made_it_is_named(case):
    f, x, direction, name, makes, first, there = case
    row = only_row(f, x)
    found = (row.direction, row.name, row.makes, row.first, list(row.there))
    assert found == (direction, name, makes, first, there)
    assert row.verdict == "NONFINITE"


def test_it_is_found_inside_of_scan_with_its_iteration():
    row = only_row(in_scan, jnp.array([1.0, 2.0, 3.0, 0.0, 5.0, 0.0]))
    assert (row.path, row.name) == ("scan[3]/log", "log")
    assert row.place == line_of(in_scan, 1)


def test_backward_too_it_is_found_inside_of_scan_with_its_iteration():
    f = lambda x: lax.scan(lambda c, x: (c + jnp.sqrt(x), None), 0.0, x)[0]  # noqa: E731
    row = only_row(f, jnp.array([1.0, 2.0, 0.0, 4.0]))
    assert (row.direction, row.path, row.makes) == ("backward", "scan[2]/sqrt", "inf")


def test_it_is_found_inside_of_while_with_its_iteration():
    row = only_row(in_while, X)
    assert (row.path, row.name) == ("while[3]/div", "div")


PLACES = {
    "jit": (jax.jit(jnp.log), "jit/log"),
    "checkpoint": (jax.checkpoint(lambda x: jnp.log(x)), "checkpoint/log"),
    "cond": (lambda x: lax.cond(False, jnp.sin, jnp.log, x), "cond[0]/log"),
    "switch": (lambda x: lax.switch(2, [jnp.sin, jnp.cos, jnp.log], x), "cond[2]/log"),
    "jit in jit": (jax.jit(lambda x: jax.jit(jnp.log)(x)), "jit/jit/log"),
}


@pytest.mark.parametrize(("f", "path"), PLACES.values(), ids=PLACES)
def test_the_path_says_where_in_the_program(f, path):
    def called(x):
        return f(x).sum()

    row = only_row(called, X)
    assert row.path in (path, path.replace("/log", "/jit/log"))
    assert row.name == "log"
    assert row.place


def test_the_place_is_the_line_of_the_call():
    def f(x):
        x = x + 0
        return jnp.log(x).sum()

    assert only_row(f, X).place == line_of(f, 2)


def test_in_a_third_party_backward_the_primitive_and_the_function_are_told():
    row = only_row(lambda x: jax.jit(doubled)(x).sum(), X)
    assert row.path == "jit/custom_vjp_call"
    assert row.inside == "div 1, 0 -> inf"
    assert row.inside_place == line_of(doubled_backward)


def test_in_our_backward_the_rule_is_named():
    row = only_row(lambda x: ours(x).sum(), X)
    assert (row.direction, row.name, row.makes) == ("backward", "kept", "-inf")
    assert row.inside == "log 0 -> -inf"
    assert row.inside_place == line_of(kept)


def test_in_the_forward_of_a_rule_the_primitive_is_told():
    @jax.custom_jvp
    def inverse(x):
        return 3 / x

    inverse.defjvp(lambda x, t: (inverse(x[0]), -3 * t[0] / x[0] ** 2))
    row = only_row(lambda x: inverse(x), X)
    assert (row.direction, row.name, row.inside) == (
        "forward",
        "inverse",
        "div 3, 0 -> inf",
    )
    assert row.inside_place == f"{__file__}:{inverse.fun.__code__.co_firstlineno + 2}"


def test_in_a_rule_inside_of_a_rule_the_primitive_is_told():
    outer = jax.custom_jvp(lambda x: jax.nn.relu(ours(1 / x)))
    outer.defjvp(lambda x, t: (outer(x[0]), t[0]))
    assert only_row(lambda x: outer(x), X).inside == "div 1, 0 -> inf"
    nested = jax.custom_jvp(lambda x: 2 * reciprocal(x))
    nested.defjvp(lambda x, t: (nested(x[0]), t[0]))
    assert only_row(lambda x: nested(x), X).inside == "div 1, 0 -> inf"


def one_over(x):
    return 1 / x


reciprocal = fn.rule(
    one_over, lambda x: (1 / x, x), lambda x, g: (-g / x**2,), cases=no_cases
)


CLEAN = {
    "plain": (lambda x: jnp.exp(jnp.sin(x)).sum(), X),
    "a masked attention": (lambda x: attention(x, CAUSAL), jnp.ones((3, 3))),
    "masked by an argument": (
        lambda x, mask: jax.nn.softmax(x + mask)[0],
        X,
        jnp.array([0, -jnp.inf, 0]),
    ),
    "the guarded root": (
        lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0).sum(),
        X,
    ),
    "a cross entropy": (lambda x: fn.softmax_cross_entropy(x, 1), 1e4 * X),
    "a maximum from -inf": (lambda x: jnp.max(x, initial=-jnp.inf), X),
    "a rule that masks within itself": (
        lambda x: safe_log(x).sum(),
        X,
    ),
    "comparing infinities": (lambda x: jnp.isinf(jnp.where(x > 0, jnp.inf, x)), X),
    "a product that spreads an infinity": (
        lambda x: jnp.where(jnp.eye(3) > 0, jnp.inf, x) @ x,
        jnp.ones((3, 3)),
    ),
    "the bits of an infinity": (
        lambda n: lax.bitcast_convert_type(n, "float32"),
        jnp.int32(0x7F800000),
    ),
    "integers": (lambda n: n // 2, jnp.arange(3)),
    "random numbers": (
        lambda key: jax.random.normal(key, (4,)).sum(),
        jax.random.key(0),
    ),
    "no arrays": (lambda x: "text", 1.0),
    "a scan of nothing": (in_scan, jnp.zeros(0)),
}


@pytest.mark.parametrize("case", CLEAN.values(), ids=CLEAN)
def test_a_clean_program_is_ok(case):
    f, *args = case
    report = fn.find_nonfinite(f, *args)
    assert report.ok, str(report)
    assert report.rows == ()
    assert report.title.startswith("no NaN and no infinity is made")


def test_infinite_constants_are_noted():
    notes = fn.find_nonfinite(lambda x: attention(x, CAUSAL), jnp.ones((3, 3))).notes
    assert any(note.startswith("a constant is -inf: ") for note in notes)
    assert f"{line_of(attention, 1)}" in " ".join(notes)


def test_infinite_arguments_are_noted_and_nans_fail():
    f = lambda tree: tree["a"].sum()  # noqa: E731
    noted = fn.find_nonfinite(f, {"a": jnp.array([1, jnp.inf])})
    assert noted.ok
    note = "argument 0.a is infinite from the start: [1, 1] 1 inf"
    assert noted.notes[0] == note
    row = only_row(f, {"a": jnp.array([1, jnp.nan])})
    assert (row.direction, row.name) == ("argument", "argument 0.a is not finite")
    assert row.first == (1,)


REACHES = {
    "value": (lambda x: jnp.log(x), ("value",), "not finite: the value"),
    "both": (
        lambda x: jnp.log(x).sum(),
        ("value", "gradient"),
        "not finite: the value and the gradient",
    ),
    "gradient": (
        lambda x: jnp.sqrt(x).sum(),
        ("gradient",),
        "not finite: the gradient",
    ),
    "neither": (
        lambda x: jnp.where(jnp.log(x) > 0, x, 0.0).sum(),
        (),
        "finite: the value and the gradient",
    ),
}


@pytest.mark.parametrize(("f", "reaches", "note"), REACHES.values(), ids=REACHES)
def test_it_is_told_what_it_reaches(f, reaches, note):
    report = fn.find_nonfinite(f, X)
    assert report.rows[0].reaches == reaches
    assert report.notes[-1] == note


def test_a_value_without_a_gradient_is_not_said_to_have_one():
    assert fn.find_nonfinite(lambda x: x + 1, X).notes == ("finite: the value",)


def test_what_cannot_be_differentiated_is_run_and_noted():
    shape = jax.ShapeDtypeStruct((3,), "float32")
    f = lambda x: (jax.pure_callback(np.asarray, shape, x) / x).sum()  # noqa: E731
    report = fn.find_nonfinite(f, X)
    assert report.rows[0].name == "div"
    assert report.notes[0].startswith("pure_callback has no backward pass: ")
    assert fn.find_nonfinite(f, X + 1).ok


def test_an_operation_that_fails_raises_its_own_error():
    def failing(x):
        raise RuntimeError("as it should")

    shape = jax.ShapeDtypeStruct((3,), "float32")
    with pytest.raises(Exception, match="as it should"):
        fn.find_nonfinite(lambda x: jax.pure_callback(failing, shape, x), X)


def test_further_outputs_are_looked_at_and_text_is_not():
    f = lambda x: (x.sum(), {"log": jnp.log(x), "name": "text"})  # noqa: E731
    row = only_row(f, X)
    assert row.name == "log"
    assert row.reaches == ("value",)


def test_the_backward_pass_begins_at_the_first_output_of_a_tuple():
    row = only_row(lambda x: (jnp.sqrt(x).sum(), x), X)
    assert row.direction == "backward"


def test_the_table_shows_what_is_needed():
    text = str(fn.find_nonfinite(lambda x: (x / x).sum(), X))
    assert "nan at (1)" in text
    assert "1 of 3 entries" in text
    assert "f32[3]" in text
    assert "[0, 2]" in text
    assert "test_nonfinite_found.py" in text
    assert max(map(len, text.splitlines())) <= 110


def test_assert_ok_raises_with_the_row():
    with pytest.raises(AssertionError, match="nan at"):
        fn.find_nonfinite(lambda x: (x / x).sum(), X).assert_ok()


def test_inside_jit_it_is_refused():
    with pytest.raises(TypeError, match="find_nonfinite needs values"):
        jax.jit(lambda x: fn.find_nonfinite(jnp.sum, x).ok)(X)


def test_without_an_operation_every_entry_depends_on_every_operand():
    bad = jnp.array([jnp.inf, 1.0])
    assert first_made(None, (bad,), bad) is None
    assert first_made(None, (X,), bad).what == "inf"
    assert first_made(None, (), X) is None
