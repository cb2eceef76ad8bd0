"""Every public function of the modules, so that none is passed over in silence."""

import inspect
from typing import Any

import jax.numpy as jnp
import numpy as np

from .cases import MODULES, Case
from .rules import rules

# Files, printing and Python objects: they take no array of floats.
NO_ARRAYS = """load save savez fromfile frombuffer fromstring from_dlpack fromiter
fromfunction frompyfunc get_printoptions set_printoptions printoptions array_repr
array_str iterable isscalar apply_along_axis apply_over_axes vectorize piecewise
can_cast promote_types result_type issubdtype isdtype dtype finfo iinfo
broadcast_shapes einsum_path""".split()


def public(module: str) -> list[str]:
    """The names of a module's public functions, `norm.pdf` for those of stats."""
    found = []
    for name, thing in vars(MODULES[module]).items():
        if name.startswith("_"):
            continue
        if inspect.ismodule(thing) and module == "jax.scipy.stats":
            inside = [k for k, f in vars(thing).items() if is_function(k, f)]
            found += [f"{name}.{k}" for k in inside]
        elif is_function(name, thing) and name not in NO_ARRAYS:
            found.append(name)
    return sorted(found)


def is_function(name: str, thing: Any) -> bool:
    """Whether it is a public function, not a class or a scalar type."""
    scalar_type = isinstance(getattr(thing, "dtype", None), np.dtype)
    hidden = name.startswith("_") or inspect.isclass(thing) or scalar_type
    return callable(thing) and not hidden


def not_covered(cases: list[Case]) -> list[tuple[str, list[str]]]:
    """Functions without a case, with the rules that a first trial finds in them."""
    covered = {case.function for case in cases}
    missing = []
    for module in MODULES:
        for name in public(module):
            full = f"{module}.{name}"
            if full not in covered:
                missing.append((full, tried(module, name)))
    return missing


def tried(module: str, name: str) -> list[str]:
    """The rules in a function called with floats, vectors or matrices."""
    f: Any = MODULES[module]
    for part in name.split("."):
        f = getattr(f, part)
    number, vector, matrix = jnp.float32(0.5), jnp.full(4, 0.5), jnp.eye(4)
    for arguments in [
        (number,),
        (vector,),
        (matrix,),
        (number,) * 2,
        (vector,) * 2,
        (matrix,) * 2,
        (number,) * 3,
        (number,) * 4,
    ]:
        try:
            found = rules(f, *arguments)
        except Exception:  # not a call of this function: the next one
            continue
        return sorted(found)
    return ["not traced"]
