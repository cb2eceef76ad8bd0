"""Negative log-likelihood under a normal distribution of predicted variance."""

import jax
import jax.numpy as jnp

from funcnn.ops._arguments import wide
from funcnn.ops._losses._pairs import one_shape
from funcnn.ops._platforms import made_again
from funcnn.rules import rule


def gaussian_nll(
    means: jax.Array, variances: jax.Array, targets: jax.Array, *, eps: float = 1e-6
) -> jax.Array:
    """(log v + (mean - target)^2 / v) / 2 with v = max(variance, eps); elementwise.

    It is -log of the density at the target, without the constant log(2 pi) / 2.

    Shapes: three arrays of one shape -> the same.
    Dtypes: the arguments' common float dtype; half precision is computed in float32.
    Units:  nats; `eps` has those of the variances.
    Errors: ShapeError unless all have one shape, for nothing is broadcast; ValueError
            unless `eps` is positive.

    Gradient. With d = mean - target and r = d / v,
        dmean = g r,    dtarget = -g r,
        dvariance = g (1 / v - r^2) / 2 for a variance above eps, else 0.
    Saved: d, in float32 or wider, and variances.
    Kinks: at a variance of eps the slope by it is 0, that of the side below.
    Source: Nix & Weigend (1994), ICNN. PyTorch's `GaussianNLLLoss` gives variances
    below eps the slope at eps, which is not the derivative of its value.
    """
    eps = float(eps)
    if not eps > 0:
        raise ValueError(f"gaussian_nll: eps must be a positive number, got {eps}")
    means, variances, targets = one_shape(
        "gaussian_nll", means=means, variances=variances, targets=targets
    )
    return _gaussian_nll(means, variances, targets, eps)


def _floored(variances, eps):
    return jnp.where(variances > eps, variances, eps)


def _reference(means, variances, targets, eps):
    v = _floored(variances, eps)
    return (jnp.log(v) + (means - targets) ** 2 / v) / 2


def _forward(means, variances, targets, eps):
    d, v = wide(means) - wide(targets), _floored(wide(variances), eps)
    loss = (jnp.log(v) + d / v * d) / 2
    return loss.astype(means.dtype), (d, variances)


def _backward(eps, saved, g):
    (d, variances), g = map(wide, saved), wide(g)
    dmean = g * (d / _floored(variances, eps))
    # The quotient is made again for the variances: it would be kept for both.
    d, variances = made_again((d, variances))
    v = _floored(variances, eps)
    r = d / v
    by_variance = jnp.where(variances > eps, (1 / v - r * r) / 2, 0)
    return dmean, g * by_variance, -dmean


def _cases(normal):
    for shape in [(), (3, 4), (0, 2)]:
        yield normal(*shape), jnp.abs(normal(*shape)), normal(*shape), 2**-20
    variances = jnp.array([0.25, 0.0, -1.0, 2.0, 0.5])  # the first at the floor
    yield normal(5), variances, normal(5), 0.25


_gaussian_nll = rule(_reference, _forward, _backward, static="eps", cases=_cases)
