"""What is audited: a released function as source text, and what it means."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import jax.scipy.stats
import numpy as np
import optax

NAMES = {"jax": jax, "jnp": jnp, "optax": optax}
PREFIXES = {
    "jax.nn": "jax.nn.",
    "jax.numpy": "jnp.",
    "jax.scipy.special": "jax.scipy.special.",
    "jax.scipy.stats": "jax.scipy.stats.",
    "optax.losses": "optax.losses.",
}
MODULES = {
    "jax.nn": jax.nn,
    "jax.numpy": jnp,
    "jax.scipy.special": jax.scipy.special,
    "jax.scipy.stats": jax.scipy.stats,
    "optax.losses": optax.losses,
}


@dataclass(frozen=True)
class Case:
    """A scalar function of `x` (a float, or a vector of `size` floats).

    `code` is Python source in `x`, without its module's prefix; it begins with the
    name of the function. `value` is the same function in mpmath; where that is slow,
    `slope` is its derivative in closed form instead. Only points between `low` and
    `high` (inclusive) that satisfy `domain` are asked for, and `points` besides the
    usual ones. With `infinite`, minus infinity is an input of the domain.
    """

    module: str
    code: str
    value: Callable[[Any], Any] | None = None
    slope: Callable[[Any], Any] | None = None
    low: float = -np.inf
    high: float = np.inf
    domain: Callable[[Any], bool] = lambda x: True
    points: Sequence[Any] = ()
    size: int = 0
    infinite: bool = False

    @property
    def function(self) -> str:
        """Its public name, such as `jax.nn.gelu`."""
        name = re.match(r"[\w.]+", self.code)
        return f"{self.module}.{name[0] if name else self.code}"

    @property
    def source(self) -> str:
        """The expression in `x`, ready for `eval`."""
        return PREFIXES[self.module] + self.code

    @cached_property
    def call(self) -> Callable[[Any], Any]:
        """The function of JAX."""
        return eval(f"lambda x: {self.source}", dict(NAMES))

    def imports(self) -> str:
        """The line that a reproduction needs."""
        modules = ["jax", "jax.numpy as jnp"]
        modules += [self.module] if self.module.startswith("jax.scipy") else []
        modules += ["optax"] if self.module.startswith("optax") else []
        return "import " + ", ".join(modules)


def cases(module: str, *entries: tuple[Any, ...] | Case, **common: Any) -> list[Case]:
    """A table of one module: (code, value) or (code, value, {field: ...})."""
    table = []
    for entry in entries:
        code, value, *fields = entry
        field = {**common, **(fields[0] if fields else {})}
        table.append(Case(module, code, value, **field))
    return table
