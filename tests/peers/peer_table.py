"""What a comparison is: two functions of the same arrays.

The rows stand in the files `rows_*.py` beside this one, by family: each has a
dictionary `PEERS` of them, by name. Another row, or file, is compared without more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Peer(NamedTuple):
    """Our function and theirs, and the shapes of what both are called with.

    `arrays` is a tuple of pytrees: a tuple of whole numbers in it is the shape of an
    array of random normal numbers, and an array stands for itself. All floats are
    differentiated.
    """

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    arrays: tuple[Any, ...]


def layers(ours, theirs, x, *, train=False):
    """A layer of ours, and the Flax module whose parameters have the same names.

    `x` is a shape, or an array. State is compared too, against `batch_stats`.
    """
    example = x if hasattr(x, "dtype") else jax.ShapeDtypeStruct(x, jnp.float32)
    params, state = jax.eval_shape(lambda k: ours.init(k, example), jax.random.key(0))
    shapes = jax.tree.map(lambda leaf: leaf.shape, params)
    stats = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.5, leaf.dtype), state)

    def of_flax(params, x):
        variables = {"params": params}
        if not state:
            return theirs.apply(variables, x), ()
        y, new = theirs.apply(
            variables | {"batch_stats": stats}, x, mutable=["batch_stats"]
        )
        # statistics are state: nothing is differentiated by them
        return y, jax.lax.stop_gradient(new["batch_stats"])

    def of_ours(params, x):
        return ours.apply(params, stats, x, train=train)

    return Peer(of_ours, of_flax, (shapes, x))


def drawn(arrays):
    """The arrays of a row, in float32."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        if not isinstance(leaf, tuple):
            return leaf
        return rng.standard_normal(leaf).astype(np.float32)

    return jax.tree.map(draw, arrays, is_leaf=_is_shape)


def _is_shape(leaf):
    return isinstance(leaf, tuple) and {type(n) for n in leaf} == {int}
