"""`check` under the transformations of JAX: rules that are wrong under one only."""

import collections
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.custom_batching import custom_vmap
from matrix import RULES

import funcnn as fn
from funcnn import _jax
from funcnn.gradients.checker import _variants
from funcnn.gradients.checker._arguments import of_arrays
from funcnn.gradients.checker._check import op_cases
from funcnn.gradients.checker._occurrence import occurrences

# compiles many programs, each for one question
pytestmark = pytest.mark.slow

X = jnp.array([0.3, -1.2, 0.8], jnp.float32)
SCALE = jnp.array([1.5, 0.2, -0.7], jnp.float32)


@pytest.fixture(autouse=True)
def _one_device(monkeypatch):
    monkeypatch.setattr(_variants, "devices", lambda: jax.devices()[:1])


def findings(f, *args):
    program = of_arrays("check", f, args)
    (occurrence,) = occurrences(program.function, program.arrays, {}).occurrences
    return _variants.variant_findings(occurrence)[0]


def verdicts(f, *args):
    return {finding.point: finding.verdict for finding in findings(f, *args)}


def square(backward):
    """Of a number or an array."""
    op = jax.custom_vjp(lambda x: x * x)
    op.defvjp(lambda x: (x * x, x), backward)
    return op


def product(backward):
    op = jax.custom_vjp(lambda x, scale: x * scale)
    op.defvjp(lambda x, scale: (x * scale, (x, scale)), backward)
    return op


def test_a_backward_pass_that_looks_whether_it_is_traced():
    def backward(x, g):
        return ((2 if isinstance(g, jax.core.Tracer) else 3) * x * g,)

    (found,) = findings(square(backward), X)
    assert (found.verdict, found.point) == ("RULE WRONG", "eager")
    assert (found.argument, found.reason) == (
        "x",
        "the cotangent is another than that under jit",
    )
    assert found.manual == pytest.approx(1.5 * found.automatic, rel=1e-4)


def test_a_forward_pass_that_looks_whether_it_is_traced():
    def forward(x):
        return x * x + (0 if isinstance(x, jax.core.Tracer) else 1), x

    op = jax.custom_vjp(lambda x: x * x)
    op.defvjp(forward, lambda x, g: (2 * x * g,))
    (found,) = findings(op, X)
    assert (found.argument, found.point) == ("output", "eager")


@pytest.mark.parametrize(
    ("dtype", "factor", "names"),
    [
        (jnp.float32, 1.00001, []),
        (jnp.float32, 1.001, ["eager"]),
        (jnp.bfloat16, 1.03, []),
        (jnp.bfloat16, 1.2, ["eager"]),
        (jnp.float16, 1.03, []),
        (jnp.float16, 1.2, ["eager"]),
    ],
)
def test_a_difference_is_one_that_is_more_than_rounding(dtype, factor, names):
    def backward(x, g):
        other = 1 if isinstance(g, jax.core.Tracer) else factor
        return ((other * 2 * x * g).astype(x.dtype),)

    assert list(verdicts(square(backward), X.astype(dtype))) == names


def test_python_state_that_changes_from_call_to_call():
    calls = []

    def backward(x, g):
        calls.append(g)
        return ((2 if len(calls) == 1 else 3) * x * g,)

    assert verdicts(square(backward), X)["eager"] == "RULE WRONG"


def test_a_value_that_is_asked_for_raises_under_jit():
    def backward(x, g):
        return (2 * x * g if bool(g.any()) else jnp.zeros_like(x),)

    (found,) = findings(square(backward), X)
    assert (found.verdict, found.point) == ("RAISES", "jit")
    assert found.reason.startswith("TracerBoolConversionError: ")


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ((True, False), ["vmap over x"]),
        ((False, True), ["vmap over scale"]),
        ((True, True), ["vmap over x and scale", "vmap of grad"]),
    ],
)
def test_wrong_where_some_arguments_are_batched(wrong, names):
    @custom_vmap
    def times(g, x, scale):
        return g * scale, g * x

    @times.def_vmap
    def _(size, batched, g, x, scale):
        factor = 2 if tuple(batched[1:]) == wrong else 1
        return (factor * g * scale, g * x), (True, True)

    op = product(lambda saved, g: times(g, *saved))
    found = findings(op, X, SCALE)
    assert [f.point for f in found] == names
    assert {f.argument for f in found} == {"x"}
    assert {f.reason for f in found} == {
        "the cotangent is another than that of the rule called by itself"
    }


