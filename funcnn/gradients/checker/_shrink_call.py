"""The call of a rule made again, with smaller arguments."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients.checker._evaluation import Evaluation
from funcnn.gradients.checker._marks import Declared, Marks
from funcnn.gradients.checker._occurrence import Occurrence, occurrences
from funcnn.gradients.checker._shapes import captured_sizes
from funcnn.gradients.checker._witnesses import programs


class Call:
    """A rule, what it was called with, and the arrays among that.

    Attributes:
      statics: the arguments that are no arrays, by name.
      constants: how many of the rule's inputs, the first, are not of the call.
      fixed: sizes that the rule may rely on.
    """

    def __init__(self, occurrence: Occurrence, declared: Declared) -> None:
        """Takes the call apart.

        Raises:
          ValueError: when the arrays that reached the rule are not those of the call,
            as under `vmap`.
        """
        if occurrence.call is None or occurrence.region:
            raise ValueError("no call was seen")
        self._custom, given, keywords = occurrence.call
        signature = inspect.signature(_jax.undecorated(self._custom))
        bound = signature.bind(*given, **keywords)
        bound.apply_defaults()
        self._positions = _jax.static_positions(self._custom)
        self._args, self._declared = bound.args, declared
        moving = [a for i, a in enumerate(bound.args) if i not in self._positions]
        leaves, self._tree = jax.tree.flatten(moving)
        self.constants = _jax.rule_constants(occurrence.equation)
        types = [v.aval for v in occurrence.equation.invars[self.constants :]]
        if [np.shape(x) for x in leaves] != [a.shape for a in types]:
            raise ValueError("it was called with other shapes")
        if any(a.dtype == jax.dtypes.float0 for a in types):
            raise ValueError("there is no array of float0")
        names = list(signature.parameters)
        self.statics = {
            names[i]: bound.args[i]
            for i in self._positions
            if i < min(len(names), len(bound.args))
        }
        marks = Marks()
        marks.calls["0"] = occurrence.call
        self.fixed = captured_sizes(lambda: None, marks)

    def arrays(self, inputs: list[Any]) -> list[Any]:
        """Those of the call, of all that reached the rule."""
        return list(inputs[self.constants :])

    def at(self, arrays: list[Any]) -> tuple[Occurrence, Evaluation]:
        """The rule called with other arrays.

        Raises:
          Exception: what the rule raises for them.
        """

        def function(*given: Any) -> Any:
            whole = jax.tree.unflatten(self._tree, given)
            for i in self._positions:
                whole.insert(i, self._args[i])
            return self._custom(*whole)

        found = occurrences(function, arrays, self._declared).occurrences
        same = (o for o in found if o.call and o.call.custom is self._custom)
        occurrence = next(same)
        return occurrence, Evaluation(programs(occurrence))


def resized(arrays: list[Any], sizes: Mapping[int, int]) -> list[Any]:
    """The first entries along each axis; indices stay below the new sizes."""
    return [_one(x, sizes) for x in arrays]


def _one(x: Any, sizes: Mapping[int, int]) -> Any:
    if jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return x
    values = np.asarray(x)
    values = values[tuple(slice(sizes.get(n)) for n in values.shape)]
    if values.dtype.kind in "iu":
        values = np.minimum(values, max(sizes.values()) - 1)
    return jnp.asarray(values)


def sizes_of(arrays: list[Any], fixed: set[int]) -> list[int]:
    """Sizes that can be made smaller, the largest first."""
    return sorted({n for x in arrays for n in x.shape} - fixed - {0, 1}, reverse=True)
