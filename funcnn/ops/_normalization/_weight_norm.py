"""Weight normalization: the length and the direction of a kernel, apart."""

import jax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, leading_axes, wide
from funcnn.ops._normalization._unit_norm import directions
from funcnn.ops._squares import over
from funcnn.rules import rule


def weight_norm(kernel: jax.Array, scale: jax.Array) -> jax.Array:
    """Scale kernel / ||kernel||, the length being that of each output feature.

    Shapes: kernel (..., m), scale (m,) -> (..., m): output features are on the last
            axis, as in `affine` and `conv`.
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  those of scale.
    Errors: ShapeError unless kernel has two or more axes and scale is (m,).

    Gradient. For each feature let n = ||kernel||, d = kernel / n, s its scale, so
    that w = s d, and G = dL/dw. As dd_i/dkernel_j = (delta_ij - d_i d_j) / n,
        dscale = d . G,      dkernel = s (G - d (d . G)) / n,
    which is orthogonal to the kernel: a step of gradient descent makes it longer.
    Saved: kernel, scale and n, as a power of two and the rest; d is made again.
    Kinks: a feature of zeros has no direction: w = 0, and kernel and scale get 0.
    Source: Salimans & Kingma (2016), arXiv:1602.07868, equation 3. They, PyTorch
    and Flax call scale g; no eps, see `unit_norm`.
    """
    kernel, scale = floats("weight_norm", kernel=kernel, scale=scale)
    if kernel.ndim < 2 or scale.shape != kernel.shape[-1:]:
        raise ShapeError(
            "weight_norm: needs kernel (..., features) and scale (features,), "
            f"got {kernel.shape} and {scale.shape}"
        )
    return _weight_norm(kernel, scale)


def _reference(kernel, scale):
    square = (wide(kernel) ** 2).sum(leading_axes(kernel))
    return (wide(kernel) / square**0.5 * scale).astype(kernel.dtype)


def _forward(kernel, scale):
    direction, n = directions(kernel, leading_axes(kernel))
    return (direction * wide(scale)).astype(kernel.dtype), (kernel, scale, n)


def _backward(saved, g):
    kernel, scale, n = saved
    direction, g = over(wide(kernel), n.unit) / n.divisor, wide(g)
    dscale = (direction * g).sum(leading_axes(g))
    dkernel = (g - direction * dscale) * (wide(scale) * n.inverse) * (1 / n.unit)
    return dkernel, dscale


def _cases(normal):
    for shape in [(3, 4), (2, 1, 3), (2, 2, 2, 1), (1, 3), (5, 0)]:
        yield normal(*shape), normal(shape[-1])
    yield 0.01 * normal(3, 2), 10 * normal(2)


_weight_norm = rule(_reference, _forward, _backward, cases=_cases)