def test_an_output_that_does_not_depend_on_what_is_batched():
    # JAX counts its cotangent once for each example, or refuses to
    op = jax.custom_vjp(lambda x, scale: (x * scale, 3 * scale))
    op.defvjp(
        lambda x, scale: ((x * scale, 3 * scale), (x, scale)),
        lambda saved, g: (g[0] * saved[1], g[0] * saved[0] + 3 * g[1]),
    )
    assert list(verdicts(op, X, SCALE)) == ["vmap over x"]


def test_a_value_that_is_asked_for_raises_under_vmap():
    @custom_vmap
    def twice(x):
        return 2 * x

    @twice.def_vmap
    def _(size, batched, x):
        return (2 * x if bool(x.any()) else x), True

    op = square(lambda x, g: (twice(x) * g,))
    assert verdicts(op, X) == dict.fromkeys(["vmap over x", "vmap of grad"], "RAISES")


def on_host(function, *args):
    """A call of NumPy code, of whole batches."""
    types = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in args]
    return jax.pure_callback(function, types, *args, vmap_method="broadcast_all")


def test_what_is_kept_outside_of_what_is_saved_is_overwritten_in_a_scan():
    kept = {}

    def keep(x, _):
        kept["x"] = np.asarray(x)
        return x * x, x

    def forward(x):
        y = on_host(keep, x, x)[0]
        return y, y

    def backward(y, g):  # y is asked for only to come after it
        return (on_host(lambda g, y: (2 * kept["x"] * g, y), g, y)[0],)

    op = jax.custom_vjp(lambda x: x * x)
    op.defvjp(forward, backward)
    assert verdicts(op, X) == {"scan": "RULE WRONG"}


def test_a_forward_pass_that_saves_something_else_the_second_time():
    calls = collections.Counter()

    def save(x, _):
        calls[x.tobytes()] += 1
        return x * x, x * np.float32(calls[x.tobytes()])

    def use(x, g):
        calls.clear()
        return 2 * x * g, g

    op = jax.custom_vjp(lambda x: x * x)
    op.defvjp(lambda x: on_host(save, x, x), lambda x, g: on_host(use, x, g)[:1])
    names = ["checkpoint", "checkpoint, dots_with_no_batch_dims_saveable"]
    assert verdicts(op, X) == dict.fromkeys(names, "RULE WRONG")


def test_tracers_kept_in_python_are_found():
    kept = []

    def forward(x):
        kept.append(x)
        return x * x, ()

    op = jax.custom_vjp(lambda x: x * x)
    op.defvjp(forward, lambda saved, g: (2 * kept[-1] * g,))
    names = ["checkpoint", "checkpoint, dots_with_no_batch_dims_saveable", "scan"]
    assert verdicts(op, X) == dict.fromkeys(names, "RAISES")


def of_case(op, number):
    """A call of an op at one of its cases, its options kept."""
    args = [args for _, args in op_cases(op)][number]
    statics = _jax.static_positions(op)
    return of_arrays(
        "check",
        lambda *dynamic: op(*_inserted(list(dynamic), statics, args)),
        tuple(a for i, a in enumerate(args) if i not in statics),
    )


def _inserted(whole, statics, args):
    for i in statics:
        whole.insert(i, args[i])
    return whole


RIGHT = [
    ("affine.affine", 1),  # three arguments
    ("batch_norm_inference.batch_norm_inference", 1),  # five
    ("softmax_cross_entropy.with_class_numbers", 1),  # integers
    ("embedding.embedding", 1),  # that JAX's arrays have methods of their own
    ("dropout.dropout", 0),  # a key
    ("max_pool.max_pool", 1),  # ties
]


