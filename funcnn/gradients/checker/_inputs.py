"""Inputs made from those that really reached a rule: near them, and of other scales.

A rule may rely on what its inputs are: probabilities, positive, symmetric. What is
made from an array keeps what it seems to be.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

Arrays = list[np.ndarray]
_SCALES = (1e-3, 5.0, 30.0, -30.0, 1e4, -1e4)
_MASKED = 1e9  # from here on a number stands for an infinity


class Candidate(NamedTuple):
    """Inputs to check at.

    Attributes:
      label: what they are.
      arrays: the inputs, floats in float64.
      smooth: whether there is no reason to expect a kink exactly here.
      given: whether they are those of the program.
    """

    label: str
    arrays: Arrays
    smooth: bool
    given: bool = False


def candidates(
    arrays: Arrays, moving: tuple[int, ...], seed: int, constants: int = 0
) -> Iterator[Candidate]:
    """The given inputs, others near them, random ones, and these in other scales.

    Args:
      arrays: the inputs.
      moving: the positions of those that are floats.
      seed: of the random numbers.
      constants: how many of the inputs, the first, are tables of the rule's own.
    """
    rng = np.random.default_rng(seed)
    yield Candidate("given", arrays, smooth=False, given=True)
    yield Candidate("near", _each(arrays, moving, _near, rng), smooth=True)
    yield Candidate("random", _each(arrays, moving, _random, rng), smooth=True)
    other = _each(arrays, moving, _random, rng)
    for scale in _SCALES:
        scaled = [
            _scaled(other[i], scale) if i in moving else x for i, x in enumerate(arrays)
        ]
        yield Candidate(f"random, times {scale:g}", scaled, smooth=True)
    yield from _negative(other, moving)
    yield from _integers(other, moving, constants)


def _negative(arrays: Arrays, moving: tuple[int, ...]) -> Iterator[Candidate]:
    """What has only been positive, with the other sign in half of its entries."""
    for i in moving:
        x = arrays[i]
        if np.iscomplexobj(x) or _is_fraction(x) or not x.size or x.min() < 0:
            continue
        if x.any() and not is_symmetric(x):
            signs = np.where(np.arange(x.size) % 2, 1.0, -1.0).reshape(x.shape)
            changed = [*arrays[:i], x * signs, *arrays[i + 1 :]]
            yield Candidate(f"input {i} negative", changed, smooth=True)


def _each(
    arrays: Arrays, moving: tuple[int, ...], change: object, rng: object
) -> Arrays:
    return [
        _like(x, change(x, rng)) if i in moving and x.size else x  # type: ignore[operator]
        for i, x in enumerate(arrays)
    ]


def _near(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    finite = np.where(is_plain(x), x, 0)
    size = np.sqrt((np.abs(finite) ** 2).mean()) or 1.0
    if _is_fraction(finite):
        return _logit_moved(finite, 0.1, rng)
    if (finite >= 0).all() and not np.iscomplexobj(x) and finite.any():
        return finite * np.exp(0.05 * rng.standard_normal(x.shape))
    return finite + 0.05 * size * _normal(x, rng)


def _random(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    finite = np.where(is_plain(x), x, 0)
    size = np.sqrt((np.abs(finite) ** 2).mean())
    size = min(max(float(size), 0.5), 2.0) if size else 1.0
    if _is_fraction(finite):
        return _logit_moved(finite, 1.0, rng)
    if _is_triangular(finite):
        return np.where(finite != 0, finite + 0.3 * size * _normal(x, rng), 0)
    if np.iscomplexobj(x) or (finite < 0).any() or not finite.any():
        return size * _normal(x, rng)
    return np.where(finite > 0, finite, size / 3) * np.exp(
        0.7 * rng.standard_normal(x.shape)
    )


def _normal(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    real = rng.standard_normal(x.shape)
    if not np.iscomplexobj(x):
        return real
    return real + 1j * rng.standard_normal(x.shape)


def _logit_moved(x: np.ndarray, by: float, rng: np.random.Generator) -> np.ndarray:
    inside = np.clip(x, 0.02, 0.98)
    return 1 / (1 + (1 / inside - 1) * np.exp(by * rng.standard_normal(x.shape)))


def _scaled(x: np.ndarray, scale: float) -> np.ndarray:
    """Probabilities cannot grow, and what is positive stays so."""
    if not np.iscomplexobj(x) and (x >= 0).all():
        scale = abs(scale)
    if scale > 1 and _is_fraction(x):
        return x
    return np.where(is_plain(x), x * scale, x)


def is_plain(x: np.ndarray) -> np.ndarray:
    """Which entries are numbers, and no infinities or what stands for them."""
    return np.isfinite(x) & (np.abs(x) < _MASKED)


def _is_fraction(x: np.ndarray) -> bool:
    """Probabilities, masks, one-hot rows: in [0, 1], and not all one number."""
    if np.iscomplexobj(x) or not x.size or x.min() < 0 or x.max() > 1:
        return False
    return bool(x.min() < x.max())


def _is_triangular(x: np.ndarray) -> bool:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] < 2 or not x.any():
        return False
    return not np.triu(x, 1).any() or not np.tril(x, -1).any()


def is_symmetric(x: np.ndarray) -> bool:
    """Whether a matrix, or a stack of them, is equal to its transpose."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        return False
    return bool(
        np.isfinite(x).all()
        and x.any()
        and np.allclose(x, x.swapaxes(-1, -2).conj(), 1e-6, 1e-6)
    )


def _like(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """`new` with the infinities and the symmetry of `old`."""
    if is_symmetric(old):
        # small, so that a positive definite matrix stays one
        mean = (new + new.swapaxes(-1, -2).conj()) / 2
        size = np.abs(np.linalg.eigvalsh(old)).min()
        change = mean - old
        new = old + change * min(1, 0.3 * size / (np.linalg.norm(change) or 1))
    return np.where(is_plain(old), new, old).astype(old.dtype)


def _integers(
    arrays: Arrays, moving: tuple[int, ...], constants: int
) -> Iterator[Candidate]:
    """Repeated numbers, and masks that hide all or nothing."""
    for i, x in enumerate(arrays):
        if i < constants or i in moving or not isinstance(x, np.ndarray) or x.size < 2:
            continue
        others = {}
        if x.dtype == bool:
            others = {"all False": np.zeros_like(x), "all True": np.ones_like(x)}
            hidden = [x * 0 if j in moving else x for j, x in enumerate(arrays)]
            hidden[i] = others["all False"]
            yield Candidate(f"input {i} all False, floats 0", hidden, smooth=False)
        elif x.dtype.kind in "iu":
            others = {"all equal": np.full_like(x, x.flat[0]), "reversed": x[::-1]}
        for label, other in others.items():
            if not np.array_equal(x, other):
                changed = [*arrays[:i], other, *arrays[i + 1 :]]
                yield Candidate(f"input {i} {label}", changed, smooth=True)
