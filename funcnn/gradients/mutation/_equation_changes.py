"""What may be wrong in one equation of a program, by its operation."""

import math
from collections.abc import Callable
from typing import Any

import jax.extend as jex
import jax.numpy as jnp
from jax import lax

Change = Callable[..., Any]
"""``change(equation, *inputs)`` gives what stands for the equation's one output."""


def changes(equation: Any) -> dict[str, Change]:
    """The changes of an equation, by what they are called; empty for most."""
    name, outputs = equation.primitive.name, equation.outvars
    if len(outputs) != 1 or not math.prod(outputs[0].aval.shape):
        return {}
    known = dict(_CHANGES.get(name, {}))
    if name == "mul" and any(isinstance(a, jex.core.Literal) for a in equation.invars):
        known = _SCALED
    if name in _ARITHMETIC and not _is_float(equation):
        return {}  # of bits or of indices, as random numbers are made of
    if name in ("transpose", "rev") and not _same_shape(equation):
        return {}
    if name == "select_n" and len(equation.invars) != 3:
        return {}
    return known


def changed(equation: Any, change: Change, inputs: list[Any]) -> list[Any]:
    """The outputs of the changed equation, of the types that it has."""
    (out,) = equation.outvars
    output = jnp.asarray(change(equation, *inputs))
    return [jnp.broadcast_to(output.astype(out.aval.dtype), out.aval.shape)]


def _is_float(equation: Any) -> bool:
    return jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.inexact)


def _same_shape(equation: Any) -> bool:
    (given,), (out,) = equation.invars, equation.outvars
    return given.aval.shape == out.aval.shape


def _bound(equation: Any, *inputs: Any, **other: Any) -> Any:
    """The equation, with other parameters."""
    params = equation.primitive.get_bind_params({**equation.params, **other})
    return equation.primitive.bind(*inputs, **params)


def _operand(number: int) -> Change:
    return lambda equation, *inputs: inputs[number]


def _by(function: Callable[..., Any]) -> Change:
    return lambda equation, *inputs: function(*inputs)


def _constant_dropped(equation: Any, *inputs: Any) -> Any:
    pairs = zip(equation.invars, inputs)
    return next((x for a, x in pairs if not isinstance(a, jex.core.Literal)), 1)


def _mean(equation: Any, x: Any) -> Any:
    axes = equation.params["axes"]
    return x.sum(axes) / max(math.prod(x.shape[i] for i in axes), 1)


def _without_first(equation: Any, x: Any) -> Any:
    """The sum without the first entry of the first axis that is summed."""
    axes = equation.params["axes"]
    if axes and x.shape[axes[0]]:
        x = lax.slice_in_dim(x, 1, None, axis=axes[0])
    return x.sum(axes)


def _without_first_product(equation: Any, left: Any, right: Any) -> Any:
    """A contraction without its first term."""
    (axes, _), _ = equation.params["dimension_numbers"]
    if axes and left.shape[axes[0]]:
        left = jnp.moveaxis(jnp.moveaxis(left, axes[0], 0).at[0].set(0), 0, axes[0])
    return _bound(equation, left, right)


def _other_power(by: int) -> Change:
    return lambda equation, x: lax.integer_pow(x, equation.params["y"] + by)


def _shifted_padding(equation: Any, x: Any, value: Any) -> Any:
    edges = list(equation.params["padding_config"])
    axis = next((i for i, (low, high, _) in enumerate(edges) if low or high), 0)
    low, high, inner = edges[axis]
    edges[axis] = (low + 1, high - 1, inner)
    return lax.pad(x, value, edges)


def _shifted_window(equation: Any, x: Any, kernel: Any) -> Any:
    (low, high), *rest = equation.params["padding"]
    return _bound(equation, x, kernel, padding=((low + 1, high - 1), *rest))


def _shifted_slice(equation: Any, x: Any) -> Any:
    """One further along the first axis that leaves room for it."""
    params = equation.params
    start, limit = list(params["start_indices"]), list(params["limit_indices"])
    for axis, size in enumerate(x.shape):
        step = 1 if limit[axis] < size else -1 if start[axis] > 0 else 0
        if step:
            start[axis], limit[axis] = start[axis] + step, limit[axis] + step
            break
    return lax.slice(x, start, limit, params["strides"])


