"""The table, for the terminal and in Markdown."""

import importlib.metadata
import platform
from collections.abc import Sequence

from funcnn._tables import text_table

from .measure import Row, Worst

HEADER = ["function", "", "dtype", "ulp", "of bound", "not finite"]
HEADER += ["jax: ulp", "not finite", "beyond the bound"]
ABOUT = """Values and slopes (`jax.grad`, cotangent 1) of funcnn's functions of one
number and of those of `jax.nn`, `jax.numpy`, `jax.scipy.special` and `optax`, in units
in the last place (ulp) of the truth, which is computed in float64. A subnormal number
has the unit of the least normal one.

- bfloat16 and float16: all 65,536 inputs. The bound is 1 ulp.
- float32: {count:,} inputs, as many in every exponent, and zeros, the ends of the
  range, infinities, kinks and the places where formulas change. The bound is 4 + 2c
  ulp, with the condition number c = |x f'/f| of the value and |x f''/f'| of the slope:
  rounding x itself to float32 could change as much as c ulp.
- *of bound*: the largest share of the bound that was needed; c is counted where the
  error is above 2 ulp.
- *not finite*: results that are infinite or NaN where input and truth are finite; *inf*
  as an error: so is one, or the limit at an infinity is missed.
- At kinks, where conventions differ, only ours is held to its own."""


def text(rows: Sequence[Row]) -> str:
    """For the terminal."""
    broken = sum(row.ours.broken for row in rows)
    summary = f"{len(rows)} rows, {broken:,} results beyond the bound"
    return "\n".join([text_table(HEADER, [_cells(row) for row in rows]), summary])


def markdown(rows: Sequence[Row], count: int) -> str:
    """For the repository."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("jax", "optax")
    )
    lines = ["# How exact the functions of one number are", ""]
    lines += [f"{versions}, cpu, {platform.system()} {platform.machine()}. Written by "]
    lines[-1] += "`python -m benchmarks.pointwise_accuracy`."
    lines += ["", ABOUT.format(count=count), ""]
    lines += [_line(HEADER), _line(["---"] * len(HEADER))]
    lines += [_line(_cells(row)) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> list[str]:
    ours, theirs = row.ours, row.theirs
    return [
        row.op,
        row.quantity,
        row.dtype,
        _ulps(ours),
        f"{ours.share:.2f}",
        f"{ours.not_finite:,}",
        _ulps(theirs),
        f"{theirs.not_finite:,}",
        f"{theirs.broken:,}",
    ]


def _ulps(worst: Worst) -> str:
    return f"{worst.ulps:.3g}" if worst.ulps < 1e4 else f"{worst.ulps:.1e}"
