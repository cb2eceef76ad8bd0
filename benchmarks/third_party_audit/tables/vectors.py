"""Functions of a vector, in the modules of JAX."""

from mpmath import mp, mpf

from ..cases import cases
from .mathematics import log_sum_exp, normal_pdf, sigmoid

TRIPLE = {"size": 3}
MASKED = {"size": 3, "infinite": True}
MASK = "jnp.array([True, True, False])"


def softmax(x: list) -> mpf:
    """The first entry of the softmax."""
    return mp.exp(x[0] - log_sum_exp(x))


def norm(x: list) -> mpf:
    """The Euclidean norm."""
    return mp.sqrt(sum(v * v for v in x))


def variance(x: list) -> mpf:
    """The variance, divided by n."""
    mean = sum(x) / len(x)
    return sum((v - mean) ** 2 for v in x) / len(x)


def standardized(x: list) -> mpf:
    """The first entry of (x - mean) / sqrt(variance + 1e-5), as its docstring."""
    epsilon = mpf("1e-5")
    return (x[0] - sum(x) / len(x)) / mp.sqrt(variance(x) + epsilon)


def determinant(x: list) -> mpf:
    """Of a 3 by 3 matrix."""
    a, b, c, d, e, f, g, h, i = x
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def moderate(x: list) -> bool:
    """Whether products of three entries stay far inside float32."""
    return bool(1e-9 < max(map(abs, x)) < 1e9) and (regular(x) or len(set(x)) < 4)


def regular(x: list) -> bool:
    """Whether a 3 by 3 matrix is well conditioned."""
    return bool(abs(determinant(x)) > 1e-3 * max(map(abs, x)) ** 3)


def simplex(x: list) -> bool:
    """Whether it is a distribution, entries positive."""
    return bool(min(x) > 0 and abs(sum(x) - 1) < 1e-5)


def product(x: list) -> mpf:
    """Of all entries."""
    return x[0] * x[1] * x[2]


