r"""Functions made of exp, of one number: dx = g f'(x), elementwise.

Shapes, dtypes and errors: as in `_pointwise`. Written with e = exp(-|x|), which
is never above 1, nothing overflows, and every slope keeps its digits in both tails.
Here s is the logistic function, s(x) = 1 / (1 + exp(-x)) and s(-x) = 1 - s(x).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn.ops._arguments import floats
from funcnn.ops._pointwise._elementwise import number, positive_number, smooth
from funcnn.ops._pointwise._parts import e_of, exact_tanh, expm1, log1p, logistic
from funcnn.ops._pointwise._scaling import TAIL, Scaled, exp, up
from funcnn.ops._pointwise._taylor import taylor


def sigmoid(x: jax.Array) -> jax.Array:
    """Logistic function s(x) = 1 / (1 + exp(-x)).

    Gradient: f'(x) = exp(-x) / (1 + exp(-x))^2 = exp(-x) s(x)^2, which, unlike
              s (1 - s), keeps its digits for large x.
    Saved:    x.
    """
    return _sigmoid(*floats("sigmoid", x=x))


def log_sigmoid(x: jax.Array) -> jax.Array:
    """log(1 / (1 + exp(-x))) = min(x, 0) - log(1 + exp(-|x|)).

    Gradient: f(x) = -log(1 + exp(-x)), so f'(x) = exp(-x) / (1 + exp(-x)) = s(-x).
    Saved:    x.
    """
    return _log_sigmoid(*floats("log_sigmoid", x=x))


def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent.

    Gradient: f'(x) = 1 / cosh(x)^2 = 4 exp(-2x) s(2x)^2, which, unlike 1 - tanh^2,
              keeps its digits for large |x|.
    Saved:    x.
    """
    return _tanh(*floats("tanh", x=x))


def softplus(x: jax.Array, *, beta: float = 1.0) -> jax.Array:
    """log(1 + exp(beta x)) / beta = max(x, 0) + log(1 + exp(-|beta x|)) / beta.

    Gradient: f'(x) = exp(beta x) / (1 + exp(beta x)) = s(beta x).
    Saved:    x.
    Errors:   ValueError unless `beta` is above 0; it is not differentiated.
    Source:   Dugas et al. (2001), NIPS.
    """
    beta = positive_number("softplus", beta=beta)
    return _softplus(*floats("softplus", x=x), beta)


def silu(x: jax.Array) -> jax.Array:
    """X s(x), s the logistic function; also called swish.

    Gradient: f'(x) = s(x) + x s(x) s(-x), which with e = exp(-|x|) is
              e (1 + e + x) / (1 + e)^2 for x < 0, else 1 - f'(-x).
    Saved:    x.
    Source:   Elfwing, Uchibe & Doya (2017), arXiv:1702.03118.
    """
    return _silu(*floats("silu", x=x))


def mish(x: jax.Array) -> jax.Array:
    """X tanh(log(1 + exp(x))).

    As tanh(log w) = (w^2 - 1) / (w^2 + 1), with w = 1 + exp(x) it is x n / d,
        x < 0:  n = e (e + 2),  d = n + 2;      x >= 0:  n = 1 + 2e,  d = n + 2 e^2.

    Gradient: with t = n / d, 1 - t^2 = (d - n) (d + n) / d^2 and
              dt/dx = (1 - t^2) s(x) = 4 (1 + e) / d^2 times e (x < 0) or e^2,
              f'(x) = t + x dt/dx, which for x < 0 is
                      e (4 + 4x + e (6 + 4x + e (4 + e))) / d^2.
    Saved:    x.
    Source:   Misra (2019), arXiv:1908.08681.
    """
    return _mish(*floats("mish", x=x))


def elu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """X for x > 0, else alpha (exp(x) - 1).

    Gradient: f'(x) = 1 for x > 0, else alpha exp(x).
    Saved:    x.
    Kinks:    at 0 for alpha other than 1; the slope there is alpha, as in
              `jax.nn.elu`.
    Errors:   TypeError when `alpha` is not a number; it is not differentiated.
    Source:   Clevert, Unterthiner & Hochreiter (2015), arXiv:1511.07289.
    """
    return _elu(*floats("elu", x=x), number("elu", alpha=alpha))


def celu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """X for x > 0, else alpha (exp(x / alpha) - 1).

    Gradient: f'(x) = 1 for x > 0, else exp(x / alpha).
    Saved:    x.
    Errors:   ValueError unless `alpha` is above 0; it is not differentiated.
    Source:   Barron (2017), arXiv:1704.07483.
    """
    return _celu(*floats("celu", x=x), positive_number("celu", alpha=alpha))


def selu(x: jax.Array) -> jax.Array:
    """L x for x > 0, else L A (exp(x) - 1), with L = 1.0507..., A = 1.6732...

    Gradient: f'(x) = L for x > 0, else L A exp(x).
    Saved:    x.
    Kinks:    at 0 the slope is L A, as in `jax.nn.selu`.
    Source:   Klambauer et al. (2017), arXiv:1706.02515: the constants keep mean 0
              and variance 1.
    """
    return _selu(*floats("selu", x=x))


# References: the plain definitions.


def _sigmoid_reference(x):
    return lax.logistic(x)


def _tanh_reference(x):
    return jnp.tanh(x)


