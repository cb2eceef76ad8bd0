"""Faults in one equation of the code: mutation testing of traced programs."""

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._mutant import Mutant, remade
from funcnn.gradients.mutation._walk import Site, Walk, walked

# Of the changes of one kind in one line: a loop that is written out in Python, over
# the entries of a window, makes dozens of the same.
_MOST_ALIKE = 4


def backward_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """One equation of the backward pass is wrong."""

    def trace(case: Case, walk: Walk) -> None:
        statics = [arg for i, arg in enumerate(case.args) if i not in case.positions]

        def backward(saved: Any, g: Any) -> Any:
            return op.backward(*statics, saved, g)

        jax.eval_shape(walked(backward, walk), case.saved, case.output)

    for site, (place, numbers) in _sites(cases, trace).items():
        mutant = remade(op, backward=_mutated_backward(op, site))
        yield Mutant(mutant, _name(site, place), "", "backward program", numbers)


def saved_faults(op: Any, cases: Sequence[Case]) -> Iterator[Mutant]:
    """One equation of what is saved is wrong, while the output is right."""

    def trace(case: Case, walk: Walk) -> None:
        def forward(*arrays: Any) -> Any:
            return op.forward(*case.full(arrays))

        jax.eval_shape(walked(forward, walk, _saved), *case.arrays)

    for site, (place, numbers) in _sites(cases, trace).items():
        mutant = remade(op, forward=_mutated_forward(op, site, cases[0].positions))
        yield Mutant(mutant, _name(site, place), "", "saved program", numbers)


def _sites(
    cases: Sequence[Case], trace: Callable[[Case, Walk], None]
) -> dict[Site, tuple[str, tuple[int, ...]]]:
    """Where a fault can be, where that is written, and in which cases it is run."""
    places: dict[Site, str] = {}
    numbers: dict[Site, list[int]] = {}
    for case in cases:
        walk = Walk()
        trace(case, walk)
        for site, place in walk.found.items():
            places.setdefault(site, place)
            numbers.setdefault(site, []).append(case.number)
    alike: dict[tuple[str, ...], list[Site]] = collections.defaultdict(list)
    for site in sorted(places):
        alike[places[site], site.primitive, site.change].append(site)
    kept = [site for same in alike.values() for site in _spread(same)]
    return {site: (places[site], tuple(numbers[site])) for site in sorted(kept)}


def _spread(same: list[Site]) -> list[Site]:
    if len(same) <= _MOST_ALIKE:
        return same
    step = (len(same) - 1) / (_MOST_ALIKE - 1)
    return [same[round(i * step)] for i in range(_MOST_ALIKE)]


def _mutated_backward(op: Any, site: Site) -> Callable[..., Any]:
    def backward(*args: Any) -> Any:
        *statics, saved, g = args

        def of_arrays(saved: Any, g: Any) -> Any:
            return op.backward(*statics, saved, g)

        return walked(of_arrays, Walk(site))(saved, g)

    return backward


def _mutated_forward(
    op: Any, site: Site, positions: tuple[int, ...]
) -> Callable[..., Any]:
    def forward(*args: Any) -> tuple[Any, Any]:
        def of_arrays(*arrays: Any) -> Any:
            given = dict(zip(positions, arrays, strict=True))
            return op.forward(*(given.get(i, arg) for i, arg in enumerate(args)))

        arrays = [args[i] for i in positions]
        return op.forward(*args)[0], walked(of_arrays, Walk(site), _saved)(*arrays)

    return forward


def _saved(pair: Any) -> Any:
    return pair[1]


def _name(site: Site, place: str) -> str:
    return f"{place}: {site.primitive} {site.ordinal}: {site.change}"
