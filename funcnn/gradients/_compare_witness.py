"""The third witness of a program's gradient: the slopes of its values."""

import functools
from typing import Any

import jax
import jax.extend as jex
import numpy as np

from funcnn.gradients._compare_leaves import Gradients, Leaf
from funcnn.gradients._compare_verdicts import RANDOM, Seen
from funcnn.gradients._numeric import Slopes, directional
from funcnn.gradients._shadow import exact, is_exact, parts, shadow
from funcnn.gradients.checker._evaluation import wide

_NEARBY = {8: 1e-3, 4: 1e-3, 2: 1e-2}  # of a leaf's size, by the bytes of its floats


class Witness:
    """A program without rules, evaluated in float64 along directions.

    Attributes:
      reason: why it cannot be; empty where it can.
    """

    def __init__(
        self, gradients: Gradients, arrays: list[Any], positions: tuple[int, ...]
    ) -> None:
        self._gradients, self._positions = gradients, positions
        self._arrays = arrays
        self._run = exact(gradients.plain)
        lifted = is_exact(self._run)
        self.reason = "" if lifted else _reason(gradients.plain, arrays)

    def seen(self, number: int, at_worst: bool, beside: bool) -> Seen:
        """What rules, automatic differentiation and the values say of one leaf.

        Args:
          number: of the leaf.
          at_worst: along the entry where the gradients differ most, and not at random.
          beside: at a point nearby.
        """
        arrays, leaves = self._nearby if beside else self._here
        leaf, position = leaves[number], self._positions[number]
        entry = leaf.worst if at_worst else None
        towards = _direction(arrays[position], entry, number)
        label = f"entry {list(entry)}" if entry is not None else RANDOM
        if beside:
            label = f"{label}, at a point nearby"
        return Seen(leaf, label, towards, self._slopes(arrays, position, towards))

    def _slopes(
        self, arrays: list[Any], position: int, direction: np.ndarray
    ) -> Slopes:
        inputs = tuple(map(wide, arrays))
        steps: list[Any] = [np.zeros_like(x) if _is_float(x) else None for x in inputs]
        steps[position] = direction
        with jax.enable_x64(True):
            return directional(self._run, inputs, tuple(steps))

    @functools.cached_property
    def _here(self) -> tuple[list[Any], list[Leaf]]:
        return self._arrays, self._gradients.at(self._arrays)

    @functools.cached_property
    def _nearby(self) -> tuple[list[Any], list[Leaf]]:
        """Next to it, without the conventions that hold at one point only."""
        rng, moved = np.random.default_rng(1), list(self._arrays)
        for i in self._positions:
            moved[i] = _moved(self._arrays[i], rng)
        return moved, self._gradients.at(moved)


def stops(program: Any) -> bool:
    """Whether it cuts a gradient off."""
    return any(
        equation.primitive.name == "stop_gradient"
        or any(map(stops, jex.core.jaxprs_in_params(equation.params)))
        for equation in parts(program)[0].eqns
    )


def _moved(array: Any, rng: np.random.Generator) -> Any:
    x = np.asarray(array, np.float64)
    finite = np.where(np.isfinite(x), x, 0.0)
    size = float(np.sqrt((finite**2).mean())) if x.size else 0.0
    step = _NEARBY[array.dtype.itemsize] * (size or 1.0)
    return (x + step * rng.standard_normal(x.shape)).astype(array.dtype)


def _direction(array: Any, entry: tuple[int, ...] | None, seed: int) -> np.ndarray:
    """Along one entry, or at random; what is not finite stays where it is."""
    if entry is None:
        random = np.random.default_rng(seed).standard_normal(array.shape)
        return random * np.isfinite(np.asarray(array, np.float64))
    one = np.zeros(array.shape)
    one[entry] = 1.0
    return one


def _reason(program: Any, arrays: list[Any]) -> str:
    try:
        shadow(jex.core.jaxpr_as_fun(program), *arrays)
    except NotImplementedError as error:
        return str(error).removeprefix("shadow: ")
    return "the program cannot be evaluated in float64"


def _is_float(x: Any) -> bool:
    return bool(jax.dtypes.issubdtype(x.dtype, np.floating))
