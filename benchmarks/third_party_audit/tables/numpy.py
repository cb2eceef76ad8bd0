"""jax.numpy, pointwise; meanings from NumPy's."""

from mpmath import mp, mpf

from ..cases import cases
from .mathematics import softplus

POSITIVE = {"low": 0}
UNIT = {"low": -1, "high": 1}


def logaddexp2(x: mpf, y: mpf) -> mpf:
    """log2(2^x + 2^y)."""
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y) * mp.log(2))) / mp.log(2)


def power(x: mpf, y: mpf) -> mpf:
    """X to the y, real."""
    return x**y if x else mpf(0) if y > 0 else mpf(1)


def sinc(x: mpf) -> mpf:
    """sin(πx) / (πx)."""
    return mp.sinpi(x) / (mp.pi * x) if x else mpf(1)


def arccosh(x: mpf) -> mpf:
    """The area hyperbolic cosine."""
    return mp.log(x + mp.sqrt(x * x - 1))


def arcsinh(x: mpf) -> mpf:
    """The area hyperbolic sine, odd."""
    return mp.sign(x) * mp.log1p(abs(x) + x * x / (1 + mp.sqrt(1 + x * x)))


def cbrt(x: mpf) -> mpf:
    """The real cube root."""
    return mp.sign(x) * mp.cbrt(abs(x))


