"""Faults that are injected into rules: each is one, or is shown to be none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnn as fn
from funcnn.gradients.mutation import Mutant, equivalent, kill_rate, mutants
from funcnn.gradients.mutation._cases import cases_of
from funcnn.gradients.mutation._trial_points import BEYOND, trial_points
from funcnn.ops._pointwise._pointwise import _relu as relu
from funcnn.ops._products._embedding import _embedding as embedding
from funcnn.ops._regularization._dropout import _dropout as dropout

# compiles many programs, each for one question
pytestmark = pytest.mark.slow


def _rms_reference(x, scale, eps):
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + eps) * scale


def _rms_forward(x, scale, eps):
    r = lax.rsqrt((x * x).mean(-1, keepdims=True) + eps)
    return x * r * scale, (x, scale, r)


def _rms_backward(eps, saved, g):
    x, scale, r = saved
    h, u = x * r, g * scale
    dx = r * (u - h * (u * h).mean(-1, keepdims=True))
    return dx, (g * h).sum(tuple(range(g.ndim - 1)))


def _rms_reordered(eps, saved, g):
    x, scale, r = saved
    dx = r * g * scale - r**3 * x * (x * (g * scale)).mean(-1, keepdims=True)
    return dx, jnp.einsum("...i,...i->i", g, x * r)


def _rms_cases(normal):
    yield normal(2, 3), normal(3), 0.1
    yield normal(3, 3), normal(3), 0.01
    yield normal(2), normal(2), 0.1


def _rms(backward=_rms_backward, forward=_rms_forward):
    return fn.rule(
        _rms_reference, forward, backward, static="eps", cases=_rms_cases, name="rms"
    )


rms = _rms()


def _largest(choose):
    """The largest of each row; `choose` says where, as ones and zeros."""

    def largest(x):
        return x.max(-1)

    def cases(normal):
        yield (normal(2, 3),)
        yield (jnp.array([[1.0, 1.0, 0.0]]),)

    return fn.rule(
        largest,
        lambda x: (largest(x), x),
        lambda x, g: (g[..., None] * choose(x),),
        cases=cases,
    )


def _first_largest(x):
    return jax.nn.one_hot(x.argmax(-1), x.shape[-1], dtype=x.dtype)


def _last_largest(x):
    return jnp.flip(_first_largest(jnp.flip(x, -1)), -1)


def _all_largest(x):
    return (x == x.max(-1, keepdims=True)).astype(x.dtype)


def as_mutant(op):
    return Mutant(op, "", "", "", (0,))


def of(op, family):
    found = [m for m in mutants(op) if m.family == family]
    assert found, f"no mutants of family {family}"
    return found


def named(op, fault):
    (mutant, *_) = [m for m in mutants(op) if m.fault.endswith(fault)]
    return mutant


class Judgement:
    def __init__(self, ok):
        self.ok = ok


def blind(op):
    del op
    return Judgement(True)


def perfect(right):
    return lambda op: Judgement(bool(equivalent(right, as_mutant(op))))


# What there is


FIRST_OF_FAMILIES = {
    "output": rms,
    "point": rms,
    "shape": rms,
    "cotangent": rms,
    "forward": rms,
    "dtype": rms,
    "second order": rms,
    "transform": rms,
    "formula": rms,
    "backward program": rms,
    "saved program": rms,
    "key": dropout,
    "index": embedding,
}


@pytest.mark.parametrize(("family", "op"), FIRST_OF_FAMILIES.items())
def test_every_family_really_changes_the_gradient(family, op):
    for mutant in of(op, family)[:2]:
        likeness = equivalent(op, mutant)
        assert likeness.verdict == "DIFFERENT", (mutant.fault, likeness)


def test_the_faults_of_other_checkers_trials_are_there():
    names = {m.fault for m in mutants(rms)} | {m.fault for m in mutants(embedding)}
    wanted = """scale 2/scale 1.01/scale 1.001/scale 1.0001/sign/zero/None/rolled
        last row zero/one element zero/batch flipped/transposed/plus 1e-3
        divided by the batch size/times the batch size/mean for sum/NaN at 0
        rounded to bfloat16/zero above 6/double at ties/double at not square
        ones/first element for all/mean for all/absolute value/clipped to 1
        times its absolute value/stop_gradient of the cotangent/times 1 + 1e-6
        stop_gradient of what is saved/another dtype/eps: 0/eps: root/eps: square
        last index is 0/saved in bfloat16"""
    missing = {w.strip() for w in wanted.replace("\n", "/").split("/")} - names
    assert not missing
    ends = [": a - b -> a", ": a + b -> a", ": skipped", ": sum -> mean", ".set"]
    for end in ends:
        assert any(name.endswith(end) for name in names), end


def test_each_argument_is_broken_by_itself():
    arguments = {m.argument for m in of(rms, "output") if m.fault == "scale 2"}
    assert arguments == {"x", "scale"}
    swapped = [m for m in of(rms, "output") if m.fault == "swapped"]
    assert [(m.argument, m.cases) for m in swapped] == [("x and scale", (2,))]


def test_a_mutant_knows_the_cases_that_can_show_it():
    square = next(m for m in of(rms, "output") if m.fault == "transposed")
    assert (square.argument, square.cases) == ("x", (1,))


@pytest.mark.parametrize("fault", ["eps: 0", "a + b -> a"])
def test_a_dropped_eps_keeps_the_value(fault):
    mutant = next(
        m
        for m in mutants(rms)
        if m.fault.endswith(fault) and m.family in ("formula", "saved program")
    )
    x, scale = jnp.array([[1.0, 2.0, -1.0]]), jnp.ones(3)
    assert (mutant.op(x, scale, 0.1) == rms(x, scale, 0.1)).all()

    def gradient(op):
        return jax.grad(lambda x: op(x, scale, 0.1)[0, 0])(x)

    assert abs(gradient(mutant.op) - gradient(rms)).max() > 1e-4


def test_mutants_are_of_rules_only():
    with pytest.raises(TypeError, match=r"made by funcnn\.rule, got sin"):
        mutants(jnp.sin)


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.int32])
def test_an_index_out_of_range_is_one_that_its_dtype_holds(dtype):
    def chosen(table, ids):
        return table.at[ids].get(mode="fill", fill_value=0)

    def backward(saved, g):
        table, ids = saved
        return table.at[ids].add(g, mode="drop"), None

    op = fn.rule(
        chosen,
        lambda table, ids: (chosen(table, ids), (jnp.zeros_like(table), ids)),
        backward,
        cases=lambda normal: [(normal(3, 2), jnp.array([0, 2, 0], dtype))],
    )
    (case,) = cases_of(op)
    points = trial_points(op, case, np.random.default_rng(0))
    beyond = [arrays[1] for label, arrays in points if label == BEYOND]
    assert [ids.dtype for ids in beyond] == [dtype, dtype]
    assert [ids[0] for ids in beyond] == [-1, min(1000, jnp.iinfo(dtype).max)]
    assert equivalent(op, as_mutant(op))


# Programs inside of programs


def _with_inner(backward):
    def product(x, weight):
        return x * weight

    return fn.rule(
        product,
        lambda x, weight: (x * weight, (x, weight)),
        backward,
        cases=lambda normal: [(normal(3), normal(3))],
    )


def _by_scan(saved, g):
    x, weight = saved
    _, dx = lax.scan(lambda c, row: (c, row[0] * row[1]), 0.0, (g, weight))
    return dx, g * x


def _by_jit(saved, g):
    x, weight = saved
    return jax.jit(lambda a, b: a * b)(g, weight), jax.checkpoint(jnp.multiply)(g, x)


def _by_cond(saved, g):
    x, weight = saved
    return lax.cond(g[0] > 1e9, lambda: g, lambda: g * weight), g * x


def _by_platform(saved, g):
    x, weight = saved
    dx = lax.platform_dependent(
        g, weight, cpu=lambda a, b: a * b, tpu=lambda a, b: b * a - a
    )
    return dx, g * x


@pytest.mark.parametrize("backward", [_by_scan, _by_jit, _by_cond, _by_platform])
def test_equations_inside_of_programs_are_changed(backward):
    op = _with_inner(backward)
    products = [m for m in of(op, "backward program") if ": mul " in m.fault]
    assert len(products) == 4
    for mutant in products:
        assert equivalent(op, mutant).verdict == "DIFFERENT"
        assert "test_mutants.py:" in mutant.fault


def test_what_nothing_depends_on_is_not_changed():
    def backward(saved, g):
        x, weight = saved
        jnp.exp(x)  # of no use
        return g * weight, g * x

    faults = [m.fault for m in of(_with_inner(backward), "backward program")]
    assert len(faults) == 4
    assert not any("exp" in fault for fault in faults)


def test_a_program_without_the_equation_is_left_as_it_is():
    def backward(saved, g):
        x, weight = saved
        return (g - 0 * g if x.ndim == 2 else g) * weight, g * x

    def product(x, weight):
        return x * weight

    op = fn.rule(
        product,
        lambda x, weight: (x * weight, (x, weight)),
        backward,
        cases=lambda normal: [(normal(3), normal(3)), (normal(2, 2), normal(2, 2))],
    )
    mutant = named(op, "a - b -> a + b")
    assert mutant.cases == (1,)
    x = jnp.arange(3.0)
    output, pull = jax.vjp(mutant.op, x, x + 1)
    assert (pull(output)[0] == output * (x + 1)).all()


def test_of_repeated_ids_only_the_last_counts():
    mutant = named(embedding, ".add -> .set")
    table, ids = jnp.zeros((3, 1)), jnp.array([1, 1, 0])
    _, pull = jax.vjp(lambda table: mutant.op(table, ids, 3), table)
    (dtable,) = pull(jnp.array([[1.0], [2.0], [4.0]]))
    assert dtable.ravel().tolist() == [4, 2, 0]


# Equivalence


@pytest.mark.parametrize("backward", [lambda *a: _rms_backward(*a), _rms_reordered])
def test_the_same_in_another_order_is_equivalent(backward):
    likeness = equivalent(rms, as_mutant(_rms(backward)))
    assert likeness
    assert likeness.verdict == "EQUIVALENT"
    assert "points" in likeness.reason


@pytest.mark.parametrize("fault", ["scale 1.0001", "eps: 1.001 of it", "+ 1e-6"])
def test_a_small_fault_is_not_equivalent(fault):
    likeness = equivalent(rms, named(rms, fault))
    assert not likeness
    assert likeness.case >= 0


def test_a_fault_of_the_second_derivative_alone_is_seen():
    likeness = equivalent(rms, named(rms, "stop_gradient of what is saved"))
    assert likeness.verdict == "DIFFERENT"
    assert likeness.reason.endswith(": second")


def test_at_a_kink_another_slope_is_a_convention():
    assert equivalent(relu, named(relu, ": <= -> <")).verdict == "CONVENTION"
    last = as_mutant(_largest(_last_largest))
    assert equivalent(_largest(_first_largest), last).verdict == "CONVENTION"


def test_outside_of_the_slopes_it_is_a_fault():
    everywhere = as_mutant(_largest(_all_largest))
    likeness = equivalent(_largest(_first_largest), everywhere)
    assert likeness.verdict == "DIFFERENT"
    assert equivalent(relu, named(relu, "double at 0")).verdict == "DIFFERENT"


def test_shapes_that_are_in_no_case_are_tried():
    def halved(eps, saved, g):
        dx, dscale = _rms_backward(eps, saved, g)
        return dx, dscale / 2 if g.shape[-1] == 1 else dscale

    likeness = equivalent(rms, as_mutant(_rms(halved)))
    assert likeness.verdict == "DIFFERENT"
    assert "another shape" in likeness.reason
    assert likeness.case == -1


def test_a_mutant_that_raises_is_different():
    def raises(eps, saved, g):
        raise ValueError("no")

    likeness = equivalent(rms, as_mutant(_rms(raises)))
    assert likeness.verdict == "DIFFERENT"
    assert "raises ValueError" in likeness.reason


# The rate


def test_a_blind_checker_finds_nothing():
    done = []
    report = kill_rate(
        relu, checker=blind, sample=1, progress=lambda *counts: done.append(counts)
    )
    assert report.rate == 0 == report.killed
    assert not report.ok
    assert report.faults > 8
    assert done == [(i + 1, len(report.rows)) for i in range(len(report.rows))]
    assert "SURVIVED" in str(report)


@pytest.mark.parametrize("op", [relu, rms], ids=["relu", "rms"])
def test_a_perfect_checker_finds_everything(op):
    report = kill_rate(op, checker=perfect(op), sample=1, seed=3)
    assert report.ok, report
    assert report.rate == 1
    assert report.faults == report.killed > 6
    assert report.notes[0] == f"{report.killed} of {report.killed} faults found, 100.0%"


def test_the_rate_is_of_faults_only():
    rows = kill_rate(relu, checker=blind, sample=2).rows
    verdicts = {row.fault.split(": ")[-1]: row.verdict for row in rows}
    assert verdicts["<= -> <"] == "CONVENTION"
    assert verdicts["<= -> >"] == "SURVIVED"


def test_the_checker_sees_a_case_that_shows_the_fault():
    seen = []

    def checker(op):
        seen.append([args[0].shape for args in op.cases(lambda *s: np.ones(s))])
        return Judgement(False)

    kill_rate(rms, checker=checker, sample=1)
    assert all(len(shapes) == 1 for shapes in seen)
    assert {shape for shapes in seen for shape in shapes} == {(2,), (2, 3)}


def test_what_the_checker_raises_names_the_mutant():
    def checker(op):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken") as caught:
        kill_rate(relu, checker=checker, sample=1)
    assert "mutant of relu: output" in caught.value.__notes__[0]


def test_a_mutant_that_cannot_run_is_counted_and_dropped():
    def double(x):
        return 2 * x

    def backward(dtype, g):
        if g.dtype != dtype.dtype:
            raise TypeError("unequal")
        return (2 * g,)

    def forward(x):
        return 2 * x, jnp.zeros(0, x.dtype)

    op = fn.rule(double, forward, backward, cases=lambda normal: [(normal(),)])
    assert "another dtype" not in {m.fault for m in mutants(op)}
    # of the family of the forward pass there are six
    report = kill_rate(op, checker=lambda op: Judgement(False), sample=6)
    assert report.notes[-1].startswith("1 more cannot be traced")


def test_a_sample_is_the_same_every_time():
    def faults(seed):
        report = kill_rate(
            relu, checker=lambda op: Judgement(False), sample=1, seed=seed
        )
        return [(row.family, row.fault, row.argument) for row in report.rows]

    once = faults(0)
    assert once == faults(0) != faults(1)
    families = [family for family, _, _ in once]
    assert len(families) == len(set(families))
