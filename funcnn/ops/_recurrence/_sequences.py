"""What the recurrences share: their arguments, their scans and how a mask holds them.

Inside the rules x is (batch, time, n) and everything that a scan walks over has its
time axis first.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._products._affine import product, product_cotangents

Carry = tuple[jax.Array, ...]


def recurrent_arguments(
    op: str, gates: int, mask: Any, /, **arrays: Any
) -> dict[str, Any]:
    """The arguments of a recurrence, checked, with their batch axes made one.

    Args:
      op: what errors call it.
      gates: how many times the hidden size the kernels are wide.
      mask: booleans of the shape of x without its last axis, or None.
      **arrays: x, kernel, recurrent_kernel, the biases (None where there is none) and
        the initial carry, h and possibly c (None for zeros).

    Raises:
      ShapeError, DtypeError: naming `op` and what does not fit.
    """
    given = {name: array for name, array in arrays.items() if array is not None}
    given = dict(zip(given, floats(op, **given), strict=True))
    leading, hidden = _check_kernels(op, gates, given)
    vectors = {"bias": (gates * hidden,), "recurrent_bias": (hidden,)}
    needed = vectors | dict.fromkeys("hc", (*leading, hidden))
    for name, shape in needed.items():
        if name in given and given[name].shape != shape:
            raise ShapeError(
                f"{op}: x {given['x'].shape} and recurrent_kernel "
                f"{given['recurrent_kernel'].shape} need {name} of shape {shape}, "
                f"got {given[name].shape}"
            )
    x = given["x"]
    check_mask(op, mask, x.shape)
    given["mask"] = None
    if mask is not None:
        given["mask"] = jnp.asarray(mask).reshape(math.prod(leading), x.shape[-2])
    for name in arrays:
        if name in "hc":
            carry = given.get(name, jnp.zeros((*leading, hidden), x.dtype))
            given[name] = carry.reshape(math.prod(leading), hidden)
    given["x"] = x.reshape(math.prod(leading), *x.shape[-2:])
    return dict.fromkeys(arrays) | given


def _check_kernels(op: str, gates: int, given: dict[str, Any]) -> tuple[Any, int]:
    x, kernel, recurrent = given["x"], given["kernel"], given["recurrent_kernel"]
    width = "h" if gates == 1 else f"{gates} h"
    if recurrent.ndim != 2 or recurrent.shape[1] != gates * recurrent.shape[0]:
        raise ShapeError(
            f"{op}: recurrent_kernel must have shape (h, {width}), "
            f"got {recurrent.shape}"
        )
    if kernel.ndim != 2 or kernel.shape[1] != recurrent.shape[1]:
        raise ShapeError(
            f"{op}: recurrent_kernel {recurrent.shape} needs kernel of shape "
            f"(n, {recurrent.shape[1]}), got {kernel.shape}"
        )
    if x.ndim < 2 or x.shape[-1] != kernel.shape[0]:
        raise ShapeError(
            f"{op}: kernel {kernel.shape} needs x of shape (..., time, "
            f"{kernel.shape[0]}), got {x.shape}"
        )
    return x.shape[:-2], recurrent.shape[0]


def check_mask(op: str, mask: Any, shape: tuple[int, ...]) -> None:
    """Raises unless the mask of x (..., time, n), which has that `shape`, fits it."""
    if mask is None:
        return
    if jnp.asarray(mask).dtype != jnp.bool_:
        raise DtypeError(
            f"{op}: mask must be of booleans, got {jnp.asarray(mask).dtype}"
        )
    if jnp.shape(mask) != shape[:-1]:
        raise ShapeError(
            f"{op}: x {shape} needs a mask of shape {shape[:-1]}, got {jnp.shape(mask)}"
        )


def time_first(x: jax.Array) -> jax.Array:
    """(batch, time, ...) as (time, batch, ...), and back."""
    return x.swapaxes(0, 1)


def without_padding(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """`x` with zeros where the mask is False, for NaN times 0 is NaN."""
    return x if mask is None else jnp.where(mask[..., None], x, 0)


def steps_of(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """What a scan walks over: x without padding, time first."""
    return time_first(without_padding(x, mask))


def scan_steps(
    step: Callable[[Carry, Any], tuple[Carry, Any]],
    carry: Carry,
    inputs: Any,
    mask: jax.Array | None,
    reverse: bool,
) -> tuple[Carry, tuple[Carry, Any]]:
    """The last carry, and all carries and what the steps keep, time first.

    ``step(carry, input) -> (carry, kept)``; where the mask is False the carry stays.
    """
    return _scan_steps(step, carry, (_columns(mask), inputs), reverse)


def _scan_steps(step, carry, steps, reverse):
    def held(old: Carry, now: Any) -> tuple[Carry, Any]:
        valid, inputs = now
        new, kept = step(old, inputs)
        new = _where(valid, new, old)
        return new, (new, kept)

    return scan(held, carry, steps, reverse=reverse)


def scan_products(
    step: Callable[[Carry, Any], tuple[Carry, Any]],
    carry: Carry,
    x: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array | None,
    mask: jax.Array | None,
    reverse: bool,
) -> tuple[Carry, tuple[Carry, Any]]:
    """`scan_steps` over the products of x (batch, time, n) with the kernel.

    Where `recurrent` is given, that of the carry's first entry, h, is added to each.

    On CPU each step makes its own if there are gates and x is no wider than the state,
    one of x and h side by side where both are multiplied; else one product before all
    steps makes those of x. Elsewhere one for each part of the time does, so that they
    are never all in memory.
    """

    def by_steps(x: jax.Array, kernel: jax.Array, carry: Carry) -> Any:
        kernels = [kernel] if recurrent is None else [kernel, recurrent]
        both = jnp.concatenate(kernels)

        def own(carry: Carry, x: jax.Array) -> tuple[Carry, Any]:
            factors = [x, carry[0]][: len(kernels)]
            return step(carry, product(jnp.concatenate(factors, -1), both))

        return scan_steps(own, carry, x, mask, reverse)

    def complete(carry: Carry, a: jax.Array) -> tuple[Carry, Any]:
        return step(carry, a if recurrent is None else a + product(carry[0], recurrent))

    def at_once(x: jax.Array, kernel: jax.Array, carry: Carry) -> Any:
        return scan_steps(complete, carry, product(x, kernel), mask, reverse)

    def by_parts(x: jax.Array, kernel: jax.Array, carry: Carry) -> Any:
        def part(carry: Carry, now: Any) -> tuple[Carry, Any]:
            valid, x = now
            return _scan_steps(complete, carry, (valid, product(x, kernel)), reverse)

        return _scan_parts(part, carry, (_columns(mask), x), reverse)

    x = steps_of(x, mask)
    narrow = x.shape[-1] <= carry[0].shape[-1]
    on_cpu = by_steps if narrow and _has_gates(kernel, carry) else at_once
    return lax.platform_dependent(x, kernel, carry, cpu=on_cpu, default=by_parts)


def scan_back(
    step: Callable[[Carry, Any], tuple[Carry, Any]],
    sums: Callable[[jax.Array, Any], Any],
    carry: Carry,
    g: jax.Array,
    saved: Any,
    beside: Any,
    x: jax.Array,
    kernel: jax.Array,
    mask: jax.Array | None,
    reverse: bool,
) -> tuple[Carry, jax.Array, jax.Array, Any]:
    """The cotangents of the first carry, of x, of its kernel, and other sums.

    ``step(carry, saved) -> (carry, da)`` takes and gives the cotangents of the carry
    after and before a step, and gives that of the step's product with the kernel;
    g (batch, time, h) are those of the first entry of the carry, h, as output. Where
    the mask is False the step was the identity. ``sums(da, beside)`` makes of those of
    some steps, time first, and of other arrays of them, what is summed over all steps.

    On CPU the products are made of all steps at once; elsewhere of a part of the time
    after the other, so that the cotangents of all are never in memory.
    """

    def held(old: Carry, now: Any) -> tuple[Carry, Any]:
        valid, g, saved = now
        old = (old[0] + g, *old[1:])
        new, da = step(old, saved)
        return _where(valid, new, old), _where(valid, da, jnp.zeros_like(da))

    def part(carry: Carry, now: Any) -> tuple[Carry, Any, Any]:
        steps, x, beside = now
        carry, da = scan(held, carry, steps, reverse=not reverse)
        dx, dkernel = product_cotangents(x, wide(kernel), da)
        return carry, dx, (dkernel, sums(da, beside))

    def by_parts(carry: Carry, arrays: Any) -> tuple[Carry, Any, Any]:
        def added(carry: Any, now: Any) -> tuple[Any, Any]:
            state, dx, own = part(carry[0], now)
            return (state, jax.tree.map(jnp.add, carry[1], own)), dx

        shapes = jax.eval_shape(part, carry, arrays)[2]
        zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        back = not reverse
        (carry, total), dx = _scan_parts(added, (carry, zeros), arrays, back)
        return carry, dx, total

    steps = (_columns(mask), time_first(wide(g)), saved)
    arrays = steps, wide(steps_of(x, mask)), beside
    ways = {"cpu": part, "default": by_parts}
    if not _has_gates(kernel, carry):  # a GPU has a place for them
        ways = {"tpu": by_parts, "default": part}
    carry, dx, (dkernel, total) = lax.platform_dependent(carry, arrays, **ways)
    return carry, without_padding(time_first(dx), mask), dkernel, total


def _has_gates(kernel, carry):
    return kernel.shape[-1] > carry[0].shape[-1]


def _scan_parts(f, carry, arrays, reverse):
    """`lax.scan` of ``f(carry, part)`` over up to eight equal parts of the time.

    What it gives of each part is put together again. A time that has no such divisor
    is one part.
    """
    time = jax.tree.leaves(arrays)[0].shape[0]
    count = next(n for n in range(min(8, time) or 1, 0, -1) if time % n == 0)
    shape = count, time // count
    parts = jax.tree.map(lambda a: a.reshape(*shape, *a.shape[1:]), arrays)
    carry, results = scan(f, carry, parts, reverse=reverse)
    return carry, jax.tree.map(lambda a: a.reshape(time, *a.shape[2:]), results)


def _columns(mask: jax.Array | None) -> jax.Array | None:
    return None if mask is None else time_first(mask)[..., None]


def _where(valid: jax.Array | None, new: Any, old: Any) -> Any:
    if valid is None:
        return new
    return jax.tree.map(lambda new, old: jnp.where(valid, new, old), new, old)


def before(
    first: jax.Array, sequence: jax.Array, reverse: bool, axis: int = 0
) -> jax.Array:
    """What each step along the axis finds: `first`, then all but the last."""
    if not sequence.shape[axis]:
        return sequence
    first = jnp.expand_dims(first, axis).astype(sequence.dtype)
    if reverse:
        rest = lax.slice_in_dim(sequence, 1, None, axis=axis)
        return jnp.concatenate([rest, first], axis)
    rest = lax.slice_in_dim(sequence, 0, -1, axis=axis)
    return jnp.concatenate([first, rest], axis)


def with_leading(
    leading: tuple[int, ...], y: jax.Array, *carry: jax.Array
) -> tuple[jax.Array, Carry]:
    """The outputs and the carry of a rule with the batch axes that x had."""
    y, *last = (a.reshape(*leading, *a.shape[1:]) for a in (y, *carry))
    return y, tuple(last)


def recurrent_cases(normal: Any, gates: int, states: int) -> Iterator[Any]:
    """Arrays, masks and directions for each rule with one bias."""

    def case(batch, time, n, h, mask: Any = None, reverse=False, bias=True):
        return (
            normal(batch, time, n),
            normal(n, gates * h),
            normal(h, gates * h),
            normal(gates * h) if bias else None,
            *(normal(batch, h) for _ in range(states)),
            None if mask is None else jnp.array(mask, bool),
            reverse,
        )

    yield case(2, 3, 3, 2)
    yield case(2, 3, 2, 1, mask=[[1, 1, 0], [0, 1, 1]], bias=False)
    yield case(2, 4, 1, 3, mask=[[1, 1, 0, 0], [1, 0, 1, 1]], reverse=True)
    yield case(1, 1, 2, 2, reverse=True)
    yield case(0, 2, 3, 1)
