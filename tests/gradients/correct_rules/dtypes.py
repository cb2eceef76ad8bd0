"""Low precision, mixed precision, weak types and odd shapes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .example import Example, array, normal, reverse_rule

BF16, F16, F32 = jnp.bfloat16, jnp.float16, jnp.float32


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, F32))


def _rms_norm(x, scale):
    w = _wide(x)
    y = w * lax.rsqrt((w * w).mean(-1, keepdims=True) + 1e-6)
    return (y * _wide(scale)).astype(x.dtype)


def _rms_norm_bwd(saved, g):
    x, scale = saved
    w, g = _wide(x), _wide(g)
    inverse = lax.rsqrt((w * w).mean(-1, keepdims=True) + 1e-6)
    y, gy = w * inverse, g * _wide(scale)
    dx = inverse * (gy - y * (gy * y).mean(-1, keepdims=True))
    dscale = (g * y).reshape(-1, x.shape[-1]).sum(0)
    return dx.astype(x.dtype), dscale.astype(scale.dtype)


rms_norm = reverse_rule(_rms_norm, lambda *a: (_rms_norm(*a), a), _rms_norm_bwd)


def _dot(a, b):
    wide = jnp.promote_types(a.dtype, F32)
    return jnp.matmul(a, b, preferred_element_type=wide)


def _matmul_bwd(saved, g):
    a, b = saved
    g = g.astype(a.dtype)
    return _dot(g, b.T).astype(a.dtype), _dot(a.T, g).astype(b.dtype)


matmul = reverse_rule(
    lambda a, b: _dot(a, b).astype(a.dtype),
    lambda a, b: (_dot(a, b).astype(a.dtype), (a, b)),
    _matmul_bwd,
)


def _softmax32(x):
    return jax.nn.softmax(x.astype(F32), -1).astype(x.dtype)


def _softmax32_bwd(x, g):
    p, g = jax.nn.softmax(x.astype(F32), -1), g.astype(F32)
    return ((p * (g - (p * g).sum(-1, keepdims=True))).astype(x.dtype),)


softmax32 = reverse_rule(_softmax32, lambda x: (_softmax32(x), x), _softmax32_bwd)


def _mean_to_f32(x):
    return x.astype(F32).mean(0)


mean_to_f32 = reverse_rule(
    _mean_to_f32,
    lambda x: (_mean_to_f32(x), x),
    lambda x, g: (jnp.broadcast_to(g / len(x), x.shape).astype(x.dtype),),
)


def _sigmoid_bwd(x, g):
    w = _wide(x)
    return ((_wide(g) * lax.logistic(w) * lax.logistic(-w)).astype(x.dtype),)


def _sigmoid(x):
    return lax.logistic(_wide(x)).astype(x.dtype)


sigmoid = reverse_rule(_sigmoid, lambda x: (_sigmoid(x), x), _sigmoid_bwd)


def _mixed(x, w):
    return x.astype(w.dtype) * w


mixed = reverse_rule(
    _mixed,
    lambda x, w: (_mixed(x, w), (x, w)),
    lambda saved, g: (
        (g * saved[1]).astype(saved[0].dtype),
        g * saved[0].astype(g.dtype),
    ),
)

cast = reverse_rule(
    lambda x: x.astype(BF16),
    lambda x: (x.astype(BF16), x[..., :0]),
    lambda like, g: (g.astype(like.dtype),),
)

affine_by_numbers = jax.custom_jvp(lambda x, a, b: a * x + b)
affine_by_numbers.defjvps(
    lambda t, y, x, a, b: a * t,
    lambda t, y, x, a, b: t * x,
    lambda t, y, x, a, b: t * jnp.ones_like(x),
)


def _row_sums(x):
    return x.sum(-1)


row_sums = reverse_rule(
    _row_sums,
    lambda x: (_row_sums(x), x),
    lambda x, g: (jnp.broadcast_to(g[..., None], x.shape),),
)


def _total_variance(x):
    return ((x - x.mean()) ** 2).mean()


total_variance = reverse_rule(
    _total_variance,
    lambda x: (_total_variance(x), x),
    lambda x, g: (2 * g / x.size * (x - x.mean()),),
)


def _int8_dense(x, codes, scale):
    return (x @ codes.astype(x.dtype)) * scale


int8_dense = reverse_rule(
    _int8_dense,
    lambda x, codes, scale: (_int8_dense(x, codes, scale), (x, codes, scale)),
    lambda saved, g: (
        (g * saved[2]) @ saved[1].astype(g.dtype).T,
        None,
        (g * (saved[0] @ saved[1].astype(g.dtype))).sum(0),
    ),
)

EXAMPLES = (
    Example(
        "rms norm of bfloat16",
        rms_norm,
        (normal(50, 3, 16, dtype=BF16), normal(51, 16, dtype=BF16)),
        "statistics in float32: far more exact than bfloat16 autodiff",
    ),
    Example(
        "rms norm, bfloat16 input, float32 scale",
        lambda x, scale: rms_norm(x, scale).astype(F32),
        (normal(52, 3, 16, dtype=BF16), normal(53, 16)),
        "the two cotangents have different dtypes",
    ),
    Example(
        "bfloat16 matmul, float32 sums",
        matmul,
        (normal(54, 8, 64, dtype=BF16), normal(55, 64, 4, dtype=BF16)),
        "the result is rounded once, the cotangent is bfloat16 before its product",
    ),
    Example(
        "float16 softmax in float32",
        softmax32,
        (array([60.0, 0.0, -500.0], [1.0, 1.0, 1.0], dtype=F16),),
        "float32 is hard-coded inside, so float64 inputs gain nothing",
    ),
    Example(
        "mean of 300 bfloat16 rows",
        mean_to_f32,
        (normal(56, 300, 2, dtype=BF16),),
        "the output is wider than the input, whose cotangents are tiny",
    ),
    Example(
        "float16 sigmoid",
        sigmoid,
        (array(-12.0, -3.0, 0.0, 4.0, 9.0, dtype=F16),),
        "slopes among the subnormal numbers of float16",
    ),
    Example(
        "bfloat16 times float32",
        mixed,
        (normal(57, 5, dtype=BF16), normal(58, 5)),
        "each cotangent has the dtype of its own argument",
    ),
    Example(
        "cast to bfloat16",
        lambda x: cast(jnp.sin(x)),
        (normal(59, 5),),
        "the primal is a staircase; its slope is that of a cast, 1, as in JAX",
    ),
    Example(
        "Python numbers",
        affine_by_numbers,
        (normal(60, 3), 2.0, -1.0),
        "weakly typed scalars, whose tangents are weakly typed too",
    ),
    Example(
        "scalar input",
        lambda x: total_variance(x),
        (jnp.float32(3),),
        "one number has variance 0 and slope 0 everywhere",
    ),
    Example("no rows", row_sums, (normal(60, 0, 3),), "nothing to compare, of size 0"),
    Example(
        "empty rows",
        row_sums,
        (normal(60, 2, 0),),
        "an empty input has a non-empty output",
    ),
    Example("one by one", row_sums, (array([3.0]),), "size 1 along every axis"),
    Example(
        "variance around a large mean",
        total_variance,
        (normal(61, 8, shift=1000),),
        "float32 leaves four digits of each difference",
    ),
    Example(
        "int8 weights",
        int8_dense,
        (
            normal(62, 2, 3),
            array(*np.arange(-6, 6).reshape(3, 4), dtype=jnp.int8),
            normal(63, 4),
        ),
        "the weights are integers and have no gradient",
    ),
)