@pytest.mark.parametrize(("name", "number"), RIGHT, ids=[name for name, _ in RIGHT])
def test_right_rules_pass(name, number):
    program = of_case(RULES[name], number)
    assert findings(program.function, *program.arrays) == []


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_right_rules_pass_in_other_dtypes(dtype):
    def op(x, kernel, bias):
        return RULES["affine.affine"](x, kernel, bias)

    rng = np.random.default_rng(0)
    shapes = (4, 5), (5, 3), (3,)
    args = [jnp.asarray(rng.standard_normal(s), dtype) for s in shapes]
    assert findings(op, *args) == []


@pytest.mark.parametrize("size", [0.0, 65504.0])
def test_infinities_are_compared(size):
    # of either sign, so that their sum is no number
    rule = product(lambda saved, g: (g * saved[1] / 0, g * saved[0] * jnp.inf))
    x = jnp.array([size, -size, size], jnp.float16)
    assert findings(rule, x, SCALE.astype(jnp.float16)) == []


def test_where_rounding_decides_nothing_is_said():
    # the sum is zero but for rounding, whose sign decides
    def slope(x):
        return jnp.where(jnp.sum(x) * jnp.float32(1e12) > 0, 1.0, -1.0)

    traced = []

    def backward(x, g):
        traced.append(g)
        away = jnp.float32(1e-7 if isinstance(g, jax.core.Tracer) else -1e-7)
        return (g * slope(x.at[0].add(away)),)

    op = jax.custom_vjp(lambda x: jnp.abs(jnp.sum(x)) + 0 * x)
    op.defvjp(lambda x: (jnp.abs(jnp.sum(x)) + 0 * x, x), backward)
    balanced = jnp.array([0.7, -0.3, -0.4], jnp.float32)
    assert traced == []
    assert verdicts(op, balanced) == {}


def twice_where_batched():
    @custom_vmap
    def twice(x):
        return 2 * x

    @twice.def_vmap
    def _(size, batched, x):
        return 3 * x, True

    return square(lambda x, g: (twice(x) * g,))


def test_check_of_a_function_shows_it():
    op = twice_where_batched()
    (row,) = fn.check(lambda x: op(x).sum(), X).rows
    assert row.verdict == "RULE WRONG"
    assert "than that of the rule called by itself" in row.says
    assert row.says.endswith("(at vmap over x)")
    assert "no shard_map: there are fewer than two CPU devices" in row.notes
    assert fn.check(lambda x: op(x).sum(), X, fast=True).ok
    assert fn.audit(lambda x: op(x).sum(), X).ok


def notes_of(f, *args):
    program = of_arrays("check", f, args)
    (occurrence,) = occurrences(program.function, program.arrays, {}).occurrences
    found, notes = _variants.variant_findings(occurrence)
    assert found == []
    return notes


def test_what_is_not_looked_at_is_noted(monkeypatch):
    op = twice_where_batched()
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("i",))
    spec = jax.sharding.PartitionSpec("i")
    mapped = jax.shard_map(op, mesh=mesh, in_specs=spec, out_specs=spec)
    assert notes_of(mapped, X) == ["no variants of a program with rules in it"]
    monkeypatch.setattr(_variants, "_LARGEST", 2)
    assert notes_of(op, X) == ["no variants of more than 2 entries"]


def test_a_rule_that_cannot_be_called_again_is_not_put_on_devices(monkeypatch):
    monkeypatch.setattr(_variants, "devices", lambda: [None, None])
    # its equation is batched, the call was not
    assert notes_of(jax.vmap(square(lambda x, g: (2 * x * g,))), X) == [
        "no shard_map: the rule cannot be called again by itself"
    ]


