"""LoRA's affine map: a kernel, and beside it a product of two thin ones."""

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import check_bias, floats_or_none, leading_axes, wide
from funcnn.ops._products._affine import (
    bias_cotangent,
    check_product,
    presence,
    product,
    product_cotangents,
)
from funcnn.rules import rule


def low_rank_affine(
    x: jax.Array,
    kernel: jax.Array,
    lora_a: jax.Array,
    lora_b: jax.Array,
    bias: jax.Array | None = None,
    *,
    scale: float = 1.0,
) -> jax.Array:
    """X @ kernel + scale (x @ lora_a) @ lora_b + bias over the last axis of `x`.

    Shapes: x (..., n), kernel (n, m), lora_a (n, r), lora_b (r, m), bias (m,)
            -> (..., m).
    Dtypes: the arguments' common float dtype; products and sums in float32 or wider.
    Units:  `scale` is a number that the paper writes alpha / r.
    Errors: ShapeError unless the shapes fit; TypeError unless all are floats.

    Gradient. With h = x A, y = x W + s h B + b over the flattened leading axes, and
    g = dL/dy, the two branches are affine maps: of (h, B) with the cotangent s g, and
    of (x, A) with that of h. So
        dB = (s h)^T g,   dh = s (g B^T),   dA = x^T dh,
        dW = x^T g,       dx = g W^T + dh A^T,   db = sum g.
    Where the kernel is frozen its cotangent is used by nothing, and `jax.jit` leaves
    the product out.
    Saved: x, kernel, lora_a and lora_b; h, which is thin, is made again.
    Kinks: none.
    Source: Hu et al. (2021), arXiv:2106.09685.
    """
    given = {"x": x, "kernel": kernel, "lora_a": lora_a, "lora_b": lora_b}
    x, kernel, lora_a, lora_b, bias = floats_or_none(
        "low_rank_affine", ["bias"], **given, bias=bias
    )
    _check_shapes(x, kernel, lora_a, lora_b, bias)
    return _low_rank_affine(x, kernel, lora_a, lora_b, bias, float(scale))


def _check_shapes(x, kernel, lora_a, lora_b, bias):
    check_product("low_rank_affine", x, kernel)
    n, m = kernel.shape
    thin = lora_a.ndim == lora_b.ndim == 2 and lora_a.shape[1] == lora_b.shape[0]
    if not thin or (lora_a.shape[0], lora_b.shape[1]) != (n, m):
        raise ShapeError(
            f"low_rank_affine: kernel {kernel.shape} needs lora_a of shape ({n}, r) "
            f"and lora_b of shape (r, {m}), got {lora_a.shape} and {lora_b.shape}"
        )
    check_bias("low_rank_affine", bias, (m,), f"kernel {kernel.shape}")


def _reference(x, kernel, lora_a, lora_b, bias, scale):
    y = x @ kernel + scale * ((x @ lora_a) @ lora_b)
    return y if bias is None else y + bias


def _forward(x, kernel, lora_a, lora_b, bias, scale):
    y = product(x, kernel) + product(_thin(x, lora_a, scale), wide(lora_b))
    y = y if bias is None else y + wide(bias)
    return y.astype(x.dtype), (x, kernel, lora_a, lora_b, presence(bias))


def _backward(scale, saved, g):
    x, kernel, lora_a, lora_b, bias = saved
    dh = scale * product(wide(g), wide(lora_b).T)
    # Not h.T @ g: XLA on CPU would compute h again as its transpose.
    axes = leading_axes(g)
    dlora_b = jnp.tensordot(_thin(x, lora_a, scale), wide(g), (axes, axes))
    dx_thin, dlora_a = product_cotangents(wide(x), wide(lora_a), dh)
    dx, dkernel = product_cotangents(x, kernel, g)
    return dx + dx_thin, dkernel, dlora_a, dlora_b, bias_cotangent(bias, g)


def _thin(x, lora_a, scale):
    """S h: the number is multiplied into what is thin, not into y or g."""
    return scale * product(x, lora_a)


def _cases(normal):
    def arrays(*leading, n, m, r):
        return normal(*leading, n), normal(n, m), normal(n, r), normal(r, m)

    yield *arrays(n=3, m=2, r=1), normal(2), 0.5
    yield *arrays(4, n=3, m=5, r=2), None, 2.0
    yield *arrays(2, 3, n=2, m=1, r=1), normal(1), 1.0
    yield *arrays(1, n=1, m=3, r=2), normal(3), -0.3
    yield *arrays(0, n=3, m=2, r=1), normal(2), 1.0


_low_rank_affine = rule(_reference, _forward, _backward, static="scale", cases=_cases)
