"""Where the derivative of an operation may jump, and how far its inputs are from it."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_MOST_WINDOW_ENTRIES = 64  # a slice of the input is made for each


def margin_of(equation: Any, values: list[Any]) -> Any:
    """The margins of one operation at its inputs, or None when it has no boundary.

    They are differentiable, and of the dtype of the first input.
    """
    name, params = equation.primitive.name, equation.params
    if name not in _MARGINS or not jnp.issubdtype(values[0].dtype, jnp.floating):
        return None
    if len(values) == 2 and equation.invars[0] is equation.invars[1]:
        return None  # x != x asks for NaN
    if name == "convert_element_type" and not _to_integer(params["new_dtype"]):
        return None
    return _MARGINS[name](equation, *values)


def _to_integer(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.integer)


def _difference(_: Any, x: Any, y: Any) -> Any:
    return jnp.subtract(x, y)


def _operand(_: Any, x: Any) -> Any:
    return x


def _to_whole(_: Any, x: Any) -> Any:
    return x - jnp.round(x)


def _to_half(_: Any, x: Any) -> Any:
    return x - jnp.floor(x) - 0.5


def _to_multiple(_: Any, x: Any, y: Any) -> Any:
    return x - y * jnp.round(x / y)


def _to_bounds(_: Any, low: Any, x: Any, high: Any) -> Any:
    return jnp.stack([x - low, high - x])


def _between_neighbours(equation: Any, x: Any, *_: Any) -> Any:
    params = equation.params
    axis = params["axis"] if "axis" in params else params["dimension"]
    return jnp.diff(jnp.sort(x, axis), axis=axis)


def _gap(x: Any) -> Any:
    """Between the first and the second along the last axis; None if there is none."""
    if x.shape[-1] < 2:
        return None
    first = jax.lax.top_k(x, 2)[0]
    return first[..., 0] - first[..., 1]


def _of_axes(equation: Any, x: Any) -> Any:
    axes = equation.params["axes"]
    x = -x if "min" in equation.primitive.name else x
    kept = [i for i in range(x.ndim) if i not in axes]
    x = jnp.transpose(x, (*kept, *axes))
    return _gap(x.reshape(*x.shape[: len(kept)], -1)) if x.size else None


def _of_windows(equation: Any, x: Any) -> Any:
    params, out = equation.params, equation.outvars[0].aval.shape
    window, strides = params["window_dimensions"], params["window_strides"]
    if np.prod(window) > _MOST_WINDOW_ENTRIES:
        return None
    x = -x if "min" in equation.primitive.name else x
    spread = [(*p, b - 1) for p, b in zip(params["padding"], params["base_dilation"])]
    x = jax.lax.pad(x, np.asarray(-np.inf, x.dtype), spread)
    entries = []
    for offset in itertools.product(*map(range, window)):
        start = [o * d for o, d in zip(offset, params["window_dilation"])]
        stop = [a + (n - 1) * s + 1 for a, n, s in zip(start, out, strides)]
        entries.append(jax.lax.slice(x, start, stop, strides))
    return _gap(jnp.stack(entries, -1))


def _of_running(equation: Any, x: Any) -> Any:
    axis, reverse = equation.params["axis"], equation.params["reverse"]
    so_far = equation.primitive.bind(x, **equation.params)
    size = x.shape[axis]
    first, last = (
        lambda y: jax.lax.slice_in_dim(y, 0, size - 1, axis=axis),
        lambda y: jax.lax.slice_in_dim(y, 1, size, axis=axis),
    )
    return last(so_far) - first(x) if reverse else first(so_far) - last(x)


_MARGINS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys("max min lt le gt ge eq ne lt_to le_to eq_to".split(), _difference),
    **dict.fromkeys(("abs", "sign"), _operand),
    **dict.fromkeys(("floor", "ceil", "convert_element_type"), _to_whole),
    **dict.fromkeys(("sort", "top_k"), _between_neighbours),
    **dict.fromkeys("argmax argmin reduce_max reduce_min".split(), _of_axes),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min"), _of_windows),
    **dict.fromkeys(("cummax", "cummin"), _of_running),
    "round": _to_half,
    "rem": _to_multiple,
    "clamp": _to_bounds,
}
