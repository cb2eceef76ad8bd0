"""Faults that show only when the gradient itself is differentiated."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
from jax import lax

from funcnn.gradients.mutation._cases import Case, is_float, is_key
from funcnn.gradients.mutation._mutant import Mutant
from funcnn.gradients.mutation._output_faults import (
    OutputFault,
    each_argument,
    float_positions,
)
from funcnn.gradients.mutation._wrapped import on_floats, with_incoming, with_saved

_FAMILY = "second order"


def second_order_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """`stop_gradient` on what is saved, on what comes in, on what is sent on."""
    saving = tuple(case.number for case in cases if _saves_floats(case))
    numbers = tuple(case.number for case in cases if case.size)
    stop = on_floats(lax.stop_gradient)
    if saving:
        name = "stop_gradient of what is saved"
        yield Mutant(with_saved(op, stop), name, "", _FAMILY, saving)
    name = "stop_gradient of the cotangent"
    yield Mutant(with_incoming(op, stop), name, "", _FAMILY, numbers)
    if len(float_positions(cases)):
        result = OutputFault(
            "stop_gradient of the result", lambda c, g: lax.stop_gradient(c)
        )
        yield from each_argument(op, cases, _FAMILY, (result,))


def _saves_floats(case: Case) -> bool:
    leaves = jax.tree.leaves(case.saved)
    return any(not is_key(x) and is_float(x) and x.size for x in leaves)
