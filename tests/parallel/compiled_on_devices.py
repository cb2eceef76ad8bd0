"""Reports for several CPU devices, as JSON: each case is one function here.

It is a process of its own, for the number of devices is chosen before JAX starts.
"""

import json

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AbstractMesh, NamedSharding
from jax.sharding import PartitionSpec as P

import funcnn as fn
from funcnn.parallel import TargetError, compile_for, make_mesh, target_devices
from funcnn.training import TrainState, make_step, supervised

N = 64
SQUARE = jax.ShapeDtypeStruct((N, N), jnp.float32)
ALL = target_devices("cpu:8")
FOUR = target_devices("cpu:4")


def product(a, b):
    return a @ b


def on(mesh, *spec):
    sharding = NamedSharding(mesh, P(*spec))
    return jax.ShapeDtypeStruct((N, N), jnp.float32, sharding=sharding)


def power(a):
    return jax.lax.scan(lambda c, _: (c @ a, None), a, length=10)[0]


def loop_on_a_mesh():
    return compile_for("cpu:4", power, on(make_mesh(devices=FOUR), "data"))


def loop_without_a_mesh():
    return compile_for("cpu:4", power, SQUARE)


def by_both(mesh):
    return compile_for("cpu:4", product, on(mesh, "data"), on(mesh, None, "model"))


def other_devices():
    return by_both(make_mesh(model=2, devices=ALL[4:]))


def abstract_mesh():
    return by_both(AbstractMesh((2, 2), ("data", "model")))


def own_devices():
    mesh = make_mesh(devices=FOUR)
    return compile_for("cpu:4", product, on(mesh, None, "data"), on(mesh, "data"))


def no_mesh():
    return compile_for("cpu:4", product, SQUARE, SQUARE)


def shardings_of_the_function():
    rows = NamedSharding(make_mesh(devices=FOUR), P("data"))
    own = jax.jit(product, in_shardings=(rows, None))
    return compile_for("cpu:4", own, SQUARE, SQUARE)


def shardings_of_the_function_elsewhere():
    rows = NamedSharding(make_mesh(devices=ALL[4:]), P("data"))
    return compile_for("cpu:4", jax.jit(product, in_shardings=rows), SQUARE, SQUARE)


def mesh_of_another_size():
    return compile_for("cpu:4", product, on(AbstractMesh((2,), ("data",))), SQUARE)


def training_step():
    mesh = make_mesh(devices=FOUR)
    model, optimizer = fn.models.mlp(10), optax.adam(1e-3)
    loss_fn = supervised(model, fn.softmax_cross_entropy)
    step = make_step(loss_fn, optimizer, mesh=mesh)
    images = jax.ShapeDtypeStruct((32, 8, 8, 1), jnp.float32)
    labels = jax.ShapeDtypeStruct((32,), jnp.int32)
    state = TrainState.abstract(model, optimizer, images, mesh=mesh)
    return compile_for("cpu:4", step, state, (images, labels))


CASES = [
    other_devices,
    abstract_mesh,
    own_devices,
    no_mesh,
    loop_on_a_mesh,
    loop_without_a_mesh,
    shardings_of_the_function,
    shardings_of_the_function_elsewhere,
    mesh_of_another_size,
    training_step,
]


def main():
    found = {}
    for case in CASES:
        try:
            found[case.__name__] = case().to_dict()
        except TargetError as error:
            found[case.__name__] = {"error": str(error)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
