"""Spectral normalization: division by the largest singular value."""

import operator

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.ops._normalization._unit_norm import directions
from funcnn.rules import rule


def spectral_norm(
    kernel: jax.Array, u: jax.Array, *, n_steps: int = 1
) -> tuple[jax.Array, jax.Array]:
    """Kernel / sigma by `n_steps` of power iteration from `u`, and the new u.

    The kernel is taken as a matrix W (n, m) with all its axes but the last as one. A
    step is v = W u / ||W u||, u = W^T v / ||W^T v||; then sigma = v^T W u, which
    grows to the largest singular value. u is kept for the next call, where the kernel
    has changed a little; without a step it stays, and v is made of it.

    Shapes: kernel (..., m), u (m,) -> (..., m), (m,).
    Dtypes: each keeps its own; computed in float32 or wider, and u is best float32.
    Units:  none, whatever those of kernel and u.
    Errors: ShapeError unless kernel has two or more axes and u is (m,); ValueError
            for n_steps below 0.

    Gradient. As in the paper, u and v are constants: no gradient goes through the
    power iteration. The rule is W / sigma as a function of W, u and v, and its
    derivative is exact. With G = dL/dy and c = sum(G W) / sigma^2, as dsigma =
    v^T dW u + dv^T W u + v^T W du,
        dW = G / sigma - c v u^T,   dv = -c W u,   du = -c W^T v,
    the latter two for nobody here. When the iteration has converged, v u^T is the
    derivative of the largest singular value (if it is single), and dW that of W /
    sigma_1(W); before, it leaves out how u and v move with W.
    Saved: W, u, v and sigma.
    Kinks: where sigma = 0, so for a kernel of zeros, it counts as the constant 1.
    Source: Miyato, Kataoka, Koyama & Yoshida (2018), arXiv:1802.05957, equation 12.
    Flax has the layer with these names, and takes steps at inference too.
    """
    (kernel,), (u,) = floats("spectral_norm", kernel=kernel), floats("", u=u)
    n_steps = operator.index(n_steps)
    if kernel.ndim < 2 or u.shape != kernel.shape[-1:]:
        raise ShapeError(
            "spectral_norm: needs kernel (..., features) and u (features,), "
            f"got {kernel.shape} and {u.shape}"
        )
    if n_steps < 0:
        raise ValueError(f"spectral_norm: n_steps must be 0 or more, got {n_steps}")
    matrix = kernel.reshape(-1, u.size)
    v, new_u = lax.stop_gradient(_power_iteration(wide(matrix), wide(u), n_steps))
    return _divided(matrix, v, new_u).reshape(kernel.shape), new_u.astype(u.dtype)


def _power_iteration(matrix, u, n_steps):
    v, _ = directions(_product(matrix, u), 0)
    for step in range(n_steps):
        if step:
            v, _ = directions(_product(matrix, u), 0)
        u, _ = directions(_product(v, matrix), 0)
    return v, u


def _product(a, b):
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _reference(kernel, v, u):
    sigma = wide(v) @ wide(kernel) @ wide(u)
    return (wide(kernel) / jnp.where(sigma == 0, 1, sigma)).astype(kernel.dtype)


def _forward(kernel, v, u):
    sigma = _product(_product(wide(v), wide(kernel)), wide(u))
    y = wide(kernel) / jnp.where(sigma == 0, 1, sigma)
    return y.astype(kernel.dtype), (kernel, v, u, sigma)


def _backward(saved, g):
    kernel, v, u, sigma = saved
    kernel, v, u, g = map(wide, (kernel, v, u, g))
    divisor = jnp.where(sigma == 0, 1, sigma)
    c = jnp.where(sigma == 0, 0, (g * kernel).sum() / divisor / divisor)
    dkernel = g / divisor - c * v[:, None] * u
    return dkernel, -c * _product(kernel, u), -c * _product(v, kernel)


def _cases(normal):
    yield normal(3, 4), normal(3), normal(4)
    for n, m in [
        (4, 1),
        (1, 3),
    ]:  # without signs, for sigma has no digits if it is small
        yield jnp.abs(normal(n, m)), jnp.abs(normal(n)), jnp.abs(normal(m))
    yield jnp.diag(jnp.array([3.0, 1.0])), jnp.array([1.0, 0]), jnp.array([1.0, 0])
    yield jnp.zeros((2, 3)), normal(2), normal(3)


_divided = rule(_reference, _forward, _backward, cases=_cases, name="spectral_norm")
