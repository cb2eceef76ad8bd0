"""The float64 shadow: a low-precision program, evaluated as if it were exact."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np

from funcnn import _jax

_NARROW = {
    np.dtype(narrow): np.dtype(wide)
    for narrow, wide in (
        (jnp.bfloat16, np.float64),
        (np.float16, np.float64),
        (np.float32, np.float64),
        (np.complex64, np.complex128),
    )
}

# Equations that are the call of a program, and the parameter that holds it. A rule
# is its primal here; its derivative, if the program takes one, is already traced.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "eval_jaxpr": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
    "remat2": "jaxpr",
    "remat": "jaxpr",
    "checkpoint": "jaxpr",
    "remat_opt": "fwd_jaxpr",
}

# Those that mean the same in every precision. What is not here might draw other
# random numbers in float64, or count bits; it is refused.
_EXACT = frozenset(
    """
    abs acos acosh add add_any and argmax argmin asin asinh atan atan2 atanh
    bessel_i0e bessel_i1e broadcast_in_dim cbrt ceil cholesky clamp complex
    concatenate cond conj conv_general_dilated convert_element_type copy copy_p cos
    cosh cumlogsumexp cummax cummin cumprod cumsum device_put digamma div dot_general
    dynamic_slice dynamic_update_slice eig eigh empty2 eq eq_to erf erf_inv erfc exp
    exp2 expm1 fft floor gather ge gt householder_product igamma igamma_grad_a igammac
    imag integer_pow iota is_finite le le_to lgamma log log1p log2 logistic lt lt_to
    lu max min mul name ne neg one_minus_square optimization_barrier pad polygamma
    polynomial pow qr ragged_dot ragged_dot_general real reduce reduce_max reduce_min
    reduce_prod reduce_sum reduce_window reduce_window_max reduce_window_min
    reduce_window_sum regularized_incomplete_beta rem reshape rev round rsqrt
    scale_exponent scan scatter scatter-add scatter-max scatter-min scatter-mul
    scatter-sub select_and_gather_add select_and_scatter select_and_scatter_add
    select_n sharding_constraint sign sin sinh slice sort split sqrt square squeeze
    stack stop_gradient sub svd tan tanh tile top_k transpose triangular_solve
    tridiagonal_solve unstack while zeta
    """.split()
)

# Of them, those that round where floats are wide already.
_ROUNDED = frozenset(
    """
    add add_any cumsum div dot_general exp expm1 integer_pow log log1p logistic mul
    pow reduce_sum rsqrt scatter-add sqrt square sub tanh
    """.split()
)

# What is done to the outputs of an equation.
_After = Callable[[Any, list[Any]], list[Any]]


def shadow(f: Callable[..., Any], *args: Any) -> Any:
    """What the program of ``f(*args)`` would give without rounding to its dtypes.

    `f` is traced once at the arguments as they are, and the *same* program is
    evaluated with every bfloat16, float16 and float32 number, variable, literal and
    dtype parameter taken to float64 (complex64 to complex128). So casts between
    them do nothing, and neither does `lax.reduce_precision`, while constants keep
    the values that their dtypes rounded them to. Against it the rounding errors of
    the program itself are measured. A gradient is a program too:
    ``shadow(lambda *a: jax.vjp(f, *a)[1](cotangent), *args)``.

    Integers, booleans and random keys and bits are what they are in the program; a
    float whose bits come from integers, as random numbers do, is read in its own
    dtype and then taken to float64. Where rounding decides a branch, a comparison
    or a floor, the shadow decides without rounding.

    Args:
      f: any function that JAX can trace.
      *args: pytrees; arrays are traced, anything else is kept as it is.

    Returns:
      The output of `f`, as NumPy arrays of float64 in place of narrower floats
      (random keys stay JAX's). Use NumPy on them: outside of `jax.enable_x64` JAX's
      functions would make them float32 again.

    Raises:
      NotImplementedError: naming the primitive, for an operation that might mean
        something else in float64: one that draws by its dtype, reads a float's
        bits, calls back, a kernel, `shard_map`, floats of 8 bits or fewer.
    """
    leaves, tree = jax.tree.flatten(args)
    traced = [isinstance(x, jax.Array | np.ndarray | np.generic) for x in leaves]

    def of_arrays(*arrays: Any) -> Any:
        given = iter(arrays)
        mixed = [next(given) if t else x for t, x in zip(traced, leaves)]
        return f(*jax.tree.unflatten(tree, mixed))

    arrays = [leaf for leaf, t in zip(leaves, traced) if t]
    program, out = jax.make_jaxpr(of_arrays, return_shape=True)(*arrays)
    jaxpr, consts = parts(program)
    with jax.enable_x64(True):
        wide = [_lift(x, v.aval.dtype) for x, v in zip(arrays, jaxpr.invars)]
        outputs = jax.jit(lambda *xs: _evaluate(jaxpr, consts, xs))(*wide)
    outputs = [x if _is_key(x.dtype) else np.asarray(x) for x in outputs]
    return jax.tree.unflatten(jax.tree.structure(out), outputs)


def exact(program: Any) -> Callable[..., list[Any]]:
    """The program as a function of float64 arrays, to be traced under x64.

    Where it holds what has no exact meaning here, it runs in its own dtypes.
    """
    jaxpr, consts = parts(program)
    avals = [v.aval for v in jaxpr.invars]
    with jax.enable_x64(True):
        shapes = [
            jax.ShapeDtypeStruct(
                a.shape, a.dtype if _is_key(a.dtype) else _wide(a.dtype)
            )
            for a in avals
        ]
        try:
            jax.eval_shape(lambda *xs: _evaluate(jaxpr, consts, xs), *shapes)
        except NotImplementedError:
            return in_own_dtypes(program)
    return lambda *xs: _evaluate(jaxpr, consts, xs)


def rounded_otherwise(program: Any, seed: int) -> Callable[..., list[Any]]:
    """As `exact`, of a program that it lifts, but each result is a unit off at random.

    So one sees what the rounding of float64 may do to what comes out.
    """
    jaxpr, consts = parts(program)
    eps, count = float(jnp.finfo(np.float64).eps), itertools.count()

    def after(equation: Any, outputs: list[Any]) -> list[Any]:
        if equation.primitive.name not in _ROUNDED:
            return outputs
        key = jax.random.fold_in(jax.random.key(seed), next(count))
        return [
            y * (1 + eps * jax.random.rademacher(key, y.shape, y.dtype))
            if jnp.issubdtype(y.dtype, jnp.floating)
            else y
            for y in outputs
        ]

    return lambda *xs: _evaluate(jaxpr, consts, xs, after)


def in_own_dtypes(program: Any) -> Callable[..., list[Any]]:
    """The program as a function of float64 arrays, which rounds them."""
    return functools.partial(_in_own_dtypes, program)


def is_exact(function: Callable[..., Any]) -> bool:
    """Whether `exact` could lift the program, or runs it in its own dtypes."""
    return not isinstance(function, functools.partial)


def _in_own_dtypes(program: Any, *args: Any) -> list[Any]:
    avals = [v.aval for v in parts(program)[0].invars]
    narrow = [
        jax.lax.convert_element_type(x, a.dtype) if _is_inexact(a.dtype) else x
        for x, a in zip(args, avals, strict=True)
    ]
    outputs = jex.core.jaxpr_as_fun(program)(*narrow)
    return [
        jax.lax.convert_element_type(y, _NARROW.get(y.dtype, y.dtype))
        if hasattr(y, "dtype") and _is_inexact(y.dtype)
        else y
        for y in outputs
    ]


def parts(program: Any) -> tuple[Any, Sequence[Any]]:
    """The open program and the constants of an open or a closed one."""
    return getattr(program, "jaxpr", program), getattr(program, "consts", ())


def called(equation: Any) -> Any:
    """The program that an equation only calls, such as that of `jit`; or None."""
    name = _CALLS.get(equation.primitive.name)
    if name is None and _jax.is_rule(equation):
        return _jax.primal_program(equation)
    if name == "jaxpr" and name not in equation.params:
        name = "call_jaxpr"  # by either name, from version to version
    return equation.params.get(name)


def _evaluate(
    jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], after: _After | None = None
) -> list[Any]:
    lifted = [_lift(x, v.aval.dtype) for x, v in zip(consts, jaxpr.constvars)]
    values = dict(zip(jaxpr.constvars, lifted, strict=True))
    values |= zip(jaxpr.invars, args, strict=True)

    def read(atom: Any) -> Any:
        if isinstance(atom, jex.core.Literal):
            aval: Any = atom.aval
            return _lift(atom.val, aval.dtype)
        return values[atom]

    for equation in jaxpr.eqns:
        if not equation.outvars:
            continue  # a print computes nothing
        inputs = [read(atom) for atom in equation.invars]
        outputs = _apply(equation, inputs, after)
        if after is not None:
            outputs = after(equation, list(outputs))
        for variable, output in zip(equation.outvars, outputs, strict=True):
            _check(equation, variable.aval, output)
            values[variable] = output
    return [read(atom) for atom in jaxpr.outvars]


def _apply(equation: Any, inputs: list[Any], after: _After | None) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if (program := called(equation)) is not None:
        return _evaluate(*parts(program), inputs, after)
    if name == "custom_linear_solve":
        return _solve(params, inputs, after)
    if name == "reduce_precision":
        return inputs
    dtypes = [v.aval.dtype for v in (*equation.invars, *equation.outvars)]
    if name == "bitcast_convert_type" and not _is_inexact(dtypes[0]):
        output = equation.primitive.bind(*inputs, **params)
        return [jax.lax.convert_element_type(output, _wide(dtypes[-1]))]
    if name in _EXACT or _reduces_own_axes(equation):
        # A program that combines two entries has to stay so simple that XLA takes it.
        inner = None if name.startswith(("scatter", "reduce")) else after
        params = {k: _lift_parameter(k, value, inner) for k, value in params.items()}
    elif any(map(_is_inexact, dtypes)) or _holds_programs(params):
        raise _unsupported(equation)
    options = equation.primitive.get_bind_params(params)
    outputs = equation.primitive.bind(*inputs, **options)
    return outputs if equation.primitive.multiple_results else [outputs]


def _reduces_own_axes(equation: Any) -> bool:
    """Whether it is a collective that `vmap` has made a sum over an axis."""
    axes = equation.params.get("axes")
    if equation.primitive.name not in ("psum", "psum_invariant", "pmax", "pmin"):
        return False
    return isinstance(axes, tuple) and all(isinstance(axis, int) for axis in axes)


def _solve(
    params: dict[str, Any], inputs: list[Any], after: _After | None
) -> list[Any]:
    """`custom_linear_solve`: the other three programs are for derivatives."""
    lengths = params["const_lengths"]
    start = lengths.matvec + lengths.vecmat
    constants, right = inputs[start : start + lengths.solve], inputs[sum(lengths) :]
    return _evaluate(*parts(params["jaxprs"].solve), [*constants, *right], after)


def _lift_parameter(key: str, value: Any, after: _After | None) -> Any:
    if key in ("precision", "accuracy"):
        return None  # how to round on the way is no part of the exact program
    if key == "weak_type":
        return False
    if isinstance(value, np.dtype):
        return _wide(value)
    if isinstance(value, type) and issubclass(value, np.generic):
        return _wide(np.dtype(value))
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_lift_parameter(key, item, after) for item in value)
    if isinstance(value, jex.core.Jaxpr | jex.core.ClosedJaxpr):
        return _lift_program(value, after)
    return value


def _lift_program(program: Any, after: _After | None) -> Any:
    jaxpr, consts = parts(program)
    avals = [v.aval for v in jaxpr.invars]
    shapes = [jax.ShapeDtypeStruct(a.shape, _wide(a.dtype)) for a in avals]
    evaluated = functools.partial(_evaluate, jaxpr, consts, after=after)
    lifted = jax.make_jaxpr(lambda *xs: evaluated(xs))(*shapes)
    return lifted if hasattr(program, "consts") else lifted.jaxpr


def _lift(value: Any, dtype: Any) -> Any:
    """A concrete value as its program has it, rounded to `dtype`, in float64."""
    if _is_key(dtype) or dtype == jax.dtypes.float0:
        return value
    return np.asarray(value).astype(dtype).astype(_wide(dtype))


def _wide(dtype: Any) -> Any:
    if dtype in _NARROW:
        return _NARROW[dtype]
    if _is_inexact(dtype) and dtype not in _NARROW.values():
        raise NotImplementedError(f"shadow: {dtype} is meant to round, not to be exact")
    return dtype


def _is_inexact(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.inexact)


def _is_key(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.extended)


def _holds_programs(params: dict[str, Any]) -> bool:
    return any(True for _ in jex.core.jaxprs_in_params(params))


def _check(equation: Any, aval: Any, output: Any) -> None:
    """A parameter that hides a dtype would show here."""
    got = jax.typeof(output)
    if got.shape != aval.shape or got.dtype != _wide(aval.dtype):
        raise _unsupported(equation)


def _unsupported(equation: Any) -> NotImplementedError:
    return NotImplementedError(
        f"shadow: `{equation.primitive.name}` has no exact meaning that is known here"
    )
