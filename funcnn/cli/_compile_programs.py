"""What `funcnn compile` compiles: a step of our models, or anybody's function."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

import funcnn
from funcnn.cli._choices import MODELS, Partitioning
from funcnn.cli._faults import InputError
from funcnn.cli._imports import calling_users_code, imported
from funcnn.parallel import Partition, fully_sharded, tensor_parallel
from funcnn.parallel._batch import batch_sharding
from funcnn.training import TrainState, make_step, supervised

Program = Callable[[int], tuple[Callable[..., Any], tuple[Any, ...]]]
_IMAGE, _CLASSES = (28, 28, 1), 10  # of the data sets that `funcnn train` fetches

PARTITIONS: dict[str, Callable[[], Partition | None]] = {
    "replicated": lambda: None,
    "fsdp": fully_sharded,
    "tensor": tensor_parallel,
    "fsdp+tensor": lambda: fully_sharded(tensor_parallel()),
}


def training_step(
    name: str, mesh: Mesh, partitioning: Partitioning, precision: str
) -> Program:
    """The step of one of our models, with Adam, by size of its batch."""
    model = MODELS[name](_CLASSES)
    optimizer = optax.adam(1e-3)
    partition = PARTITIONS[partitioning.value]()
    step = make_step(
        supervised(model, funcnn.softmax_cross_entropy),
        optimizer,
        precision=precision,
        mesh=mesh,
        partition=partition,
    )

    def program(batch_size: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        rows = batch_sharding(mesh)
        images = jax.ShapeDtypeStruct((batch_size, *_IMAGE), jnp.float32, sharding=rows)
        labels = jax.ShapeDtypeStruct((batch_size,), jnp.int32, sharding=rows)
        state = TrainState.abstract(
            model, optimizer, images, mesh=mesh, partition=partition
        )
        return step, (state, (images, labels))

    return program


def users_program(name: str, mesh: Mesh) -> tuple[Program, bool]:
    """What MODULE:FUNCTION gives, by size of the batch; and whether it takes one."""
    make = imported(name)
    takes_batch = _positions(name, make) == 2

    def program(batch_size: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        with calling_users_code(name):
            made = make(mesh, batch_size) if takes_batch else make(mesh)
        pair = type(made) in (tuple, list) and len(made) == 2
        if not pair or not callable(made[0]) or type(made[1]) not in (tuple, list):
            raise InputError(
                f"{name} must return (f, args): a function, and a tuple of its "
                f"arguments; got {_described(made)}"
            )
        return made[0], tuple(made[1])

    return program, takes_batch


def _positions(name: str, make: Callable[..., Any]) -> int:
    """How many arguments of (mesh, batch_size) it takes."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # some callables have none
        return 1
    for count in 2, 1:
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count
    raise InputError(
        f"{name} takes {signature}; it is called with the mesh, or with the mesh and "
        "the size of the batch"
    )


def _described(made: Any) -> str:
    if type(made) in (tuple, list):
        return f"({', '.join(type(part).__name__ for part in made)})"
    return type(made).__name__
