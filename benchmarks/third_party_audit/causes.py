"""Why each is wrong, in half a sentence, from reading the released source."""

WHERE = "An overflow in the branch that `where` discards meets a zero cotangent."
ZERO_POWER = "x^(a-1) is taken as exp((a-1) log x), and 0 times log 0 is NaN."
LOG_ZERO = "The rule of xlogy or xlog1py divides x = 0 by y = 0."
INTEGERS = "The rule multiplies the float0 tangent of an integer argument."
LOG_OF_VALUE = "It is the logarithm of a survival function that has underflowed."
SQRT_ZERO = "The square root's infinite slope at 0 meets a zero."
LOG_INTEGER = "The rule takes the logarithm of an integer argument, which lax refuses."
CANCELLATION = (
    "The rule is exp(logpdf - logcdf), the difference of two numbers near x²/2."
)

LOG_EXPM1 = "It is log(-expm1(-exp(x))), and a log or its slope meets 0 or infinity."
EXP_EXP = "exp(x) overflows, and infinity meets a zero."

CAUSES = {
    "jax.numpy.hypot": "The slope is x/r, and r = 0 there.",
    "jax.numpy.ldexp": "0.10 returns x itself where x = 0: slope 1 for 2^e.",
    "jax.scipy.stats.gumbel_l.logcdf": LOG_EXPM1,
    "jax.scipy.stats.gumbel_l.cdf": LOG_EXPM1,
    "jax.scipy.stats.gumbel_r.logsf": LOG_EXPM1,
    "jax.scipy.stats.gumbel_r.sf": EXP_EXP,
    "jax.scipy.stats.gumbel_r.cdf": EXP_EXP,
    "jax.scipy.stats.gumbel_r.pdf": EXP_EXP,
    "jax.scipy.stats.gumbel_l.sf": EXP_EXP,
    "jax.scipy.stats.gumbel_l.pdf": EXP_EXP,
    "jax.scipy.stats.gennorm.cdf": "Through gammainc(1/β, |x|^β), whose slope is "
    "infinite at 0, times 0.",
    "jax.scipy.stats.norm.logpdf": "A power of the scale overflows on the way.",
    "jax.numpy.logaddexp": "The rule takes exp(x - out), and out is rounded.",
    "jax.numpy.linalg.det": "The rule replaces a zero pivot in the last place only; "
    "one further up gives infinities, then zeros for them.",
    "jax.numpy.linalg.norm": SQRT_ZERO,
    "jax.numpy.linalg.vector_norm": SQRT_ZERO,
    "jax.numpy.std": SQRT_ZERO,
    "jax.numpy.nanstd": SQRT_ZERO,
    "jax.scipy.stats.sem": SQRT_ZERO,
    "jax.numpy.power": "Zero times 0^(-1) is NaN.",
    "jax.numpy.sinc": "(cos(πx) - sin(πx)/(πx))/x cancels, except exactly at 0.",
    "jax.nn.gelu": "x³ overflows, and the zero slope of tanh meets infinity.",
    "jax.nn.squareplus": "x² overflows.",
    "jax.scipy.special.betainc": ZERO_POWER,
    "jax.scipy.special.gammainc": ZERO_POWER,
    "jax.scipy.special.gammaincc": ZERO_POWER,
    "jax.scipy.special.bessel_jn": "The slope of the backward recurrence overflows "
    "float32; in float64 it is right.",
    "jax.scipy.special.boxcox": "expm1(λ log x)/λ is differentiated as it stands: the "
    "two terms of size 1/λ cancel, and 1/x · x^λ underflows or cancels.",
    "jax.scipy.special.boxcox1p": "As boxcox.",
    "jax.scipy.special.hyp1f1": INTEGERS,
    "jax.scipy.special.hyp2f1": INTEGERS,
    "jax.scipy.special.i0": "It is exp(|x|) i0e(x): at 0 the slopes of the two do not "
    "cancel.",
    "jax.scipy.special.log_ndtr": CANCELLATION,
    "jax.scipy.stats.norm.logcdf": CANCELLATION,
    "jax.scipy.stats.norm.logsf": CANCELLATION,
    "jax.scipy.special.poch": "It is Γ(z+m)/Γ(z), both infinite. " + INTEGERS,
    "jax.scipy.special.spence": WHERE
    + " At 1 a constant is returned; near 0, log(1-x) "
    "loses x.",
    "jax.scipy.special.xlogy": LOG_ZERO + " " + LOG_INTEGER,
    "jax.scipy.special.xlog1py": LOG_ZERO + " " + LOG_INTEGER,
    "jax.scipy.stats.bernoulli.logpmf": LOG_ZERO,
    "jax.scipy.stats.binom.logpmf": LOG_ZERO,
    "jax.scipy.stats.binom.pmf": LOG_ZERO,
    "jax.scipy.stats.geom.logpmf": LOG_ZERO,
    "jax.scipy.stats.nbinom.logpmf": LOG_ZERO,
    "jax.scipy.stats.poisson.logpmf": LOG_ZERO,
    "jax.scipy.stats.poisson.pmf": LOG_ZERO,
    "jax.scipy.stats.multinomial.pmf": LOG_ZERO,
    "jax.scipy.stats.gumbel_l.ppf": INTEGERS + " Here -1, inside.",
    "jax.scipy.stats.gumbel_r.ppf": INTEGERS + " Here 1, inside.",
    "jax.scipy.stats.laplace.cdf": WHERE,
    "jax.scipy.stats.gamma.logsf": LOG_OF_VALUE,
    "jax.scipy.stats.chi2.logsf": LOG_OF_VALUE,
    "jax.scipy.stats.beta.logsf": LOG_OF_VALUE,
    "jax.scipy.stats.norm.isf": "It is ppf(1 - q), and 1 - q is rounded.",
    "jax.scipy.stats.beta.sf": "It is betainc(b, a, 1 - x), and 1 - x is rounded.",
    "jax.scipy.stats.cauchy.ppf": "0.10: the angle πq - π/2 is rounded. 0.12: at 1/2 "
    "the value 0 is put in as a constant.",
    "jax.scipy.stats.cauchy.isf": "As ppf.",
    "jax.scipy.stats.expon.logcdf": "It is log(1 - exp(-x)), and exp(-x) is rounded.",
    "optax.losses.safe_softmax_cross_entropy": INTEGERS,
    "optax.losses.sigmoid_focal_loss": "logsumexp drops the terms of weight 0, whose "
    "slope is not 0.",
}
