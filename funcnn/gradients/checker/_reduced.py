"""A program with fewer examples, so that its rules can be examined at length."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from funcnn.gradients.checker._arguments import OfArrays
from funcnn.gradients.checker._marks import Declared
from funcnn.gradients.checker._occurrence import Found, occurrences

EXAMPLES = 2


def reduced(program: OfArrays, found: Found, declared: Declared) -> Found | None:
    """The rules of the same program at its first examples; None where it has none.

    What is a batch is not known. So the arguments of equal leading axes are cut, all
    of them or those that came later, as data does, until the program takes them.
    """
    for arrays in _cut(program.arrays):
        try:
            there = occurrences(program.function, arrays, declared)
        except Exception:  # that was no batch
            continue
        pairs = zip(found.occurrences, there.occurrences)
        same = len(found.occurrences) == len(there.occurrences)
        if same and all(a.name == b.name and a.path == b.path for a, b in pairs):
            return there
    return None


def _cut(arrays: list[Any]) -> Iterator[list[Any]]:
    sizes: Counter[int] = Counter()
    for x in arrays:
        if x.ndim and x.shape[0] > EXAMPLES:
            sizes[x.shape[0]] += x.size
    for size, _ in sizes.most_common(3):
        places = [i for i, x in enumerate(arrays) if x.ndim and x.shape[0] == size]
        for first in range(len(places)):
            chosen = set(places[first:])
            yield [x[:EXAMPLES] if i in chosen else x for i, x in enumerate(arrays)]


def entries(inputs: list[Any]) -> int:
    """How many there are in all."""
    return sum(int(np.size(x)) for x in inputs)
