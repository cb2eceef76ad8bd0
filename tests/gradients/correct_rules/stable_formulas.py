"""Rules that are right where the automatic gradient is NaN or loses its digits."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from .example import Example, array, integers, normal, replaced, reverse_rule


def elementwise(value, slope):
    """A forward rule from a value and a slope."""
    op = jax.custom_jvp(value)
    op.defjvps(lambda t, y, x: t * slope(x))
    return op


@jax.custom_jvp
def norm(x):
    return jnp.sqrt((x * x).sum(-1))


@norm.defjvp
def _norm_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    length = norm(x)
    safe = jnp.where(length > 0, length, 1)
    return length, jnp.where(length > 0, (x * t).sum(-1) / safe, 0)


def _safe(x):
    return jnp.where(x > 0, x, 1)


safe_sqrt = elementwise(
    lambda x: jnp.where(x > 0, jnp.sqrt(x), 0),
    lambda x: jnp.where(x > 0, 0.5 * lax.rsqrt(_safe(x)), 0),
)
x_log_x = elementwise(
    lambda x: jnp.where(x > 0, x * jnp.log(x), 0),
    lambda x: jnp.where(x > 0, jnp.log(_safe(x)) + 1, 0),
)


def _nonzero(x):
    return jnp.where(x == 0, 1, x)


square_log = elementwise(
    lambda x: jnp.where(x == 0, 0, x * x * jnp.log(jnp.abs(x))),
    lambda x: jnp.where(x == 0, 0, x * (2 * jnp.log(jnp.abs(_nonzero(x))) + 1)),
)


def _sinc_slope(x):
    small = jnp.abs(x) < 1
    near, far = jnp.where(small, x, 0), jnp.where(small, 1, x)
    terms = [
        (-1) ** k * 2 * k * near ** (2 * k - 1) / math.gamma(1 + 2 * k + 1)
        for k in range(1, 9)
    ]
    return jnp.where(small, sum(terms), (jnp.cos(far) - jnp.sin(far) / far) / far)


sinc = elementwise(lambda x: jnp.where(x == 0, 1, jnp.sin(x) / x), _sinc_slope)


def _logsumexp(x):
    top = x.max(-1, keepdims=True)
    return (jnp.log(jnp.exp(x - top).sum(-1, keepdims=True)) + top)[..., 0]


def _logsumexp_fwd(x):
    y = _logsumexp(x)
    return y, (x, y)


def _logsumexp_bwd(saved, g):
    x, y = saved
    return (g[..., None] * jnp.exp(x - y[..., None]),)


logsumexp = reverse_rule(_logsumexp, _logsumexp_fwd, _logsumexp_bwd)


def _masked_softmax(x, mask):
    x = jnp.where(mask, x, -jnp.inf)
    top = x.max(-1, keepdims=True)
    weights = jnp.exp(x - jnp.where(jnp.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    return weights / jnp.where(total > 0, total, 1)


def _masked_softmax_fwd(x, mask):
    p = _masked_softmax(x, mask)
    return p, p


def _masked_softmax_bwd(p, g):
    return p * (g - (p * g).sum(-1, keepdims=True)), None


masked_softmax = reverse_rule(_masked_softmax, _masked_softmax_fwd, _masked_softmax_bwd)

log1mexp = elementwise(
    lambda x: jnp.log(-jnp.expm1(-x)),
    lambda x: jnp.exp(-x) / -jnp.expm1(-x),
)
log_sigmoid = elementwise(
    lambda x: jnp.minimum(x, 0) - jnp.log1p(jnp.exp(-jnp.abs(x))),
    lambda x: lax.logistic(-x),
)
naive_softplus = elementwise(
    lambda x: jnp.log1p(jnp.exp(x)), lambda x: 1 / (1 + jnp.exp(-x))
)
arc_length = elementwise(
    lambda x: x * x / (jnp.sqrt(1 + x * x) + 1), lambda x: x / jnp.sqrt(1 + x * x)
)
tanh = elementwise(jnp.tanh, lambda x: 4 * lax.logistic(2 * x) * lax.logistic(-2 * x))
log_cosh = elementwise(
    lambda x: jnp.abs(x) + jnp.log1p(jnp.exp(-2 * jnp.abs(x))) - math.log(2), jnp.tanh
)


def _exprel_slope(x):
    """Of (exp x - 1) / x: a series near zero, where the formula cancels."""
    small = jnp.abs(x) < 1
    near, far = jnp.where(small, x, 0), jnp.where(small, 1, x)
    series = sum((k + 1) * near**k / math.gamma(1 + k + 2) for k in range(17))
    return jnp.where(small, series, (jnp.exp(far) * (far - 1) + 1) / (far * far))


exprel = elementwise(
    lambda x: jnp.where(x == 0, 1, jnp.expm1(x) / _nonzero(x)), _exprel_slope
)


def _cross_entropy(logits, labels):
    picked = jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]
    return jax.nn.logsumexp(logits, -1) - picked


def _cross_entropy_fwd(logits, labels):
    return _cross_entropy(logits, labels), (logits, labels)


def _cross_entropy_bwd(saved, g):
    logits, labels = saved
    p = jax.nn.softmax(logits, -1)
    hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    others = jnp.where(hot, 0, p)
    # not p - 1, which loses its digits where p is nearly 1
    d = jnp.where(hot, -others.sum(-1, keepdims=True), p)
    return g[:, None] * d, None


cross_entropy = reverse_rule(_cross_entropy, _cross_entropy_fwd, _cross_entropy_bwd)


def _product_bwd(x, g):
    one = jnp.ones_like(x[..., :1])
    left = jnp.cumprod(jnp.concatenate([one, x[..., :-1]], -1), -1)
    from_right = jnp.concatenate([one, x[..., :0:-1]], -1)
    return (g[..., None] * left * jnp.cumprod(from_right, -1)[..., ::-1],)


product = reverse_rule(lambda x: x.prod(-1), lambda x: (x.prod(-1), x), _product_bwd)


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-3)


def _unit_bwd(x, g):
    length = jnp.sqrt((x * x).sum(-1, keepdims=True))
    scale = jnp.maximum(length, 1e-3)
    y = x / scale
    radial = jnp.where(length > 1e-3, (y * g).sum(-1, keepdims=True), 0)
    return ((g - y * radial) / scale,)


def _unit_fwd(x):
    return _unit(x), x


unit = reverse_rule(_unit, _unit_fwd, _unit_bwd)


def _distances(x):
    return jnp.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))


def _distances_bwd(x, g):
    difference = x[:, None] - x[None]
    squared = (difference**2).sum(-1)
    apart = squared > 0
    weight = jnp.where(apart, g / jnp.sqrt(jnp.where(apart, squared, 1)), 0)
    pull = weight[..., None] * difference
    return (pull.sum(1) - pull.sum(0),)


distances = reverse_rule(_distances, lambda x: (_distances(x), x), _distances_bwd)


def _x_log_y(x, y):
    return jnp.where(x == 0, 0, x * jnp.log(jnp.where(x == 0, 1, y)))


def _binary_loss(p, y):
    """Cross-entropy of probabilities, with 0 log 0 = 0."""
    return -_x_log_y(y, p) - _x_log_y(1 - y, 1 - p)


def _binary_loss_bwd(saved, g):
    p, y = saved
    positive = jnp.where(y == 0, 0, y / jnp.where(y == 0, 1, p))
    negative = jnp.where(y == 1, 0, (1 - y) / jnp.where(y == 1, 1, 1 - p))
    return g * (negative - positive), None


binary_loss = reverse_rule(
    _binary_loss,
    lambda p, y: (_binary_loss(p, y.astype(p.dtype)), (p, y.astype(p.dtype))),
    _binary_loss_bwd,
)

EXAMPLES = (
    Example(
        "norm with slope 0 at 0",
        norm,
        (replaced(normal(1, 3, 4), 1, 0),),
        "autodiff of the square root of a zero row is NaN",
    ),
    Example(
        "square root, 0 below 0",
        safe_sqrt,
        (array(-1.0, 0.0, 1e-6, 0.25, 100.0),),
        "the right-hand slope at zero is infinite, the left-hand one 0",
    ),
    Example(
        "x log x, 0 below 0",
        x_log_x,
        (array(-1.0, 0.0, 1e-3, 1.0, 5.0),),
        "autodiff gives NaN at zero even for a zero cotangent",
    ),
    Example(
        "x^2 log |x|",
        square_log,
        (array(-2.0, -1e-3, 0.0, 0.0, 1.0),),
        "smooth enough at zero, where autodiff of jnp.where is NaN",
    ),
    Example(
        "sinc with a series",
        sinc,
        (array(-4.0, -1.0, -1e-3, 0.0, 0.5, 1.0, 20.0),),
        "two formulas that meet at 1, and 0 / 0 at zero",
    ),
    Example(
        "logsumexp with -inf",
        logsumexp,
        (array([0.0, -jnp.inf, 2.0], [-jnp.inf, -jnp.inf, 5.0]),),
        "infinite inputs whose slope is exactly 0",
    ),
    Example(
        "softmax of a masked row",
        masked_softmax,
        (normal(2, 3, 4), array([1, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], dtype=bool)),
        "a row with nothing in it gives zeros, where autodiff is NaN",
    ),
    Example(
        "log(1 - exp(-x))",
        log1mexp,
        (array(1e-3, 0.1, 0.7, 5.0, 30.0),),
        "only defined for positive numbers; the slope is large near zero",
    ),
    Example(
        "exact log-sigmoid",
        log_sigmoid,
        (array(-100.0, -3.0, 0.0, 0.0, 20.0, 80.0),),
        "autodiff meets two kinks at zero that cancel in the value",
    ),
    Example(
        "softplus that overflows",
        naive_softplus,
        (array(-80.0, -1.0, 0.0, 3.0, 80.0),),
        "for larger inputs the slope would be finite where the value is not",
    ),
    Example(
        "sqrt(1 + x^2) - 1 without cancellation",
        arc_length,
        (array(-1e-3, 0.0, 1e-4, 0.1, 50.0),),
        "slopes of 1e-4 that must keep all digits",
    ),
    Example(
        "tanh, exact tails",
        tanh,
        (array(-9.0, -6.0, -0.5, 0.0, 4.0, 8.0),),
        "1 - tanh^2, the automatic slope, has no digit left in the tails",
    ),
    Example(
        "log cosh",
        log_cosh,
        (array(-40.0, -1.0, 0.0, 0.0, 1e-3, 2.0),),
        "smooth, but written with two kinks at zero",
    ),
    Example(
        "(exp x - 1) / x",
        exprel,
        (array(-3.0, -1e-3, 0.0, 1e-2, 1.0, 4.0),),
        "a removable singularity, and a cancelling automatic slope next to it",
    ),
    Example(
        "cross-entropy of confident logits",
        cross_entropy,
        (array([18.0, 0.0, 1.0], [-3.0, 16.0, 0.0]), integers(0, 1)),
        "1 - p is computed from the other entries and differs from autodiff",
    ),
    Example(
        "product with zeros",
        product,
        (array([2.0, 0.0, 3.0, -1.0], [0.0, 1.0, 0.0, 2.0], [1.0, 2.0, 3.0, 4.0]),),
        "dividing the product by the entry would fail; one or two zeros differ",
    ),
    Example(
        "unit vectors with a floor",
        unit,
        (replaced(normal(3, 3, 4), 1, 0),),
        "a zero row has slope 1000 in every direction",
    ),
    Example(
        "pairwise distances",
        distances,
        (replaced(replaced(normal(4, 4, 2), 2, 0), 3, 0),),
        "every point has distance zero from itself, and two coincide",
    ),
    Example(
        "probabilities of exactly 0 and 1",
        binary_loss,
        (array(0.0, 1.0, 0.3, 0.9), integers(0, 1, 1, 0)),
        "the loss is finite there, and log p is not",
    ),
)
