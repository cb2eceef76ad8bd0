"""optax.losses; meanings from the formulas of its docstrings."""

from mpmath import mp, mpf

from ..cases import cases
from .mathematics import log_sum_exp, relu, sigmoid, softplus
from .neural import sparse_plus
from .vectors import norm, simplex

LABEL = "jnp.array([1.0, 0.0, 0.0])"
TRIPLE = {"size": 3}
MASKED = {"size": 3, "infinite": True}


def cross_entropy(x: list) -> mpf:
    """Of class 0."""
    return log_sum_exp(x) - x[0]


def focal(logit: mpf, label: int, gamma: float) -> mpf:
    """(1 - p)^gamma (-log p), p the probability of the label."""
    z = logit if label else -logit
    return sigmoid(-z) ** mpf(gamma) * softplus(-z)


def soft_focal(logit: mpf, label: mpf) -> mpf:
    """The same for a label between 0 and 1, gamma 2 (its source's definition)."""
    entropy = label * softplus(-logit) + (1 - label) * softplus(logit)
    wrong = (1 - label) * sigmoid(logit) + label * sigmoid(-logit)
    return wrong**2 * entropy


def log_cosh(x: mpf) -> mpf:
    """log(cosh(x))."""
    return abs(x) + mp.log1p(mp.exp(-2 * abs(x))) - mp.log(2)


def huber(x: mpf) -> mpf:
    """Quadratic to 1, then linear."""
    return x * x / 2 if abs(x) < 1 else abs(x) - mpf(1) / 2


def cosine(x: list) -> mpf:
    """The cosine of the angle with (1, 2, 2)."""
    return (x[0] + 2 * x[1] + 2 * x[2]) / (3 * norm(x)) if norm(x) else None


def ctc(x: list) -> mpf:
    """Two frames, classes blank and 1, label 1: the paths 11, 01 and 10."""
    first = [v - log_sum_exp(x[:2]) for v in x[:2]]
    second = [v - log_sum_exp(x[2:]) for v in x[2:]]
    paths = [first[1] + second[1], first[0] + second[1], first[1] + second[0]]
    return -log_sum_exp(paths)


def sparsemax(x: list) -> list:
    """The Euclidean projection onto the simplex."""
    order, total = sorted(x, reverse=True), mpf(0)
    threshold = mpf(0)
    for k, v in enumerate(order, 1):
        if 1 + k * v > total + v:
            threshold = (total + v - 1) / k
        total += v
    return [relu(v - threshold) for v in x]


def sparsemax_loss(x: list) -> mpf:
    """Of class 0: (|x|² - |x - p|² - 2x₀ + 1) / 2."""
    p = sparsemax(x)
    dot = sum(q * v for q, v in zip(p, x))
    return dot - sum(q * q for q in p) / 2 - x[0] + mpf(1) / 2


def triplet(x: list) -> mpf:
    """With its eps = 1e-6 under the root; positive at 0, negative at (5, 0, 0)."""
    eps = mpf(float.fromhex("0x1.0c6f7a0000000p-20"))
    near = mp.sqrt(sum(v * v for v in x) + eps)
    far = mp.sqrt((x[0] - 5) ** 2 + x[1] ** 2 + x[2] ** 2 + eps)
    return relu(near - far + 1)


def dice(x: list) -> mpf:
    """One image of three pixels, one class, targets 1, 0, 0."""
    p = [sigmoid(v) for v in x]
    return 1 - (p[0] + 1) / (p[0] + (sum(p) - p[0]) / 2 + (1 - p[0]) / 2 + 1)


def entropy(p: list, log_q: list) -> mpf:
    """Σ p (log p - log_q)."""
    return sum((v * mp.log(v) if v else mpf(0)) - v * w for v, w in zip(p, log_q))


