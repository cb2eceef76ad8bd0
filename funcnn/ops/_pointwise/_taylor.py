"""Taylor series in float32, where the terms of a formula cancel.

Near its minimum a slope hardly depends on x, and yet what is added up to it is rounded
at the size of the terms. About a point close by, the first coefficient is nearly all
of it. In float64 the formula's digits are enough.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

RADIUS, POINTS = 2.0, 64


def taylor(
    f: Callable[[np.ndarray], np.ndarray], center: float, reach: float
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """What replaces `elsewhere` where |x - center| < reach, if x is float32.

    Args:
      f: of complex numbers, analytic within 2 of the center: by Cauchy's formula its
        values on that circle are the Fourier series of its coefficients.
      center: with few digits, so that x - center is exact.
      reach: below 1; the smaller, the fewer coefficients are needed.

    Returns:
      A function of x and of `elsewhere`, what another formula gives for f(x).
    """
    powers = np.arange(POINTS)
    circle = center + RADIUS * np.exp(2j * np.pi * powers / POINTS)
    coefficients = np.fft.fft(f(circle)).real / POINTS / RADIUS**powers
    seen = np.abs(coefficients) * reach**powers > 2.0**-25 * np.abs(coefficients[0])
    coefficients = coefficients[: np.flatnonzero(seen[: POINTS // 2])[-1] + 1]

    def near(x: jax.Array, elsewhere: jax.Array) -> jax.Array:
        if x.dtype != jnp.float32:
            return elsewhere
        inside = jnp.abs(x - center) < reach
        h, total = jnp.where(inside, x - center, 0), jnp.zeros_like(x)
        for coefficient in coefficients[::-1]:
            total = float(coefficient) + h * total
        return jnp.where(inside, total, elsewhere)

    return near


def complex_logistic(z: np.ndarray) -> np.ndarray:
    """s(z) = 1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))
