"""How much arithmetic a traced program does."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp

_MOVES = frozenset(
    """broadcast_in_dim concatenate convert_element_type copy dynamic_slice
    dynamic_update_slice expand_dims gather pad reshape rev select_n slice sort
    squeeze stop_gradient transpose""".split()
)


_PRODUCTS = frozenset({"dot_general", "conv_general_dilated"})


def flops(f: Callable[..., Any], *args: Any) -> int:
    """Floating-point operations of `f(*args)`, by tracing it; args may be shapes.

    A multiply-add of a product or a convolution counts 2 (padding included), every
    other operation on floats 1 per entry, and moving data 0. Loops count as often
    as they run; of a `while` whose length is not known, one turn.
    """
    return flops_of(jax.make_jaxpr(f)(*args))


def flops_of(program: Any, *, products_only: bool = False) -> int:
    """Those of a traced program, or only of its products and convolutions.

    Of branches the one that has most counts, and of a part that many devices run, each
    one's.
    """
    jaxpr = program.jaxpr if hasattr(program, "jaxpr") else program
    return sum(_equation_flops(e, products_only) for e in jaxpr.eqns)


def _equation_flops(equation: Any, products_only: bool) -> int:
    name = equation.primitive.name
    inner = [
        flops_of(part, products_only=products_only)
        for part in jex.core.jaxprs_in_params(equation.params)
    ]
    if name == "cond":
        return max(inner)
    if inner and not name.startswith("reduce"):
        return sum(inner) * _times(equation)
    if products_only and name not in _PRODUCTS:
        return 0
    output = equation.outvars[0].aval
    if name in _MOVES or not jnp.issubdtype(output.dtype, jnp.floating):
        return 0
    size = math.prod(output.shape)
    return size * _PER_OUTPUT.get(name, lambda equation: 1)(equation)


def _times(equation: Any) -> int:
    """How often the program inside of an equation runs."""
    if equation.primitive.name == "shard_map":
        return math.prod(equation.params["mesh"].shape.values())
    return int(equation.params.get("length", 1))


def _dot_general(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    return 2 * math.prod(shape[axis] for axis in contracted)


def _convolution(equation: Any) -> int:
    kernel = equation.invars[1].aval.shape
    outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    # of an input spread out by zeros only every n-th product counts
    spread = math.prod(equation.params["lhs_dilation"])
    return max(1, 2 * math.prod(kernel) // max(1, outputs) // spread)


def _reduction(equation: Any) -> int:
    given, made = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    return math.prod(given) // max(1, math.prod(made))


def _window_reduction(equation: Any) -> int:
    return math.prod(equation.params["window_dimensions"])


_PER_OUTPUT: dict[str, Callable[[Any], int]] = {
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "reduce_sum": _reduction,
    "reduce_max": _reduction,
    "reduce_min": _reduction,
    "reduce_prod": _reduction,
    "reduce_window_max": _window_reduction,
    "reduce_window_sum": _window_reduction,
}
