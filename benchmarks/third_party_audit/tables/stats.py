"""jax.scipy.stats, pointwise; meanings from the docstrings of SciPy's."""

from mpmath import mp, mpf

from ..cases import cases
from .mathematics import (
    decimal,
    normal_cdf,
    normal_hazard,
    normal_pdf,
    normal_quantile,
    sigmoid,
    softplus,
)
from .special import betainc_slope, closed, gammainc_slope

POSITIVE = {"low": 1e-38}
INSIDE = {"low": 1e-37, "high": 1 - 6e-8}
HALF = mpf(1) / 2


def t_log_density(x: mpf, df: mpf) -> mpf:
    """Student's t, up to what does not depend on x."""
    return -(df + 1) / 2 * mp.log1p(x * x / df)


def t_density(x: mpf, df: mpf) -> mpf:
    """Student's t."""
    norm = mp.sqrt(df) * mp.beta(HALF, mpf(df) / 2)
    return (1 + x * x / df) ** (-mpf(df + 1) / 2) / norm


def cauchy_tail(x: mpf) -> mpf:
    """The survival function, arctan(1/x)/π for positive x."""
    return mp.atan(1 / x) / mp.pi if x > 0 else HALF - mp.atan(x) / mp.pi


def gumbel_hazard(x: mpf) -> mpf:
    """Slope of log(1 - exp(-exp(x))), exp(x) / expm1(exp(x))."""
    e = mp.exp(x)
    return -e / mp.expm1(e) if e < 1e5 else mpf(0)


def gumbel_tail(x: mpf) -> mpf:
    """log(1 - exp(-exp(x)))."""
    e = mp.exp(x)
    return mp.log(-mp.expm1(-e)) if e < 1e5 else mpf(0)


def truncated(x: mpf) -> mpf:
    """The normal mass between -1 and 2, and below x."""
    return (normal_cdf(x) - normal_cdf(-1)) / (normal_cdf(2) - normal_cdf(-1))


def gamma_hazard(a: mpf, x: mpf) -> mpf:
    """Slope of log Q(a, x) for a = 1 and 2."""
    return mpf(-1) if a == 1 else -x / (1 + x)


