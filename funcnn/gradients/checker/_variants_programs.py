"""The transformations of JAX that a derivative is put through."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from funcnn.gradients.checker._variants_subject import (
    Columns,
    Subject,
    compiled,
    numbers,
)
from funcnn.gradients.checker._witnesses import pullback

_ALL_SUBSETS = 3  # up to so many arguments
_TWO = 2  # inputs after one another, or side by side


class Variant(NamedTuple):
    """One way to come to the same derivative.

    Attributes:
      name: what was done.
      run: gives outputs and cotangents.
      expected: gives what they have to be; takes `moved` of `Subject.one_by_one`.
      against: what that is, in words.
    """

    name: str
    run: Callable[[], list[Any]]
    expected: Callable[..., Columns]
    against: str = "of the rule called by itself"


def variants(subject: Subject) -> Iterator[Variant]:
    """All of them but those on several devices."""
    yield _one_by_one(subject, "eager", subject.pulled)._replace(against="under jit")
    for name, mapped in _subsets(subject):
        yield _grad_of_vmap(subject, f"vmap over {name}", mapped)
    yield _vmap_of_grad(subject)
    yield _scan(subject)
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    for name, save in (("", None), (", dots_with_no_batch_dims_saveable", policy)):
        saving = jax.checkpoint(subject.function, policy=save)
        pulled = pullback(saving, subject.floats, subject.number)
        yield _one_by_one(subject, f"checkpoint{name}", compiled(pulled))


def _subsets(subject: Subject) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Which arguments are mapped, with their names."""
    floats = subject.floats
    sizes = range(1, len(floats) + 1)
    if len(floats) > _ALL_SUBSETS:
        sizes = (1, len(floats))  # type: ignore[assignment]
    for size in sizes:
        for chosen in itertools.combinations(floats, size):
            yield _listed([subject.names[i] for i in chosen]), chosen
    if len(subject.arrays) > len(floats):
        yield "all arguments", subject.arrays


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _one_by_one(
    subject: Subject, name: str, derivative: Callable[..., list[Any]]
) -> Variant:
    alone = functools.partial(subject.one_by_one, _TWO, subject.floats)

    def run() -> list[Any]:
        return alone(derivative=derivative).values

    return Variant(name, run, alone)


def _vmap_of_grad(subject: Subject) -> Variant:
    """Here the rule's own code is batched, without JAX's way to batch a rule."""
    mapped = subject.arrays
    axes = [*_axes(subject, mapped), *(0 for _ in subject.cotangents[0])]
    batched = jax.vmap(subject.pulled, in_axes=tuple(axes))
    expected = functools.partial(subject.one_by_one, _TWO, mapped)
    return Variant("vmap of grad", _of_stacked(subject, batched, mapped), expected)


def _grad_of_vmap(subject: Subject, name: str, mapped: tuple[int, ...]) -> Variant:
    """What is not mapped has one cotangent for all."""
    batched = jax.vmap(subject.function, in_axes=tuple(_axes(subject, mapped)))
    pulled = pullback(batched, subject.floats, subject.number)
    expected = functools.partial(subject.one_by_one, _TWO, mapped, summed=True)
    return Variant(name, _of_stacked(subject, pulled, mapped), expected)


def _scan(subject: Subject) -> Variant:
    """Over everything but keys, which are those of all turns."""
    mapped = subject.arrays

    def scanned(*inputs: Any) -> list[Any]:
        def turn(carry: None, entries: list[Any]) -> tuple[None, list[Any]]:
            whole = list(inputs)
            for i, entry in zip(mapped, entries, strict=True):
                whole[i] = entry
            return carry, subject.function(*whole)

        return jax.lax.scan(turn, None, [inputs[i] for i in mapped])[1]

    pulled = pullback(scanned, subject.floats, subject.number)
    expected = functools.partial(subject.one_by_one, _TWO, mapped)
    return Variant("scan", _of_stacked(subject, pulled, mapped), expected)


def _axes(subject: Subject, mapped: tuple[int, ...]) -> list[Any]:
    return [0 if i in mapped else None for i in range(subject.number)]


def _of_stacked(
    subject: Subject, derivative: Callable[..., list[Any]], mapped: tuple[int, ...]
) -> Callable[[], list[Any]]:
    def run() -> list[Any]:
        cotangents = subject.stacked_cotangents(_TWO)
        inputs = subject.stacked(_TWO, mapped)
        return [numbers(x) for x in compiled(derivative)(*inputs, *cotangents)]

    return run
