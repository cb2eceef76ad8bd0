"""The derivative of a rule's derivative, with respect to inputs and cotangents."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.extend as jex
import numpy as np

from funcnn.gradients._numeric import directional
from funcnn.gradients._shadow import exact
from funcnn.gradients._verdicts import RULE_WRONG
from funcnn.gradients.checker._cotangents import cotangents
from funcnn.gradients.checker._evaluation import Evaluation
from funcnn.gradients.checker._findings import Difference, Finding, difference
from funcnn.gradients.checker._inputs import Candidate
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._witnesses import Programs, pullback

_TOLERANCE = 1e-3


def second_order_findings(
    occurrence: Occurrence,
    evaluation: Evaluation,
    points: Sequence[Candidate],
    names: Sequence[str],
) -> tuple[list[Finding], list[str]]:
    """Compares; where they differ, slopes of the first derivative decide.

    A rule need not be differentiable twice: what raises is a note. What is
    differentiable twice has to be so rightly.
    """
    programs = evaluation.programs
    if programs.automatic is None or not evaluation.numerical:
        return [], []
    try:
        manual = _twice(programs.manual, programs)
    except Exception as error:
        return [], [f"second order: {type(error).__name__}"]
    try:
        automatic = _twice(programs.automatic, programs)
    except Exception as error:
        return [], [f"second order, automatic: {type(error).__name__}"]
    lifted = exact(manual), exact(automatic)
    run = jax.jit(
        lambda *xs: [f(*xs) for f in lifted],
        compiler_options={"xla_backend_optimization_level": 0},
    )
    found: list[Finding] = []
    for number, point in enumerate(points[:2]):
        found = _at(occurrence, evaluation, run, point, number)
        if not found:
            break  # it has to be wrong at both
    return found, []


def _moving(programs: Programs) -> tuple[int, ...]:
    """Positions of the floats among inputs, and of all cotangents after them."""
    number = len(programs.value.in_avals)
    return (*programs.floats, *(number + k for k in range(len(programs.outputs))))


def _twice(program: Any, programs: Programs) -> Any:
    """The pullback of the cotangents that a program gives."""
    first = len(programs.value.out_avals)
    inputs = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in program.in_avals]
    function = jex.core.jaxpr_as_fun(program)

    def back(*given: Any) -> list[Any]:
        return list(function(*given)[first:])

    weights = [
        jax.ShapeDtypeStruct(a.shape, a.dtype) for a in program.out_avals[first:]
    ]
    pulled = pullback(back, _moving(programs), len(inputs))
    return jax.make_jaxpr(pulled)(*inputs, *weights)


def _at(
    occurrence: Occurrence,
    evaluation: Evaluation,
    run: Any,
    point: Candidate,
    seed: int,
) -> list[Finding]:
    programs = evaluation.programs
    arrays = point.arrays
    types = [evaluation.avals[i] for i in programs.floats]
    first = cotangents(evaluation.types, 11 + seed)["random"]
    second = cotangents(types, 12 + seed)["random"]
    second = [w * occurrence.active[i] for w, i in zip(second, programs.floats)]
    with jax.enable_x64(True):
        both = run(*arrays, *first, *second)
    manual, automatic = ([np.asarray(x) for x in xs[len(types) :]] for xs in both)
    here = evaluation.at(arrays, first)
    if not any(m.any() for m in here.manual):
        return []  # no derivative, and none of that
    found = []
    sizes = [np.abs(a[np.isfinite(a)]).max(initial=0.0) for a in automatic]
    for k, position in enumerate(_moving(programs)):
        tolerance = max(_TOLERANCE, 10 * evaluation.tolerance)
        apart = difference(manual[k], automatic[k], tolerance, 1e-3 * max(sizes))
        if apart is None or (
            position < len(arrays) and not occurrence.active[position]
        ):
            continue
        slope = _slope(evaluation, arrays, first, second, position, apart)
        if slope is None:
            continue
        by_rule = manual[k][apart.entry]
        if not np.isfinite(by_rule):
            continue  # it need not be differentiable twice everywhere
        gap = abs(by_rule - automatic[k][apart.entry])
        gap = gap if np.isfinite(gap) else 0.1 * abs(slope[0])
        if abs(by_rule - slope[0]) <= slope[1] + 0.3 * gap:
            continue
        name = _name(occurrence, position, len(arrays))
        found.append(
            Finding(
                RULE_WRONG,
                name,
                point.label,
                "random",
                apart.entry,
                by_rule.item(),
                automatic[k][apart.entry].item(),
                f"{slope[0]:.6g}",
                apart.relative,
                f"second order: the derivative of its derivative by {name} is wrong",
            )
        )
    return found


def _slope(
    evaluation: Evaluation,
    arrays: Sequence[Any],
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    position: int,
    apart: Difference,
) -> tuple[float, float] | None:
    """Of the rule's own first derivative, and its error; None where unknown."""
    given = (*arrays, *first)
    direction: list[Any] = [
        np.zeros_like(x) if np.issubdtype(x.dtype, np.floating) else None for x in given
    ]
    direction[position] = np.zeros(given[position].shape)
    direction[position][apart.entry] = 1.0
    with jax.enable_x64(True):
        slopes = directional(
            evaluation.manual_back, given, tuple(direction), weights=list(second)
        )
    known = slopes.central_error <= 1e-3 * abs(slopes.central) + 1e-6
    if slopes.kink or not known or not np.isfinite(slopes.central):
        return None
    return slopes.central, 10 * slopes.central_error + 1e-4 * abs(slopes.central)


def _name(occurrence: Occurrence, position: int, number: int) -> str:
    if position < number:
        return occurrence.names[position]
    return f"cotangent {position - number}"
