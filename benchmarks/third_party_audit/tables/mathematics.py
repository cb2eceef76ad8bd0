"""Functions of mpmath that several tables share, exact in both tails."""

from mpmath import mp, mpf

HALF = mpf(1) / 2


def decimal(text: str) -> mpf:
    """A decimal constant of a definition, at the precision of the moment."""
    return mpf(text)


def sigmoid(x: mpf) -> mpf:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + mp.exp(-x)) if x > 0 else mp.exp(x) / (1 + mp.exp(x))


def softplus(x: mpf) -> mpf:
    """log(1 + exp(x))."""
    return x + mp.log1p(mp.exp(-x)) if x > 0 else mp.log1p(mp.exp(x))


def relu(x: mpf) -> mpf:
    """max(x, 0)."""
    return max(x, mpf(0))


def clip(x: mpf, low: float, high: float) -> mpf:
    """X between `low` and `high`."""
    return min(max(x, mpf(low)), mpf(high))


def normal_cdf(x: mpf) -> mpf:
    """The normal distribution function."""
    return mp.erfc(-x / mp.sqrt(2)) / 2


def normal_pdf(x: mpf) -> mpf:
    """The normal density."""
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def normal_hazard(x: mpf) -> mpf:
    """pdf(x) / cdf(x), the slope of the normal log distribution function."""
    if x > 30:
        return normal_pdf(x)
    if x < -1000:  # Mills' ratio as a continued fraction
        y, tail = -x, mpf(0)
        for k in range(30, 0, -1):
            tail = k / (y + tail)
        return y + tail
    return normal_pdf(x) / normal_cdf(x)


def normal_quantile(p: mpf) -> mpf:
    """The inverse of the normal distribution function, by Newton's method.

    On the logarithm, which is concave: it converges from every start.
    """
    q = min(p, 1 - p)
    x = -mp.sqrt(-2 * mp.log(2 * q)) / 2
    for _ in range(60):
        step = mp.log(normal_cdf(x) / q) * normal_cdf(x) / normal_pdf(x)
        x -= step
        if abs(step) < abs(x) * mpf(10) ** -(mp.dps // 2 + 2):
            return x if p < HALF else -x
    if q == HALF:
        return mpf(0)
    raise mp.NoConvergence(f"normal quantile of {p}")


def log_sum_exp(x: list, weights: list | None = None) -> mpf:
    """Log Σ w exp(x)."""
    top = max(x)
    scale = weights or [1] * len(x)
    return top + mp.log(sum(w * mp.exp(v - top) for w, v in zip(scale, x)))
