"""What a rule loses by rounding, beside what automatic differentiation does."""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np

from funcnn.gradients._verdicts import RULE_WRONG
from funcnn.gradients.checker._cotangents import cotangents
from funcnn.gradients.checker._evaluation import Evaluation, Outcome, wide
from funcnn.gradients.checker._findings import Finding
from funcnn.gradients.checker._inputs import Candidate, candidates, is_plain
from funcnn.gradients.checker._occurrence import Occurrence

# Units in the last place of an argument's largest entry; sums have their order.
_ULPS = {8: 1e5, 4: 1500.0, 2: 16.0}
_FAR_ULPS = {8: 1e13, 4: 1e5, 2: 16.0}  # far out only what is plain
_NEAR = ("given", "near", "random")
_FAR = ("random, times 5", "random, times 30", "random, times -30")
_CONDITION = 8.0  # times what one unit in the last place of the inputs changes
_POOR = 1e-2  # relative: an automatic derivative so far off is no measure
_LOST = 0.5  # relative: then nothing is left, whatever automatic differentiation does
_FADED = 1e-2  # of what an array usually is: below it is saturated, and may be 0
_SHARE = 4.0  # of the automatic derivative's own error


def rounding_findings(occurrence: Occurrence, evaluation: Evaluation) -> list[Finding]:
    """Where in its dtypes it is far less exact than automatic differentiation."""
    programs = evaluation.programs
    if programs.automatic is None or not evaluation.exact:
        return []
    own = jax.jit(
        lambda *xs: (
            jex.core.jaxpr_as_fun(programs.manual)(*xs),
            jex.core.jaxpr_as_fun(programs.automatic)(*xs),
        )
    )
    asked = _Asked(occurrence, evaluation, own)
    given = evaluation.lifted(occurrence.inputs[0])
    made = {c.label: c for c in candidates(given, programs.floats, 0)}
    chosen = [made[label] for label in (*_NEAR, *_FAR) if label in made]
    if _FAR[-1] in made:
        chosen.append(asked.farther(made[_FAR[-1]], 10.0))
    for candidate in chosen:
        # of one sign too: a long sum in a narrow dtype stops growing
        random = cotangents(evaluation.types, 1)["random"]
        for weights in (random, [np.abs(w) for w in random]):
            if found := asked.at(candidate, weights):
                return found
    return []


@dataclasses.dataclass(frozen=True)
class _Asked:
    """A rule, its programs in their own dtypes, and how large things usually are."""

    occurrence: Occurrence
    evaluation: Evaluation
    own: Any
    typical: dict[str, float] = dataclasses.field(default_factory=dict)

    def at(self, candidate: Candidate, weights: list[np.ndarray]) -> list[Finding]:
        """What is far less exact than it could be, at one point."""
        far = candidate.label not in _NEAR
        if far and min(_width(a.dtype) for a in self._moving) < 4:
            return []  # much overflows in half precision
        evaluation = self.evaluation
        types = [*evaluation.avals, *evaluation.types]
        given = [
            _rounded(x, t.dtype) for x, t in zip([*candidate.arrays, *weights], types)
        ]
        number = len(evaluation.avals)
        true = self._exactly(given, number)
        if not true.defined or true.automatic is None:
            return []
        manual, automatic = self.own(*given)
        compared = list(self._compared(manual, automatic, true))
        outputs = [c for c in compared if c.name.startswith("output")]
        if far and not all(c.is_finite for c in outputs):
            return []
        values_hold = all(c.holds for c in outputs)
        ulps = _FAR_ULPS if far else _ULPS
        tolerance, found = evaluation.tolerance, []
        for one in compared:
            if not far:
                usual = self.typical.get(one.name, 0.0)
                self.typical[one.name] = max(usual, one.largest)
            said = one.excess(tolerance, ulps, self.typical.get(one.name, 0.0))
            if candidate.label == "given" and values_hold:
                said = said or one.loss(tolerance)
            if said is None:
                continue
            index, relative, reason = said
            if one.error(index) <= _CONDITION * self._sensitivity(
                given, number, true, one.name, index
            ):
                continue
            if one.error(index) <= _SHARE * self._truth_s_own(given, number, one):
                continue
            values = [
                np.asarray(x).astype(one.true.dtype)[index].item()
                for x in (one.manual, one.automatic)
            ]
            text = f"{one.true[index].item():.6g}"
            place = one.name, candidate.label, "random", index
            found.append(
                Finding(
                    RULE_WRONG,
                    *place,
                    manual=values[0],
                    automatic=values[1],
                    numerical=text,
                    relative_error=relative,
                    reason=reason,
                )
            )
        return found

    @property
    def _moving(self) -> list[Any]:
        return [self.evaluation.avals[i] for i in self.evaluation.programs.floats]

    def farther(self, candidate: Candidate, by: float) -> Candidate:
        """Farther out."""
        floats = self.evaluation.programs.floats
        arrays = [
            np.where(is_plain(x), x * by, x) if i in floats else x
            for i, x in enumerate(candidate.arrays)
        ]
        return candidate._replace(label=f"random, times {30 * by:g}", arrays=arrays)

    def _exactly(self, given: list[Any], number: int) -> Outcome:
        lifted = self.evaluation.lifted(given)
        return self.evaluation.at(lifted[:number], lifted[number:])

    def _compared(
        self, manual: Any, automatic: Any, true: Outcome
    ) -> Iterator["_Compared"]:
        programs = self.evaluation.programs
        for i, value in zip(programs.outputs, true.value):
            yield _Compared(f"output {i}", manual[i], automatic[i], value, value)
        first = len(programs.value.out_avals)
        for k, i in enumerate(programs.floats):
            rule, auto = manual[first + k], automatic[first + k]
            if self.occurrence.active[i] or np.asarray(rule).any():
                backs = (true.automatic or [])[k], true.manual[k]
                yield _Compared(self.occurrence.names[i], rule, auto, *backs)

    def _sensitivity(
        self,
        given: list[Any],
        number: int,
        true: Outcome,
        which: str,
        index: tuple[int, ...],
    ) -> float:
        """What one unit in the last place of the inputs changes."""
        rng, most = np.random.default_rng(0), 0.0
        here = self._truths(true)[which]
        for _ in range(3):
            moved = [_nudged(x, rng) for x in given]
            there = self._exactly(moved, number)
            if there.automatic is not None and there.defined:
                change = np.abs(self._truths(there)[which] - here)
                most = max(most, float(change[index]))
        return most

    def _truth_s_own(self, given: list[Any], number: int, one: "_Compared") -> float:
        """The error of what a rule in float64 is held against, which is rounded too."""
        if _width(one.manual.dtype) < 8 or one.name.startswith("output"):
            return 0.0
        lifted = self.evaluation.lifted(given)
        changes = self.evaluation.by_rounding(lifted[:number], lifted[number:])
        names = [self.occurrence.names[i] for i in self.evaluation.programs.floats]
        return float(np.max(changes[names.index(one.name)], initial=0.0))

    def _truths(self, true: Outcome) -> dict[str, np.ndarray]:
        programs, names = self.evaluation.programs, self.occurrence.names
        found = {f"output {i}": y for i, y in zip(programs.outputs, true.value)}
        return found | {
            names[i]: x for i, x in zip(programs.floats, true.automatic or [])
        }


