"""Wrong factors, signs and missing terms, wrong at every ordinary point."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(1)

swish_without_product_term = elementwise(
    lambda x: x * jax.nn.sigmoid(x), jax.nn.sigmoid
)

tanh_of_input = elementwise(jnp.tanh, lambda x: 1 - x**2)

square_without_factor = elementwise(jnp.square, lambda x: x)

cosine_with_wrong_sign = elementwise(jnp.cos, jnp.sin)

exponential_off_by_a_hundredth = elementwise(jnp.exp, lambda x: 1.01 * jnp.exp(x))

sine_off_by_a_thousandth = elementwise(jnp.sin, lambda x: 1.001 * jnp.cos(x))

softplus_without_sharpness = elementwise(
    lambda x: jax.nn.softplus(3 * x) / 3, lambda x: jax.nn.sigmoid(x)
)


def _gelu(x):
    return 0.5 * x * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def _gelu_slope(x):
    t = jnp.tanh(0.7978845608 * (x + 0.044715 * x**3))
    # the cubic term's derivative needs 3 * 0.044715
    inner = 0.7978845608 * (1 + 0.044715 * x**2)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner


gelu_without_cubic_factor = elementwise(_gelu, _gelu_slope)


@jax.custom_vjp
def matmul_off_by_a_ten_thousandth(x, w):
    return x @ w


matmul_off_by_a_ten_thousandth.defvjp(
    lambda x, w: (x @ w, (x, w)),
    lambda saved, g: (g @ saved[1].T, 1.0001 * (saved[0].T @ g)),
)


@jax.custom_vjp
def quotient(x, y):
    return x / y


quotient.defvjp(
    lambda x, y: (x / y, (x, y)),
    lambda saved, g: (g / saved[1], g * saved[0] / saved[1] ** 2),
)


@jax.custom_vjp
def power(x, exponent):
    return x**exponent


def _power_backward(saved, g):
    x, exponent, y = saved
    return g * exponent * y / x, g * y


power.defvjp(lambda x, e: (x**e, (x, e, x**e)), _power_backward)


@jax.custom_vjp
def gated(x, gate):
    return x * jax.nn.sigmoid(gate)


def _gated_backward(saved, g):
    x, gate = saved
    s = jax.nn.sigmoid(gate)
    return g * x * s * (1 - s), g * s


gated.defvjp(lambda x, gate: (gated(x, gate), (x, gate)), _gated_backward)


def _inverse_backward(y, g):
    return (-y @ g @ y,)


inverse = reverse_rule(
    jnp.linalg.inv, lambda a: (jnp.linalg.inv(a),) * 2, _inverse_backward
)

log_determinant = reverse_rule(
    lambda a: jnp.linalg.slogdet(a)[1],
    lambda a: (jnp.linalg.slogdet(a)[1], a),
    lambda a, g: (g * jnp.linalg.inv(a),),
)

cumulative_sum = reverse_rule(
    lambda x: jnp.cumsum(x, -1),
    lambda x: (jnp.cumsum(x, -1), ()),
    lambda saved, g: (jnp.cumsum(g, -1),),
)


def _variance(x):
    return jnp.var(x, axis=-1, ddof=1)


def _variance_backward(x, g):
    centered = x - x.mean(-1, keepdims=True)
    return (2 * g[..., None] * centered / x.shape[-1],)


sample_variance = reverse_rule(
    _variance, lambda x: (_variance(x), x), _variance_backward
)


def _convolution(x, kernel):
    return jnp.convolve(x, kernel, mode="same")


def _convolution_backward(saved, g):
    x, kernel = saved
    dx = jnp.convolve(g, kernel, mode="same")
    padded = jnp.pad(x, 1)
    taps = [jnp.vdot(g, padded[2 - i : 2 - i + x.size]) for i in range(3)]
    return dx, jnp.stack(taps)


convolution = reverse_rule(
    _convolution, lambda x, k: (_convolution(x, k), (x, k)), _convolution_backward
)

square_matrix = normal(3, 3) + 3 * np.eye(3, dtype=np.float32)

EXAMPLES = (
    Example(
        "swish_without_product_term",
        swish_without_product_term,
        (normal(3, 5),),
        "The term x s (1 - s) of the product rule is missing.",
    ),
    Example(
        "tanh_of_input",
        tanh_of_input,
        (normal(7),),
        "1 - x^2 stands where 1 - tanh(x)^2 belongs.",
    ),
    Example(
        "square_without_factor",
        square_without_factor,
        (normal(4),),
        "The factor 2 is missing.",
    ),
    Example(
        "cosine_with_wrong_sign",
        cosine_with_wrong_sign,
        (normal(4, 2),),
        "The derivative of the cosine has the wrong sign.",
    ),
    Example(
        "exponential_off_by_a_hundredth",
        exponential_off_by_a_hundredth,
        (normal(6),),
        "The gradient is 1 % too large.",
    ),
    Example(
        "sine_off_by_a_thousandth",
        lambda x: sine_off_by_a_thousandth(x).sum(),
        (normal(6),),
        "The gradient is 0.1 % too large.",
    ),
    Example(
        "matmul_off_by_a_ten_thousandth",
        matmul_off_by_a_ten_thousandth,
        (normal(4, 3), normal(3, 2)),
        "The cotangent of the second factor is 0.01 % too large.",
    ),
    Example(
        "softplus_without_sharpness",
        softplus_without_sharpness,
        (normal(5),),
        "The slope is sigmoid(x), the sharpness of 3 is forgotten.",
    ),
    Example(
        "gelu_without_cubic_factor",
        gelu_without_cubic_factor,
        (normal(3, 3),),
        "The derivative of the cubic term has lost its factor 3.",
    ),
    Example(
        "quotient_with_wrong_sign",
        quotient,
        (normal(5), np.abs(normal(5)) + 1),
        "The cotangent of the denominator has the wrong sign.",
    ),
    Example(
        "power_without_logarithm",
        power,
        (np.abs(normal(4)) + 0.5, normal(4)),
        "The cotangent of the exponent lacks log(x).",
    ),
    Example(
        "gated_with_swapped_cotangents",
        gated,
        (normal(3, 4), normal(3, 4)),
        "The cotangents of two arguments of one shape are returned in each other's "
        "place.",
    ),
    Example(
        "inverse_without_transposes",
        inverse,
        (square_matrix,),
        "-Y g Y stands for -Y^T g Y^T, right for symmetric matrices only.",
    ),
    Example(
        "log_determinant_without_transpose",
        log_determinant,
        (square_matrix,),
        "The inverse is not transposed, right for symmetric matrices only.",
    ),
    Example(
        "cumulative_sum_not_reversed",
        cumulative_sum,
        (normal(2, 5),),
        "The cotangent is summed from the front where it must be from the back.",
    ),
    Example(
        "sample_variance_with_population_count",
        sample_variance,
        (normal(3, 5),),
        "The forward pass divides by n - 1, the backward pass by n.",
    ),
    Example(
        "convolution_with_kernel_not_flipped",
        convolution,
        (normal(8), normal(3)),
        "The cotangent of the signal is convolved with the kernel, not correlated.",
    ),
)
