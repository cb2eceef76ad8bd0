"""All mutants of an op."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from funcnn.gradients.mutation._cases import Case, cases_of
from funcnn.gradients.mutation._cotangent_faults import cotangent_faults
from funcnn.gradients.mutation._formula_faults import formula_faults
from funcnn.gradients.mutation._forward_faults import (
    dtype_faults,
    forward_faults,
    index_faults,
    key_faults,
)
from funcnn.gradients.mutation._mutant import Mutant, runs
from funcnn.gradients.mutation._output_faults import output_faults
from funcnn.gradients.mutation._point_faults import (
    point_faults,
    shape_faults,
    transform_faults,
)
from funcnn.gradients.mutation._program_faults import backward_faults, saved_faults
from funcnn.gradients.mutation._second_order_faults import second_order_faults
from funcnn.rules import is_rule

FAMILIES: tuple[Callable[[Any, Sequence[Case]], Iterator[Mutant]], ...] = (
    output_faults,
    point_faults,
    shape_faults,
    cotangent_faults,
    forward_faults,
    key_faults,
    index_faults,
    dtype_faults,
    second_order_faults,
    transform_faults,
    formula_faults,
    backward_faults,
    saved_faults,
)


def mutants(op: Any) -> Iterator[Mutant]:
    """Breaks a rule in every way that is known here, one way at a time.

    Faults are of these families: ``output`` (the cotangent of one argument),
    ``point`` (of it at zeros, ties, large values), ``shape`` (of it at some shapes),
    ``cotangent`` (what comes in), ``forward`` (the value), ``key`` and ``index``
    (random keys, integers and masks that are saved), ``dtype`` (too few bits),
    ``second order``, ``transform`` (only under `jax.vmap`), ``formula`` (static
    numbers), ``backward program`` and ``saved program`` (one equation of the traced
    code is wrong: a term dropped, a comparison turned, an index off by one).

    Args:
      op: a rule of `funcnn.rule`; its cases say which faults can show.

    Yields:
      The mutants whose gradient can be traced in one of their cases or more. Some
      may be no faults for this op: `equivalent` tells.

    Raises:
      TypeError: when `op` is no such rule.
    """
    cases = _checked_cases(op)
    return (mutant for mutant in _all(op, cases) if runs(mutant, cases))


def sampled(op: Any, sample: int | None, seed: int) -> tuple[list[Mutant], int]:
    """At most `sample` mutants of each family, and how many more cannot be run."""
    cases = _checked_cases(op)
    rng = random.Random(seed)
    chosen: list[Mutant] = []
    for _, members in itertools.groupby(_all(op, cases), lambda m: m.family):
        family = list(members)
        if sample is not None and sample < len(family):
            kept = sorted(rng.sample(range(len(family)), sample))
            family = [family[i] for i in kept]
        chosen += family
    running = [mutant for mutant in chosen if runs(mutant, cases)]
    return running, len(chosen) - len(running)


def _all(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    return itertools.chain.from_iterable(family(op, cases) for family in FAMILIES)


def _checked_cases(op: Any) -> tuple[Case, ...]:
    if not is_rule(op):
        name = getattr(op, "__name__", type(op).__name__)
        raise TypeError(f"mutants are of ops made by funcnn.rule, got {name}")
    return cases_of(op)
