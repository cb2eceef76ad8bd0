"""A function with a name."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from funcnn.errors import located
from funcnn.layers._layer import Layer, Params, State, code


@dataclasses.dataclass(frozen=True, repr=False)
class Lambda(Layer, combinator=True):
    """`function` of one array as a layer without parameters, called `name` in errors.

    Combinators take the plain function too; this gives it a place to be found by:
    ``Lambda(lambda x: x[:, 0], "first token")``. Layers are equal where their
    functions are the same object, and can be pickled where those can.
    """

    function: Callable[[jax.Array], Any]
    name: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.function) or isinstance(self.function, type):
            raise TypeError(
                f"Lambda: needs a function of one array, got {self.function!r}"
            )

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[Any, State]:
        """The function of x."""
        with located(f"Lambda({self.name or code(self.function)})"):
            return self.function(x), state
