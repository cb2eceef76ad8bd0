"""The geometry of windows that slide over the spatial axes of (batch, *spatial, c)."""

import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide

Offset = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
Padding = str | Sequence[tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Windows:
    """Where windows of `size` stand on axes of extents `spatial`; all per axis."""

    spatial: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]

    @property
    def span(self) -> tuple[int, ...]:
        """The extent of a dilated window."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.size, self.dilation))

    @property
    def output(self) -> tuple[int, ...]:
        """How many windows stand along each axis."""
        rows = zip(self.spatial, self.span, self.stride, self.padding)
        return tuple(
            max(0, (n + low + high - span) // s + 1) for n, span, s, (low, high) in rows
        )

    @property
    def reach(self) -> tuple[int, ...]:
        """The extent from the first window's first entry to the last one's first."""
        return tuple(max(0, (m - 1) * s + 1) for m, s in zip(self.output, self.stride))

    @property
    def offsets(self) -> list[Offset]:
        """The places within a window, in row-major order."""
        return list(itertools.product(*map(range, self.size)))

    def padded(self, x: jax.Array, value: Any) -> jax.Array:
        """`x` with its spatial axes padded by `value`."""
        edges = ((0, 0, 0), *((*pair, 0) for pair in self.padding), (0, 0, 0))
        return lax.pad(x, jnp.asarray(value, x.dtype), edges)

    def entry(self, padded: jax.Array, offset: Offset) -> jax.Array:
        """The entry at `offset` of every window: (batch, *output, c)."""
        begin = [o * d for o, d in zip(offset, self.dilation)]
        end = [b + r for b, r in zip(begin, self.reach)]
        n, c = padded.shape[0], padded.shape[-1]
        return lax.slice(padded, [0, *begin, 0], [n, *end, c], [1, *self.stride, 1])

    def added_up(self, shares: Iterable[jax.Array]) -> jax.Array:
        """What each of `offsets` gives to the entry there of every window, summed.

        It is the transpose of `padded` by 0 and `entry`: (batch, *output, c) for every
        offset becomes (batch, *spatial, c), in float32 or wider.
        """
        ends = [n + low + high for n, (low, high) in zip(self.spatial, self.padding)]
        blocks = [-(-n // s) for n, s in zip(ends, self.stride)]
        sums: dict[Offset, Any] = {}  # by the place within a stride
        for offset, share in zip(self.offsets, shares, strict=True):
            places = [o * d for o, d in zip(offset, self.dilation)]
            turns, phase = zip(*(divmod(p, s) for p, s in zip(places, self.stride)))
            rows = zip(turns, blocks, self.output)
            edges = [(q, n - q - m, 0) for q, n, m in rows]
            part = wide(share)
            zero = jnp.zeros((), part.dtype)
            part = lax.pad(part, zero, [(0, 0, 0), *edges, (0, 0, 0)])
            sums[phase] = sums.get(phase, 0) + part
        return self._interleaved(sums, blocks)

    def _interleaved(self, sums: dict[Offset, Any], blocks: list[int]) -> jax.Array:
        """From blocks of the stride's size, each place's entries by itself."""
        first = next(iter(sums.values()))

        def along(axis: int, phase: Offset) -> Any:
            if axis == len(blocks):
                return sums.get(phase, jnp.zeros_like(first))
            inner = [along(axis + 1, (*phase, i)) for i in range(self.stride[axis])]
            # The inner axes are already doubled: those of this axis stand before them.
            return jnp.stack(inner, 2 + axis) if len(inner) > 1 else inner[0]

        extents = (n * s for n, s in zip(blocks, self.stride))
        whole = along(0, ()).reshape(first.shape[0], *extents, first.shape[-1])
        pairs = zip(self.spatial, self.padding)
        return whole[:, *(slice(low, low + n) for n, (low, _) in pairs)]


def windows(
    op: str,
    x: jax.Array,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    dilation: int | Sequence[int] = 1,
) -> Windows:
    """Reads an op's options; each may be one number for all axes.

    Raises:
      ShapeError: unless x is (batch, *spatial, c) with as many spatial axes as the
        window, of one to three, and a whole window fits.
      ValueError: for options that are not positive or not understood.
    """
    axes = spatial_axes(op, x, size)
    size = per_axis(op, axes, "window", size)
    dilation = per_axis(op, axes, "dilation", dilation)
    stride = size if stride is None else per_axis(op, axes, "stride", stride)
    spatial = x.shape[1:-1]
    unpadded = Windows(spatial, size, stride, ((0, 0),) * axes, dilation)
    halves = lax.padtype_to_pads(spatial, unpadded.span, stride, "SAME")
    same = tuple((int(low), int(high)) for low, high in halves)
    pads = pairs_of_padding(op, padding, axes, same=same, valid=unpadded.padding)
    result = dataclasses.replace(unpadded, padding=pads)
    if 0 in result.output:
        raise ShapeError(
            f"{op}: a window of extent {result.span} does not fit into x {x.shape} "
            f"with padding {pads}"
        )
    return result


def spatial_axes(op: str, x: jax.Array, size: int | Sequence[int]) -> int:
    """How many there are: as many as sizes, of one to three, or ShapeError."""
    axes = len(size) if isinstance(size, Sequence) else x.ndim - 2
    if axes not in (1, 2, 3) or x.ndim != axes + 2:
        expected = len(size) if isinstance(size, Sequence) else "1 to 3"
        raise ShapeError(
            f"{op}: needs x of shape (batch, *spatial, channels) with {expected} "
            f"spatial axes, got {x.shape}"
        )
    return axes


def per_axis(op: str, axes: int, name: str, value: Any) -> tuple[int, ...]:
    """A positive whole number for every axis, of one for all or of so many."""
    try:
        given = value if isinstance(value, Iterable) else (value,) * axes
        values = tuple(map(operator.index, given))
    except TypeError:  # not whole numbers
        values = ()
    if len(values) != axes or min(values) < 1:
        raise ValueError(
            f"{op}: {name} must be a positive whole number, or {axes} of them, "
            f"got {value!r}"
        )
    return values


def pairs_of_padding(
    op: str, padding: Padding, axes: int, *, same: Pairs, valid: Pairs
) -> Pairs:
    """A pair (low, high) for every axis; `same` and `valid` are those with a name.

    Raises:
      ValueError: for what is no such name and no such pairs.
    """
    if isinstance(padding, str):
        named = {"SAME": same, "VALID": valid}
        if padding.upper() not in named:
            raise ValueError(
                f'{op}: padding must be "SAME", "VALID" or a pair (low, high) for '
                f"each axis, got {padding!r}"
            )
        return named[padding.upper()]
    try:
        pairs = tuple((int(low), int(high)) for low, high in padding)
    except (TypeError, ValueError):
        pairs = ()
    if len(pairs) != axes or any(p < 0 for pair in pairs for p in pair):
        raise ValueError(
            f"{op}: padding must be {axes} pairs (low, high) of whole numbers "
            f"from 0, got {padding!r}"
        )
    return pairs


# What the pools share.


def pool_arguments(
    op: str,
    x: jax.Array,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
) -> tuple[jax.Array, Windows]:
    """Reads a pool's arguments, as `floats` and `windows` do."""
    (x,) = floats(op, x=x)
    return x, windows(op, x, window, stride, padding)


def pool_cases(
    op: str, normal: Callable[..., jax.Array]
) -> Iterator[tuple[jax.Array, Windows]]:
    """Windows of every kind, on random numbers."""
    yield pool_arguments(op, normal(1, 7, 1), 3)  # with a rest
    yield pool_arguments(op, normal(2, 4, 6, 3), (2, 3))
    yield pool_arguments(op, normal(1, 5, 7, 2), 3, 2)  # overlapping
    yield pool_arguments(op, normal(2, 5, 4, 1), (3, 2), 1, "SAME")
    yield pool_arguments(op, normal(1, 3, 5, 2), 2, 3, ((1, 0), (0, 1)))
    yield pool_arguments(op, normal(1, 2, 4, 2, 2), 2)
    yield pool_arguments(op, normal(0, 4, 2), 2)
