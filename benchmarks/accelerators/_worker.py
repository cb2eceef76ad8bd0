"""``python -m benchmarks.accelerators._worker TARGET NAMES``: one target's figures.

In an interpreter of its own, for the compilers of TPUs and GPUs get in each other's
way. It writes a line of JSON for each workload.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import funcnn as fn
from benchmarks.rules._workloads import Workload, shapes
from funcnn import ops
from funcnn.ops._surrogates._clip_gradient import _clip_gradient
from funcnn.parallel import Report, compile_for

# Times that of the workloads, which are for a CPU: then few arrays fit into the memory
# beside a TPU's units, where they cost what its compiler's estimate does not know.
_BATCH = 16


def _straight_through(
    value: Callable[..., jax.Array], slope_of: Callable[..., jax.Array]
) -> Callable[..., jax.Array]:
    def op(x: jax.Array) -> jax.Array:
        passed = slope_of(x)
        return passed + jax.lax.stop_gradient(value(x) - passed)

    return op


# Gradients that are not their reference's, as they are written without a rule.
_WITHOUT_A_RULE: dict[str, Callable[..., jax.Array]] = {
    "round_ste": _straight_through(jnp.round, lambda x: x),
    "sign_ste": _straight_through(jnp.sign, lambda x: jnp.clip(x, -1, 1)),
    "gumbel_softmax hard": lambda x, key: _straight_through(
        lambda x: ops.gumbel_softmax(x, key, hard=True),
        fn.autodiff(lambda x: ops.gumbel_softmax(x, key)),
    )(x),
    "clip_gradient": lambda x: _clip_gradient.declared(x, 1.0),
}


def main(target: str, names: str) -> None:
    """Writes the figures of both ways to each workload's gradient."""
    config: Any = jax.config  # whose options are not in its type
    config.update("jax_platforms", "cpu")  # nothing runs
    for workload in shapes(names.split(",") if names else None, _BATCH):
        automatic = _WITHOUT_A_RULE.get(workload.name) or fn.autodiff(workload.op)
        ways = {"rule": workload.op, "automatic": automatic}
        figures = {name: _figures(target, way, workload) for name, way in ways.items()}
        print(json.dumps({"name": workload.name, **figures}), flush=True)


def _figures(target: str, op: Callable[..., Any], workload: Workload) -> dict[str, Any]:
    args = workload.args
    floats = [i for i, x in enumerate(args) if jnp.issubdtype(x.dtype, jnp.floating)]

    def value_and_gradient(args: tuple[jax.Array, ...], cotangent: Any) -> Any:
        def of_floats(*values: jax.Array) -> Any:
            given = dict(zip(floats, values))
            return op(*(given.get(i, x) for i, x in enumerate(args)))

        output, pull = jax.vjp(of_floats, *(args[i] for i in floats))
        return output, pull(cotangent)

    cotangent = jax.eval_shape(op, *args)
    return figures_of(compile_for(target, value_and_gradient, args, cotangent))


def figures_of(report: Report) -> dict[str, Any]:
    """What the table has of a report."""
    return {
        "temporaries": report.memory.temporaries if report.memory else None,
        "bytes": report.bytes_accessed,
        "microseconds": report.compiler_seconds and 1e6 * report.compiler_seconds,
        "compiling": report.compile_seconds,
        "notes": list(report.notes),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
