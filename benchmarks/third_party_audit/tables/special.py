"""jax.scipy.special, pointwise; slopes from the NIST Handbook (dlmf.nist.gov)."""

from mpmath import mp, mpf

from ..cases import cases
from .mathematics import (
    normal_cdf,
    normal_hazard,
    normal_pdf,
    normal_quantile,
    sigmoid,
    softplus,
)

UNIT = {"low": 0, "high": 1}
POSITIVE = {"low": 0}
GAMMA = {"low": -30, "high": 36}


def closed(slope: object, low: float = -mp.inf, high: float = mp.inf) -> dict:
    """A case whose slope is known in closed form."""
    return {"slope": slope, "low": float(low), "high": float(high)}


def erfcx(x: mpf) -> mpf:
    """exp(x²) erfc(x), by its asymptotic series (7.12.1) where that is exact."""
    if x < 100:
        return mp.exp(x * x) * mp.erfc(x)
    total, term = mpf(0), mpf(1)
    for k in range(1, 20):
        total += term
        term *= -(2 * k - 1) / (2 * x * x)
    return total / (x * mp.sqrt(mp.pi))


def erfcx_slope(x: mpf) -> mpf:
    """2x erfcx(x) - 2/√π, the difference taken inside the series for large x."""
    if x < 100:
        return 2 * x * erfcx(x) - 2 / mp.sqrt(mp.pi)
    total, term = mpf(0), mpf(1)
    for k in range(1, 20):
        term *= -(2 * k - 1) / (2 * x * x)
        total += term
    return 2 * total / mp.sqrt(mp.pi)


def dawson(x: mpf) -> mpf:
    """Dawson's integral (7.2.5)."""
    if abs(x) < 50:
        return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)
    return dawson_tail(x) / (2 * x)


def dawson_tail(x: mpf, first: int = 0) -> mpf:
    """The asymptotic series of 2x F(x) from term `first` on (7.12)."""
    total, term = mpf(0), mpf(1)
    for k in range(1, 25):
        total += term if k > first else 0
        term *= (2 * k - 1) / (2 * x * x)
    return total


def dawson_slope(x: mpf) -> mpf:
    """1 - 2x F(x)."""
    return 1 - 2 * x * dawson(x) if abs(x) < 50 else -dawson_tail(x, 1)


def gammainc_slope(a: mpf, x: mpf) -> mpf:
    """x^(a-1) e^-x / Γ(a) (8.8.13)."""
    return x ** (a - 1) * mp.exp(-x) / mp.gamma(a)


def betainc_slope(a: mpf, b: mpf, x: mpf) -> mpf:
    """x^(a-1) (1-x)^(b-1) / B(a, b) (8.17.1)."""
    return x ** (a - 1) * (1 - x) ** (b - 1) / mp.beta(a, b)


def erfinv_slope(x: mpf) -> mpf:
    """√π/2 exp(erfinv(x)²)."""
    quantile = normal_quantile((1 + x) / 2)
    return mp.sqrt(mp.pi) / 2 * mp.exp(quantile**2 / 2)


def rel_entr(p: mpf, q: mpf) -> mpf:
    """P log(p/q)."""
    return p * mp.log(p / q) if p else mpf(0)


def sine_integral_slope(x: mpf) -> mpf:
    """sin(x) / x."""
    return mp.sin(x) / x if x else mpf(1)


def spence_slope(x: mpf) -> mpf:
    """log(x) / (1 - x)."""
    return mp.log(x) / (1 - x) if x != 1 else mpf(-1)


