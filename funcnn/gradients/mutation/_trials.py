"""Where an op and a mutant of it are compared: many points, many cotangents."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn.gradients.mutation._cases import Case
from funcnn.gradients.mutation._trial_points import trial_points

_COTANGENTS: dict[str, Callable[[Any], Any]] = {
    "ones": np.ones_like,
    "huge": lambda g: 1e8 * g if g.dtype != jax.dtypes.float0 else g,
    "zero": np.zeros_like,
}


class Trial(NamedTuple):
    """A point, and in which directions to go from it.

    Attributes:
      label: what is special about it.
      arrays: the arguments that are not static.
      cotangent: of the output.
      direction: of the float arguments, for the second derivative.
      turn: of the cotangent, for the same.
    """

    label: str
    arrays: tuple[Any, ...]
    cotangent: Any
    direction: tuple[Any, ...]
    turn: Any


class Derivatives(NamedTuple):
    """Of an op at a trial: the output, the cotangents, and the tangents of both."""

    output: Any
    cotangents: Any
    second: Any


Run = Callable[[Trial], Derivatives]


def derivatives(op: Any, case: Case, *, mapped: bool = False) -> Run:
    """The op's output and derivatives in a case, compiled as one program.

    Where `mapped`, by `jax.vmap` over what `together` has stacked.
    """
    floats = tuple(map(case.order, case.floats))

    def run(arrays: Any, cotangent: Any, direction: Any, turn: Any) -> Derivatives:
        def gradient(moving: Any, cotangent: Any) -> Any:
            given = dict(zip(floats, moving, strict=True))
            mixed = tuple(given.get(i, x) for i, x in enumerate(arrays))
            output, pull = case.pullback(op, mixed)
            return output, pull(_cast(cotangent, output))

        moving = tuple(arrays[i] for i in floats)
        (output, cotangents), second = jax.jvp(
            gradient, (moving, cotangent), (direction, turn)
        )
        return Derivatives(output, cotangents, second)

    if mapped:
        axes = tuple(0 if i in floats else None for i in range(len(case.positions)))
        compiled = jax.jit(jax.vmap(run, in_axes=(axes, 0, 0, 0)))
    else:
        compiled = jax.jit(run)
    return lambda trial: compiled(*trial[1:])


def together(case: Case, some: Sequence[Trial]) -> Trial:
    """Trials as one, stacked along a new first axis of what is differentiated."""
    floats = set(map(case.order, case.floats))
    columns = zip(*(trial.arrays for trial in some))
    arrays = tuple(
        jax.tree.map(_stack, *column) if i in floats else column[0]
        for i, column in enumerate(columns)
    )
    rest = [jax.tree.map(_stack, *(t[i] for t in some)) for i in range(2, 5)]
    return Trial("mapped over by vmap", arrays, *rest)


def _stack(*leaves: Any) -> np.ndarray:
    return np.stack(leaves)


def _cast(cotangent: Any, output: Any) -> Any:
    """To the output's dtype, which a fault may have changed."""
    return jax.tree.map(
        lambda g, y: g if g.dtype == jax.dtypes.float0 else g.astype(y.dtype),
        cotangent,
        output,
    )


def trials(op: Any, case: Case, most: int | None = None) -> list[Trial]:
    """Trials of a case in float64, generic ones first.

    The point as given, normals at scales from 1e-3 to 1e2, whole numbers, zeros and
    ties of each argument, all equal, points on the kinks of the reference and of the
    op's own gradient; all with random cotangents, and the first with ones, huge ones
    and zero. Of the points only the first `most` are taken, if it is given.
    """
    rng = np.random.default_rng(max(case.number, 0))
    made = [
        Trial(
            label,
            arrays,
            _normals(case.output, rng),
            tuple(_normals(arrays[case.order(i)], rng) for i in case.floats),
            _normals(case.output, rng),
        )
        for label, arrays in itertools.islice(trial_points(op, case, rng), most)
    ]
    first = made[0]
    for name, change in _COTANGENTS.items():
        g = jax.tree.map(change, first.cotangent)
        made.append(first._replace(label=f"cotangent {name}", cotangent=g))
    return made


def _normals(like: Any, rng: np.random.Generator) -> Any:
    """Random normals; of integers the tangents that they have, none."""

    def normals(leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            return rng.standard_normal(leaf.shape)
        return np.zeros(leaf.shape, jax.dtypes.float0)

    return jax.tree.map(normals, like)
