"""Which functions have a hand-written rule in them, and whose fault an error is."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import autodiff

from .cases import Case
from .classes import classify
from .sweep import Finding

RULE, BOTH, AUTOMATIC = "rule", "rule, automatic too", "automatic"
UNTOLD = "has a rule, not separated"


def rules(f: Any, *args: Any) -> set[str]:
    """The names of the custom rules in f's program, also inside others."""
    return set(named(jax.make_jaxpr(f)(*args).jaxpr))


def named(jaxpr: Any) -> Iterator[str]:
    """Every custom rule of a jaxpr."""
    for equation in jaxpr.eqns:
        kind = equation.primitive.name
        if kind.startswith(("custom_jvp_call", "custom_vjp_call", "call_hi")):
            inner = equation.params.get("call_jaxpr")
            info = getattr(getattr(inner, "jaxpr", inner), "debug_info", None)
            yield str(getattr(info, "func_name", kind))
        for value in equation.params.values():
            for part in value if isinstance(value, (tuple, list)) else (value,):
                part = getattr(part, "jaxpr", part)
                if hasattr(part, "eqns"):
                    yield from named(part)


@functools.cache
def rules_of(case: Case) -> set[str]:
    """The rules in a case of the table; none where it cannot be traced."""
    sample = jnp.full(case.size, 0.5) if case.size else jnp.float32(0.5)
    try:
        return rules(case.call, sample)
    except Exception:
        return set()


def origin(finding: Finding) -> str:
    """Whether the rule is at fault, or the derivative of what it stands for too."""
    case = finding.case
    if not rules_of(case):
        return AUTOMATIC
    try:
        slope = jax.grad(autodiff(case.call))(jnp.asarray(finding.point))
    except Exception:  # such as a loop without a reverse mode: no verdict then
        return UNTOLD
    x = float(np.atleast_1d(finding.point)[finding.index or 0])
    got = float(np.atleast_1d(slope)[finding.index or 0])
    return RULE if classify(got, finding.true, x) is None else BOTH