QUARTERS = [mpf(1) / 4, mpf(1) / 4, mpf(1) / 2]
LOGS = "jnp.log(jnp.array([0.25, 0.25, 0.5]))"
LOSSES = cases(
    "optax.losses",
    ("squared_error(x)", lambda x: x * x),
    ("squared_error(x, 1.0 + 0.0 * x)", lambda x: (x - 1) ** 2, {"high": 1e30}),
    ("l2_loss(x)", lambda x: x * x / 2),
    ("huber_loss(x)", huber),
    ("log_cosh(x)", log_cosh),
    ("hinge_loss(x, 1.0)", lambda x: relu(1 - x)),
    ("perceptron_loss(x, jnp.float32(1.0))", lambda x: relu(-x)),
    ("sparsemax_loss(x, 0)", sparse_plus),
    ("sparsemax_loss(x, 1)", lambda x: sparse_plus(-x)),
    ("sigmoid_binary_cross_entropy(x, 1.0)", lambda x: softplus(-x)),
    ("sigmoid_binary_cross_entropy(x, 0.0)", softplus),
    ("sigmoid_focal_loss(x, 1.0)", lambda x: focal(x, 1, 2.0)),
    ("sigmoid_focal_loss(x, 0.0)", lambda x: focal(x, 0, 2.0)),
    ("sigmoid_focal_loss(x, 1.0, gamma=0.5)", lambda x: focal(x, 1, 0.5)),
    ("sigmoid_focal_loss(x, 1.0, gamma=0.0)", lambda x: focal(x, 1, 0.0)),
    ("sigmoid_focal_loss(x, 0.25)", lambda x: soft_focal(x, mpf(1) / 4)),
    (
        "sigmoid_focal_loss(jnp.float32(1.0), x)",
        lambda y: soft_focal(mpf(1), y),
        {"low": 0.0, "high": 1.0},
    ),
    ("cosine_similarity(x, jnp.array([1.0, 2.0, 2.0]))", cosine, TRIPLE),
    (
        "cosine_similarity(x, jnp.array([1.0, 2.0, 2.0]), epsilon=1e-8)",
        lambda x: (x[0] + 2 * x[1] + 2 * x[2]) / (3 * max(norm(x), mpf("1e-4"))),
        TRIPLE,
    ),
    (
        "cosine_distance(x, jnp.array([1.0, 2.0, 2.0]))",
        lambda x: 1 - cosine(x),
        {"size": 3, "domain": any},
    ),
    (f"softmax_cross_entropy(x, {LABEL})", cross_entropy, MASKED),
    (f"safe_softmax_cross_entropy(x, {LABEL})", cross_entropy, MASKED),
    ("softmax_cross_entropy_with_integer_labels(x, 0)", cross_entropy, MASKED),
    (
        f"poly_loss_cross_entropy(x, {LABEL})",
        lambda x: cross_entropy(x) + 2 * (1 - mp.exp(-cross_entropy(x))),
        MASKED,
    ),
    (
        f"kl_divergence({LOGS}, x)",
        lambda p: entropy(p, [mp.log(v) for v in QUARTERS]),
        {"size": 3, "domain": lambda p: simplex(p) or sorted(p)[1] == 0 < max(p)},
    ),
    (
        "kl_divergence(x, jnp.array([0.25, 0.25, 0.5]))",
        lambda x: entropy(QUARTERS, x),
        {"size": 3},
    ),
    (
        f"kl_divergence_with_log_targets({LOGS}, x)",
        lambda x: sum(
            (mp.exp(v) * (v - mp.log(q)) if mp.isfinite(v) else mpf(0))
            for v, q in zip(x, QUARTERS)
        ),
        {"size": 3, "infinite": True, "domain": lambda x: max(x) <= 80},
    ),
    (
        "generalized_kl_divergence(x, jnp.array([0.25, 0.25, 0.5]))",
        lambda x: entropy(QUARTERS, x) + sum(mp.exp(v) for v in x) - 1,
        {"size": 3, "domain": lambda x: max(x) <= 80},
    ),
    (
        "multiclass_hinge_loss(x, 0)",
        lambda x: max(x[0], x[1] + 1, x[2] + 1) - x[0],
        # x + 1 must not round to 1 or to x.
        {"size": 3, "domain": lambda x: all(v == 0 or 1e-3 < abs(v) < 1e3 for v in x)},
    ),
    ("multiclass_perceptron_loss(x, 0)", lambda x: max(x) - x[0], TRIPLE),
    (
        "multiclass_sparsemax_loss(x[None], jnp.array([0]))[0]",
        sparsemax_loss,
        TRIPLE,
    ),
    (f"ranking_softmax_loss(x, {LABEL})", cross_entropy, TRIPLE),
    (
        f"ranking_softmax_loss(x, {LABEL}, where=jnp.array([True, True, False]))",
        lambda x: cross_entropy(x[:2]),
        TRIPLE,
    ),
    (
        "make_fenchel_young_loss(jax.nn.logsumexp)(x, jnp.eye(3)[0])",
        cross_entropy,
        TRIPLE,
    ),
    (
        "ctc_loss(x.reshape(1, 2, 2), jnp.zeros((1, 2)), jnp.array([[1]]),"
        " jnp.zeros((1, 1)))[0]",
        ctc,
        # Its log(0) is -1e5, as documented.
        {"size": 4, "domain": lambda x: max(map(abs, x)) < 1e4},
    ),
    (
        "triplet_margin_loss(x[None], jnp.zeros((1, 3)),"
        " jnp.array([[5.0, 0.0, 0.0]]))[0]",
        triplet,
        TRIPLE,
    ),
    ("binary_dice_loss(x[None], jnp.array([[1.0, 0.0, 0.0]]))[0]", dice, TRIPLE),
    (
        "dice_loss(x[None, :, None], jnp.array([[[1.0], [0.0], [0.0]]]))[0]",
        dice,
        TRIPLE,
    ),
    ("smooth_labels(x, 0.25)[0]", lambda x: x[0] * 3 / 4, TRIPLE),
)
