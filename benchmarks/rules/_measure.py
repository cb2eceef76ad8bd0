"""Value and gradient by a rule against those by `jax.grad` of its reference."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import funcnn as fn
from benchmarks.rules._workloads import Workload


class Figures(NamedTuple):
    """Of one way to the gradient.

    Attributes:
      milliseconds: a call's, the median over the rounds.
      temporaries: bytes that XLA's program needs besides its arguments and results.
      saved: bytes that are kept for the backward pass.
      compiling: seconds that tracing and compiling take.
    """

    milliseconds: float
    temporaries: int
    saved: int
    compiling: float


class Comparison(NamedTuple):
    """What one workload costs by the rule and by automatic differentiation.

    Attributes:
      name: that of the workload.
      rule, automatic: the figures of both.
      ratio: the median of the rounds' ratios of times.
      spread: the quartiles of these ratios.
    """

    name: str
    rule: Figures
    automatic: Figures
    ratio: float
    spread: tuple[float, float]

    @property
    def temporaries(self) -> float:
        """The ratio of the temporaries; 1 where neither has a megabyte's hundredth."""
        pair = self.rule.temporaries, self.automatic.temporaries
        return 1.0 if max(pair) < 10_000 else pair[0] / max(pair[1], 1)


def compare(workload: Workload, seconds: float = 1.0) -> Comparison:
    """Measures a workload in rounds of one call of each, for so many seconds."""
    args = jax.device_put(workload.args)
    floats = [i for i, x in enumerate(args) if jnp.issubdtype(x.dtype, jnp.floating)]
    values = [args[i] for i in floats]
    cotangent = _cotangent(_of_floats(workload.op, floats, args), values)
    ways = [workload.op, fn.autodiff(workload.op)]
    compiled = [_compiled(way, floats, args, cotangent) for way in ways]
    times = _rounds([run for run, _ in compiled], (args, cotangent), seconds)
    ratios = [a / b for a, b in zip(*times)]
    low, middle, high = np.percentile(ratios, [25, 50, 75]).tolist()
    figures = [
        Figures(
            statistics.median(own) * 1e3,
            run.memory_analysis().temp_size_in_bytes,
            fn.saved_bytes(_of_floats(way, floats, args), *values),
            compiling,
        )
        for way, own, (run, compiling) in zip(ways, times, compiled)
    ]
    return Comparison(workload.name, *figures, middle, (low, high))


def _of_floats(
    f: Callable[..., Any], floats: list[int], args: tuple[jax.Array, ...]
) -> Callable[..., Any]:
    """`f` as a function of those of the arguments that are differentiated."""

    def run(*values: jax.Array) -> Any:
        given = dict(zip(floats, values))
        return f(*(given.get(i, x) for i, x in enumerate(args)))

    return run


def _cotangent(f: Callable[..., Any], values: list[jax.Array]) -> Any:
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda y: jnp.asarray(rng.standard_normal(y.shape, np.float32)),
        jax.eval_shape(f, *values),
    )


def _compiled(
    f: Callable[..., Any], floats: list[int], args: Any, cotangent: Any
) -> tuple[Any, float]:
    def value_and_gradient(args: tuple[jax.Array, ...], cotangent: Any) -> Any:
        values = (args[i] for i in floats)
        output, pull = jax.vjp(_of_floats(f, floats, args), *values)
        return output, pull(cotangent)

    start = time.perf_counter()
    run = jax.jit(value_and_gradient).lower(args, cotangent).compile()
    return run, time.perf_counter() - start


def _rounds(runs: list[Any], args: Any, seconds: float) -> list[list[float]]:
    """Seconds of each call; the first, which meets cold caches, does not count."""
    times: list[list[float]] = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while len(times[0]) < 6 or time.perf_counter() < end:
        for run, own in zip(runs, times):
            start = time.perf_counter()
            jax.block_until_ready(run(*args))
            own.append(time.perf_counter() - start)
    return [own[1:] for own in times]
