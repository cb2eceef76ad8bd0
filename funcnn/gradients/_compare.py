"""A program's own gradient beside its automatic one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._autodiff import autodiff
from funcnn.gradients._report import Report

# Relative to a leaf's largest entry: what rounding may do in a net, and a wrong
# derivative hardly ever stays below.
_TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "float16": 5e-2, "bfloat16": 5e-2}
# And what rounding leaves of a leaf whose gradient is truly 0, such as a bias before
# a normalization: this many units in the last place of the largest leaf's entry.
_NOISE_ULPS = 16


class ComparisonRow(NamedTuple):
    """One leaf: norms of both gradients, and how far they are apart.

    `relative_error` is the largest difference over the largest automatic entry, and
    `ulp_error` the same in units in the last place of that entry.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    manual: float
    automatic: float
    relative_error: float
    ulp_error: float
    verdict: str


def compare_gradients(
    f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] = 0
) -> Report:
    """Compares the gradient by the program's rules with the automatic gradient.

    Args:
      f: a function of `args` that gives a scalar, or a tuple that begins with one.
      *args: where to compare; in float64 (`jax.enable_x64`) rounding leaves about
        fifteen digits to compare, in float32 seven.
      argnums: the argument, or arguments, to differentiate by.

    Returns:
      A `Report` with a `ComparisonRow` for each leaf of the arguments, in order;
      the verdict is OK, or DIFFERENT when the relative error is above 1e-9 in
      float64, 1e-4 in float32, 5e-2 in half precision, or not a number, and the
      difference is more than 16 ULP of the largest entry of all leaves.

    Raises:
      TypeError: when f does not give a scalar or an argument is not of floats.
    """

    def scalar(*args: Any) -> Any:
        output = f(*args)
        return output[0] if isinstance(output, tuple) else output

    manual = jax.jit(jax.grad(scalar, argnums))(*args)
    automatic = jax.jit(jax.grad(autodiff(scalar), argnums))(*args)
    pairs = jax.tree_util.tree_leaves_with_path(
        jax.tree.map(lambda m, a: _Pair(m, a), manual, automatic)
    )
    top = max((pair.largest() for _, pair in pairs), default=0.0)
    rows = tuple(
        _row(jax.tree_util.keystr(path, simple=True, separator="."), pair, top)
        for path, pair in pairs
    )
    columns = ("path", "shape", "manual", "automatic", "relative_error", "ulp_error")
    dtypes = ", ".join(sorted({row.dtype for row in rows}))
    title = f"gradients by rules | by automatic differentiation (norms), {dtypes}"
    return Report(title, rows, (*columns, "verdict"))


class _Pair:
    """Both gradients of a leaf: no pytree, so that it stays one leaf."""

    def __init__(self, manual: jax.Array, automatic: jax.Array) -> None:
        self.dtype = manual.dtype
        # float64 on the host: a difference must not be lost in its own dtype
        self.manual = np.asarray(manual).astype(np.float64)
        self.automatic = np.asarray(automatic).astype(np.float64)

    def largest(self) -> float:
        return float(np.abs(self.automatic).max(initial=0.0))


def _row(path: str, pair: _Pair, top: float) -> ComparisonRow:
    """`top` is the largest entry of all leaves."""
    difference = float(np.abs(pair.manual - pair.automatic).max(initial=0.0))
    largest, eps = pair.largest(), float(jnp.finfo(pair.dtype).eps)
    relative = difference / largest if largest else difference
    noise = difference <= _NOISE_ULPS * eps * top
    within = relative <= _TOLERANCES[pair.dtype.name] or noise
    return ComparisonRow(
        path,
        pair.manual.shape,
        pair.dtype.name,
        float(np.linalg.norm(pair.manual)),
        float(np.linalg.norm(pair.automatic)),
        relative,
        relative / eps,
        "OK" if within else "DIFFERENT",
    )