def _ends_swapped(equation: Any, *parts: Any) -> Any:
    if len(parts) > 1 and parts[0].shape == parts[-1].shape:
        parts = (parts[-1], *parts[1:-1], parts[0])
    return _bound(equation, *parts)


def _set_for_add(equation: Any, operand: Any, indices: Any, updates: Any) -> Any:
    params = equation.params
    return lax.scatter(
        operand,
        indices,
        updates,
        params["dimension_numbers"],
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=params["mode"],
    )


def _last_update_ignored(
    equation: Any, operand: Any, indices: Any, updates: Any
) -> Any:
    last = updates.at[-1:].set(0) if updates.ndim else updates
    return _bound(equation, operand, indices, last)


_UNARY = (
    "exp exp2 expm1 log log1p tanh logistic sqrt rsqrt cbrt abs sign neg square erf "
    "erfc erf_inv sin cos tan atan sinh cosh floor ceil round stop_gradient cumsum "
    "cummax cumprod cumlogsumexp rev transpose not reduce_precision"
).split()
# Their meaning for integers is that of counting and of random bits.
_ARITHMETIC = ("add", "sub", "mul", "max", "min", "abs", "sign", "neg", "not", "clamp")

_SCALED = {
    "constant -> 1": _constant_dropped,
    "constant -> 1.001 of it": _by(lambda a, b: a * b * 1.001),
}
_CHANGES: dict[str, dict[str, Change]] = {
    **{name: {"skipped": _operand(0)} for name in _UNARY},
    "add": {"a + b -> a": _operand(0), "a + b -> b": _operand(1)},
    "sub": {"a - b -> a": _operand(0), "a - b -> a + b": _by(jnp.add)},
    "mul": {"a * b -> a": _operand(0), "a * b -> b": _operand(1)},
    "div": {"a / b -> a": _operand(0), "a / b -> a * b": _by(jnp.multiply)},
    "pow": {"a ** b -> a": _operand(0)},
    "integer_pow": {"power - 1": _other_power(-1), "power + 1": _other_power(1)},
    "max": {"max -> a": _operand(0), "max -> min": _by(jnp.minimum)},
    "min": {"min -> a": _operand(0), "min -> max": _by(jnp.maximum)},
    "clamp": {"skipped": _operand(1)},
    "gt": {"> -> >=": _by(jnp.greater_equal), "> -> <": _by(jnp.less)},
    "ge": {">= -> >": _by(jnp.greater), ">= -> <": _by(jnp.less)},
    "lt": {"< -> <=": _by(jnp.less_equal), "< -> >": _by(jnp.greater)},
    "le": {"<= -> <": _by(jnp.less), "<= -> >": _by(jnp.greater)},
    "eq": {"== -> !=": _by(jnp.not_equal), "== -> >=": _by(jnp.greater_equal)},
    "ne": {"!= -> ==": _by(jnp.equal)},
    "and": {"and -> or": _by(jnp.bitwise_or), "and -> a": _operand(0)},
    "or": {"or -> and": _by(jnp.bitwise_and), "or -> a": _operand(0)},
    "select_n": {
        "branches swapped": _by(lambda which, a, b: jnp.where(which, a, b)),
        "always the false branch": _operand(1),
        "always the true branch": _operand(2),
    },
    "reduce_sum": {"sum -> mean": _mean, "first term dropped": _without_first},
    "reduce_max": {
        "max -> min": lambda equation, x: x.min(equation.params["axes"]),
    },
    "dot_general": {"first term dropped": _without_first_product},
    "pad": {"shifted by one": _shifted_padding},
    "conv_general_dilated": {"shifted by one": _shifted_window},
    "slice": {"shifted by one": _shifted_slice},
    "concatenate": {"ends swapped": _ends_swapped},
    "iota": {"plus 1": lambda equation: _bound(equation) + 1},
    "scatter-add": {
        ".add -> .set": _set_for_add,
        "last update ignored": _last_update_ignored,
    },
}
_CHANGES["add_any"] = _CHANGES["add"]
