"""Rules that JAX and Optax bring along, at real inputs on their kinks."""

import jax
import jax.numpy as jnp
import optax
from jax.scipy import special

from .example import Example, array, integers, normal

SIGNED = array(-3.0, -1e-3, 0.0, 0.0, 0.5, 6.0)
X, LABELS = normal(150, 4, 3), integers(0, 2, 1, 2)


def activations(x):
    return [f(x) for f in (jax.nn.gelu, jax.nn.silu, jax.nn.softplus, jax.nn.celu)]


def masked_attention(x):
    mask = jnp.tril(jnp.ones((4, 4), bool))
    return jax.nn.softmax(x @ x.T, where=mask) @ x


def mlp(params, x):
    for w in params:
        x = jax.nn.standardize(jax.nn.relu(x @ w), epsilon=1e-3)
    return jax.nn.log_softmax(x)


def special_functions(x):
    return special.gammaln(x), special.ndtri(x), special.log_ndtr(x), special.i0e(x)


def step(w):
    """One step of gradient descent, differentiated in its turn."""
    loss = lambda w: optax.l2_loss(jax.nn.relu(X @ w)).sum()  # noqa: E731
    return w - 0.1 * jax.grad(loss)(w)


def one_hot_loss(x):
    return (jax.nn.one_hot(LABELS, 3) * jax.nn.log_softmax(x)).sum()


EXAMPLES = (
    Example("jax.nn.relu at 0", jax.nn.relu, (SIGNED,), "slope 0 at the kink"),
    Example(
        "jax.nn.relu6 at 0 and 6", jax.nn.relu6, (SIGNED,), "slope 0 at both kinks"
    ),
    Example("smooth activations", activations, (SIGNED,), "a list of four outputs"),
    Example(
        "jax.nn.logsumexp with -inf",
        lambda x: jax.nn.logsumexp(x, -1),
        (array([0.0, -jnp.inf, 1.0], [2.0, 2.0, -jnp.inf]),),
        "infinite inputs with slope 0",
    ),
    Example(
        "jax.nn.softmax under a mask",
        masked_attention,
        (X,),
        "a rule with a mask as an argument, both operands the same array",
    ),
    Example(
        "standardize and log_softmax",
        mlp,
        ([normal(151, 3, 5), normal(152, 5, 3)], X),
        "relu rules between plain code",
    ),
    Example(
        "one-hot labels", one_hot_loss, (X,), "the labels are constants of the program"
    ),
    Example(
        "jax.scipy.special",
        special_functions,
        (array(0.1, 0.5, 0.9),),
        "special functions, defined on (0, 1) alone as a whole",
    ),
    Example(
        "jnp.linalg.norm",
        lambda x: jnp.linalg.norm(x, axis=-1),
        (X,),
        "no zero row, where it would be NaN",
    ),
    Example(
        "logaddexp of equal numbers",
        jnp.logaddexp,
        (array(0.0, -1.0, 50.0, -jnp.inf), array(0.0, -1.0, -50.0, 1.0)),
        "the larger is not unique, and an infinite argument is",
    ),
    Example(
        "jnp.sinc at 0", jnp.sinc, (array(-1.5, 0.0, 0.3),), "0 / 0 at a real input"
    ),
    Example(
        "optax losses",
        lambda x, y: (
            optax.softmax_cross_entropy_with_integer_labels(x, LABELS),
            optax.huber_loss(x, y),
            optax.sigmoid_binary_cross_entropy(x, jax.nn.sigmoid(y)),
        ),
        (X, normal(153, 4, 3)),
        "labels are closed over, and huber is clipped inside",
    ),
    Example(
        "optax.safe_norm at 0",
        lambda x: optax.safe_norm(x, 1e-3, axis=-1),
        (array([0.0, 0.0], [3.0, 4.0]),),
        "a maximum with a constant at a zero row",
    ),
    Example(
        "optax.ctc_loss",
        lambda x: optax.ctc_loss(
            x, jnp.zeros((1, 5)), jnp.array([[1, 2, 2]]), jnp.zeros((1, 3))
        ),
        (normal(154, 1, 5, 3),),
        "log probabilities of -1e5 inside",
    ),
    Example(
        "a step of descent",
        step,
        (normal(155, 3),),
        "a relu's derivative is used up inside, and differentiated again",
    ),
)
