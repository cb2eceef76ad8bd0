"""What `audit` finds, where, and what it says of what it cannot judge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_examples import no_cases
from jax import lax
from jax.sharding import Mesh, PartitionSpec

import funcnn as fn

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def _sine(slope):
    """The sine with a derivative of our choice."""
    rule = jax.custom_vjp(lambda x: jnp.sin(x))
    rule.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * slope(x),))
    rule.__name__ = "sine"
    return rule


right, wrong = _sine(jnp.cos), _sine(lambda x: 1.001 * jnp.cos(x))


def _only(report):
    (row,) = report.rows
    return row


def through_scan(f):
    return lambda x: lax.scan(lambda c, y: (c, f(y)), x[0], x)[1]


def through_while(f):
    def turn(carry):
        return carry[0] + 1, f(carry[1])

    return lambda x: lax.while_loop(lambda c: c[0] < 3, turn, (0, x))[1]


def through_other_branch(f):
    return lambda x: lax.cond(x.sum() > 1e6, f, jnp.cos, x)


def through_gradient(f):
    return lambda x: jax.grad(lambda y: f(y).sum())(x)


def through_shard_map(f):
    mesh = Mesh(np.array(jax.devices()[:1]), ("i",))
    spec = PartitionSpec("i")
    return jax.shard_map(f, mesh=mesh, in_specs=spec, out_specs=spec)


def through_another_rule(f):
    outer = jax.custom_jvp(lambda x: f(x) * 2)
    outer.defjvp(lambda p, t: (f(*p) * 2, 2 * jnp.cos(*p) * t[0]))
    return outer


PLACES = {
    "": lambda f: f,
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
    "scan[0]": through_scan,
    "while[0]": through_while,
    "cond[1]": through_other_branch,
    "differentiated inside": through_gradient,
    "vmap": jax.vmap,
    "shard_map": through_shard_map,
    "another rule": through_another_rule,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_rule_is_judged_wherever_it_stands(place):
    assert fn.audit(PLACES[place](right), X, fast=True).ok
    report = fn.audit(PLACES[place](wrong), X, fast=True)
    (row,) = report.failures
    assert "sine" in row.rule
    assert row.at.startswith("test_audit.py:")
    if place not in ("vmap", "shard_map", "another rule"):
        assert place in row.path


def test_the_row_names_the_derivative_the_call_and_the_argument():
    row = _only(fn.audit(lambda a: wrong(a), X))
    assert row.verdict == "RULE WRONG"
    assert row.argument == "x"
    assert row.place == f"{__file__}:{wrong.bwd.__code__.co_firstlineno}"
    assert row.called_at.startswith(__file__)
    assert row.error == pytest.approx(1e-3, rel=1e-2)
    assert "not" in row.says


@pytest.mark.parametrize("slope_at_0", [0.0, 0.3, 1.0])
def test_a_slope_between_the_one_sided_ones_is_a_kink(slope_at_0):
    rule = jax.custom_vjp(lambda x: jnp.maximum(x, 0))
    slope = lambda x: jnp.where(x == 0, slope_at_0, x > 0)  # noqa: E731
    rule.defvjp(lambda x: (jnp.maximum(x, 0), x), lambda x, g: (g * slope(x),))
    assert _only(fn.audit(rule, X)).verdict == "KINK"


def test_a_slope_that_is_not_between_them_fails():
    rule = jax.custom_vjp(lambda x: jnp.maximum(x, 0))
    slope = lambda x: jnp.where(x == 0, 1.2, x > 0)  # noqa: E731
    rule.defvjp(lambda x: (jnp.maximum(x, 0), x), lambda x, g: (g * slope(x),))
    row = _only(fn.audit(rule, X))
    assert row.verdict == "KINK OUTSIDE"
    assert "from below" in row.says


def test_where_automatic_differentiation_is_wrong_the_rule_passes():
    def length(x):
        return jnp.sqrt((x**2).sum(-1))

    rule = jax.custom_vjp(length)
    safe = lambda r: jnp.where(r == 0, 1, r)[..., None]  # noqa: E731
    rule.defvjp(
        lambda x: (length(x), x), lambda x, g: (g[..., None] * x / safe(length(x)),)
    )
    assert _only(fn.audit(rule, np.zeros((2, 3), np.float32))).verdict in (
        "KINK",
        "AUTO WRONG",
    )


def test_a_hidden_stop_gradient_is_wrong_on_both_sides():
    def value(x):
        return x * lax.stop_gradient(jnp.exp(x))

    rule = jax.custom_vjp(value)
    rule.defvjp(lambda x: (value(x), x), lambda x, g: (g * jnp.exp(x),))
    assert _only(fn.audit(rule, X)).verdict == "BOTH WRONG"


def test_a_surrogate_has_to_be_what_it_declares():
    def op(slope, surrogate):
        return fn.rule(
            jnp.sign,
            lambda x: (jnp.sign(x), ()),
            lambda saved, g: (slope * g,),
            cases=no_cases,
            surrogate=surrogate,
            name="step",
        )

    assert _only(fn.audit(op(1.0, lambda x: x), X)).verdict == "SURROGATE"
    assert _only(fn.audit(op(2.0, lambda x: x), X)).verdict == "RULE WRONG"
    assert _only(fn.audit(op(1.0, None), X)).verdict == "RULE WRONG"


def test_a_foreign_rule_is_held_against_a_given_reference():
    opaque = jax.custom_vjp(
        lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
    )
    opaque.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * 2 * jnp.cos(x),))
    assert not fn.audit(opaque, X, reference={opaque: jnp.sin}).ok
    half = {opaque: lambda x: jnp.sin(x) * 1.0}
    opaque.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))
    assert fn.audit(opaque, X, reference=half).ok


def test_a_cotangent_in_another_dtype_is_a_fault_of_structure():
    rule = jax.custom_vjp(lambda x: x * 2)
    rule.defvjp(lambda x: (x * 2, ()), lambda _, g: (2 * g.astype(jnp.float32),))
    row = _only(fn.audit(rule, X.astype(jnp.bfloat16)))
    assert row.verdict in ("STRUCTURE", "RAISES")
    assert "float32" in row.says


def test_a_program_without_rules_says_so():
    report = fn.audit(jnp.sin, X)
    assert report.ok
    assert "no hand-written rule" in str(report)


@pytest.mark.parametrize(
    "f", [lambda x: jnp.nonzero(x > 0, size=2)[0], lambda x: x[0].searchsorted(x[1])]
)
def test_nor_are_operations_of_jax_s_own_that_give_integers(f):
    report = fn.audit(lambda x: right(x[f(x)]), X, fast=True)
    assert [row.rule for row in report.rows] == ["sine"]


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: right(x) if x.sum() > 0 else x, "TracerBoolConversionError"),
        (lambda x, y: right(x), "missing 1 required positional argument"),
        (lambda x: right(x) @ jnp.ones((7, 2)), "TypeError"),
    ],
    ids=["not traceable", "an argument missing", "shapes that do not fit"],
)
def test_what_the_function_raises_is_a_row(f, said):
    report = fn.audit(f, X)
    assert not report.ok
    assert said in str(report)


def test_a_program_that_fails_half_way_reports_what_it_has(capfd):
    def broken(x):
        raise ValueError("the disk is on fire")

    def f(x):
        y = wrong(x)
        type_ = jax.ShapeDtypeStruct(y.shape, y.dtype)
        return right(jax.pure_callback(broken, type_, y))

    report = fn.audit(f, X, fast=True)
    capfd.readouterr()  # JAX prints the callback's traceback
    assert [row.verdict for row in report.rows] == ["RULE WRONG", "RAISES"]
    assert "stopped at pure_callback at" in report.rows[-1].says
    assert "the disk is on fire" in report.rows[-1].says


def test_bad_calls_are_errors_that_name_the_thing():
    with pytest.raises(TypeError, match="audit needs a function, got int"):
        fn.audit(3, X)
    with pytest.raises(TypeError, match="cannot run inside jit"):
        jax.jit(lambda x: fn.audit(right, x))(X)
    with pytest.raises(TypeError, match=r"check\(sine\) needs arguments"):
        fn.check(right)


def test_a_long_scan_is_sampled():
    report = fn.audit(
        lambda x: lax.scan(lambda c, _: (wrong(c), None), x, length=100_000)[0],
        X,
        fast=True,
    )
    assert _only(report).path == "scan[0]"


def test_a_rule_that_shows_in_other_shapes_only_is_found():
    def backward(x, g):
        factor = 2 if x.shape[0] % 2 else 1
        return (factor * g * jnp.cos(x),)

    rule = jax.custom_vjp(lambda x: jnp.sin(x))
    rule.defvjp(lambda x: (jnp.sin(x), x), backward)
    assert not fn.audit(rule, X).ok


def test_what_a_program_keeps_between_two_calls_is_found():
    sizes = []

    def forward(x):
        sizes.append(x.size)
        return x * 1, ()

    rule = jax.custom_vjp(lambda x: x * 1)
    rule.defvjp(forward, lambda _, g: (g * g.size / sizes[-1],))
    report = fn.audit(lambda x: rule(x).sum() + rule(x[0]).sum(), X)
    assert [row.rule for row in report.failures] == ["whole program"]


def test_a_value_of_another_dtype_than_the_reference_s_is_no_rule_of_it():
    op = fn.rule(
        lambda x: jnp.sin(x),
        lambda x: (jnp.sin(x).astype(jnp.bfloat16), x),
        lambda x, g: (g * jnp.cos(x),),
        cases=lambda normal: [(normal(3),)],
        name="sine",
    )
    (row,) = fn.check(op, fast=True).failures
    assert row.verdict == "STRUCTURE"
    assert "the value is bfloat16[3] where float32[3] is needed" in row.says


def test_a_boundary_may_lie_in_a_single_number():
    op = jax.custom_vjp(lambda x: jnp.where(jnp.exp(x) > 2 + x, x, 2 * x))
    op.defvjp(
        lambda x: (op(x), x), lambda x, g: (jnp.where(jnp.exp(x) > 2 + x, g, 2 * g),)
    )
    fn.audit(op, jnp.array(0.25)).assert_ok()