def _softplus_reference(x, beta):
    # -|x| as x - 2 max(x, 0), for both halves then take the same side at 0
    positive = jnp.where(x > 0, x, 0)
    return positive + jnp.log1p(jnp.exp(beta * (x - 2 * positive))) / beta


def _log_sigmoid_reference(x):
    return -_softplus_reference(-x, 1)


def _silu_reference(x):
    return x * lax.logistic(x)


def _mish_reference(x):
    return x * jnp.tanh(_softplus_reference(x, 1))


def _elu_reference(x, alpha):
    # exp where it overflows is never seen, nor is its slope
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0, x)))


def _celu_reference(x, alpha):
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0, x) / alpha))


def _selu_reference(x):
    return _SELU_SCALE * _elu_reference(x, _SELU_ALPHA)


# Values and slopes. A factor of x is clipped where the other has long underflowed, so
# that no infinity meets a zero. At 0 both parts of a branch are those for x > 0, so
# that their derivatives are.


def _sigmoid_value(x):
    s, _, low = logistic(x)
    return Scaled(s, low)


def _sigmoid_slope(x):
    s, e, low = logistic(x, both=True)
    return Scaled(e * s * s, low)


def _tanh_slope(x):
    return _sigmoid_slope(2 * x).times(4)


def _softplus_value(x, beta):
    low = beta * x < -TAIL
    e, below = e_of(beta * x, low)
    rest = jnp.where(low, e, log1p(e)) / beta
    return Scaled(jnp.where(below, 0, x) + rest, low)


def _softplus_slope(x, beta):
    return _sigmoid_value(beta * x)


def _log_sigmoid_value(x):
    return _softplus_value(-x, 1.0).times(-1)


def _log_sigmoid_slope(x):
    return _sigmoid_value(-x)


def _silu_value(x):
    return _sigmoid_value(x).times(jnp.maximum(x, -1e4))


def _silu_slope(x):
    low = x < -TAIL
    e, below = e_of(x, low)
    size, true_e = jnp.minimum(jnp.where(below, -x, x), 1e4), jnp.where(low, 0, e)
    fall = e * ((1 - size) + true_e) / jnp.square(1 + true_e)
    return Scaled(jnp.where(below, fall, 1 - fall), low)


def _mish_parts(x):
    """Of `mish`: e, n and d, and whether x < 0."""
    e, below = e_of(x, x < -TAIL)
    n = jnp.where(below, e * (e + 2), 1 + 2 * e)
    return e, n, n + jnp.where(below, 2, 2 * e * e), below


def _mish_value(x):
    _, n, d, _ = _mish_parts(x)
    return Scaled(jnp.maximum(x, -1e4) * n / d, x < -TAIL)


def _mish_slope(x):
    e, n, d, below = _mish_parts(x)
    c = 4 * jnp.clip(x, -1e4, 1e4)
    sum_ = n / d + c * jnp.where(below, e, e * e) * (1 + e) / (d * d)
    fall = e * (4 + c + e * (6 + c + e * (4 + e))) / (d * d)
    slope = jnp.where(x < -0.7, fall, sum_)
    return Scaled(_mish_near_minimum(x, slope), x < -TAIL)


def _complex_mish_slope(z):
    w = np.exp(z)
    d = w * (w + 2) + 2
    return w * (w + 2) / d + z * 4 * w * (1 + w) / d**2


_mish_near_minimum = taylor(_complex_mish_slope, -2.25, 0.75)


def _elu_value(x, alpha):
    return jnp.where(x > 0, x, alpha * expm1(jnp.where(x > 0, 0, x)))


def _elu_slope(x, alpha):
    positive, low = up(x) > 0, x < -TAIL
    return Scaled(
        jnp.where(positive, 1, alpha * exp(jnp.where(positive, 0, x), low)), low
    )


def _elu_tangent(x, alpha):
    return jnp.where(x > 0, x, alpha * x)


def _celu_value(x, alpha):
    return jnp.where(x > 0, x, alpha * expm1(jnp.where(x > 0, 0, x) / alpha))


def _celu_slope(x, alpha):
    return _elu_slope(x / alpha, 1.0)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


def _selu_value(x):
    return _SELU_SCALE * _elu_value(x, _SELU_ALPHA)


def _selu_slope(x):
    return _elu_slope(x, _SELU_ALPHA).times(_SELU_SCALE)


_sigmoid = smooth(_sigmoid_reference, _sigmoid_value, _sigmoid_slope)
_tanh = smooth(_tanh_reference, exact_tanh, _tanh_slope, tangent=1)
_softplus = smooth(
    _softplus_reference, _softplus_value, _softplus_slope, beta=(1.0, 0.3)
)
_log_sigmoid = smooth(
    _log_sigmoid_reference,
    _log_sigmoid_value,
    _log_sigmoid_slope,
    special=((0.0, -0.0, 20.0, -20.0, 700.0, -700.0), (100.0,)),
)
_silu = smooth(_silu_reference, _silu_value, _silu_slope, tangent=0.5)
_mish = smooth(_mish_reference, _mish_value, _mish_slope, tangent=0.6)
_elu = smooth(
    _elu_reference, _elu_value, _elu_slope, tangent=_elu_tangent, alpha=(1.0, 0.3)
)
_celu = smooth(_celu_reference, _celu_value, _celu_slope, tangent=1, alpha=(1.0, 0.3))
_selu = smooth(
    _selu_reference,
    _selu_value,
    _selu_slope,
    tangent=lambda x: _SELU_SCALE * _elu_tangent(x, _SELU_ALPHA),
)
