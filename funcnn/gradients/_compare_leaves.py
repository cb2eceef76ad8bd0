"""Both gradients of a program, leaf by leaf."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np

from funcnn._ulps import unit_in_last_place
from funcnn.gradients._autodiff import autodiff
from funcnn.rules import ConsumedRuleError

# Relative to a leaf's largest entry: what rounding may do in a net, and a wrong
# derivative hardly ever stays below.
_TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "float16": 5e-2, "bfloat16": 5e-2}
# And what rounding leaves of a leaf whose gradient is truly 0, such as a bias before
# a normalization: this many units in the last place of the largest leaf's entry.
_NOISE_ULPS = 16


class Leaf(NamedTuple):
    """One leaf of both gradients, in float64 on the host.

    Attributes:
      dtype: that of the program.
      manual: by its rules.
      automatic: None where automatic differentiation is not possible.
      top: the largest entry of all leaves.
    """

    dtype: str
    manual: np.ndarray
    automatic: np.ndarray | None
    top: float

    @property
    def eps(self) -> float:
        """One unit in the last place of 1."""
        return float(jnp.finfo(self.dtype).eps)

    @property
    def largest(self) -> float:
        """The largest entry that is finite."""
        return _largest(self.manual if self.automatic is None else self.automatic)

    @property
    def difference(self) -> float:
        """The largest between the two."""
        if self.automatic is None:
            return math.nan
        with np.errstate(invalid="ignore"):
            return float(np.abs(self.manual - self.automatic).max(initial=0.0))

    @property
    def relative(self) -> float:
        """The same over the largest entry."""
        return self.difference / self.largest if self.largest else self.difference

    @property
    def ulps(self) -> float:
        """The same in units in the last place of the largest entry."""
        size = self.largest or _largest(self.manual)
        unit = unit_in_last_place(np.asarray(size), self.dtype)
        return self.difference / float(unit)

    @property
    def bound(self) -> float:
        """What rounding may do to an entry."""
        noise = _NOISE_ULPS * self.eps * self.top
        return max(_TOLERANCES[self.dtype] * self.largest, noise)

    @property
    def agree(self) -> bool:
        """Whether the two differ by no more than that."""
        return self.difference <= self.bound

    @property
    def worst(self) -> tuple[int, ...]:
        """The entry where they differ most, or the largest where they do not."""
        gap = np.abs(self.manual)
        if self.automatic is not None and not self.agree:
            with np.errstate(invalid="ignore"):
                gap = np.abs(self.manual - self.automatic)
        flat = np.argmax(np.where(np.isnan(gap), np.inf, gap))
        return tuple(map(int, np.unravel_index(flat, self.manual.shape)))


class Gradients:
    """The gradients of a function of arrays, compiled once for several points.

    Attributes:
      plain: the program without rules.
      reason: why there is no automatic gradient; empty where there is.
    """

    def __init__(
        self, scalar: Callable[..., Any], arrays: list[Any], positions: tuple[int, ...]
    ) -> None:
        self.reason = ""
        self._by_rules = jax.jit(jax.grad(scalar, positions))
        jax.eval_shape(self._by_rules, *arrays)  # what f raises, it raises here
        self.plain = jax.make_jaxpr(autodiff(scalar))(*arrays)
        run = jex.core.jaxpr_as_fun(self.plain)
        automatic = jax.grad(lambda *given: run(*given)[0], positions)
        try:
            traced = jax.make_jaxpr(automatic)(*arrays)
        except ConsumedRuleError:
            raise
        except Exception as error:  # JAX has no one kind for this
            self.reason = (str(error).strip().splitlines() or [""])[0]
        else:
            self._automatic = jax.jit(jex.core.jaxpr_as_fun(traced))

    def at(self, arrays: list[Any]) -> list[Leaf]:
        """The leaves of both at a point."""
        manual = self._by_rules(*arrays)
        automatic = [None] * len(manual) if self.reason else self._automatic(*arrays)
        leaves = [
            Leaf(m.dtype.name, _wide(m), _wide(a), 0.0)
            for m, a in zip(manual, automatic, strict=True)
        ]
        top = max((leaf.largest for leaf in leaves), default=0.0)
        return [leaf._replace(top=top) for leaf in leaves]


def _wide(gradient: Any) -> Any:
    """A difference must not be lost in its own dtype."""
    return None if gradient is None else np.asarray(gradient).astype(np.float64)


def _largest(gradient: np.ndarray) -> float:
    return float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))