NUMPY = cases(
    "jax.numpy",
    ("abs(x)", abs),
    ("absolute(x)", abs),
    ("fabs(x)", abs),
    ("arccos(x)", mp.acos, UNIT),
    ("acos(x)", mp.acos, UNIT),
    ("arccosh(x)", arccosh, {"low": 1}),
    ("acosh(x)", arccosh, {"low": 1}),
    ("arcsin(x)", mp.asin, UNIT),
    ("asin(x)", mp.asin, UNIT),
    ("arcsinh(x)", arcsinh),
    ("asinh(x)", arcsinh),
    ("arctan(x)", mp.atan),
    ("atan(x)", mp.atan),
    ("arctanh(x)", mp.atanh, UNIT),
    ("atanh(x)", mp.atanh, UNIT),
    ("cbrt(x)", cbrt),
    ("cos(x)", mp.cos),
    ("cosh(x)", mp.cosh),
    ("deg2rad(x)", lambda x: x * mp.pi / 180),
    ("radians(x)", lambda x: x * mp.pi / 180),
    ("rad2deg(x)", lambda x: x * 180 / mp.pi),
    ("degrees(x)", lambda x: x * 180 / mp.pi),
    ("exp(x)", mp.exp),
    ("exp2(x)", lambda x: mp.exp(x * mp.log(2))),
    ("expm1(x)", mp.expm1),
    ("i0(x)", None, {"slope": lambda x: mp.besseli(1, x), "low": -100, "high": 100}),
    ("log(x)", mp.log, POSITIVE),
    ("log10(x)", mp.log10, POSITIVE),
    ("log2(x)", lambda x: mp.log(x) / mp.log(2), POSITIVE),
    ("log1p(x)", mp.log1p, {"low": -1}),
    ("logaddexp(x, 0.0)", softplus),
    ("logaddexp(x, x)", lambda x: x + mp.log(2)),
    ("logaddexp(x, -x)", lambda x: abs(x) + softplus(-2 * abs(x))),
    ("logaddexp(x, 1.0)", lambda x: 1 + softplus(x - 1)),
    ("logaddexp2(x, 0.0)", lambda x: logaddexp2(x, mpf(0))),
    ("logaddexp2(x, -x)", lambda x: logaddexp2(x, -x)),
    ("sinc(x)", sinc),
    ("sin(x)", mp.sin),
    ("sinh(x)", mp.sinh),
    ("sqrt(x)", mp.sqrt, POSITIVE),
    ("square(x)", lambda x: x * x),
    ("tan(x)", mp.tan),
    ("tanh(x)", mp.tanh),
    ("reciprocal(x)", lambda x: 1 / x),
    ("divide(1.0, x)", lambda x: 1 / x),
    ("true_divide(x, 3.0)", lambda x: x / 3),
    ("divide(x, x + 1.0)", lambda x: x / (x + 1)),
    ("power(x, 2.0)", lambda x: x * x),
    ("power(x, 3.0)", lambda x: x**3),
    ("power(x, 1.0)", lambda x: x),
    ("power(x, 0.0)", lambda x: mpf(1)),
    ("power(x, 0.5)", mp.sqrt, POSITIVE),
    ("power(x, 1.5)", lambda x: power(x, mpf(3) / 2), POSITIVE),
    ("power(x, -1.0)", lambda x: 1 / x),
    ("power(2.0, x)", lambda x: mp.exp(x * mp.log(2))),
    ("power(1.0, x)", lambda x: mpf(1)),
    ("pow(x, 2.0)", lambda x: x * x),
    ("float_power(x, 2.0)", lambda x: x * x),
    ("hypot(x, 0.0)", abs),
    ("hypot(x, 1.0)", lambda x: mp.sqrt(x * x + 1)),
    ("hypot(x, x)", lambda x: abs(x) * mp.sqrt(2)),
    ("arctan2(x, 1.0)", mp.atan),
    ("arctan2(1.0, x)", lambda x: mp.pi / 2 - mp.atan(x)),
    ("arctan2(x, x + 1.0)", lambda x: mp.atan2(x, x + 1), {"low": -0.5}),
    ("arctan2(x, 1e-30)", lambda x: mp.atan(x / mpf(1e-30)), {"low": 1, "high": 1e8}),
    ("arctan2(x, 1e30)", lambda x: mp.atan(x / mpf("1e30")), {"low": 1e20}),
    ("atan2(x, 1.0)", mp.atan),
    ("maximum(x, 0.0)", lambda x: max(x, mpf(0))),
    ("minimum(x, 0.0)", lambda x: min(x, mpf(0))),
    ("fmax(x, 0.0)", lambda x: max(x, mpf(0))),
    ("fmin(x, 0.0)", lambda x: min(x, mpf(0))),
    ("maximum(x, x)", lambda x: x),
    ("clip(x, -1.0, 1.0)", lambda x: min(max(x, mpf(-1)), mpf(1))),
    ("nan_to_num(x)", lambda x: x),
    ("positive(x)", lambda x: x),
    ("negative(x)", lambda x: -x),
    ("add(x, x)", lambda x: 2 * x),
    ("subtract(x, 1.0)", lambda x: x - 1),
    ("multiply(x, x)", lambda x: x * x),
    ("remainder(x, 3.0)", lambda x: x - 3 * mp.floor(x / 3)),
    ("mod(x, 3.0)", lambda x: x - 3 * mp.floor(x / 3)),
    ("mod(1.0, x)", lambda x: 1 - x * mp.floor(1 / x)),
    ("fmod(x, 3.0)", lambda x: x - 3 * mp.sign(x) * mp.floor(abs(x) / 3)),
    ("divmod(x, 3.0)[1]", lambda x: x - 3 * mp.floor(x / 3)),
    ("copysign(x, 1.0)", abs),
    ("copysign(2.0, x)", lambda x: 2 * mp.sign(x) if x else None),
    ("heaviside(x, 0.5)", lambda x: mpf(x > 0) if x else None),
    ("sign(x)", lambda x: mp.sign(x) if x else None),
    ("floor(x)", mp.floor),
    ("ceil(x)", mp.ceil),
    ("trunc(x)", lambda x: mp.sign(x) * mp.floor(abs(x))),
    ("round(x)", lambda x: mp.floor(x + mpf(1) / 2)),
    ("rint(x)", lambda x: mp.floor(x + mpf(1) / 2)),
    ("floor_divide(x, 3.0)", lambda x: mp.floor(x / 3)),
    ("modf(x)[0]", lambda x: x - mp.sign(x) * mp.floor(abs(x))),
    ("ldexp(x, 3)", lambda x: 8 * x),
    ("frexp(x)[0]", lambda x: x / mpf(2) ** (mp.floor(mp.log(abs(x), 2)) + 1)),
    ("real(x)", lambda x: x),
    ("conj(x)", lambda x: x),
    ("conjugate(x)", lambda x: x),
    ("where(x > 0, x, 0.0)", lambda x: max(x, mpf(0))),
    ("polyval(jnp.array([1.0, -2.0, 3.0]), x)", lambda x: x * x - 2 * x + 3),
    (
        "interp(x, jnp.array([-1.0, 0.0, 1.0]), jnp.array([0.0, 1.0, 0.0]))",
        lambda x: max(1 - abs(x), mpf(0)),
    ),
)
