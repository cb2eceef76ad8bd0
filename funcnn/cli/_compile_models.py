"""The models whose training step `funcnn compile` knows by name, and their batches."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding

from funcnn import models

_IMAGE, _CLASSES = (28, 28, 1), 10  # of the data sets that `funcnn train` fetches
_VOCABULARY = 32_000  # of LLaMA, arXiv:2302.13971
_TOKENS = 1024  # of a sequence


@dataclasses.dataclass(frozen=True)
class Compilable:
    """A model, and what one example is.

    Attributes:
      make: the model.
      inputs: shape and dtype of an example's inputs.
      targets: those of its targets.
    """

    make: Callable[[], Any]
    inputs: tuple[tuple[int, ...], Any]
    targets: tuple[tuple[int, ...], Any]

    def batch(
        self, size: int, rows: NamedSharding
    ) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """So many examples, with their rows split."""
        inputs, targets = (
            jax.ShapeDtypeStruct((size, *shape), dtype, sharding=rows)
            for shape, dtype in (self.inputs, self.targets)
        )
        return inputs, targets


def _images(make: Callable[[int], Any]) -> Compilable:
    return Compilable(lambda: make(_CLASSES), (_IMAGE, jnp.float32), ((), jnp.int32))


def _tokens(**options: Any) -> Compilable:
    sequence = (_TOKENS,), jnp.int32
    return Compilable(
        lambda: models.transformer(_VOCABULARY, **options), sequence, sequence
    )


COMPILABLE = {
    "mlp": _images(models.mlp),
    "cnn": _images(models.cnn),
    "transformer": _tokens(),
    # a billion parameters
    "transformer-1b": _tokens(width=2048, depth=18, heads=16, remat=True),
}
