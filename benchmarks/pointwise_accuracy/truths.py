"""What the functions of one number are, in float64, to far below a float32's last bit.

Every formula keeps its relative precision in the tails and at the zeros, which a test
holds against mpmath. At infinity a truth is that at a very large number.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray
from scipy import special

import funcnn as fn

Numbers = NDArray[np.float64]


class Op(NamedTuple):
    """One function, as it is here and elsewhere, and its truth.

    Attributes:
      ours: the op.
      theirs: the same of JAX, Optax or what JAX's users write.
      value: f(x).
      slope: f'(x), at a kink the one-sided slope that ours documents.
      kinks: where others may take another slope.
      converges: whether it has limits at infinity.
    """

    ours: Callable[[jax.Array], jax.Array]
    theirs: Callable[[jax.Array], jax.Array]
    value: Callable[[Numbers], Numbers]
    slope: Callable[[Numbers], Numbers]
    kinks: tuple[float, ...] = ()
    converges: bool = True


def logistic(x: Numbers) -> Numbers:
    """1 / (1 + exp(-x))."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def logistic_slope(x: Numbers) -> Numbers:
    """Its derivative."""
    e = np.exp(-np.abs(x))
    return e / (1 + e) ** 2


def softplus(x: Numbers) -> Numbers:
    """log(1 + exp(x))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def silu_slope(x: Numbers) -> Numbers:
    """Of x s(x)."""
    return logistic(x) * (1 + finite_product(x, logistic(-x)))


def finite_product(x: Numbers, factor: Numbers) -> Numbers:
    """The product, 0 where the factor is, though x may be huge."""
    return np.where(factor == 0, 0.0, x * factor)


def gelu_argument(x: Numbers) -> Numbers:
    """2 u, what the approximate GELU takes the logistic function of."""
    return 2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)


def gelu_tanh_slope(x: Numbers) -> Numbers:
    """Of x s(2u)."""
    u2 = gelu_argument(x)
    change = 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    rest = finite_product(x, finite_product(change, logistic(-u2)))
    return finite_product(1 + rest, logistic(u2))


def normal_density(x: Numbers) -> Numbers:
    """exp(-x^2 / 2) / sqrt(2 pi)."""
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def mish_factor(x: Numbers) -> Numbers:
    """tanh(softplus(x))."""
    return np.tanh(softplus(x))


def mish_slope(x: Numbers) -> Numbers:
    """With w = exp(-|x|); 1 - tanh^2 of softplus without its cancellation."""
    w = np.exp(-np.abs(x))
    n = np.where(x < 0, w * (w + 2), 1 + 2 * w)
    d = n + np.where(x < 0, 2, 2 * w * w)
    change = np.where(x < 0, w, w * w) * 4 * (1 + w) / d**2
    return n / d + finite_product(x, change)


def elu(x: Numbers, alpha: float) -> Numbers:
    """X, and alpha (exp(x) - 1) below 0."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_slope(x: Numbers, alpha: float) -> Numbers:
    """Its derivative."""
    return np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def squareplus(x: Numbers) -> Numbers:
    """(x + sqrt(x^2 + 4)) / 2."""
    r = np.hypot(x, 2)
    return np.where(x < 0, 2 / (r + np.abs(x)), x / 2 + r / 2)


def squareplus_slope(x: Numbers) -> Numbers:
    """(1 + x / r) / 2."""
    r = np.hypot(x, 2)
    w = 2 / r / (r + np.abs(x))
    return np.where(x < 0, w, 1 - w)


def log_cosh(x: Numbers) -> Numbers:
    """log(cosh(x))."""
    a = np.abs(x)
    near = np.log1p(2 * np.sinh(np.minimum(a, 1) / 2) ** 2)
    return np.where(a < 1, near, a - np.log(2) + np.log1p(np.exp(-2 * a)))


def log1mexp(x: Numbers) -> Numbers:
    """log(1 - exp(-x)) for x >= 0."""
    near = np.log(-np.expm1(-x))
    return np.where(x < np.log(2), near, np.log1p(-np.exp(-np.maximum(x, 0.5))))