NEURAL = cases(
    "jax.nn",
    ("softmax(x)[0]", softmax, MASKED),
    (f"softmax(x, where={MASK})[0]", lambda x: softmax(x[:2]), MASKED),
    ("log_softmax(x)[0]", lambda x: x[0] - log_sum_exp(x), MASKED),
    (f"log_softmax(x, where={MASK})[0]", lambda x: x[0] - log_sum_exp(x[:2]), MASKED),
    ("logsumexp(x)", log_sum_exp, MASKED),
    (f"logsumexp(x, where={MASK})", lambda x: log_sum_exp(x[:2]), MASKED),
    ("logmeanexp(x)", log_sum_exp, MASKED),
    (
        "standardize(x)[0]",
        standardized,
        # Its fast variance is documented as inaccurate where the mean is large.
        {"size": 3, "domain": lambda x: max(map(abs, x)) < 0.5},
    ),
    ("glu(x)[0]", lambda x: x[0] * sigmoid(x[2]), {"size": 4}),
    (
        "dot_product_attention(x.reshape(1, 1, 1, 3), jnp.eye(3).reshape(1, 3, 1, 3),"
        " jnp.arange(9.0).reshape(1, 3, 1, 3), scale=1.0)[0, 0, 0, 0]",
        lambda x: sum(3 * k * mp.exp(v - log_sum_exp(x)) for k, v in enumerate(x)),
        TRIPLE,
    ),
)
NUMPY = cases(
    "jax.numpy",
    ("linalg.norm(x)", norm),
    ("linalg.norm(x, 1)", lambda x: sum(map(abs, x))),
    ("linalg.norm(x, jnp.inf)", lambda x: max(map(abs, x))),
    ("linalg.norm(x, 3)", lambda x: mp.cbrt(sum(abs(v) ** 3 for v in x))),
    ("linalg.norm(x[None])", norm),
    ("linalg.vector_norm(x)", norm),
    ("std(x)", lambda x: mp.sqrt(variance(x))),
    ("std(x[:1])", lambda x: mpf(0)),
    ("var(x)", variance),
    ("nanstd(x)", lambda x: mp.sqrt(variance(x))),
    ("nanvar(x)", variance),
    ("mean(x)", lambda x: sum(x) / 3),
    ("sum(x)", sum),
    ("nansum(x)", sum),
    ("nanmean(x)", lambda x: sum(x) / 3),
    ("average(x, weights=jnp.array([1.0, 2.0, 1.0]))", lambda x: sum([*x, x[1]]) / 4),
    ("prod(x)", product),
    ("nanprod(x)", product),
    ("cumprod(x)[2]", product),
    ("cumulative_prod(x)[2]", product),
    ("cumsum(x)[2]", sum),
    ("max(x)", max),
    ("amax(x)", max),
    ("nanmax(x)", max),
    ("min(x)", min),
    ("amin(x)", min),
    ("nanmin(x)", min),
    ("ptp(x)", lambda x: max(x) - min(x)),
    ("median(x)", lambda x: sorted(x)[1]),
    ("nanmedian(x)", lambda x: sorted(x)[1]),
    ("quantile(x, 0.5)", lambda x: sorted(x)[1]),
    ("percentile(x, 50.0)", lambda x: sorted(x)[1]),
    ("sort(x)[0]", min),
    ("partition(x, 1)[0]", min),
    ("dot(x, x)", lambda x: sum(v * v for v in x)),
    ("vdot(x, x)", lambda x: sum(v * v for v in x)),
    ("inner(x, x)", lambda x: sum(v * v for v in x)),
    ("outer(x, x)[0, 1]", lambda x: x[0] * x[1]),
    ("cov(x)", lambda x: variance(x) * 3 / 2),
    ("trapezoid(x)", lambda x: (x[0] + x[2]) / 2 + x[1]),
    ("diff(x)[0]", lambda x: x[1] - x[0]),
    ("gradient(x)[1]", lambda x: (x[2] - x[0]) / 2),
    ("cross(x, jnp.array([1.0, 2.0, 3.0]))[0]", lambda x: x[1] * 3 - x[2] * 2),
    ("linalg.det(x.reshape(3, 3))", determinant, {"size": 9, "domain": moderate}),
    (
        "linalg.slogdet(x.reshape(3, 3))[1]",
        lambda x: mp.log(abs(determinant(x))),
        {"size": 9, "domain": regular},
    ),
    **TRIPLE,
)
SPECIAL = cases(
    "jax.scipy.special",
    ("softmax(x)[0]", softmax),
    ("log_softmax(x)[0]", lambda x: x[0] - log_sum_exp(x)),
    ("logsumexp(x)", log_sum_exp),
    (
        "logsumexp(x, b=jnp.array([1.0, 2.0, 0.0]))",
        lambda x: log_sum_exp(x[:2], [1, 2]),
    ),
    **MASKED,
)
DIRICHLET = "jnp.array([2.0, 1.0, 3.0])"
STATS = cases(
    "jax.scipy.stats",
    (
        "multivariate_normal.logpdf(x, jnp.zeros(3), jnp.eye(3))",
        lambda x: -sum(v * v for v in x) / 2,
    ),
    (
        "multivariate_normal.pdf(x, jnp.zeros(3), jnp.eye(3))",
        lambda x: normal_pdf(x[0]) * normal_pdf(x[1]) * normal_pdf(x[2]),
    ),
    ("sem(x)", lambda x: mp.sqrt(variance(x) / 2)),
    (
        f"dirichlet.logpdf(x, {DIRICHLET})",
        lambda x: mp.log(x[0]) + 2 * mp.log(x[2]),
        {"domain": simplex},
    ),
    (
        f"dirichlet.pdf(x, {DIRICHLET})",
        lambda x: 60 * x[0] * x[2] ** 2,
        {"domain": simplex},
    ),
    (
        "multinomial.logpmf(jnp.array([1, 0, 2]), 3, x)",
        lambda p: mp.log(p[0]) + 2 * mp.log(p[2]),
        {"domain": lambda p: bool(abs(sum(p) - 1) < 1e-5 and p[0] * p[2] > 0)},
    ),
    (
        "multinomial.pmf(jnp.array([1, 0, 2]), 3, x)",
        lambda p: 3 * p[0] * p[2] ** 2,
        {"domain": lambda p: bool(abs(sum(p) - 1) < 1e-5 and min(p) >= 0)},
    ),
    **TRIPLE,
)
VECTORS = [*NEURAL, *NUMPY, *SPECIAL, *STATS]