def _nudged(x: Any, rng: np.random.Generator) -> Any:
    if not hasattr(x, "dtype") or not jnp.issubdtype(x.dtype, jnp.inexact):
        return x
    eps = float(jnp.finfo(x.dtype).eps)
    lifted = wide(x)
    return np.where(
        is_plain(lifted), lifted * (1 + eps * rng.choice((-1, 1), x.shape)), lifted
    )


class _Compared(NamedTuple):
    """An array by the rule and by automatic differentiation, both rounded.

    `true` is what should have come out, and `lifted` what the rule would give if
    nothing were rounded.
    """

    name: str
    manual: Any
    automatic: Any
    true: np.ndarray
    lifted: np.ndarray

    @property
    def is_finite(self) -> bool:
        """Whether the rule's array is."""
        return bool(np.isfinite(np.asarray(self.manual)).all())

    @property
    def largest(self) -> float:
        """The size of the largest true entry."""
        finite = self.true[np.isfinite(self.true)]
        return float(np.abs(finite).max(initial=0.0))

    @property
    def holds(self) -> bool:
        """Whether the rule's array is right but for rounding."""
        rule = np.asarray(self.manual).astype(self.true.dtype)
        return bool((np.abs(rule - self.true) <= _POOR * self.largest).all())

    def error(self, index: tuple[int, ...]) -> float:
        """The rule's, at one entry."""
        rule = np.asarray(self.manual).astype(self.true.dtype)
        return float(np.nan_to_num(np.abs(rule - self.true), nan=np.inf)[index])

    def excess(
        self, tolerance: float, ulps: dict[int, float], typical: float
    ) -> tuple[tuple[int, ...], float, str] | None:
        """The worst entry, its error and words for it, if the error is too large."""
        dtype = self.manual.dtype
        auto = np.asarray(self.automatic).astype(self.true.dtype)
        largest = max(self.largest, _FADED * typical)
        if not np.isfinite(auto).all() or not self._in_range(largest):
            return None
        index, error = self._worst(tolerance * largest)
        by_auto = float(np.abs(auto - self.true).max())
        unit = float(jnp.finfo(dtype).eps) * largest
        if by_auto > _POOR * largest:
            return None
        if error <= max(_SHARE * by_auto, ulps[min(_width(dtype), 8)] * unit):
            return None
        reason = (
            f"in {dtype} it is {error / unit:.3g} units in the last place off, "
            f"automatic differentiation {by_auto / unit:.3g}"
        )
        return index, error / largest, reason

    def loss(self, tolerance: float) -> tuple[tuple[int, ...], float, str] | None:
        """The same where automatic differentiation is no measure: all is lost."""
        largest = self.largest
        if not self._in_range(largest):
            return None
        index, error = self._worst(tolerance * largest)
        if error <= _LOST * largest:
            return None
        reason = f"in {self.manual.dtype} nothing is left of it, nor of autodiff"
        return index, error / largest, reason

    def _in_range(self, largest: float) -> bool:
        limits = jnp.finfo(self.manual.dtype)
        inside = 1e3 * float(limits.tiny) < largest < float(limits.max)
        return inside and bool(np.isfinite(self.true).all())

    def _worst(self, bound: float) -> tuple[tuple[int, ...], float]:
        """Where rounding spoils most, among entries that are right without it."""
        rule = np.asarray(self.manual).astype(self.true.dtype)
        agree = np.abs(self.lifted - self.true) <= bound
        with np.errstate(all="ignore"):
            wrong = np.where(agree, np.abs(rule - self.true), 0.0)
        wrong = np.nan_to_num(wrong, nan=np.inf)
        index = tuple(map(int, np.unravel_index(np.argmax(wrong), wrong.shape)))
        return index, float(wrong[index])


def _width(dtype: Any) -> int:
    complex_ = jnp.issubdtype(dtype, jnp.complexfloating)
    return int(dtype.itemsize // 2 if complex_ else dtype.itemsize)


def _rounded(x: Any, dtype: Any) -> Any:
    if not jnp.issubdtype(dtype, jnp.inexact):
        return x
    return np.asarray(x).astype(dtype)
