"""How long value and gradient take to compile, against depth."""

import pathlib
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks._written import OUT, write
from funcnn._tables import text_table

DEPTHS = (1, 5, 10, 20, 40)
_WIDTH, _BATCH = 128, 64

Seconds = dict[tuple[str, int, str], list[float]]  # by name, depth and kind of block
Made = tuple[Callable[..., Any], tuple[Any, ...]]


def compile_time(
    rounds: Annotated[int, typer.Option(help="Compilations of each.", min=1)] = 3,
    depths: Annotated[str, typer.Option(help="Numbers of blocks; by commas.")] = (
        ",".join(map(str, DEPTHS))
    ),
    out: Annotated[pathlib.Path, typer.Option(help="Folder of what is written.")] = OUT,
) -> None:
    """Compile time of value and gradient of blocks of layer norm, dense and gelu.

    Each block alone, and added to its input (`residual`). By funcnn's rules, as a
    chain and as one scan (`Repeat`); the same chain without its rules (`autodiff`);
    and the same by hand in jax.numpy. Tracing is counted.
    Writes compile.json and compile.md.
    """
    seconds: Seconds = {
        (name, depth, kind): []
        for kind in _KINDS
        for depth in map(int, depths.split(","))
        for name in _MAKERS
    }
    try:
        for maker in _MAKERS.values():
            _compiled(*maker(1, False))  # what is done once in a process
        for number in range(rounds):
            print(f"compile: round {number + 1} of {rounds}", file=sys.stderr)
            for (name, depth, kind), own in seconds.items():
                own.append(_compiled(*_MAKERS[name](depth, _KINDS[kind])))
    except KeyboardInterrupt:
        print("interrupted; what was measured is written", file=sys.stderr)
    text = _table(seconds)
    rows = [
        {"by": name, "depth": depth, "residual": _KINDS[kind], "seconds": own}
        for (name, depth, kind), own in seconds.items()
    ]
    note = "Seconds to trace and compile, and in brackets over jax.numpy's."
    record: dict[str, Any] = {"rows": rows}
    write(out, "compile", "Compile time", f"{note}\n\n```\n{text}\n```", record)
    print(text)


def _compiled(loss: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    import jax

    jax.clear_caches()  # of what was traced for the one before
    start = time.perf_counter()
    jax.jit(jax.value_and_grad(loss)).lower(*arguments).compile()
    return time.perf_counter() - start


def _input() -> Any:
    import jax

    return jax.ShapeDtypeStruct((_BATCH, _WIDTH), "float32")


def _of_layer(layer: Any) -> Made:
    import jax

    import funcnn as fn

    model = fn.stateless(layer)
    params = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), _input())

    def loss(params: Any, x: Any) -> Any:
        return (model.apply(params, x) ** 2).mean()

    return loss, (params, _input())


def _block(residual: bool) -> Any:
    import funcnn as fn

    block = fn.Chain(fn.LayerNorm(), fn.Dense(_WIDTH), fn.gelu)
    return fn.Residual(block) if residual else block


def _chain(depth: int, residual: bool) -> Made:
    import funcnn as fn

    return _of_layer(fn.Chain(*[_block(residual)] * depth))


def _repeat(depth: int, residual: bool) -> Made:
    import funcnn as fn

    return _of_layer(fn.Repeat(_block(residual), depth))


def _autodiff(depth: int, residual: bool) -> Made:
    import funcnn as fn

    loss, arguments = _chain(depth, residual)
    return fn.autodiff(loss), arguments


def _by_hand(depth: int, residual: bool) -> Made:
    import jax
    import jax.numpy as jnp

    def row() -> Any:
        return jax.ShapeDtypeStruct((_WIDTH,), "float32")

    kernel = jax.ShapeDtypeStruct((_WIDTH, _WIDTH), "float32")
    params = [(row(), row(), kernel, row()) for _ in range(depth)]

    def loss(params: Any, x: Any) -> Any:
        for scale, shift, kernel, bias in params:
            mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
            y = (x - mean) * jax.lax.rsqrt(var + 1e-5) * scale + shift
            y = jax.nn.gelu(y @ kernel + bias)
            x = x + y if residual else y
        return jnp.mean(x**2)

    return loss, (params, _input())


_BY_HAND = "jax.numpy"
_MAKERS = {
    "funcnn": _chain,
    "funcnn, Repeat": _repeat,
    "funcnn, autodiff": _autodiff,
    _BY_HAND: _by_hand,
}
_KINDS = {"": False, ", residual": True}


def _table(seconds: Seconds) -> str:
    medians = {key: float(np.median(own)) for key, own in seconds.items() if own}
    rows = dict.fromkeys((depth, kind) for _, depth, kind in medians)

    def cell(name: str, *row: Any) -> str:
        own, plain = medians.get((name, *row)), medians.get((_BY_HAND, *row))
        if own is None:
            return "-"
        return f"{own:.2f} ({own / plain:.2f})" if plain else f"{own:.2f}"

    cells = [
        [f"{n}{kind}", *(cell(name, n, kind) for name in _MAKERS)] for n, kind in rows
    ]
    return text_table(["blocks", *_MAKERS], cells)