STATS = cases(
    "jax.scipy.stats",
    ("norm.logpdf(x)", lambda x: -x * x / 2),
    ("norm.logpdf(1.0, 0.0, x)", lambda s: -1 / (2 * s * s) - mp.log(s), POSITIVE),
    ("norm.pdf(x)", normal_pdf),
    ("norm.cdf(x)", None, closed(normal_pdf)),
    ("norm.sf(x)", None, closed(lambda x: -normal_pdf(x))),
    ("norm.logcdf(x)", None, closed(normal_hazard)),
    ("norm.logcdf(1.0, x, 1.0)", None, closed(lambda m: -normal_hazard(1 - m))),
    ("norm.logsf(x)", None, closed(lambda x: -normal_hazard(-x))),
    (
        "norm.ppf(x)",
        normal_quantile,
        closed(
            lambda p: 1 / normal_pdf(normal_quantile(p)),
            1e-37,
            1 - 6e-8,
        ),
    ),
    (
        "norm.isf(x)",
        lambda p: -normal_quantile(p),
        closed(
            lambda p: -1 / normal_pdf(normal_quantile(p)),
            1e-37,
            1 - 6e-8,
        ),
    ),
    ("cauchy.logpdf(x)", lambda x: -mp.log1p(x * x)),
    ("cauchy.pdf(x)", lambda x: 1 / (mp.pi * (1 + x * x))),
    ("cauchy.cdf(x)", lambda x: cauchy_tail(-x)),
    ("cauchy.sf(x)", cauchy_tail),
    ("cauchy.logcdf(x)", lambda x: mp.log(cauchy_tail(-x))),
    ("cauchy.logsf(x)", lambda x: mp.log(cauchy_tail(x))),
    ("cauchy.ppf(x)", lambda p: -mp.cot(mp.pi * p), INSIDE),
    ("cauchy.isf(x)", lambda p: mp.cot(mp.pi * p), INSIDE),
    ("expon.logpdf(x)", lambda x: -x, POSITIVE),
    ("expon.pdf(x)", lambda x: mp.exp(-x), POSITIVE),
    ("expon.cdf(x)", lambda x: -mp.expm1(-x), POSITIVE),
    ("expon.sf(x)", lambda x: mp.exp(-x), POSITIVE),
    ("expon.logcdf(x)", lambda x: mp.log(-mp.expm1(-x)), POSITIVE),
    ("expon.logsf(x)", lambda x: -x, POSITIVE),
    ("expon.ppf(x)", lambda p: -mp.log1p(-p), INSIDE),
    ("laplace.logpdf(x)", lambda x: -abs(x)),
    ("laplace.pdf(x)", lambda x: mp.exp(-abs(x)) / 2),
    ("laplace.cdf(x)", lambda x: mp.exp(x) / 2 if x < 0 else 1 - mp.exp(-x) / 2),
    ("logistic.logpdf(x)", lambda x: -abs(x) - 2 * softplus(-abs(x))),
    ("logistic.pdf(x)", lambda x: sigmoid(x) * sigmoid(-x)),
    ("logistic.cdf(x)", sigmoid),
    ("logistic.sf(x)", lambda x: sigmoid(-x)),
    ("logistic.ppf(x)", lambda p: mp.log(p / (1 - p)), INSIDE),
    ("logistic.isf(x)", lambda p: mp.log((1 - p) / p), INSIDE),
    ("gumbel_l.logpdf(x)", lambda x: x - mp.exp(x)),
    ("gumbel_l.pdf(x)", lambda x: mp.exp(x - mp.exp(x)), {"high": 100}),
    ("gumbel_l.cdf(x)", None, closed(lambda x: mp.exp(x - mp.exp(x)), high=100)),
    ("gumbel_l.sf(x)", lambda x: mp.exp(-mp.exp(x)), {"high": 100}),
    ("gumbel_l.logcdf(x)", gumbel_tail, closed(lambda x: -gumbel_hazard(x))),
    ("gumbel_l.logsf(x)", lambda x: -mp.exp(x)),
    ("gumbel_l.ppf(x)", lambda p: mp.log(-mp.log1p(-p)), INSIDE),
    ("gumbel_r.logpdf(x)", lambda x: -x - mp.exp(-x)),
    ("gumbel_r.pdf(x)", lambda x: mp.exp(-x - mp.exp(-x)), {"low": -100}),
    ("gumbel_r.cdf(x)", lambda x: mp.exp(-mp.exp(-x)), {"low": -100}),
    ("gumbel_r.sf(x)", None, closed(lambda x: -mp.exp(-x - mp.exp(-x)), -100)),
    ("gumbel_r.logcdf(x)", lambda x: -mp.exp(-x)),
    (
        "gumbel_r.logsf(x)",
        lambda x: gumbel_tail(-x),
        closed(lambda x: gumbel_hazard(-x)),
    ),
    ("gumbel_r.ppf(x)", lambda p: -mp.log(-mp.log(p)), INSIDE),
    ("pareto.logpdf(x, 2.0)", lambda x: -3 * mp.log(x), {"low": 1.0001}),
    ("pareto.pdf(x, 2.0)", lambda x: 2 / x**3, {"low": 1.0001}),
    ("pareto.cdf(x, 2.0)", lambda x: 1 - 1 / x**2, {"low": 1.0001}),
    ("pareto.sf(x, 2.0)", lambda x: 1 / x**2, {"low": 1.0001}),
    ("pareto.logcdf(x, 2.0)", lambda x: mp.log1p(-1 / x**2), {"low": 1.0001}),
    ("pareto.logsf(x, 2.0)", lambda x: -2 * mp.log(x), {"low": 1.0001}),
    ("pareto.ppf(x, 2.0)", lambda p: 1 / mp.sqrt(1 - p), INSIDE),
    ("chi2.logpdf(x, 4.0)", lambda x: mp.log(x) - x / 2, POSITIVE),
    ("chi2.pdf(x, 4.0)", lambda x: x * mp.exp(-x / 2) / 4, POSITIVE),
    ("chi2.logpdf(x, 2.0)", lambda x: -x / 2, POSITIVE),
    ("chi2.cdf(x, 2.0)", None, closed(lambda x: mp.exp(-x / 2) / 2, 1e-38)),
    ("chi2.sf(x, 2.0)", None, closed(lambda x: -mp.exp(-x / 2) / 2, 1e-38)),
    ("chi2.logcdf(x, 2.0)", lambda x: mp.log(-mp.expm1(-x / 2)), POSITIVE),
    ("chi2.logsf(x, 2.0)", lambda x: -x / 2, POSITIVE),
    (
        "chi2.logsf(x, 4.0)",
        lambda x: mp.log1p(x / 2) - x / 2,
        closed(lambda x: gamma_hazard(2, x / 2) / 2, 1e-38),
    ),
    ("gamma.logpdf(x, 2.0)", lambda x: mp.log(x) - x, POSITIVE),
    ("gamma.logpdf(x, 1.0)", lambda x: -x, POSITIVE),
    ("gamma.pdf(x, 2.0)", lambda x: x * mp.exp(-x), POSITIVE),
    ("gamma.cdf(x, 2.0)", None, closed(lambda x: gammainc_slope(2, x), 1e-38)),
    ("gamma.sf(x, 2.0)", None, closed(lambda x: -gammainc_slope(2, x), 1e-38)),
    ("gamma.logcdf(x, 1.0)", lambda x: mp.log(-mp.expm1(-x)), POSITIVE),
    ("gamma.logsf(x, 1.0)", lambda x: -x, POSITIVE),
    ("gamma.logsf(x, 2.0)", lambda x: mp.log1p(x) - x, POSITIVE),
    ("beta.logpdf(x, 2.0, 3.0)", lambda x: mp.log(x) + 2 * mp.log1p(-x), INSIDE),
    ("beta.logpdf(x, 1.0, 1.0)", lambda x: mpf(0), INSIDE),
    ("beta.pdf(x, 2.0, 3.0)", lambda x: 12 * x * (1 - x) ** 2, INSIDE),
    ("beta.cdf(x, 2.0, 3.0)", None, closed(lambda x: betainc_slope(2, 3, x), 0, 1)),
    ("beta.sf(x, 2.0, 3.0)", None, closed(lambda x: -betainc_slope(2, 3, x), 0, 1)),
    ("beta.logcdf(x, 2.0, 1.0)", lambda x: 2 * mp.log(x), INSIDE),
    ("beta.logsf(x, 1.0, 2.0)", lambda x: 2 * mp.log1p(-x), INSIDE),
    ("t.logpdf(x, 3.0)", lambda x: t_log_density(x, 3)),
    ("t.pdf(x, 3.0)", lambda x: t_density(x, 3)),
    (
        "t.logpdf(1.0, x)",
        None,
        closed(
            lambda v: (
                (mp.digamma((v + 1) / 2) - mp.digamma(v / 2) - 1 / v - mp.log1p(1 / v))
                / 2
                + (v + 1) / (2 * v * (v + 1))
            ),
            1e-10,
            1e15,
        ),
    ),
    ("truncnorm.logpdf(x, -1.0, 2.0)", lambda x: -x * x / 2, {"low": -1, "high": 2}),
    (
        "truncnorm.pdf(x, -1.0, 2.0)",
        None,
        closed(
            lambda x: -x * normal_pdf(x) / (normal_cdf(2) - normal_cdf(-1)),
            -0.99,
            1.99,
        ),
    ),
    ("truncnorm.cdf(x, -1.0, 2.0)", truncated, {"low": -0.99, "high": 1.99}),
    (
        "truncnorm.sf(x, -1.0, 2.0)",
        lambda x: -truncated(x),
        {
            "low": -0.99,
            "high": 1.99,
        },
    ),
    (
        "truncnorm.logcdf(x, -1.0, 2.0)",
        lambda x: mp.log(truncated(x)),
        {
            "low": -0.99,
            "high": 1.99,
        },
    ),
    (
        "truncnorm.logsf(x, -1.0, 2.0)",
        lambda x: mp.log(1 - truncated(x)),
        {
            "low": -0.99,
            "high": 1.99,
        },
    ),
    (
        "truncnorm.logpdf(x, 20.0, 30.0)",
        lambda x: -x * x / 2,
        {
            "low": 20.01,
            "high": 29.9,
            "points": (21.0, 25.0),
        },
    ),
    ("uniform.logpdf(x)", lambda x: mpf(0), INSIDE),
    ("uniform.pdf(x)", lambda x: mpf(1), INSIDE),
    ("uniform.cdf(x)", lambda x: x, INSIDE),
    ("uniform.ppf(x)", lambda x: x, INSIDE),
    ("vonmises.logpdf(x, 2.0)", lambda x: 2 * mp.cos(x)),
    (
        "vonmises.pdf(x, 2.0)",
        lambda x: mp.exp(2 * mp.cos(x)) / (2 * mp.pi * mp.besseli(0, 2)),
        {"low": -1e5, "high": 1e5},
    ),
    (
        "vonmises.logpdf(1.0, x)",
        None,
        closed(
            lambda k: mp.cos(1) - mp.besseli(1, k) / mp.besseli(0, k),
            1e-38,
            1e3,
        ),
    ),
    (
        "wrapcauchy.logpdf(x, 0.5)",
        lambda x: -mp.log(mpf(5) / 4 - mp.cos(x)),
        {
            "low": 1e-38,
            "high": 6.28,
        },
    ),
    (
        "wrapcauchy.pdf(x, 0.5)",
        lambda x: mpf(3) / 4 / (2 * mp.pi * (mpf(5) / 4 - mp.cos(x))),
        {"low": 1e-38, "high": 6.28},
    ),
    ("gennorm.logpdf(x, 2.0)", lambda x: -x * x),
    ("gennorm.logpdf(x, 1.5)", lambda x: -(abs(x) ** (mpf(3) / 2))),
    ("gennorm.pdf(x, 2.0)", lambda x: mp.exp(-x * x) / mp.sqrt(mp.pi)),
    (
        "gennorm.cdf(x, 2.0)",
        None,
        closed(
            lambda x: mp.exp(-x * x) / mp.sqrt(mp.pi),
        ),
    ),
    ("bernoulli.logpmf(1, x)", mp.log, INSIDE),
    ("bernoulli.logpmf(0, x)", lambda p: mp.log1p(-p), {"low": 0, "high": 1 - 6e-8}),
    ("bernoulli.pmf(1, x)", lambda p: p, INSIDE),
    ("binom.logpmf(0, 3, x)", lambda p: 3 * mp.log1p(-p), {"low": 0, "high": 0.99}),
    ("binom.logpmf(3, 3, x)", lambda p: 3 * mp.log(p), {"low": 1e-37, "high": 1}),
    ("binom.logpmf(1, 3, x)", lambda p: mp.log(p) + 2 * mp.log1p(-p), INSIDE),
    ("binom.pmf(1, 3, x)", lambda p: 3 * p * (1 - p) ** 2, INSIDE),
    ("binom.pmf(0, 3, x)", lambda p: (1 - p) ** 3, {"low": 0, "high": 1}),
    ("nbinom.logpmf(2, 3.0, x)", lambda p: 3 * mp.log(p) + 2 * mp.log1p(-p), INSIDE),
    ("nbinom.logpmf(0, 3.0, x)", lambda p: 3 * mp.log(p), {"low": 1e-37, "high": 1}),
    ("nbinom.pmf(2, 3.0, x)", lambda p: 6 * p**3 * (1 - p) ** 2, INSIDE),
    ("geom.logpmf(1, x)", mp.log, {"low": 1e-37, "high": 1}),
    ("geom.logpmf(3, x)", lambda p: mp.log(p) + 2 * mp.log1p(-p), INSIDE),
    ("geom.pmf(3, x)", lambda p: p * (1 - p) ** 2, INSIDE),
    ("poisson.logpmf(3, x)", lambda m: 3 * mp.log(m) - m, POSITIVE),
    ("poisson.logpmf(0, x)", lambda m: -m, {"low": 0}),
    ("poisson.pmf(3, x)", lambda m: m**3 * mp.exp(-m) / 6, POSITIVE),
    ("poisson.pmf(0, x)", lambda m: mp.exp(-m), {"low": 0}),
    ("poisson.cdf(3, x)", None, closed(lambda m: -(m**3) * mp.exp(-m) / 6, 1e-38)),
    (
        "betabinom.logpmf(1, 3, x, 2.0)",
        None,
        closed(
            lambda a: 1 / a + mp.digamma(a + 2) - mp.digamma(a + 5),
            1e-30,
            1e10,
        ),
    ),
    ("multivariate_normal.logpdf(x, 0.0, 4.0)", lambda x: -x * x / 8),
    ("multivariate_normal.pdf(x, 0.0, 1.0)", normal_pdf),
    ("norm.logpdf(x, 0.0, 0.1)", None, closed(lambda x: -x / decimal("0.01"))),
)
