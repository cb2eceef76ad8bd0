"""Three lines that show a defect, and another interpreter that runs them."""

import json
import os
import re
import subprocess
import sys
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .cases import Case
from .classes import RAISES, classify, digits
from .integers import with_integers
from .sweep import Finding

RUNNER = """
import contextlib, io, json, sys, warnings
warnings.simplefilter("ignore")
outcomes = []
for block in json.load(sys.stdin):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(block, {})
        outcomes.append(printed.getvalue().strip())
    except Exception as error:
        outcomes.append(type(error).__name__)
import jax
print(json.dumps([jax.__version__, outcomes]))
"""


def confirmed(finding: Finding) -> bool:
    """Whether plain jax.grad, without jit and vmap, has an error of the same class."""
    if finding.kind == RAISES:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        point = jnp.asarray(finding.point, jnp.float32)
        slope = np.atleast_1d(jax.grad(finding.case.call)(point))
    index = finding.index or 0
    x = float(np.atleast_1d(finding.point)[index])
    return classify(float(slope[index]), finding.true, x) == finding.kind


def source(finding: Finding) -> str:
    """The three lines: imports, the gradient printed, the truth."""
    case = finding.case
    place = "" if finding.index is None else f"[{finding.index}]"
    call = f"jax.grad(lambda x: {case.source})({literal(finding.point)}){place}"
    return f"{case.imports()}\nprint({call})\n# {truth(finding)}"


def literal(point: Any) -> str:
    """A float32 or a vector as Python, to the last bit."""
    if np.ndim(point):
        return f"jnp.array([{', '.join(literal(v) for v in point)}])"
    return str(np.float32(point) + 0).replace("inf", "jnp.inf")


def truth(finding: Finding) -> str:
    """The true slope to twenty digits, or the interval at a kink."""
    low, high = finding.true.low, finding.true.high
    if finding.true.kink:
        return f"between {digits(low)} and {digits(high)}"
    return digits(low)


def run(blocks: list[str], python: str = sys.executable) -> tuple[str, list[str]]:
    """What each block prints, or the name of what it raises; and JAX's version."""
    # Tests turn off optimizations of XLA, which people have on.
    env = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    process = subprocess.run(
        [python, "-c", RUNNER],
        input=json.dumps(blocks),
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    version, outcomes = json.loads(process.stdout.splitlines()[-1])
    return version, outcomes


def parts(block: str, cases: list[Case]) -> tuple[Case, Any, int | None]:
    """The case, the point and the index that a reproduction is about."""
    line = block.splitlines()[1]
    match = re.fullmatch(
        r"print\(jax\.grad\(lambda x: (.*)\)\((.*)\)(?:\[(\d)\])?\)", line
    )
    if match is None:
        raise ValueError(f"not a reproduction: {line}")
    code, point, index = match.groups()
    known = {
        text: case
        for case in cases
        for text in (with_integers(case.source), case.source)
    }
    value = np.float32(eval(point, {"jnp": jnp}))
    return known[code], value, None if index is None else int(index)
