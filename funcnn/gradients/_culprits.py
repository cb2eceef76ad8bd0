"""Which operation makes a NaN or an infinity, and where."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from funcnn.gradients._places import code_place
from funcnn.gradients._ranges import entries, is_float, number_text
from funcnn.gradients._steps import RULES, Path, Stepper, bind

# Entry i of the result is made of entries i of the operands: only these are asked.
# In all other operations every entry is taken to depend on every operand.
_POINTWISE = frozenset(
    "acos acosh add add_any asin asinh atan atan2 atanh cbrt convert_element_type cos "
    "cosh digamma div erf erf_inv erfc exp exp2 expm1 integer_pow lgamma log log1p "
    "logistic mul neg nextafter pow reduce_precision rem rsqrt sin sinh sqrt square "
    "sub tan tanh".split()
)
_BITS = "bitcast_convert_type"  # makes nothing: all was in the bits of its operand


class Made(NamedTuple):
    """What an operation made (nan, inf or -inf), how often, and where first."""

    what: str
    amount: int
    first: tuple[int, ...]


def first_made(equation: Any, operands: Sequence[Any], result: Any) -> Made | None:
    """The NaN and infinities in `result` that its operands do not explain.

    An infinity is explained by an operand that is not finite, a NaN only by a NaN:
    the difference of two infinities is the operation's own.

    Args:
      equation: the operation; None where every entry depends on every operand.
      operands: arrays; those that are not of floats explain nothing.
      result: one array of the operation.
    """
    name = equation.primitive.name if equation is not None else ""
    if name == _BITS or not is_float(result):
        return None
    values = entries(result)
    if np.isfinite(values).all():
        return None
    finite, number = _explained(name in _POINTWISE, operands, values.shape)
    made = (np.isnan(values) & number) | (np.isinf(values) & finite)
    if not made.any():
        return None
    index = tuple(int(i) for i in np.argwhere(made)[0])
    return Made(number_text(values[index]), int(made.sum()), index)


def _explained(
    pointwise: bool, operands: Sequence[Any], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Where all operands are finite, and where none of them is a NaN."""
    finite, number = np.ones(shape, bool), np.ones(shape, bool)
    for operand in operands:
        if not is_float(operand):
            continue
        values = entries(operand)
        is_finite, is_number = np.isfinite(values), ~np.isnan(values)
        if not (pointwise and values.shape in (shape, ())):
            is_finite, is_number = is_finite.all(), is_number.all()
        finite, number = finite & is_finite, number & is_number
    return finite, number


def operands_at(
    operands: Sequence[Any], index: tuple[int, ...], shape: Any
) -> list[str]:
    """The operands' entries at `index`; "-" for those of another shape."""
    return [_entry(operand, index, tuple(shape)) for operand in operands]


def _entry(operand: Any, index: tuple[int, ...], shape: tuple[int, ...]) -> str:
    values = entries(operand)
    if values.shape == ():
        return number_text(values)
    return number_text(values[index]) if values.shape == shape else "-"


class Inside(NamedTuple):
    """The primitive that made it, within a rule or a derivative.

    `text` is like ``div 1, 0 -> inf``; `place` is file and line, where known.
    """

    text: str
    place: str


class _Found(Exception):  # noqa: N818 - it ends a search and is no error
    def __init__(self, inside: Inside) -> None:
        super().__init__(inside)
        self.inside = inside


class _Search(Stepper):
    """Stops at the first operation that makes one; steps into rules as well."""

    def operation(self, equation: Any, args: list[Any], path: Path) -> list[Any]:
        if equation.primitive.name in RULES:
            return self.run(equation.params["call_jaxpr"], args, path)
        results = bind(equation, *args)
        for result in results:
            made = first_made(equation, args, result)
            if made:
                there = operands_at(args, made.first, result.shape)
                text = f"{equation.primitive.name} {', '.join(there)} -> {made.what}"
                raise _Found(Inside(text, code_place(equation)))
        return results


def culprit_inside(program: Any, args: Sequence[Any]) -> Inside:
    """The first primitive of `program` that makes one at `args`; empty without."""
    try:
        _Search().run(program, args)
    except _Found as found:
        return found.inside
    return Inside("", "")
