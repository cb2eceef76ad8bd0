"""The same program with arguments of other shapes: odd, of one entry, broadcast."""

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients.checker._evaluation import wide
from funcnn.gradients.checker._marks import Marks
from funcnn.gradients.checker._witnesses import is_inexact


def reshaped(
    arrays: list[Any], fixed: set[int]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Arguments in other shapes, and what was done; axes of one size change together.

    Args:
      arrays: the arguments.
      fixed: sizes that the program may rely on.
    """
    sizes = sorted({n for x in arrays for n in x.shape} - fixed - {0, 1})
    floats = [i for i, x in enumerate(arrays) if is_inexact(x.dtype) and x.ndim]
    if sizes:
        yield "sizes one larger", _resized(arrays, {n: n + 1 for n in sizes})
    for n in sizes[:3]:
        yield f"size {n} made 1", _resized(arrays, {n: 1})
    for i in floats[:4]:
        for axis, n in enumerate(arrays[i].shape):
            if n in sizes and len(arrays) > 1:
                other = _resized([arrays[i]], {n: 1}, only=axis)[0]
                changed = [
                    *_resized(arrays[:i], {}),
                    other,
                    *_resized(arrays[i + 1 :], {}),
                ]
                yield f"argument {i} broadcast along axis {axis}", changed
    if len(sizes) > 1:
        yield "all sizes equal", _resized(arrays, dict.fromkeys(sizes, sizes[-1]))


def captured_sizes(f: Callable[..., Any], marks: Marks) -> set[int]:
    """Whole numbers that the program's and its rules' functions know beforehand.

    A rule made for arrays of eight rows may be right for these alone.
    """
    found: set[int] = set()
    seen: set[int] = set()
    _collect(f, found, seen)
    for call in marks.calls.values():
        custom = call.custom
        for name in ("fwd", "bwd", "jvp", "fun", "f", "jvp_fun", "forward", "backward"):
            _collect(getattr(custom, name, None), found, seen)
        for i in _jax.static_positions(custom):
            if i < len(call.args):
                _collect(call.args[i], found, seen)
        _collect(call.keywords, found, seen)
    return found


def _collect(value: Any, found: set[int], seen: set[int]) -> None:
    if isinstance(value, bool) or value is None or id(value) in seen:
        return
    if isinstance(value, int):
        found.add(value)
    elif isinstance(value, tuple | list):
        for item in value:
            _collect(item, found, seen)
    elif isinstance(value, dict):
        _collect(list(value.values()), found, seen)
    elif isinstance(value, functools.partial):
        seen.add(id(value))
        _collect([value.func, *value.args, *value.keywords.values()], found, seen)
    elif isinstance(value, types.FunctionType):
        seen.add(id(value))
        _of_function(value, found, seen)


def _of_function(function: Any, found: set[int], seen: set[int]) -> None:
    if (function.__module__ or "").partition(".")[0] in ("jax", "jaxlib", "numpy"):
        return
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not yet filled
            continue
    _collect([*cells, *(function.__defaults__ or ())], found, seen)
    code = function.__code__
    _collect([c for c in code.co_consts if isinstance(c, int | tuple)], found, seen)
    names = (function.__globals__.get(name) for name in code.co_names)
    own = (int, tuple, types.FunctionType, functools.partial)
    _collect([value for value in names if isinstance(value, own)], found, seen)


def _resized(
    arrays: list[Any], sizes: dict[int, int], only: int | None = None
) -> list[Any]:
    """Repeated to be larger, with noise so that nothing ties that did not."""
    rng = np.random.default_rng(3)
    return [_one(x, sizes, only, rng) for x in arrays]


def _one(
    x: Any, sizes: dict[int, int], only: int | None, rng: np.random.Generator
) -> Any:
    if not hasattr(x, "shape") or not sizes:
        return x
    shape = tuple(
        sizes.get(n, n) if only in (None, axis) else n for axis, n in enumerate(x.shape)
    )
    if shape == x.shape or (jnp.issubdtype(x.dtype, jnp.integer) and not x.size):
        return x
    indices = [np.arange(n) % max(old, 1) for n, old in zip(shape, x.shape)]
    taken = x[np.ix_(*indices)] if shape else x
    if not is_inexact(x.dtype):
        return taken
    noise = 1 + 0.1 * rng.standard_normal(shape)
    return jnp.asarray(wide(taken) * noise).astype(x.dtype)