def xlogx_slope(x: Numbers) -> Numbers:
    """log(x) + 1, at 0 that at the least float32."""
    return np.log(np.where(x == 0, 2.0**-149, x)) + 1


def sines(x: Numbers) -> tuple[Numbers, Numbers]:
    """sin(pi x) and cos(pi x)."""
    n = np.rint(x)
    rest, sign = x - n, 1 - 2 * np.abs(np.fmod(n, 2))
    return sign * np.sin(np.pi * rest), sign * np.sin(np.pi * (0.5 - np.abs(rest)))


def sinc(x: Numbers) -> Numbers:
    """sin(pi x) / (pi x)."""
    return np.where(x == 0, 1, sines(x)[0] / (np.pi * np.where(x == 0, 1, x)))


def sinc_slope(x: Numbers) -> Numbers:
    """(cos(pi x) - sinc(x)) / x, near 0 its series."""
    small = np.abs(x) < 0.02
    s = (np.pi * np.where(small, x, 0)) ** 2
    near = -(np.pi**2) * x / 3 * (1 - s / 10 * (1 - s / 28 * (1 - s / 54)))
    direct = (sines(x)[1] - sinc(x)) / np.where(small, 1, x)
    return np.where(small, near, direct)


def between(x: Numbers, low: float, high: float) -> Numbers:
    """1 between the two, else 0."""
    return np.where((x > low) & (x < high), 1.0, 0.0)


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


def xlogy_of_itself(x: jax.Array) -> jax.Array:
    """X log(x), as JAX's users write it."""
    return jax.scipy.special.xlogy(x, x)


