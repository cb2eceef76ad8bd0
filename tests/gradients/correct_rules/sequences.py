"""Recursions: through time, over alignments, cumulative and circular."""

import jax
import jax.numpy as jnp
from jax import lax

from .example import Example, array, normal, reverse_rule


def _recurrent(w, h, xs):
    return lax.scan(lambda h, x: (jnp.tanh(w @ h + x),) * 2, h, xs)


def _recurrent_fwd(w, h, xs):
    last, hs = _recurrent(w, h, xs)
    return (last, hs), (w, jnp.concatenate([h[None], hs]))


def _recurrent_bwd(saved, g):
    w, hs = saved
    glast, ghs = g

    def step(dh, row):
        now, g = row
        da = (dh + g) * (1 - now * now)
        return w.T @ da, da

    dh, das = lax.scan(step, glast, (hs[1:], ghs), reverse=True)
    return jnp.einsum("ti,tj->ij", das, hs[:-1]), dh, das


recurrent = reverse_rule(_recurrent, _recurrent_fwd, _recurrent_bwd)


def _forward_scores(log_start, log_step, log_emit):
    def step(alpha, emit):
        alpha = jax.nn.logsumexp(alpha[:, None] + log_step, 0) + emit
        return alpha, alpha

    first = log_start + log_emit[0]
    return jnp.concatenate([first[None], lax.scan(step, first, log_emit[1:])[1]])


def _likelihood(*scores):
    return jax.nn.logsumexp(_forward_scores(*scores)[-1])


def _likelihood_fwd(*scores):
    alphas = _forward_scores(*scores)
    return jax.nn.logsumexp(alphas[-1]), (alphas, *scores[1:])


def _likelihood_bwd(saved, g):
    """Posteriors of states and of transitions, by the backward recursion."""
    alphas, log_step, log_emit = saved

    def step(beta, emit):
        return jax.nn.logsumexp(log_step + (emit + beta), 1), beta

    first, betas = lax.scan(step, jnp.zeros_like(alphas[0]), log_emit[1:], reverse=True)
    betas = jnp.concatenate([first[None], betas])
    total = jax.nn.logsumexp(alphas[-1])
    states = jnp.exp(alphas + betas - total)
    pairs = alphas[:-1, :, None] + log_step + (log_emit + betas)[1:, None] - total
    return g * states[0], g * jnp.exp(pairs).sum(0), g * states


likelihood = reverse_rule(_likelihood, _likelihood_fwd, _likelihood_bwd)


def alignment_loss(logits):
    """CTC-like: a left-to-right alignment, in which moves back are impossible."""
    never = -1e3
    step = jnp.where(
        jnp.triu(jnp.ones((3, 3))) > jnp.triu(jnp.ones((3, 3)), 2), 0, never
    )
    start = jnp.array([0, never, never])
    log_p = jax.nn.log_softmax(logits)
    return -likelihood(start.astype(logits.dtype), step.astype(logits.dtype), log_p)


cumulative_sum = reverse_rule(
    lambda x: jnp.cumsum(x, 1),
    lambda x: (jnp.cumsum(x, 1), None),
    lambda _, g: (lax.cumsum(g, 1, reverse=True),),
)


@jax.custom_jvp
def cumulative_product(x):
    return jnp.cumprod(x)


@cumulative_product.defjvp
def _cumulative_product_jvp(primals, tangents):
    def step(carry, row):
        product, tangent = carry
        x, t = row
        carry = product * x, tangent * x + product * t
        return carry, carry

    one, zero = jnp.ones_like(primals[0][0]), jnp.zeros_like(primals[0][0])
    return lax.scan(step, (one, zero), (primals[0], tangents[0]))[1]


def _circular(x, kernel):
    """Circular convolution by the Fourier transform."""
    spectrum = jnp.fft.rfft(x) * jnp.fft.rfft(kernel, x.shape[-1])
    return jnp.fft.irfft(spectrum, x.shape[-1])


def _correlate(g, x):
    spectrum = jnp.fft.rfft(g) * jnp.conj(jnp.fft.rfft(x, g.shape[-1]))
    return jnp.fft.irfft(spectrum, g.shape[-1])


circular = reverse_rule(
    _circular,
    lambda x, kernel: (_circular(x, kernel), (x, kernel)),
    lambda saved, g: (
        _correlate(g, saved[1]),
        _correlate(g, saved[0])[: len(saved[1])],
    ),
)


def _decayed(decay, xs):
    """h_t = decay h_(t-1) + x_t, by an associative scan."""
    decays = jnp.broadcast_to(decay, xs.shape)

    def join(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    return lax.associative_scan(join, (decays, xs))[1]


def _decayed_fwd(decay, xs):
    hs = _decayed(decay, xs)
    return hs, (decay, hs)


def _decayed_bwd(saved, g):
    decay, hs = saved
    dxs = _decayed(decay, g[::-1])[::-1]
    return (dxs[1:] * hs[:-1]).sum(0), dxs


decayed = reverse_rule(_decayed, _decayed_fwd, _decayed_bwd)

N = normal
EXAMPLES = (
    Example(
        "recurrent net",
        recurrent,
        (N(110, 3, 3), N(111, 3), N(112, 4, 3)),
        "backward through time by hand, with a cotangent of the last state as well",
    ),
    Example(
        "hidden Markov model",
        likelihood,
        (N(113, 3), N(114, 3, 3), N(115, 4, 3)),
        "posteriors as the gradient; the scores are not normalized",
    ),
    Example(
        "alignments",
        alignment_loss,
        (N(116, 5, 3),),
        "scores of -1000 for what is impossible, as constants of the program",
    ),
    Example("cumulative sum", cumulative_sum, (N(117, 2, 5),), "linear, saves nothing"),
    Example(
        "cumulative product with zeros",
        cumulative_product,
        (array(2.0, 0.0, -1.0, 0.0, 3.0),),
        "a tangent scan, where dividing by the entry would fail",
    ),
    Example(
        "circular convolution by FFT",
        circular,
        (N(118, 6), N(119, 3)),
        "a shorter kernel is padded; complex numbers only inside",
    ),
    Example(
        "linear recurrence",
        decayed,
        (array(0.9, -0.5), N(120, 5, 2)),
        "the backward pass is the same recurrence in reverse",
    ),
)
