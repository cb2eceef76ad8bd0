"""Points that seek kinks: away from every boundary of a program, and onto each."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from funcnn.gradients._margins import Margin as Margin
from funcnn.gradients._margins import Recorder
from funcnn.gradients._margins import margins as margins
from funcnn.gradients._places import short_place
from funcnn.gradients._structures import leaf_names, structures

_STEP = 1e-4  # of an argument's scale: what a numerical derivative goes at least
_CLEAR = 10.0  # steps
_TRIES = 8
_NEWTON_STEPS, _WHOLE_STEPS, _ENTRIES = 40, 5, 4


class Point(NamedTuple):
    """Where to check.

    Attributes:
      label: why, such as ``tie of max at net.py:12`` or ``x[0] = 0``.
      args: the arguments, of the types given.
      steps: how many steps, each of 1e-4 of its argument's scale in a random
        direction, the nearest boundary is away; 0 on one.
    """

    label: str
    args: tuple[Any, ...]
    steps: float


def away(f: Callable[..., Any], args: tuple[Any, ...], key_or_seed: Any) -> Point:
    """A point near `args` that is at least 10 steps from every boundary of `f`.

    A margin m that changes by at most d in one step, over three random directions,
    is ``|m| / d`` steps away; one that does not change cannot be crossed. So scales
    inside the program do not matter. The floats are moved at random, by 1 % of their
    scale at first and twice as far in each of 8 tries.

    Returns:
      The first such point, or else the one that is farthest: look at its `steps`.
    """
    recorder, rng = Recorder(f, args), _generator(key_or_seed)
    best = Point("", args, -1.0)
    for attempt in range(_TRIES):
        leaves = _moved(recorder, recorder.leaves, 0.01 * 2**attempt, rng)
        nearest = [x.min() for x in _steps_away(recorder, leaves, rng)]
        steps = float(min(nearest, default=np.inf))
        if steps > best.steps:
            best = Point("away from boundaries", _packed(args, leaves), steps)
        if steps >= _CLEAR:
            break
    return best


def snapped(f: Callable[..., Any], args: tuple[Any, ...], limit: int) -> list[Point]:
    """Points on the boundaries of `f`, and with entries equal or zero.

    Each boundary's nearest margin is brought to exactly 0 by Newton's method along
    its gradient: a few steps of all floats together, then of one entry, whose
    rounding is finer. It is checked in the compiled program of the margins; a program
    compiled otherwise may round otherwise. In turn with them come points with an
    argument 0, its first entry 0, its first two entries equal, all equal along the
    last axis, and all equal.

    Args:
      f: any function that JAX can trace.
      args: where to start from.
      limit: the largest number of points.

    Returns:
      The points: of the boundaries one of each kind first. A boundary that is not
      reached exactly gives none.
    """
    recorder = Recorder(f, args)
    onto = _boundary_points(recorder, args)
    both = itertools.zip_longest(onto, _structural_points(f, recorder, args))
    points = (point for pair in both for point in pair if point is not None)
    return list(itertools.islice(points, limit))


def _boundary_points(recorder: Recorder, args: tuple[Any, ...]) -> Iterator[Point]:
    distances = _steps_away(recorder, recorder.leaves, np.random.default_rng(0))
    seen: set[str] = set()
    first: list[int] = []
    later: list[int] = []
    for number, (kind, _) in enumerate(recorder.boundaries):
        (later if kind in seen else first).append(number)
        seen.add(kind)
    reached = set()
    for number in (*first, *later):
        kind, source = recorder.boundaries[number]
        if (kind, source) in reached:
            continue
        for entry in _nearest(distances[number]):
            with np.errstate(all="ignore"):  # what overflows is not reached
                leaves = _onto(recorder, number, entry)
            if leaves is not None:
                reached.add((kind, source))
                label = f"{_WORDS.get(kind, 'tie')} of {kind} at {_short(source)}"
                yield Point(label, _packed(args, leaves), 0.0)
                break


def _nearest(distances: np.ndarray) -> Iterator[tuple[int, ...]]:
    """The entries that may be brought onto their boundary, nearest first."""
    for flat in np.argsort(distances, axis=None)[:_ENTRIES]:
        entry = tuple(map(int, np.unravel_index(flat, distances.shape)))
        if np.isfinite(distances[entry]):
            yield entry


_WORDS = dict.fromkeys(("abs", "sign"), "zero")
_WORDS |= dict.fromkeys("floor ceil round rem convert_element_type".split(), "step")
_WORDS |= {"clamp": "bound"}


def _onto(recorder: Recorder, number: int, entry: tuple[int, ...]) -> list[Any] | None:
    """Leaves at which one margin is exactly 0, or None when that is not reached."""
    leaves = list(recorder.leaves)
    for step in range(_NEWTON_STEPS):
        margin, gradients = recorder.gradient(leaves, number, entry)
        squares = sum(float((g.astype(np.float64) ** 2).sum()) for g in gradients)
        if not np.isfinite(margin) or not np.isfinite(squares) or not squares:
            return None
        if margin == 0:
            exact = recorder.values(leaves)[number][entry] == 0
            return leaves if exact else None
        if step < _WHOLE_STEPS:
            for i, g in zip(recorder.moving, gradients):
                leaf = np.asarray(leaves[i])
                leaves[i] = (leaf - margin / squares * g).astype(leaf.dtype)
        else:
            _move_one(recorder, leaves, gradients, margin, step - _WHOLE_STEPS)
    return None


def _move_one(
    recorder: Recorder,
    leaves: list[Any],
    gradients: list[Any],
    margin: float,
    step: int,
) -> None:
    """Newton's step in one entry: of those that matter the one of finest rounding."""
    largest = max(np.abs(g).max(initial=0) for g in gradients)
    choices = [
        (abs(float(np.asarray(leaves[i])[where])), i, where, float(g[where]))
        for i, g in zip(recorder.moving, gradients)
        for where in map(tuple, np.argwhere(np.abs(g) > 0.01 * largest))
    ]
    choices.sort(key=lambda choice: choice[0])
    _, i, where, slope = choices[step // 2 % len(choices)]
    leaf = np.array(leaves[i])
    old = leaf[where]
    new = (old - margin / slope).astype(leaf.dtype)
    # Less than the rounding of the entry: its neighbour at least.
    leaf[where] = (
        np.nextafter(old, -np.sign(margin / slope) * np.inf) if new == old else new
    )
    leaves[i] = leaf


def _structural_points(
    f: Callable[..., Any], recorder: Recorder, args: tuple[Any, ...]
) -> Iterator[Point]:
    names = leaf_names(f, args)
    for i in recorder.moving:
        leaf = np.asarray(recorder.leaves[i])
        for text, other in structures(leaf):
            leaves = list(recorder.leaves)
            leaves[i] = other
            label = text.format(names[i])
            yield Point(label, _packed(args, leaves), 0.0)


def _moved(
    recorder: Recorder, leaves: list[Any], radius: float, rng: np.random.Generator
) -> list[Any]:
    """Every float moved at random by `radius` of its leaf's scale."""
    moved = list(leaves)
    for i in recorder.moving:
        leaf = np.asarray(leaves[i])
        wide = leaf.astype(np.float64)
        # a mask of infinities, or of what stands for them, has no scale
        plain = wide[np.isfinite(wide) & (np.abs(wide) < 1e9)]
        scale = np.sqrt((plain**2).mean()) if plain.any() else 1.0
        # Less than a few units in the last place would move nothing.
        least = 4 * float(jax.numpy.finfo(leaf.dtype).eps)
        step = max(radius, least) * scale * rng.standard_normal(leaf.shape)
        moved[i] = np.where(np.isfinite(wide), wide + step, wide).astype(leaf.dtype)
    return moved


def _steps_away(
    recorder: Recorder, leaves: list[Any], rng: np.random.Generator
) -> list[np.ndarray]:
    """How many steps each margin is away; infinite where a step does not change it."""
    here = recorder.values(leaves)
    others = [recorder.values(_moved(recorder, leaves, _STEP, rng)) for _ in range(3)]
    away = []
    for margin, *there in zip(here, *others):
        margin = margin.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            moves = [np.abs(t - margin) for t in there]
            change = np.max(np.where(np.isfinite(moves), moves, 0), axis=0)
            away.append(np.where(change > 0, np.abs(margin) / change, np.inf))
    return away


def _packed(args: tuple[Any, ...], leaves: list[Any]) -> tuple[Any, ...]:
    return jax.tree.unflatten(jax.tree.structure(args), leaves)


def _generator(key_or_seed: Any) -> np.random.Generator:
    if isinstance(key_or_seed, jax.Array):
        if jax.numpy.issubdtype(key_or_seed.dtype, jax.dtypes.prng_key):
            key_or_seed = jax.random.key_data(key_or_seed)
        key_or_seed = np.asarray(key_or_seed).ravel()
    return np.random.default_rng(key_or_seed)


def _short(source: str) -> str:
    return short_place(source) or "an unknown place"
