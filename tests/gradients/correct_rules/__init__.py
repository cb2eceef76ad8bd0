"""Programs whose hand-written gradients are all right, and tricky to judge."""

from . import (
    attention_and_norms,
    complex_numbers,
    declared,
    dtypes,
    forms,
    implicit,
    integers_and_keys,
    jax_own,
    kernels,
    kinks,
    library,
    linear_algebra,
    sequences,
    stable_formulas,
    structure,
    transforms,
    without_rules,
)
from .example import Example as Example

_THEMES = (
    kinks,
    stable_formulas,
    implicit,
    structure,
    forms,
    transforms,
    dtypes,
    integers_and_keys,
    attention_and_norms,
    sequences,
    linear_algebra,
    complex_numbers,
    jax_own,
    kernels,
    library,
    declared,
    without_rules,
)
CORRECT = tuple(example for theme in _THEMES for example in theme.EXAMPLES)
