"""Gradients that differ on purpose, and say so: `surrogate`."""

import jax
import jax.numpy as jnp
from jax import lax

import funcnn as fn

from .example import Example, array, normal


def _cases(normal):
    yield (normal(3),)


def declared(reference, surrogate, slope, name):
    """An elementwise rule that declares the slope of its surrogate."""
    return fn.rule(
        reference,
        lambda x: (reference(x), x),
        lambda x, g: (g * slope(x),),
        cases=_cases,
        surrogate=surrogate,
        name=name,
    )


straight_through_round = declared(
    lambda x: jnp.round(x), lambda x: x, jnp.ones_like, "straight_through_round"
)
straight_through_sign = declared(
    lambda x: jnp.sign(x),
    lambda x: jnp.clip(x, -1, 1),
    lambda x: (jnp.abs(x) < 1).astype(x.dtype),
    "straight_through_sign",
)
binarize = declared(
    lambda x: (x > 0).astype(x.dtype),
    lax.logistic,
    lambda x: lax.logistic(x) * lax.logistic(-x),
    "binarize",
)
reverse_gradient = declared(
    lambda x: x, lambda x: -x, lambda x: -jnp.ones_like(x), "reverse_gradient"
)
halve_gradient = declared(
    lambda x: x, lambda x: x / 2, lambda x: jnp.full_like(x, 0.5), "halve_gradient"
)


def quantized_mlp(w, x):
    h = jax.nn.relu(x @ (straight_through_round(8 * w) / 8))
    return straight_through_sign(h - 0.5).sum()


def adversarial(w, x):
    features = jnp.tanh(x @ w)
    return (features**2).mean() + jnp.sin(reverse_gradient(features)).sum()


X = array(-2.5, -1.0, -0.2, 0.0, 0.5, 1.5)

EXAMPLES = (
    Example(
        "straight-through round",
        straight_through_round,
        (X,),
        "halves lie on the steps; the declared slope is 1 everywhere",
    ),
    Example(
        "straight-through sign",
        straight_through_sign,
        (X,),
        "the declared slope has kinks of its own, at -1 a real input",
    ),
    Example(
        "binary step with a sigmoid's slope",
        binarize,
        (X,),
        "the primal is flat, the surrogate has other values too",
    ),
    Example(
        "gradient reversal",
        reverse_gradient,
        (X,),
        "the identity with slope -1: every witness but the declaration says 1",
    ),
    Example(
        "gradient scaling",
        lambda x: halve_gradient(jnp.sin(x)),
        (X,),
        "half of the gradient, declared",
    ),
    Example(
        "quantized layer",
        quantized_mlp,
        (normal(160, 3, 2), normal(161, 4, 3)),
        "two declared rules and a plain one; the program's own gradient is zero",
    ),
    Example(
        "adversarial features",
        adversarial,
        (normal(162, 3, 2), normal(163, 4, 3)),
        "a declared rule on one of two paths",
    ),
    Example(
        "binary affine map",
        fn.ops.binary_affine,
        (normal(164, 4, 3), normal(165, 3, 2)),
        "one argument is exact, the other has a surrogate",
    ),
    Example(
        "declared in scan",
        lambda x: lax.scan(lambda c, y: (reverse_gradient(c) + y, c), x[0], x)[0],
        (X,),
        "reversed once per turn, so the signs alternate",
    ),
)
