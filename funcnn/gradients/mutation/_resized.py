"""Cases of other shapes, made of an op's own."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients.mutation._cases import Case, cases_of, is_key

_SIZES = (1, 2, 3)
_MOST = 12


def resized_cases(op: Any) -> tuple[Case, ...]:
    """The op's cases in float64 with one size, wherever it stands, changed to 1 to 3.

    Of many, 12 are taken, spread over all.
    Not all of them are calls that the op means: those count whose gradient can be
    traced and is that of the declared function.
    """
    known = {_shapes(case) for case in cases_of(op)}
    made = []
    for case in cases_of(op, np.float64):
        for other in _resized(case):
            shapes = _shapes(other)
            if shapes not in known and (meant := _meant(op, other)) is not None:
                known.add(shapes)
                made.append(meant)
    step = max(len(made) / _MOST, 1)
    return tuple(made[int(i * step)] for i in range(min(len(made), _MOST)))


def _shapes(case: Case) -> Any:
    return tuple(np.shape(leaf) for leaf in jax.tree.leaves(case.arrays))


def _resized(case: Case) -> Iterator[Case]:
    for old in sorted({size for shape in _shapes(case) for size in shape} - {0}):
        for new in _SIZES:
            if new != old:
                arrays = [_with_size(arg, old, new) for arg in case.arrays]
                yield case._replace(number=-1, args=case.full(tuple(arrays)))


def _with_size(arg: Any, old: int, new: int) -> Any:
    def changed(leaf: Any) -> Any:
        if is_key(leaf):
            return leaf
        shape = tuple(new if size == old else size for size in np.shape(leaf))
        return jnp.asarray(np.resize(leaf, shape))

    return jax.tree.map(changed, arg)


def _meant(op: Any, case: Case) -> Case | None:
    """The case with its output's shapes, or None where the op means no such call."""
    try:
        with_shapes = case.shaped(op)
        pulled = [_pulled(f, with_shapes) for f in (op, op.declared)]
    except Exception:  # whatever it raises: it refuses such shapes
        return None
    return with_shapes if _agree(*pulled) else None


def _pulled(f: Any, case: Case) -> Sequence[np.ndarray]:
    output, pull = case.pullback(f, case.arrays)
    return [np.asarray(x) for x in jax.tree.leaves((output, pull(output)))]


def _agree(given: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    return all(
        g.shape == e.shape and np.allclose(g, e, rtol=1e-9, atol=1e-9)
        for g, e in zip(given, expected, strict=True)
    )
