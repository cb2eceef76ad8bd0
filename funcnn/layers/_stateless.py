"""The simpler contract of a model without state."""

import dataclasses
from typing import Any

import jax

from funcnn.errors import LayerError
from funcnn.layers._layer import Params


@dataclasses.dataclass(frozen=True)
class _Stateless:
    layer: Any

    def init(self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct) -> Params:
        """The parameters for inputs shaped like `x`."""
        params, state = self.layer.init(key, x)
        self._refuse(state)
        return params

    def apply(
        self,
        params: Params,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> Any:
        """The output for `x`."""
        y, state = self.layer.apply(params, (), x, key=key, train=train)
        self._refuse(state)
        return y

    def _refuse(self, state: Any) -> None:
        leaves = jax.tree_util.tree_leaves_with_path(state)
        if leaves:
            names = ", ".join(
                jax.tree_util.keystr(path, simple=True, separator=".")
                for path, _ in leaves
            )
            raise LayerError(
                f"the model has state ({names}); use its own init and apply",
                "stateless",
            )


def stateless(layer: Any) -> _Stateless:
    """Takes the state out of the contract of a model that has none.

    The result has ``init(key, x) -> params`` and
    ``apply(params, x, *, key=None, train=False) -> y``.

    Raises:
      LayerError: from `init` or `apply`, when the model's state is not empty.
    """
    return _Stateless(layer)