OPS: dict[str, Op] = {
    "relu": Op(
        fn.relu,
        jax.nn.relu,
        lambda x: np.maximum(x, 0),
        lambda x: between(x, 0, np.inf),
        (0,),
    ),
    "leaky_relu": Op(
        fn.leaky_relu,
        jax.nn.leaky_relu,
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, 1, 0.01),
        (0,),
    ),
    "prelu(x, 0.25)": Op(
        lambda x: fn.prelu(x, jnp.asarray(0.25, x.dtype)),
        lambda x: jax.nn.leaky_relu(x, jnp.asarray(0.25, x.dtype)),
        lambda x: np.where(x > 0, x, 0.25 * x),
        lambda x: np.where(x > 0, 1, 0.25),
        (0,),
    ),
    "relu6": Op(
        fn.relu6,
        jax.nn.relu6,
        lambda x: np.clip(x, 0, 6),
        lambda x: between(x, 0, 6),
        (0, 6),
    ),
    "relu_squared": Op(
        fn.relu_squared,
        lambda x: jnp.square(jax.nn.relu(x)),
        lambda x: np.maximum(x, 0) ** 2,
        lambda x: 2 * np.maximum(x, 0),
    ),
    "hard_tanh": Op(
        fn.hard_tanh,
        jax.nn.hard_tanh,
        lambda x: np.clip(x, -1, 1),
        lambda x: np.where(np.abs(x) <= 1, 1.0, 0.0),
        (-1, 1),
    ),
    "hard_sigmoid": Op(
        fn.hard_sigmoid,
        jax.nn.hard_sigmoid,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda x: between(x, -3, 3) / 6,
        (-3, 3),
    ),
    "hard_silu": Op(
        fn.hard_silu,
        jax.nn.hard_silu,
        lambda x: np.where(np.abs(x) < 3, x * (x + 3) / 6, np.maximum(x, 0)),
        lambda x: np.where(np.abs(x) < 3, (2 * x + 3) / 6, between(x, 0, np.inf)),
        (-3, 3),
    ),
    "sigmoid": Op(fn.sigmoid, jax.nn.sigmoid, logistic, logistic_slope),
    "log_sigmoid": Op(
        fn.log_sigmoid,
        jax.nn.log_sigmoid,
        lambda x: -softplus(-x),
        lambda x: logistic(-x),
    ),
    "tanh": Op(fn.tanh, jax.nn.tanh, np.tanh, lambda x: 4 * logistic_slope(2 * x)),
    "softplus": Op(fn.softplus, jax.nn.softplus, softplus, logistic),
    "softplus(x, beta=3)": Op(
        lambda x: fn.softplus(x, beta=3),
        lambda x: jax.nn.softplus(3 * x) / 3,
        lambda x: softplus(3 * x) / 3,
        lambda x: logistic(3 * x),
    ),
    "silu": Op(
        fn.silu, jax.nn.silu, lambda x: finite_product(x, logistic(x)), silu_slope
    ),
    "mish": Op(
        fn.mish, jax.nn.mish, lambda x: finite_product(x, mish_factor(x)), mish_slope
    ),
    "gelu": Op(
        fn.gelu,
        jax.nn.gelu,
        lambda x: finite_product(x, logistic(gelu_argument(x))),
        gelu_tanh_slope,
    ),
    "gelu(x, approximate=False)": Op(
        lambda x: fn.gelu(x, approximate=False),
        lambda x: jax.nn.gelu(x, approximate=False),
        lambda x: finite_product(x, special.ndtr(x)),
        lambda x: special.ndtr(x) + finite_product(x, normal_density(x)),
    ),
    "elu": Op(fn.elu, jax.nn.elu, lambda x: elu(x, 1), lambda x: elu_slope(x, 1)),
    "elu(x, 0.3)": Op(
        lambda x: fn.elu(x, 0.3),
        lambda x: jax.nn.elu(x, 0.3),
        lambda x: elu(x, 0.3),
        lambda x: elu_slope(x, 0.3),
        (0,),
    ),
    "celu": Op(fn.celu, jax.nn.celu, lambda x: elu(x, 1), lambda x: elu_slope(x, 1)),
    "celu(x, 0.3)": Op(
        lambda x: fn.celu(x, 0.3),
        lambda x: jax.nn.celu(x, 0.3),
        lambda x: np.where(x > 0, x, 0.3 * np.expm1(np.minimum(x, 0) / 0.3)),
        lambda x: elu_slope(x / 0.3, 1),
    ),
    "selu": Op(
        fn.selu,
        jax.nn.selu,
        lambda x: SELU_SCALE * elu(x, SELU_ALPHA),
        lambda x: SELU_SCALE * elu_slope(x, SELU_ALPHA),
        (0,),
    ),
    "soft_sign": Op(
        fn.soft_sign,
        jax.nn.soft_sign,
        lambda x: x / (1 + np.abs(x)),
        lambda x: 1 / (1 + np.abs(x)) ** 2,
    ),
    "squareplus": Op(fn.squareplus, jax.nn.squareplus, squareplus, squareplus_slope),
    "log_cosh": Op(fn.log_cosh, optax.log_cosh, log_cosh, np.tanh),
    "log1mexp": Op(
        fn.log1mexp,
        jax.nn.log1mexp,
        log1mexp,
        lambda x: np.where(x < 0, np.nan, 1 / np.abs(np.expm1(x))),
    ),
    "xlogx": Op(
        fn.xlogx,
        xlogy_of_itself,
        lambda x: x * np.log(np.where(x == 0, 1, x)),
        xlogx_slope,
        (0,),
    ),
    "sin": Op(fn.sin, jnp.sin, np.sin, np.cos, converges=False),
    "sinc": Op(fn.sinc, jnp.sinc, sinc, sinc_slope),
}


def at(function: Callable[[Numbers], Numbers], x: Any, converges: bool) -> Numbers:
    """The truth at inputs of any float dtype; NaN where there is none."""
    x = np.asarray(x).astype(np.float64)
    far = np.isinf(x)
    with np.errstate(all="ignore"):
        true = np.asarray(function(np.where(far, 0.5, x)), np.float64)
        if converges and far.any():
            true[far] = [limit(function, np.sign(end)) for end in x[far]]
        elif far.any():
            true[far] = np.nan
    return np.where(np.isnan(x), np.nan, true)


def limit(function: Callable[[Numbers], Numbers], sign: float) -> float:
    """Of the function towards plus or minus infinity."""
    ends = np.array([1e150, 1e300]) * sign
    near, far = function(ends)
    grows = abs(far) > 1 and abs(far) > 1.5 * abs(near)
    return float(np.copysign(np.inf, far) if grows or np.isinf(far) else far)
