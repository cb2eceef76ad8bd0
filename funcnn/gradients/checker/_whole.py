"""The gradient of a whole program, where its rules one by one are right."""

from collections.abc import Callable
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._autodiff import autodiff
from funcnn.gradients._verdicts import RULE_WRONG, fails
from funcnn.gradients.checker._cotangents import cotangents
from funcnn.gradients.checker._evaluation import Evaluation
from funcnn.gradients.checker._findings import Finding, difference
from funcnn.gradients.checker._inputs import candidates
from funcnn.gradients.checker._judge import Judge
from funcnn.gradients.checker._witnesses import Programs, is_inexact, pullback

_VALUE = 1e-4  # relative: a rule that the program has differentiated is in its value


def whole_findings(
    f: Callable[..., Any],
    arrays: list[Any],
    program: Any,
    names: list[str],
    strict: bool,
) -> list[Finding]:
    """What is wrong with the gradient of ``f(*arrays)``, near the arrays.

    What no rule shows alone: one that keeps something between two calls of it, or
    that the program has differentiated itself, or that splits a cotangent wrongly
    between inputs that belong together.

    Args:
      f: the program as a function of arrays.
      arrays: its arguments.
      program: `f` traced.
      names: of the arguments.
      strict: whether a difference counts that no slope has confirmed.
    """
    programs = _programs(f, arrays, program)
    if programs is None or not programs.floats or not programs.outputs:
        return []
    evaluation = Evaluation(programs)
    if evaluation.iterates:
        return []
    judge = Judge(evaluation, names, [True] * len(arrays), declared=False)
    given = evaluation.lifted(arrays)
    found: list[Finding] = []
    for candidate in candidates(given, programs.floats, 0):
        if candidate.label not in ("near", "random"):
            continue
        weights = cotangents(evaluation.types, 1)["random"]
        outcome = evaluation.at(candidate.arrays, weights)
        if not outcome.defined:
            continue
        judge.learn([outcome])
        for value, other in zip(outcome.value, outcome.declared):
            apart = difference(value, other, _VALUE, 1e-30)
            if apart is not None:
                at = value[apart.entry].item(), other[apart.entry].item()
                reason = "the value is another than without rules"
                text = (RULE_WRONG, "output", candidate.label, "", apart.entry, *at)
                found.append(Finding(*text, "", apart.relative, reason))
        wrong = judge.findings(candidate, "random", weights, outcome)
        found += [f for f in wrong if fails(f.verdict)]
        if evaluation.numerical or not strict:
            found = [f for f in found if f.numerical or f.argument == "output"]
        if found:
            break
    return found


def _programs(
    f: Callable[..., Any], arrays: list[Any], program: Any
) -> Programs | None:
    floats = tuple(i for i, x in enumerate(arrays) if is_inexact(x.dtype))
    types = program.out_avals
    outputs = tuple(i for i, a in enumerate(types) if is_inexact(a.dtype))
    inputs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
    weights = [jax.ShapeDtypeStruct(types[i].shape, types[i].dtype) for i in outputs]

    def flat(*given: Any) -> list[Any]:
        return jax.tree.leaves(autodiff(f)(*given))

    def ruled(*given: Any) -> list[Any]:
        return [jnp.asarray(y) for y in jax.tree.leaves(f(*given))]

    try:
        # from f itself: where an axis has a name, its program cannot be used again
        pulled = pullback(ruled, floats, len(inputs))
        manual = jax.make_jaxpr(pulled)(*inputs, *weights)
        declared = jax.make_jaxpr(flat)(*inputs)
        pulled = pullback(jex.core.jaxpr_as_fun(declared), floats, len(inputs))
        automatic = jax.make_jaxpr(pulled)(*inputs, *weights)
    except Exception:  # what raises has been said where it stands
        return None
    same = [np.shape(a) == np.shape(b) for a, b in zip(types, declared.out_avals)]
    if not all(same) or len(types) != len(declared.out_avals):
        return None
    return Programs(floats, outputs, program, manual, automatic, declared, "")
