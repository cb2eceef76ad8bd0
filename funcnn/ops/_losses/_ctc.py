"""Connectionist temporal classification: labels without their places in time."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from funcnn._jax import scan
from funcnn.errors import DtypeError, ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def ctc_loss(
    logits: jax.Array,
    logit_paddings: jax.Array,
    labels: jax.Array,
    label_paddings: jax.Array,
    *,
    blank_id: int = 0,
) -> jax.Array:
    """-log of the probability of the labels, summed over all alignments with the steps.

    At each step one class is drawn from softmax(logits). An alignment of labels
    l_1 ... l_N is a sequence of classes that becomes them when repetitions are merged
    and then blanks are left out.

    Shapes: logits (batch, time, classes), logit_paddings (batch, time), labels
            (batch, n), label_paddings (batch, n) -> (batch,). Paddings are 0 where an
            entry counts, and anything else where it does not; a step that does not
            count is left out wherever it stands, labels are padded at their end.
    Dtypes: logits any float, computed in float32 or wider; labels integers.
    Units:  nats.
    Errors: ShapeError, DtypeError unless these fit, ValueError when `blank_id` is no
            class. What only the device knows gives NaN, as loss and as gradient, for
            its example: labels that are no class or the blank, or that go on after a
            padding.

    No labels are well: the loss is then that of blanks alone, and 0 where there are no
    steps either. Labels that cannot be aligned, being more than the steps, or equal
    neighbours without room for the blank between them, have probability 0 whatever
    the logits are: the loss is inf, and its gradient 0, so that
    ``jnp.where(jnp.isinf(loss), 0, loss)`` leaves them out.

    Gradient. An alignment is a path through the states s = 0 ... 2N, blank l_1 blank
    ... l_N blank, that starts at 0 or 1, ends at 2N or 2N - 1, and at each step stays,
    goes on by one, or by two between labels that differ. Let c(s) be the class of s,
    p_t the softmax, A_t(s) the probability of all first parts that are at s after step
    t, and B_t(s) that of all ways to go on from there:
        A_t(s) = p_t(c(s)) sum of A_(t-1) over what s can come from,
        B_(t-1)(s) = sum of p_t(c(s')) B_t(s') over what s can go to.
    The probability of the labels is P = sum_s A_t(s) B_t(s), the same for every t, and
    A_t(s) has p_t(c(s)) as a factor, so with q_t(s) = A_t(s) B_t(s) / P, the
    probability of being at s given the labels,
        d(-log P) / dlog p_t(k) = -sum over c(s) = k of q_t(s);
    through the softmax, and as the q_t sum to 1,
        dlogits_t(k) = g (p_t(k) - sum over c(s) = k of q_t(s)).
    A and B are computed as logarithms, each step's divided by its largest: q_t is what
    A_t B_t is when it is made to sum to 1, and loses nothing to P.
    Saved: logits, paddings, labels, and per step log A_t and the logits' normalizer.
    Kinks: none.
    Source: Graves, Fernandez, Gomez & Schmidhuber (2006), ICML. Optax has the same
    arguments; what cannot be aligned has a finite loss of about 1e5 there, and labels
    that are no class are not noticed. PyTorch has the loss inf and a gradient of NaN
    there, or, with `zero_infinity`, 0 for both; its lengths stand for the paddings.
    """
    (logits,) = floats("ctc_loss", logits=logits)
    labels = jnp.asarray(labels)
    _check(logits, logit_paddings, labels, label_paddings, blank_id)
    real = jnp.asarray(label_paddings) == 0
    known = (labels >= 0) & (labels < logits.shape[-1]) & (labels != blank_id)
    fits = (known | ~real).all(-1) & (real[:, :-1] | ~real[:, 1:]).all(-1)
    loss = _ctc_loss(
        logits,
        (jnp.asarray(logit_paddings) != 0).astype(jnp.int32),
        jnp.where(known & real, labels, blank_id).astype(jnp.int32),
        real.sum(-1, dtype=jnp.int32),
        int(blank_id),
    )
    return loss * jnp.where(fits, 1, jnp.nan).astype(loss.dtype)


def _check(logits, logit_paddings, labels, label_paddings, blank_id):
    if logits.ndim != 3:
        raise ShapeError(
            f"ctc_loss: logits must have shape (batch, time, classes), "
            f"got {logits.shape}"
        )
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise DtypeError(f"ctc_loss: labels must be integers, got {labels.dtype}")
    shapes = jnp.shape(logit_paddings), labels.shape[:-1], jnp.shape(label_paddings)
    if shapes != (logits.shape[:2], logits.shape[:1], labels.shape):
        raise ShapeError(
            f"ctc_loss: logits {logits.shape} need logit_paddings {logits.shape[:2]}, "
            f"labels ({logits.shape[0]}, n) and label_paddings of their shape, got "
            f"{shapes[0]}, {labels.shape} and {shapes[2]}"
        )
    if not 0 <= blank_id < logits.shape[-1]:
        raise ValueError(
            f"ctc_loss: blank_id must be one of {logits.shape[-1]} classes, "
            f"got {blank_id}"
        )


def _paths(labels, lengths, blank):
    """Per state: its class, whether two go on to it, whether it is one, and an end."""
    blanks = jnp.full_like(labels, blank)
    pairs = jnp.stack([blanks, labels], -1).reshape(len(labels), 2 * labels.shape[1])
    classes = jnp.pad(pairs, ((0, 0), (0, 1)), constant_values=blank)
    number, last = jnp.arange(classes.shape[1]), 2 * lengths[:, None]
    skipped_to = classes != _later(classes, 2, -1)  # a blank is never: blanks are equal
    ends = (number == last) | (number == last - 1)
    return classes, skipped_to, number <= last, ends


def _later(x, steps, fill=-jnp.inf):
    """Each state gets what the one `steps` before it has."""
    padded = jnp.pad(x, ((0, 0), (steps, 0)), constant_values=fill)
    return padded[:, : x.shape[1]]


def _sooner(x, steps):
    """Each state gets what the one `steps` after it has."""
    padded = jnp.pad(x, ((0, 0), (0, steps)), constant_values=-jnp.inf)
    return padded[:, steps:]


def _log_sum(x, axis=-1):
    """The log of the sum of exp(x), -inf where all are, with slopes of 0 there."""
    top = lax.stop_gradient(x.max(axis, keepdims=True))
    top = jnp.where(jnp.isneginf(top), 0, top)
    total = jnp.exp(x - top).sum(axis, keepdims=True)
    log = top + jnp.log(jnp.where(total == 0, 1, total))
    return jnp.where(total == 0, -jnp.inf, log).squeeze(axis)


def _emitted(log_p, classes, within):
    """The steps' log p_t(c(s)), time first, -inf beyond the last state."""
    log_p = jnp.take_along_axis(log_p, classes[:, None], axis=-1)
    return jnp.where(within[:, None], log_p, -jnp.inf).swapaxes(0, 1)


def _after_step(log_a, emitted, skipped_to):
    by_two = jnp.where(skipped_to, _later(log_a, 2), -jnp.inf)
    return emitted + _log_sum(jnp.stack([log_a, _later(log_a, 1), by_two]), axis=0)


def _start(classes, dtype):
    """As log A before the first step: state 0, which goes on to itself or the next."""
    first = jnp.arange(classes.shape[1]) == 0
    return jnp.broadcast_to(jnp.where(first, 0, -jnp.inf), classes.shape).astype(dtype)


def _reference(logits, padded, labels, lengths, blank):
    classes, skipped_to, within, ends = _paths(labels, lengths, blank)
    log_p = logits - _log_sum(logits)[..., None]

    def step(log_a, now):
        emitted, padded = now
        new = _after_step(log_a, emitted, skipped_to)
        return jnp.where(padded[:, None] == 0, new, log_a), None

    steps = _emitted(log_p, classes, within), padded.T
    log_a, _ = scan(step, _start(classes, logits.dtype), steps)
    return -_log_sum(jnp.where(ends, log_a, -jnp.inf))


def _forward(logits, padded, labels, lengths, blank):
    classes, skipped_to, within, ends = _paths(labels, lengths, blank)
    x = wide(logits)
    normalizer = _log_sum(x)

    def step(carry, now):
        (log_a, scale), (emitted, padded) = carry, now
        new, top = _divided(_after_step(log_a, emitted, skipped_to))
        log_a = jnp.where(padded[:, None] == 0, new, log_a)
        return (log_a, scale + jnp.where(padded == 0, top, 0)), log_a

    steps = _emitted(x - normalizer[..., None], classes, within), padded.T
    start = _start(classes, x.dtype), jnp.zeros(x.shape[0], x.dtype)
    (last, scale), log_a = scan(step, start, steps)
    loss = -(scale + _log_sum(jnp.where(ends, last, -jnp.inf)))
    return loss.astype(logits.dtype), (
        *(logits, padded, labels, lengths, normalizer),
        *(log_a, jnp.isposinf(loss)),
    )


def _divided(log_a):
    """By the largest, and the logarithm of that; by 1 where all are 0."""
    top = lax.stop_gradient(log_a.max(-1))
    top = jnp.where(jnp.isneginf(top), 0, top)
    return log_a - top[..., None], top


def _backward(blank, saved, g):
    logits, padded, labels, lengths, normalizer, log_a, impossible = saved
    classes, skipped_to, within, ends = _paths(labels, lengths, blank)
    log_p = wide(logits) - normalizer[..., None]

    def step(log_b, now):
        emitted, padded = now
        here = emitted + log_b
        by_two = _sooner(jnp.where(skipped_to, here, -jnp.inf), 2)
        new = _log_sum(jnp.stack([here, _sooner(here, 1), by_two]), axis=0)
        return jnp.where(padded[:, None] == 0, _divided(new)[0], log_b), log_b

    end = jnp.where(ends, 0, -jnp.inf).astype(log_p.dtype)
    steps = _emitted(log_p, classes, within), padded.T
    _, log_b = scan(step, end, steps, reverse=True)
    q = jnp.exp(_divided(log_a + log_b)[0])
    total = q.sum(-1, keepdims=True)
    q = q / jnp.where(total == 0, 1, total)
    by_class = _sums_by_class(q.transpose(1, 2, 0), classes, log_p.shape[-1])
    dlogits = wide(g)[:, None, None] * (jnp.exp(log_p) - by_class.swapaxes(1, 2))
    nothing = (padded != 0) | impossible[:, None]
    return jnp.where(nothing[..., None], 0, dlogits), None, None, None


def _sums_by_class(q, classes, count):
    """(batch, states, time) as (batch, classes, time), added up."""
    empty = jnp.zeros((count, q.shape[-1]), q.dtype)
    return jax.vmap(lambda q, classes: empty.at[classes].add(q))(q, classes)


def _cases(normal):
    def case(classes, blank, padded, labels, lengths):
        padded, labels = np.array(padded, np.int32), np.array(labels, np.int32)
        logits = normal(*padded.shape, classes)
        return logits, padded, labels, np.array(lengths, np.int32), blank

    steps = np.zeros((2, 4))
    yield case(3, 0, steps, [[1, 2], [1, 1]], [2, 2])
    # padding at the end and between, one label and none, no steps
    padded = [[0, 0, 0, 1, 1], [0, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]
    labels = [[0, 1], [1, 1], [0, 0], [1, 0]]
    yield case(3, 2, padded, labels, [2, 2, 1, 0])
    logits, *rest = case(4, 1, np.zeros((1, 5)), [[2, 0, 3]], [3])
    yield 300 * logits, *rest
    yield 0 * logits, *rest
    yield case(1, 0, steps[:1, :2], np.zeros((1, 0)), [0])
    yield case(3, 0, steps[:0], np.zeros((0, 1)), [])


_ctc_loss = rule(_reference, _forward, _backward, static="blank", cases=_cases)
