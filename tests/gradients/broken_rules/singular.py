"""Rules that give NaN, infinity or a wrong number at zeros and masked entries."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(6)


def with_zero_row(x):
    """The array with its first row zero."""
    x = x.copy()
    x[0] = 0
    return x


def _norm(x):
    total = (x**2).sum(-1)
    return jnp.where(total == 0, 0, jnp.sqrt(jnp.where(total == 0, 1, total)))


norm = reverse_rule(
    _norm,
    lambda x: (_norm(x), x),
    lambda x, g: (g[..., None] * x / _norm(x)[..., None],),
)

product = reverse_rule(
    lambda x: jnp.prod(x),
    lambda x: (jnp.prod(x), x),
    lambda x, g: (g * jnp.prod(x) / x,),
)


def _cumulative_product_backward(x, g):
    terms = jnp.cumprod(x) * g
    return (jnp.cumsum(terms[::-1])[::-1] / x,)


cumulative_product = reverse_rule(
    lambda x: jnp.cumprod(x),
    lambda x: (jnp.cumprod(x), x),
    _cumulative_product_backward,
)

cube_by_power = elementwise(lambda x: x * x * x, lambda x: 3 * x**3 / x)


def _sinc_slope(x):
    return jnp.cos(jnp.pi * x) / x - jnp.sin(jnp.pi * x) / (jnp.pi * x**2)


def _sinc(x):
    safe = jnp.where(x == 0, 1, x)
    return jnp.where(x == 0, 1, jnp.sin(jnp.pi * safe) / (jnp.pi * safe))


sinc = elementwise(_sinc, _sinc_slope)


def _masked_log(x, mask):
    return jnp.where(mask, jnp.log(jnp.where(mask, x, 1)), 0)


masked_log = reverse_rule(
    _masked_log,
    lambda x, mask: (_masked_log(x, mask), (x, mask)),
    lambda saved, g: (g * saved[1] / saved[0], None),
)


def _masked_softmax(scores, mask):
    top = jnp.max(scores, -1, keepdims=True, where=mask, initial=-1e9)
    e = jnp.where(mask, jnp.exp(jnp.where(mask, scores - top, 0)), 0)
    total = e.sum(-1, keepdims=True)
    return e / jnp.where(total == 0, 1, total)


def _masked_softmax_backward(saved, g):
    scores, mask = saved
    p = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
    return p * (g - (p * g).sum(-1, keepdims=True)), None


masked_softmax = reverse_rule(
    _masked_softmax,
    lambda scores, mask: (_masked_softmax(scores, mask), (scores, mask)),
    _masked_softmax_backward,
)


def _cross_entropy(logits, labels):
    valid = labels >= 0
    loss = -jnp.take_along_axis(
        jax.nn.log_softmax(logits), jnp.maximum(labels, 0)[:, None], 1
    )[:, 0]
    return jnp.where(valid, loss, 0).sum() / jnp.maximum(valid.sum(), 1)


def _cross_entropy_backward(saved, g):
    logits, labels = saved
    valid = labels >= 0
    d = jax.nn.softmax(logits) - jax.nn.one_hot(labels, logits.shape[1])
    return g * d * valid[:, None] / valid.sum(), None


cross_entropy = reverse_rule(
    _cross_entropy,
    lambda x, labels: (_cross_entropy(x, labels), (x, labels)),
    _cross_entropy_backward,
)


def _unignored_backward(saved, g):
    logits, labels = saved
    d = jax.nn.softmax(logits) - jax.nn.one_hot(labels, logits.shape[1])
    return g * d / jnp.maximum((labels >= 0).sum(), 1), None


cross_entropy_of_ignored = reverse_rule(
    _cross_entropy,
    lambda x, labels: (_cross_entropy(x, labels), (x, labels)),
    _unignored_backward,
)


def _standardize(x):
    centered = x - x.mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-5)


def _standardize_backward(x, g):
    y = _standardize(x)
    deviation = jnp.std(x, axis=-1, keepdims=True)
    inner = g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)
    return (inner / deviation,)


standardize = reverse_rule(
    _standardize, lambda x: (_standardize(x), x), _standardize_backward
)


def _unit(x):
    return x / jnp.maximum(_norm(x), 1e-3)[..., None]


def _unit_backward(x, g):
    length = jnp.maximum(_norm(x), 1e-3)[..., None]
    y = x / length
    return ((g - y * (g * y).sum(-1, keepdims=True)) / length,)


unit = reverse_rule(_unit, lambda x: (_unit(x), x), _unit_backward)


def _weighted_log_sum(x, weight):
    return jnp.log((weight * jnp.exp(x)).sum())


def _weighted_log_sum_backward(saved, g):
    x, weight = saved
    p = weight * jnp.exp(x) / (weight * jnp.exp(x)).sum()
    safe = jnp.where(weight == 0, 1, weight)
    return g * p, g * p / safe


weighted_log_sum = reverse_rule(
    _weighted_log_sum,
    lambda x, w: (_weighted_log_sum(x, w), (x, w)),
    _weighted_log_sum_backward,
)

log_add_exp = reverse_rule(
    jnp.logaddexp,
    lambda x, y: (jnp.logaddexp(x, y), (x, y)),
    lambda saved, g: (
        g * jnp.where(saved[0] == saved[1], 1, jax.nn.sigmoid(saved[0] - saved[1])),
        g * jax.nn.sigmoid(saved[1] - saved[0]),
    ),
)

relative_expm1 = elementwise(
    lambda x: jnp.where(x == 0, 1, jnp.expm1(x) / jnp.where(x == 0, 1, x)),
    lambda x: (x * jnp.exp(x) - jnp.expm1(x)) / x**2,
)


def _distance(x, y):
    return jnp.sqrt(((x - y) ** 2).sum(-1) + 1e-4)


def _distance_backward(saved, g):
    x, y = saved
    d = x - y
    dx = g[..., None] * d / jnp.sqrt((d**2).sum(-1, keepdims=True))
    return dx.sum(1, keepdims=True), -dx.sum(0, keepdims=True)


distance = reverse_rule(
    _distance, lambda x, y: (_distance(x, y), (x, y)), _distance_backward
)

points = normal(3, 2)
labels = np.array([1, -1, 0], np.int32)

EXAMPLES = (
    Example(
        "norm_of_a_zero_row",
        norm,
        (with_zero_row(normal(3, 4)),),
        "The norm's gradient is NaN at zero, as in pytorch/pytorch#2421.",
    ),
    Example(
        "norm_of_ordinary_rows",
        norm,
        (normal(3, 4),),
        "The norm's gradient is NaN for a zero row; there is none here.",
    ),
    Example(
        "product_with_a_zero",
        product,
        (np.array([2.0, 0.0, 3.0], np.float32),),
        "The product is divided by its factor, as in pytorch/pytorch#773.",
    ),
    Example(
        "product_without_a_zero",
        product,
        (normal(4),),
        "The product is divided by its factor, NaN for a zero; here none is.",
    ),
    Example(
        "cumulative_product_with_a_zero",
        cumulative_product,
        (np.array([2.0, 0.0, 3.0, -1.0], np.float32),),
        "The suffix sums are divided by the factor.",
    ),
    Example(
        "cube_divided_by_its_base",
        cube_by_power,
        (normal(4),),
        "The power is lowered by a division: NaN at zero.",
    ),
    Example(
        "sinc_at_zero",
        sinc,
        (np.array([0.0, 0.5, -1.2], np.float32),),
        "The quotient rule gives NaN at zero, where the slope is 0.",
    ),
    Example(
        "masked_log_of_zero",
        masked_log,
        (np.array([1.0, 0.0, 2.0], np.float32), np.array([True, False, True])),
        "The mask is multiplied on after the division, as in jax-ml/jax#1052.",
    ),
    Example(
        "masked_log_of_ordinary_values",
        masked_log,
        (np.abs(normal(3)) + 0.5, np.array([True, False, True])),
        "The mask is multiplied on after the division; no masked entry is zero here.",
    ),
    Example(
        "softmax_of_a_row_all_masked",
        masked_softmax,
        (normal(2, 3), np.array([[True, False, True], [False] * 3])),
        "A row that is masked whole gives zeros forward and NaN backward.",
    ),
    Example(
        "cross_entropy_of_ignored_labels_only",
        cross_entropy,
        (normal(3, 4), np.full(3, -1, np.int32)),
        "The count of labels is kept from zero in the forward pass alone.",
    ),
    Example(
        "cross_entropy_with_gradient_for_ignored",
        cross_entropy_of_ignored,
        (normal(3, 4), labels),
        "Rows whose label is ignored get a gradient, as in PaddlePaddle/Paddle#28622.",
    ),
    Example(
        "standardize_constant_rows",
        standardize,
        (with_zero_row(normal(3, 4)),),
        "eps is missing in the backward pass: NaN for a constant row.",
    ),
    Example(
        "unit_vectors_below_the_floor",
        unit,
        (normal(3, 4),),
        "Below the floor of the norm the map is linear and has no projection; the "
        "rows here are longer.",
    ),
    Example(
        "unit_vectors_of_tiny_rows",
        unit,
        (normal(3, 4, scale=1e-4),),
        "Below the floor of the norm the map is linear and has no projection.",
    ),
    Example(
        "weight_of_zero_in_log_sum",
        weighted_log_sum,
        (normal(3), np.array([1.0, 0.0, 2.0], np.float32)),
        "A weight of zero gets no gradient, as in jax-ml/jax#22398.",
    ),
    Example(
        "log_add_exp_of_equal_arguments",
        log_add_exp,
        (points[0], points[0].copy()),
        "Of two equal arguments the first gets 1 in place of 0.5.",
    ),
    Example(
        "log_add_exp_of_different_arguments",
        log_add_exp,
        (points[1], points[2]),
        "Of two equal arguments the first gets 1 in place of 0.5; here they differ.",
    ),
    Example(
        "relative_expm1_at_zero",
        relative_expm1,
        (np.array([0.0, 1.0], np.float32),),
        "The slope at zero is 0 / 0 where it is 0.5.",
    ),
    Example(
        "distance_of_a_point_to_itself",
        lambda x: distance(x[:, None], x[None]).sum(),
        (points,),
        "The eps under the root is forgotten: NaN for every point and itself.",
    ),
)
