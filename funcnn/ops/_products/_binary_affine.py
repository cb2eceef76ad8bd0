"""XNOR-Net's affine map: the kernel is replaced by its scaled signs."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.ops._arguments import floats, wide
from funcnn.ops._products._affine import check_product, product, product_cotangents
from funcnn.rules import rule


def binary_affine(x: jax.Array, kernel: jax.Array, *, clip: float = 1.0) -> jax.Array:
    """X @ B with B = mean(|kernel|) sign(kernel): one real number and a bit each.

    Shapes: x (..., n), kernel (n, m) -> (..., m).
    Dtypes: the arguments' common float dtype; sums in float32 or wider.
    Units:  `clip` has those of the kernel.
    Errors: ShapeError unless the shapes fit; TypeError unless both are floats.

    Gradient. The sign's own derivative is 0 almost everywhere and would teach the
    kernel nothing, so the rule declares another (`surrogate`): that of the
    straight-through sign, which counts as the identity where |W| <= clip. With
    a = mean |W| over the N entries, S = sign(W), B = a S and G = dL/dB = x^T g,
        dL/da = sum G S,   da/dW = S / N,   dL/dS = a G,
        dL/dW = S (sum G S) / N  +  a G [|W| <= clip],
    the first the mean's share, which runs through every entry, the second the
    sign's. dx = g B^T is exact.
    Saved: x and kernel; B is made again.
    Kinks: sign(0) = 0, and |W| has slope 0 at 0 (JAX's `abs` has 1): an entry of 0
    gives 0 and gets the sign's share alone.
    Source: Rastegari, Ordonez, Redmon & Farhadi (2016), arXiv:1603.05279, section
    3.1, whose formula keeps of the mean's share only the entry's own G S / N;
    Bengio, Leonard & Courville (2013), arXiv:1308.3432.
    """
    x, kernel = floats("binary_affine", x=x, kernel=kernel)
    check_product("binary_affine", x, kernel)
    return _binary_affine(x, kernel, float(clip))


def _reference(x, kernel, clip):
    return x @ (jnp.abs(kernel).mean() * jnp.sign(kernel))


def _surrogate(x, kernel, clip):
    scale, sign = _scale_and_sign(kernel, clip)
    return x @ (scale * sign)


def _scale_and_sign(kernel, clip):
    """Mean |W| and sign(W), as exact as those, with the slopes that are declared."""
    scale = (kernel * lax.stop_gradient(jnp.sign(kernel))).mean()
    zero = jnp.where(jnp.abs(kernel) <= clip, kernel - lax.stop_gradient(kernel), 0)
    return scale, jnp.sign(kernel) + zero


def _forward(x, kernel, clip):
    scale, sign = _scale_and_sign(wide(kernel), clip)  # as in the backward pass
    return product(wide(x), scale * sign).astype(x.dtype), (x, kernel)


def _backward(clip, saved, g):
    x, kernel = saved
    # Not plain sign(W), so that a second derivative passes straight through too.
    scale, sign = _scale_and_sign(wide(kernel), clip)
    dx, dbinary = product_cotangents(wide(x), scale * sign, wide(g))
    mean_share = jnp.sign(wide(kernel)) * (dbinary * sign).mean()
    sign_share = jnp.where(jnp.abs(kernel) <= clip, scale * dbinary, 0)
    return dx, mean_share + sign_share


def _cases(normal):
    for leading, n, m in [((), 3, 2), ((4,), 3, 5), ((2, 3), 5, 1), ((1,), 1, 1)]:
        yield normal(*leading, n), 1.5 * normal(n, m), 1.0
    yield normal(4, 3), normal(3, 2), 0.5
    yield normal(2, 3), jnp.array([[0.0, 1.0], [-1.0, 2.0], [0.5, -3.0]]), 1.0


_binary_affine = rule(
    _reference,
    _forward,
    _backward,
    static="clip",
    cases=_cases,
    surrogate=_surrogate,
)
