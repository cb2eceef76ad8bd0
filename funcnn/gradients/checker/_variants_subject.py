"""A rule by itself: what each variant of its derivative is held against."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients._steps import bind
from funcnn.gradients.checker._cotangents import cotangents
from funcnn.gradients.checker._evaluation import wide
from funcnn.gradients.checker._inputs import candidates
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._variants_call import called_again
from funcnn.gradients.checker._witnesses import is_inexact, pullback

LANES = 4  # one for each device of the mesh; two are enough for everything else

Function = Callable[..., list[Any]]


class Columns(NamedTuple):
    """Outputs and then cotangents, each over all lanes.

    Attributes:
      values: one array for each; None for what holds no numbers.
      sizes: of each the largest entry of what it was summed from.
    """

    values: list[np.ndarray | None]
    sizes: list[float]


class Subject:
    """A rule, with a few inputs and cotangents; each pair of them is a lane.

    Attributes:
      function: of the rule's inputs; gives its outputs.
      again: whether that calls the rule's own code again, and not its equation.
      names: what the inputs are called.
      floats: the positions of the inputs that are differentiated.
      arrays: the positions of those that can be stacked: all but keys.
      number: how many inputs there are.
      outputs: how many outputs there are.
      cotangents: for each lane.
      derivative: of inputs and cotangents: outputs and cotangents, as one program.
    """

    def __init__(self, occurrence: Occurrence) -> None:
        equation = occurrence.equation
        called = called_again(occurrence)
        self.again = called is not None
        self.function = called or (lambda *args: bind(equation, *args))
        self.names = occurrence.names
        self.floats = _floats(occurrence)
        types = [v.aval for v in equation.outvars]
        self.outputs, self.number = len(types), len(equation.invars)
        kept = [t for t in types if is_inexact(t.dtype)]
        self.cotangents = [_cotangents(kept, k) for k in range(LANES)]
        self._points = _points(occurrence.inputs[0], self.floats)
        self.arrays = tuple(
            i for i, x in enumerate(self._points[0]) if isinstance(x, np.ndarray)
        )
        self.pulled = pullback(self.function, self.floats, self.number)
        self.derivative = compiled(self.pulled)

    @property
    def differentiable(self) -> bool:
        """Whether there are floats in and floats out."""
        return bool(self.floats and self.cotangents[0])

    @functools.cached_property
    def tolerance(self) -> float:
        """Relative to the largest entry, by the narrowest dtype."""
        arrays = [self._points[0][i] for i in self.floats] + self.cotangents[0]
        return max(_TOLERANCES[jnp.finfo(x.dtype).bits] for x in arrays)

    def inputs(self, lane: int, mapped: Collection[int]) -> list[Any]:
        """The inputs of a lane; those that are not mapped are those of the first."""
        here = self._points[lane % len(self._points)]
        return [here[i] if i in mapped else x for i, x in enumerate(self._points[0])]

    def stacked(self, lanes: int, mapped: Collection[int]) -> list[Any]:
        """The same for all lanes together, on a new leading axis where mapped."""
        rows = [self.inputs(k, mapped) for k in range(lanes)]
        columns = zip(*rows)
        return [np.stack(c) if i in mapped else c[0] for i, c in enumerate(columns)]

    def stacked_cotangents(self, lanes: int) -> list[np.ndarray]:
        """The cotangents of all lanes on a new leading axis."""
        return [np.stack(column) for column in zip(*self.cotangents[:lanes])]

    def one_by_one(
        self,
        lanes: int,
        mapped: Collection[int],
        *,
        summed: bool = False,
        derivative: Function | None = None,
        moved: int = 0,
    ) -> Columns:
        """The rule called for one lane after the other.

        Args:
          lanes: how many.
          mapped: the inputs that differ from lane to lane.
          summed: whether the cotangents of all others are summed over the lanes.
          derivative: what is called, if not `self.derivative`.
          moved: if not 0, how to change all numbers by what rounding changes.
        """
        run, rng = derivative or self.derivative, np.random.default_rng(moved)
        rows = []
        for k in range(lanes):
            given = [*self.inputs(k, mapped), *self.cotangents[k]]
            if moved:
                given = [_moved(x, rng) for x in given]
            # JAX's, for without a program a rule sees what it is given
            rows.append([numbers(x) for x in run(*map(jnp.asarray, given))])
        values: list[Any] = []
        sizes = []
        for position, column in enumerate(zip(*rows)):
            values.append(None if column[0] is None else np.stack(column))
            sizes.append(_size(values[-1]))
            source = position - self.outputs
            if summed and source >= 0 and self.floats[source] not in mapped:
                with np.errstate(all="ignore"):  # infinities
                    values[-1] = values[-1].sum(0)
        return Columns(values, sizes)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled fast, for it runs only a few times."""
    options = {"xla_backend_optimization_level": 0}
    return jax.jit(function, compiler_options=options)


def numbers(x: Any) -> np.ndarray | None:
    """As numbers on the host; keys have none."""
    if jnp.issubdtype(jax.typeof(x).dtype, jax.dtypes.extended):
        return None
    return np.asarray(wide(x))


_TOLERANCES = {64: 1e-9, 32: 1e-4, 16: 6e-2, 8: 5e-1}


def _floats(occurrence: Occurrence) -> tuple[int, ...]:
    equation = occurrence.equation
    skipped = 0 if occurrence.region else _jax.rule_constants(equation)
    partly = not occurrence.region and _jax.knows_zeros(equation)
    return tuple(
        i
        for i, atom in enumerate(equation.invars)
        if i >= skipped
        and is_inexact(atom.aval.dtype)
        and (occurrence.active[i] or not partly)
    )


def _points(inputs: Sequence[Any], floats: tuple[int, ...]) -> list[list[Any]]:
    """The given inputs and others near them, in their dtypes, on the host."""
    made = candidates([wide(x) for x in inputs], floats, 0)
    with np.errstate(over="ignore"):  # of half precision
        return [
            [
                new.astype(x.dtype) if isinstance(new, np.ndarray) else x
                for new, x in zip(candidate.arrays, inputs)
            ]
            for candidate in (next(made), next(made))
        ]


def _cotangents(types: Sequence[Any], lane: int) -> list[np.ndarray]:
    random = cotangents(types, 7 + lane)["random"]
    return [w.astype(t.dtype) for w, t in zip(random, types)]


def _moved(x: Any, rng: np.random.Generator) -> Any:
    if not is_inexact(x.dtype):
        return x
    about = jnp.finfo(x.dtype)
    # of half precision a few units would be a tenth of the number
    step = float(about.eps) * (4 if about.bits > 16 else 1)
    signs = np.where(rng.random(x.shape) < 0.5, -1, 1)
    with np.errstate(over="ignore"):
        return (wide(x) * (1 + signs * step)).astype(x.dtype)


def _size(x: np.ndarray | None) -> float:
    if x is None:
        return 0.0
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
