"""Where the outputs along an axis find their inputs: in runs of neighbours."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats
from funcnn.ops._convolution._windows import per_axis, spatial_axes

_UNROLLED = 16  # so many turns are written out, which XLA makes one loop of


@dataclasses.dataclass(frozen=True)
class Runs:
    """Each of m outputs takes a run of neighbours among n inputs, as `kind` says.

    All is computed with whole numbers: distances along the axis are in units of its
    length / (2 n m), and so is `reach`, how far the triangles of "linear" go.
    """

    kind: str
    n: int
    m: int
    reach: int = 0

    @property
    def back(self) -> "Runs":
        """The runs of outputs that take each of the inputs."""
        kind = "taken" if self.kind == "nearest" else self.kind
        return Runs(kind, self.m, self.n, self.reach)

    def ends(self, o: Any) -> tuple[Any, Any]:
        """The first input of each of the outputs `o`, and the one after its last."""
        n, m = self.n, self.m
        if self.kind == "nearest":  # that in which the output's centre lies
            first = (2 * o + 1) * n // (2 * m)
            return first, first + 1
        if self.kind == "bins":  # those that the output covers, be it in part
            return o * n // m, _ceil((o + 1) * n, m)
        if self.kind == "taken":  # those whose centres lie in the output
            first, stop = _ceil(2 * n * o - m, 2 * m), _ceil(2 * n * (o + 1) - m, 2 * m)
        else:  # those whose centres are less than `reach` away from the output's
            centre = (2 * o + 1) * n - m
            first = (centre - self.reach) // (2 * m) + 1
            stop = _ceil(centre + self.reach, 2 * m)
        return first.clip(0, n), stop.clip(0, n)

    @functools.cached_property
    def longest(self) -> int:
        """How many inputs the longest run has."""
        first, stop = self.ends(np.arange(self.m))
        return max(1, (stop - first).max())

    @property
    def side_by_side(self) -> bool:
        """Whether the runs are of one length, and share the inputs among them."""
        return self.kind == "bins" and self.n % self.m == 0

    def outputs(self) -> Any:
        """Their numbers, as JAX's: the program computes its tables and holds none.

        As NumPy's where the whole numbers would be too large for JAX.
        """
        small = (2 * self.m + 1) * self.n + self.reach < 2**31
        return jnp.arange(self.m) if small else np.arange(self.m)

    def tap(self, t: Any, axis: int, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Entry `t` of each run, and how much it counts, 0 beyond the end of a run.

        An axis of n becomes m; the weights broadcast against it.
        """
        o = self.outputs()
        first, stop = self.ends(o)
        i = (first + t).clip(0, self.n - 1)
        weight = jnp.asarray(first + t < stop, jnp.float32)
        if self.kind == "linear":
            # of the first, which is small; then on by as much as an input is wide
            distance = (2 * o + 1) * self.n - (2 * first + 1) * self.m
            nearness = 1 - abs(distance - 2 * self.m * t) / self.reach
            weight = weight.astype(x.dtype) * nearness
        beside = (self.m, *[1] * (x.ndim - axis - 1))
        return jnp.take(x, i, axis, mode="clip"), weight.reshape(beside)

    def split(self, x: jax.Array, axis: int) -> jax.Array:
        """Where runs lie side by side, each on an axis of its own: n becomes (m, t)."""
        return x.reshape(*x.shape[:axis], self.m, self.longest, *x.shape[axis + 1 :])

    def sums(self, x: jax.Array, axis: int) -> jax.Array:
        """The weighted sum of each run: an axis of n becomes m."""
        if self.side_by_side:
            return self.split(x, axis).sum(axis + 1)

        def add(t, total):
            entry, weight = self.tap(t, axis, x)
            # not a product with 0, which would spread what is infinite
            return total + jnp.where(weight > 0, entry * weight.astype(x.dtype), 0)

        shape = (*x.shape[:axis], self.m, *x.shape[axis + 1 :])
        return turns(self.longest, add, jnp.zeros(shape, x.dtype))


def turns(count: int, f: Callable[[Any, Any], Any], start: Any) -> Any:
    """`f(t, ...)` for t from 0, each after the other."""
    if count > _UNROLLED:
        return lax.fori_loop(0, count, f, start)
    for t in range(count):
        start = f(t, start)
    return start


def _ceil(a: Any, b: int) -> Any:
    """The whole number that is not less than a / b."""
    return -(-a // b)


def runs_of(
    op: str, x: Any, kind: str, size: int | Sequence[int], *, antialias: bool = False
) -> tuple[jax.Array, tuple[Runs, ...]]:
    """Reads x and the extents that its axes of space are to have.

    Raises:
      ShapeError: unless x is (batch, *spatial, c) with as many spatial axes as there
        are sizes, of one to three, and none is empty.
      DtypeError: unless x is of a float dtype.
      ValueError: for sizes that are not positive whole numbers.
    """
    (x,) = floats(op, x=x)
    sizes = per_axis(op, spatial_axes(op, x, size), "size", size)
    if 0 in x.shape[1:-1]:
        raise ShapeError(f"{op}: needs spatial axes that are not empty, got {x.shape}")
    pairs = [*zip(x.shape[1:-1], sizes)]
    if kind != "linear":
        return x, tuple(Runs(kind, n, m) for n, m in pairs)
    # an input's width, or an output's if that is more
    reach = [2 * (max(n, m) if antialias else m) for n, m in pairs]
    return x, tuple(Runs(kind, n, m, r) for (n, m), r in zip(pairs, reach))
