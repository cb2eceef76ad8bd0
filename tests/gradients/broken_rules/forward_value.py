"""Forward passes that give another value than the function, or another mask."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, normals, reverse_rule

normal = normals(10)
seed = np.array([0, 7], np.uint32)


def sine_with_forward(change):
    """The sine whose forward pass under differentiation is changed."""
    return reverse_rule(
        lambda x: jnp.sin(x),
        lambda x: (change(jnp.sin(x)), x),
        lambda x, g: (g.astype(x.dtype) * jnp.cos(x),),
    )


def _exact(x):
    return x * jax.scipy.special.ndtr(x)


def _gelu_forward(x):
    return jax.nn.gelu(x, approximate=True), x


gelu_of_two_kinds = reverse_rule(
    _exact, _gelu_forward, lambda x, g: (jax.vjp(_exact, x)[1](g)[0],)
)


def _norm(x, weight):
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-2) * weight


def _norm_forward(x, weight):
    y, pull = jax.vjp(_norm, x, weight)
    del y
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True)) * weight, pull


norm_without_eps = reverse_rule(_norm, _norm_forward, lambda pull, g: pull(g))


def _affine(x, kernel, bias):
    return x @ kernel + bias


affine_without_bias = reverse_rule(
    _affine,
    lambda x, kernel, bias: (x @ kernel, (x, kernel)),
    lambda saved, g: (g @ saved[1].T, saved[0].T @ g, g.sum(0)),
)


def _mean_loss(x):
    return (x**2).mean()


sum_for_mean = reverse_rule(
    _mean_loss, lambda x: ((x**2).sum(), x), lambda x, g: (2 * g * x / x.size,)
)


def _mask(key, x, rate=0.5):
    return jax.random.bernoulli(key, 1 - rate, x.shape)


def _dropout(x, data):
    return jnp.where(_mask(jax.random.wrap_key_data(data), x), x / 0.5, 0)


def dropout_with(backward, forward=_dropout):
    """Dropout with a raw key as its second argument."""
    return reverse_rule(
        _dropout, lambda x, data: (forward(x, data), (x, data)), backward
    )


def _other_key_backward(saved, g):
    x, data = saved
    key, _ = jax.random.split(jax.random.wrap_key_data(data))
    return jnp.where(_mask(key, x), g / 0.5, 0), None


def _unscaled_backward(saved, g):
    x, data = saved
    return jnp.where(_mask(jax.random.wrap_key_data(data), x), g, 0), None


def _mask_of_cotangent_backward(saved, g):
    # "what was dropped is zero": so is an input that was zero, and a cotangent
    x, data = saved
    return jnp.where(_dropout(x, data) != 0, g / 0.5, 0), None


def _transposed_backward(saved, g):
    x, data = saved
    mask = _mask(jax.random.wrap_key_data(data), x.T).T
    return jnp.where(mask, g / 0.5, 0), None


def _dropout_of_next_key(x, data):
    key, _ = jax.random.split(jax.random.wrap_key_data(data))
    return jnp.where(_mask(key, x), x / 0.5, 0)


def _same_mask_backward(saved, g):
    x, data = saved
    return jnp.where(_mask(jax.random.wrap_key_data(data), x), g / 0.5, 0), None


def _noisy(x, scale, key):
    return x + scale * jax.random.normal(key, x.shape)


def _noisy_backward(saved, g):
    x, key = saved
    noise = jax.random.normal(jax.random.fold_in(key, 1), x.shape)
    return g, (g * noise).sum(), None


noise = reverse_rule(
    _noisy, lambda x, s, key: (_noisy(x, s, key), (x, key)), _noisy_backward
)

relu_of_positive = np.maximum(normal(4, 5), 0)

EXAMPLES = (
    Example(
        "forward_off_by_a_thousandth",
        sine_with_forward(lambda y: y * (1 + 1e-3)),
        (normal(5),),
        "Under differentiation the value is 0.1 % larger.",
    ),
    Example(
        "forward_off_by_a_millionth",
        sine_with_forward(lambda y: y * (1 + 1e-6)),
        (normal(64),),
        "Under differentiation the value is larger by a millionth.",
    ),
    Example(
        "forward_rounded_to_bfloat16",
        sine_with_forward(lambda y: y.astype(jnp.bfloat16).astype(y.dtype)),
        (normal(5),),
        "Under differentiation the value goes through bfloat16.",
    ),
    Example(
        "forward_of_another_dtype",
        sine_with_forward(lambda y: y.astype(jnp.bfloat16)),
        (normal(5),),
        "Under differentiation the value is bfloat16, else float32.",
    ),
    Example(
        "forward_of_another_gelu",
        gelu_of_two_kinds,
        (normal(7),),
        "The forward pass has the tanh approximation, the function the exact one.",
    ),
    Example(
        "forward_without_eps",
        norm_without_eps,
        (normal(3, 4), normal(4)),
        "Under differentiation the eps is dropped.",
    ),
    Example(
        "forward_without_bias",
        affine_without_bias,
        (normal(3, 4), normal(4, 2), normal(2)),
        "Under differentiation the bias is not added.",
    ),
    Example(
        "forward_sum_for_mean",
        sum_for_mean,
        (normal(6),),
        "The function is a mean, its forward pass a sum.",
    ),
    Example(
        "dropout_backward_of_another_key",
        dropout_with(_other_key_backward),
        (normal(4, 5), seed),
        "The key is split in the backward pass only: another mask.",
    ),
    Example(
        "dropout_backward_unscaled",
        dropout_with(_unscaled_backward),
        (normal(4, 5), seed),
        "The backward pass forgets to divide by the rate kept.",
    ),
    Example(
        "dropout_backward_by_output",
        dropout_with(_mask_of_cotangent_backward),
        (relu_of_positive, seed),
        "The mask is read off the output: inputs that are zero, as after a ReLU, get "
        "no gradient.",
    ),
    Example(
        "dropout_backward_by_output_without_zeros",
        dropout_with(_mask_of_cotangent_backward),
        (normal(4, 5), seed),
        "The mask is read off the output; no input is zero here.",
    ),
    Example(
        "dropout_backward_of_transposed_mask",
        dropout_with(_transposed_backward),
        (normal(4, 5), seed),
        "The mask is drawn in another layout and transposed.",
    ),
    Example(
        "dropout_forward_of_another_key",
        dropout_with(_same_mask_backward, _dropout_of_next_key),
        (normal(4, 5), seed),
        "The forward pass under differentiation draws another mask.",
    ),
    Example(
        "noise_backward_of_another_key",
        lambda x, scale, data: noise(x, scale, jax.random.wrap_key_data(data)),
        (normal(4), normal() + 1, seed),
        "The noise's scale gets its gradient from other noise.",
    ),
)
