"""The cases of an op, as the faults and the trials need them."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Case(NamedTuple):
    """One argument tuple of an op.

    Attributes:
      number: its place among the op's cases.
      args: all arguments.
      names: the names of all parameters.
      positions: of the arguments that are not static.
      floats: those of them that are differentiated: all their leaves are floats.
      output: the shapes and dtypes of what `forward` gives.
      saved: those of what it saves.
    """

    number: int
    args: tuple[Any, ...]
    names: tuple[str, ...]
    positions: tuple[int, ...]
    floats: tuple[int, ...]
    output: Any
    saved: Any

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arguments that are not static."""
        return tuple(self.args[i] for i in self.positions)

    @property
    def size(self) -> int:
        """How many entries the arguments have together."""
        leaves = jax.tree.leaves((self.arrays, self.output))
        return sum(int(np.prod(jnp.shape(leaf))) for leaf in leaves)

    @property
    def batch(self) -> int:
        """The size of the output's first axis; 1 where it has none."""
        leaves = jax.tree.leaves(self.output)
        return leaves[0].shape[0] if leaves and leaves[0].shape else 1

    def shapes(self, position: int) -> list[tuple[int, ...]]:
        """Those of the leaves of an argument."""
        return [jnp.shape(leaf) for leaf in jax.tree.leaves(self.args[position])]

    def order(self, position: int) -> int:
        """The place of an argument among those that are not static."""
        return self.positions.index(position)

    def full(self, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        """All arguments, with others in place of those that are not static."""
        given = dict(zip(self.positions, arrays, strict=True))
        return tuple(given.get(i, arg) for i, arg in enumerate(self.args))

    def shaped(self, op: Any) -> "Case":
        """With the shapes of the output and of what is saved at these arguments."""
        output, saved = jax.eval_shape(
            lambda *arrays: op.forward(*self.full(arrays)), *self.arrays
        )
        return self._replace(output=output, saved=saved)

    def pullback(self, f: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
        """`jax.vjp` of an op by its float arguments."""
        args = self.full(arrays)

        def of_floats(*floats: Any) -> Any:
            given = dict(zip(self.floats, floats, strict=True))
            return f(*(given.get(i, arg) for i, arg in enumerate(args)))

        return jax.vjp(of_floats, *(args[i] for i in self.floats))


def cases_of(op: Any, dtype: Any = None) -> tuple[Case, ...]:
    """The op's cases at seeded normals, their floats cast to `dtype` if given."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape))

    names = tuple(inspect.signature(op.reference).parameters)
    positions = tuple(i for i, name in enumerate(names) if name not in op.static)
    made = []
    for number, args in enumerate(op.cases(normal)):
        floats = tuple(i for i in positions if _is_of_floats(args[i]))
        if dtype is not None:
            args = tuple(
                _cast(arg, dtype) if i in floats else arg for i, arg in enumerate(args)
            )
        case = Case(number, tuple(args), names, positions, floats, None, None)
        made.append(case.shaped(op))
    return tuple(made)


def is_float(leaf: Any) -> bool:
    """Whether an array, a number or its shape is of a real float dtype."""
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def is_key(leaf: Any) -> bool:
    """Whether an array is of random keys, typed or raw as `PRNGKey` makes them."""
    if not hasattr(leaf, "dtype"):
        return False
    raw = leaf.dtype == jnp.uint32 and leaf.shape[-1:] == (2,)
    return raw or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _is_of_floats(arg: Any) -> bool:
    leaves = jax.tree.leaves(arg)
    return bool(leaves) and all(not is_key(x) and is_float(x) for x in leaves)


def _cast(arg: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf).astype(dtype), arg)
