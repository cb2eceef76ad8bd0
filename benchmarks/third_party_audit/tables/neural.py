"""jax.nn, pointwise; meanings from its docstrings."""

from mpmath import mp, mpf

from ..cases import cases
from .mathematics import clip, decimal, normal_cdf, relu, sigmoid, softplus

SELU_ALPHA = "1.6732632423543772848170429916717"
SELU_SCALE = "1.0507009873554804934193349852946"


def gelu_tanh(x: mpf) -> mpf:
    """The approximate GELU, without the cancellation in 1 + tanh."""
    inner = mp.sqrt(2 / mp.pi) * (x + decimal("0.044715") * x**3)
    return x * sigmoid(2 * inner)


def elu(x: mpf, alpha: mpf) -> mpf:
    """X, and alpha expm1(x) below zero."""
    return x if x > 0 else alpha * mp.expm1(x)


def mish(x: mpf) -> mpf:
    """X tanh(softplus(x)) = x ((1 + e)² - 1) / ((1 + e)² + 1)."""
    e = mp.exp(min(x, mpf(1000)))
    return x * (e * e + 2 * e) / (e * e + 2 * e + 2) if x < 1000 else x


def sparse_plus(x: mpf) -> mpf:
    """Zero, (x + 1)² / 4, x."""
    return mpf(0) if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4


def log1mexp(x: mpf) -> mpf:
    """log(1 - exp(-x))."""
    return mp.log(-mp.expm1(-x))


NEURAL = cases(
    "jax.nn",
    ("celu(x)", lambda x: elu(x, 1)),
    ("celu(x, 0.5)", lambda x: x if x > 0 else mp.expm1(2 * x) / 2),
    ("celu(-1.0, x)", lambda a: a * mp.expm1(-1 / a), {"low": 1e-38}),
    ("elu(x)", lambda x: elu(x, 1)),
    ("elu(x, 2.0)", lambda x: elu(x, 2)),
    ("gelu(x)", gelu_tanh),
    ("gelu(x, approximate=False)", lambda x: x * normal_cdf(x)),
    ("hard_sigmoid(x)", lambda x: clip(x + 3, 0, 6) / 6),
    ("hard_silu(x)", lambda x: x * clip(x + 3, 0, 6) / 6),
    ("hard_swish(x)", lambda x: x * clip(x + 3, 0, 6) / 6),
    ("hard_tanh(x)", lambda x: clip(x, -1, 1)),
    ("identity(x)", lambda x: x),
    ("leaky_relu(x)", lambda x: x if x > 0 else x / 100),
    ("log1mexp(x)", log1mexp, {"low": 0}),
    ("log_sigmoid(x)", lambda x: -softplus(-x)),
    ("mish(x)", mish),
    ("relu(x)", relu),
    ("relu6(x)", lambda x: clip(x, 0, 6)),
    ("selu(x)", lambda x: decimal(SELU_SCALE) * elu(x, decimal(SELU_ALPHA))),
    ("sigmoid(x)", sigmoid),
    ("silu(x)", lambda x: x * sigmoid(x)),
    ("swish(x)", lambda x: x * sigmoid(x)),
    ("soft_sign(x)", lambda x: x / (abs(x) + 1)),
    ("softplus(x)", softplus),
    ("sparse_plus(x)", sparse_plus),
    ("sparse_sigmoid(x)", lambda x: clip(x + 1, 0, 2) / 2),
    ("squareplus(x)", lambda x: (x + mp.sqrt(x * x + 4)) / 2),
    ("squareplus(1.0, x)", lambda b: (1 + mp.sqrt(1 + b)) / 2, {"low": 0}),
    ("tanh(x)", mp.tanh),
)