def test_check_of_an_op_looks_at_its_first_and_its_largest_case(monkeypatch):
    seen = []

    def looked_at(occurrence):
        seen.append(occurrence.inputs[0][0].shape)
        return [], ["a note"]

    def cases(normal):
        yield from ((normal(n),) for n in (2, 3, 5, 4))

    def op(scale):
        return fn.rule(
            lambda x: x * x,
            lambda x: (x * x, x),
            lambda x, g: (scale * x * g,),
            cases=cases,
        )

    monkeypatch.setattr(
        "funcnn.gradients.checker._variants_rows.variant_findings", looked_at
    )
    rows = fn.check(op(2)).rows
    assert seen == [(2,), (5,)]
    assert [row.path for row in rows[:4]] == [f"case {n}" for n in range(4)]
    assert ["a note" in row.notes for row in rows[:4]] == [True, False, True, False]
    seen.clear()
    assert fn.check(op(2), fast=True).ok
    assert not fn.check(op(3)).ok  # it is known to be wrong
    assert seen == []


@pytest.mark.parametrize("shapes", [[(0,)], [(0, 3), (2, 0)], []])
def test_check_works_on_empty_cases(shapes):
    op = fn.rule(
        lambda x: x * x,
        lambda x: (x * x, x),
        lambda x, g: (2 * x * g,),
        cases=lambda normal: ((normal(*shape),) for shape in shapes),
    )
    assert fn.check(op).ok


def test_check_works_without_floats():
    op = fn.rule(
        lambda n: n + 1,
        lambda n: (n + 1, ()),
        lambda saved, g: (None,),
        cases=lambda normal: iter([(jnp.arange(3),)]),
    )
    (row, *_) = fn.check(op).rows
    assert row.verdict == "NOT TESTABLE"


# A process of its own: the number of devices is chosen before JAX starts.
ON_DEVICES = """
import json, sys
import jax, jax.numpy as jnp
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import funcnn as fn
from funcnn.gradients.checker._arguments import of_arrays
from funcnn.gradients.checker._occurrence import occurrences
from funcnn.gradients.checker import _variants

def counted_twice(x, g):
    axes = tuple(jax.sharding.get_abstract_mesh().manual_axes)
    g = 2 * x * g
    return (jax.lax.pcast(jax.lax.psum(g, axes), axes, to="varying") if axes else g,)

def summed_in_a_loop(x, g):
    zero = jnp.zeros(x.shape[1:])
    total = jax.lax.scan(lambda c, a: (c + a, None), zero, 2 * x * g)[0]
    return (2 * x * g + 0 * total,)

def raising(x, g):
    assert not jax.sharding.get_abstract_mesh().manual_axes, "not here"
    return (2 * x * g,)

_variants.variants = lambda subject: []  # they need no devices

def looked_at(f, *args):
    program = of_arrays("check", f, args)
    found = occurrences(program.function, program.arrays, {}).occurrences
    results = [_variants.variant_findings(occurrence) for occurrence in found]
    points = [(f.point, f.verdict) for findings, _ in results for f in findings]
    return points, [note for _, notes in results for note in notes]

x, rows = jnp.array([[0.3, -1.2], [0.8, 0.1]]), {}
rules = [lambda x, g: (2 * x * g,), counted_twice, summed_in_a_loop, raising]
for name, backward in zip(["right", "twice", "loop", "raising"], rules):
    op = jax.custom_vjp(lambda x: x * x)
    op.defvjp(lambda x: (x * x, x), backward)
    rows[name] = looked_at(op, x)
rows["ours"] = looked_at(
    lambda x, n: fn.softmax_cross_entropy(fn.ops.affine(x, x, x[0]), n).sum(),
    x,
    jnp.array([1, 0]),
)
print(json.dumps(rows))
"""
SHARDED, REPLICATED = "shard_map, sharded", "shard_map, replicated"


def test_shard_map():
    program = [sys.executable, "-W", "error", "-c", ON_DEVICES, "4"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows["right"] == rows["ours"] == [[], []]
    # what sums over the devices itself
    assert rows["twice"] == [[[p, "RULE WRONG"] for p in (SHARDED, REPLICATED)], []]
    assert rows["raising"] == [[[p, "RAISES"] for p in (SHARDED, REPLICATED)], []]
    # what JAX refuses is no mistake
    found, (sharded, replicated) = rows["loop"]
    assert found == []
    assert sharded.startswith(f"{SHARDED}: refused by JAX: scan body function carry")
    assert replicated.startswith(f"{REPLICATED}: refused by JAX: ")