SPECIAL = cases(
    "jax.scipy.special",
    ("beta(2.0, x)", lambda x: mp.beta(2, x), {"low": 1e-10, "high": 1e6}),
    ("betaln(2.0, x)", lambda x: -mp.log(x) - mp.log1p(x), {"low": 1e-38}),
    (
        "betaln(x, x + 1.0)",
        None,
        closed(
            lambda x: mp.digamma(x) + mp.digamma(x + 1) - 2 * mp.digamma(2 * x + 1),
            1e-30,
            1e15,
        ),
    ),
    ("betainc(2.0, 3.0, x)", None, closed(lambda x: betainc_slope(2, 3, x), 0, 1)),
    (
        "betainc(0.5, 0.5, x)",
        None,
        closed(
            lambda x: betainc_slope(mpf(1) / 2, mpf(1) / 2, x),
            1e-37,
            1,
        ),
    ),
    ("betainc(1.0, 1.0, x)", None, closed(lambda x: mpf(1), 0, 1)),
    ("betainc(1.0, 3.0, x)", None, closed(lambda x: 3 * (1 - x) ** 2, 0, 1)),
    (
        "betainc(300.0, 400.0, x)",
        None,
        closed(
            lambda x: betainc_slope(300, 400, x),
            0,
            1,
        ),
    ),
    ("boxcox(x, 0.5)", lambda x: 2 * (mp.sqrt(x) - 1), {"low": 1e-38}),
    ("boxcox(x, 1.0)", lambda x: x - 1, POSITIVE),
    ("boxcox(x, 0.0)", mp.log, {"low": 1e-38}),
    ("boxcox(2.0, x)", lambda y: mp.expm1(y * mp.log(2)) / y if y else mp.log(2)),
    ("boxcox1p(x, 2.0)", lambda x: ((1 + x) ** 2 - 1) / 2, {"low": -0.999999}),
    ("boxcox1p(1.0, x)", lambda y: mp.expm1(y * mp.log(2)) / y if y else mp.log(2)),
    ("dawsn(x)", None, closed(dawson_slope)),
    ("digamma(x)", None, closed(lambda x: mp.psi(1, x), -30, 1e20)),
    ("entr(x)", lambda x: -x * mp.log(x) if x else mpf(0), POSITIVE),
    ("erf(x)", None, closed(lambda x: 2 * mp.exp(-x * x) / mp.sqrt(mp.pi))),
    ("erfc(x)", None, closed(lambda x: -2 * mp.exp(-x * x) / mp.sqrt(mp.pi))),
    ("erfcx(x)", None, closed(erfcx_slope)),
    ("erfinv(x)", None, closed(erfinv_slope, -1 + 1e-7, 1 - 1e-7)),
    # Batches of very small and very large x do not end in the loop of jax 0.10.
    ("exp1(x)", None, closed(lambda x: -mp.exp(-x) / x, 1e-3, 1e3)),
    ("expi(x)", None, closed(lambda x: mp.exp(x) / x, 1e-30)),
    ("expi(x)", None, closed(lambda x: mp.exp(x) / x, -1e3, -1e-3)),
    ("expit(x)", sigmoid),
    ("expn(1, x)", None, closed(lambda x: -mp.exp(-x) / x, 1e-3, 1e3)),
    ("expn(2, x)", None, closed(lambda x: -mp.e1(x), 1e-3, 1e3)),
    ("expn(3, x)", None, closed(lambda x: x * mp.e1(x) - mp.exp(-x), 1e-3, 1e3)),
    (
        "factorial(x)",
        None,
        closed(
            lambda x: mp.gamma(x + 1) * mp.digamma(x + 1),
            0,
            33,
        ),
    ),
    ("fresnel(x)[0]", None, closed(lambda x: mp.sin(mp.pi * x * x / 2), -1e3, 1e3)),
    ("fresnel(x)[1]", None, closed(lambda x: mp.cos(mp.pi * x * x / 2), -1e3, 1e3)),
    ("gamma(x)", None, closed(lambda x: mp.gamma(x) * mp.digamma(x), -30, 35)),
    ("gammaln(x)", None, closed(mp.digamma, -30, 1e36)),
    ("loggamma(x)", None, closed(mp.digamma, 1e-38, 1e36)),
    ("gammasgn(x)", None, closed(lambda x: mpf(0), 0.5)),
    ("gammainc(2.0, x)", None, closed(lambda x: gammainc_slope(2, x), 0)),
    ("gammainc(1.0, x)", None, closed(lambda x: mp.exp(-x), 0)),
    (
        "gammainc(0.5, x)",
        None,
        closed(
            lambda x: gammainc_slope(mpf(1) / 2, x),
            1e-37,
        ),
    ),
    ("gammainc(500.0, x)", None, closed(lambda x: gammainc_slope(500, x), 0)),
    ("gammaincc(2.0, x)", None, closed(lambda x: -gammainc_slope(2, x), 0)),
    ("gammaincc(1.0, x)", None, closed(lambda x: -mp.exp(-x), 0)),
    (
        "hyp1f1(1.0, 2.0, x)",
        None,
        closed(
            lambda x: mp.hyp1f1(2, 3, x) / 2,
            0,
            60,
        ),
    ),
    (
        "hyp2f1(1.0, 2.0, 3.0, x)",
        None,
        closed(
            lambda x: 2 * mp.hyp2f1(2, 3, 4, x) / 3,
            0,
            0.99,
        ),
    ),
    ("i0(x)", None, closed(lambda x: mp.besseli(1, x), -100, 100)),
    (
        "i1(x)",
        None,
        closed(
            lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2,
            -100,
            100,
        ),
    ),
    (
        "i0e(x)",
        None,
        closed(
            lambda x: (
                mp.exp(-abs(x)) * (mp.besseli(1, x) - mp.sign(x) * mp.besseli(0, x))
                if x
                else mpf("nan")
            ),
            -1e4,
            1e4,
        ),
    ),
    (
        "i1e(x)",
        None,
        closed(
            lambda x: (
                mp.exp(-abs(x))
                * (
                    (mp.besseli(0, x) + mp.besseli(2, x)) / 2
                    - mp.sign(x) * mp.besseli(1, x)
                )
            ),
            -1e4,
            1e4,
        ),
    ),
    ("kl_div(x, 2.0)", lambda p: rel_entr(p, 2) - p + 2, POSITIVE),
    ("kl_div(2.0, x)", lambda q: rel_entr(mpf(2), q) - 2 + q, {"low": 1e-38}),
    ("kl_div(0.0, x)", lambda q: q, POSITIVE),
    ("rel_entr(x, 2.0)", lambda p: rel_entr(p, 2), POSITIVE),
    ("rel_entr(2.0, x)", lambda q: rel_entr(mpf(2), q), {"low": 1e-38}),
    ("rel_entr(0.0, x)", lambda q: mpf(0), POSITIVE),
    ("log_ndtr(x)", None, closed(normal_hazard)),
    ("logit(x)", lambda x: mp.log(x / (1 - x)), UNIT),
    ("logsumexp(jnp.stack([x, 0.0 * x]))", softplus),
    (
        "multigammaln(x, 2)",
        None,
        closed(
            lambda x: mp.digamma(x) + mp.digamma(x - mpf(1) / 2),
            0.51,
            1e36,
        ),
    ),
    ("ndtr(x)", None, closed(normal_pdf)),
    (
        "ndtri(x)",
        None,
        closed(
            lambda p: 1 / normal_pdf(normal_quantile(p)),
            1e-37,
            1 - 6e-8,
        ),
    ),
    (
        "owens_t(x, 1.0)",
        None,
        closed(
            lambda h: -normal_pdf(h) * (normal_cdf(h) - mpf(1) / 2),
            -1e18,
            1e18,
        ),
    ),
    (
        "owens_t(1.0, x)",
        None,
        closed(
            lambda a: mp.exp(-(1 + a * a) / 2) / (2 * mp.pi * (1 + a * a)),
        ),
    ),
    ("poch(x, 2.0)", lambda x: x * (x + 1), {"low": 1e-38, "high": 1e15}),
    (
        "poch(2.0, x)",
        None,
        closed(
            lambda n: mp.gamma(2 + n) * mp.digamma(2 + n),
            0,
            30,
        ),
    ),
    ("polygamma(1, x)", None, closed(lambda x: mp.psi(2, x), 1e-12, 1e12)),
    ("polygamma(2, x)", None, closed(lambda x: mp.psi(3, x), 1e-9, 1e9)),
    ("sici(x)[0]", None, closed(sine_integral_slope)),
    ("sici(x)[1]", None, closed(lambda x: mp.cos(x) / x, 1e-38)),
    ("spence(x)", None, closed(spence_slope, 1e-38)),
    ("xlogy(x, 2.0)", lambda x: x * mp.log(2)),
    ("xlogy(2.0, x)", lambda y: 2 * mp.log(y), {"low": 1e-38}),
    ("xlogy(0.0, x)", lambda y: mpf(0), POSITIVE),
    ("xlogy(x, x)", lambda x: x * mp.log(x) if x else mpf(0), POSITIVE),
    ("xlog1py(x, 2.0)", lambda x: x * mp.log(3)),
    ("xlog1py(2.0, x)", lambda y: 2 * mp.log1p(y), {"low": -1}),
    ("xlog1py(0.0, x)", lambda y: mpf(0), {"low": -1}),
    ("xlog1py(x, -x)", lambda x: x * mp.log1p(-x), {"high": 1}),
    ("zeta(x, 2.0)", None, closed(lambda s: mp.zeta(s, 2, 1), 1.01, 60)),
    ("zeta(2.0, x)", None, closed(lambda q: -2 * mp.zeta(3, q), 1e-8, 1e8)),
    (
        "bessel_jn(x, v=1)[1]",
        None,
        closed(
            lambda x: (mp.besselj(0, x) - mp.besselj(2, x)) / 2,
            -40,
            40,
        ),
    ),
    ("wofz(x).real", lambda x: mp.exp(-x * x)),
)
