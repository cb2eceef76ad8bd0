"""What training changes, and carries from step to step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from funcnn.parallel._placing import shardings_like

_DRAWN_SLOWLY = 2**22  # parameters, whose drawing is worth optimizing


class TrainState(NamedTuple):
    """All that training changes, as arrays.

    The number of steps done, the model's parameters and state, the optimizer's
    state, and the key that draws come from. The key stays as it is: step n draws
    from `jax.random.fold_in(key, n)`.
    """

    step: jax.Array
    params: Any
    state: Any
    opt_state: Any
    key: jax.Array

    @classmethod
    def create(
        cls,
        model: Any,
        optimizer: optax.GradientTransformation,
        key: jax.Array,
        x: jax.Array | jax.ShapeDtypeStruct,
        *,
        mesh: Mesh | None = None,
        partition: Any = None,
    ) -> "TrainState":
        """The state before the first step, for inputs shaped like the batch `x`.

        Args:
          model: a layer.
          optimizer: any Optax transformation.
          key: of the parameters, and of all draws in training.
          x: a batch, or its shape and dtype.
          mesh: where the state is made, in parts: see `funcnn.parallel.make_mesh`. No
            device ever has all of what is split.
          partition: how parameters are split over the mesh: a mapping from patterns of
            their paths, as those of `by_path`, to `jax.sharding.PartitionSpec`, or what
            `funcnn.parallel.fully_sharded` and `tensor_parallel` give; None for
            parameters that are whole on every device.

        Raises:
          ValueError: when the partition does not fit the parameters or the mesh.
        """
        x = jax.ShapeDtypeStruct(x.shape, jax.dtypes.canonicalize_dtype(x.dtype))

        def make(key: jax.Array) -> "TrainState":
            init_key, train_key = jax.random.split(key)
            params, state = model.init(init_key, x)
            opt_state = optimizer.init(params)
            return cls(jnp.zeros((), jnp.int32), params, state, opt_state, train_key)

        check_needs_mesh(mesh, partition)
        shapes: TrainState = jax.eval_shape(make, key)
        where = None if mesh is None else shardings_of(shapes, mesh, partition)
        traced = isinstance(key, jax.core.Tracer)
        options = {} if traced else _options_of_once(shapes.params)
        return jax.jit(make, out_shardings=where, compiler_options=options)(key)

    @classmethod
    def abstract(
        cls,
        model: Any,
        optimizer: optax.GradientTransformation,
        x: jax.Array | jax.ShapeDtypeStruct,
        *,
        mesh: Mesh | None = None,
        partition: Any = None,
    ) -> "TrainState":
        """The shapes and dtypes of what `create` makes, and where they are on the mesh.

        No array is made: a step is compiled for a model, and a mesh, larger than this
        machine by ``step.lower(TrainState.abstract(...), batch_shapes).compile()``.
        """

        def make() -> "TrainState":
            return cls.create(model, optimizer, jax.random.key(0), x)

        check_needs_mesh(mesh, partition)
        shapes: TrainState = jax.eval_shape(make)
        if mesh is None:
            return shapes
        return jax.tree.map(
            lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s),
            shapes,
            shardings_of(shapes, mesh, partition),
        )


def shardings_of(train_state: TrainState, mesh: Mesh, partition: Any) -> TrainState:
    """Where a partition has each leaf of a train state, or of its shapes.

    Raises:
      ValueError: when it does not fit the parameters or the mesh.
    """
    found: TrainState = shardings_like(train_state, train_state.params, mesh, partition)
    return found


def check_needs_mesh(mesh: Mesh | None, partition: Any) -> None:
    """Raises ValueError for a partition over nothing."""
    if mesh is None and partition is not None:
        raise ValueError("a partition needs a mesh: see funcnn.parallel.make_mesh")


def _options_of_once(params: Any) -> dict[str, Any]:
    """For the compiler of what makes parameters, once.

    Of an ordinary net it takes far longer to optimize the drawing of random numbers
    than to draw them.
    """
    many = sum(leaf.size for leaf in jax.tree.leaves(params)) > _DRAWN_SLOWLY
    if many or jax.default_backend() != "cpu":
        return {}
    return {"xla_backend_optimization_level": 0}
