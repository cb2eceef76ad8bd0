"""Who is wrong where a rule and the automatic derivative differ.

The arbiter is the function itself: its slopes from both sides, each with an error of
its own. What lies between them is a convention, what lies outside is a mistake.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from funcnn.gradients._numeric import Slopes
from funcnn.gradients._verdicts import (
    AUTO_WRONG,
    BOTH_WRONG,
    KINK,
    KINK_OUTSIDE,
    NOT_TESTABLE,
    OK,
    RULE_WRONG,
)
from funcnn.gradients.checker._evaluation import Evaluation, Outcome
from funcnn.gradients.checker._findings import Difference, Finding, difference
from funcnn.gradients.checker._inputs import Candidate
from funcnn.gradients.checker._noise import noise
from funcnn.gradients.checker._slopes import along, decided, known, length_of, text_of

# Without a slope to ask, a difference has to be plain to be called a mistake.
_PLAIN = 1e-2
KINK_LABELS = ("tie", "zero of", "bound", "step")  # of points on a boundary
_OUTPUTS_ALONE = 12  # how many are asked alone
_WEIGHTS = {"huge": 1e4, "tiny": 1e-3}  # of cotangents, beside those of order 1


class Judge:
    """Compares at points, and asks the function where there is a difference.

    Attributes:
      largest: the largest relative difference that was no reason for doubt.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        names: Sequence[str],
        active: Sequence[bool],
        *,
        declared: bool,
    ) -> None:
        self._evaluation, self._names, self._active = evaluation, names, active
        hidden = declared and evaluation.stops_gradients
        self._numerical = evaluation.numerical and not hidden
        self._typical: dict[int, float] = {}
        self._rng = np.random.default_rng(0)
        self.largest = 0.0

    def findings(
        self,
        candidate: Candidate,
        label: str,
        cotangents: list[np.ndarray],
        outcome: Outcome,
    ) -> list[Finding]:
        """What is not plainly right at a point."""
        found = []
        if outcome.automatic is None:
            return list(self._without_automatic(candidate, label, cotangents, outcome))
        for k, i in enumerate(self._evaluation.programs.floats):
            manual, automatic = outcome.manual[k], outcome.automatic[k]
            if manual.shape != automatic.shape or not self._counts(i, manual):
                continue
            apart = self._apart(i, manual, automatic, _WEIGHTS.get(label, 1.0))
            case = _Case(candidate, label, cotangents, i, manual, automatic)
            if apart is not None and not self._is_noise(case, apart, outcome):
                found.append(self._arbitrated(case, apart))
            elif np.isnan(manual).any() and outcome.defined:
                found += self._undefined(case)
        return found

    def _is_noise(self, case: "_Case", apart: Difference, outcome: Outcome) -> bool:
        """Whether it is rounding, where that cannot be taken away."""
        x = case.candidate.arrays[case.input]
        bound = noise(self._evaluation, x, case.cotangents, outcome.value)
        gap = np.where(apart.entries, np.abs(case.manual - case.automatic), 0.0)
        return bool((gap <= bound).all())

    def _counts(self, i: int, manual: np.ndarray) -> bool:
        """Where no derivative is asked for, none need be given."""
        return self._active[i] or bool(manual.any())

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """What the derivative is of at ordinary points: far less is nothing."""
        for outcome in outcomes:
            back = outcome.manual if outcome.automatic is None else outcome.automatic
            for i, cotangent in zip(self._evaluation.programs.floats, back):
                finite = np.abs(cotangent[np.isfinite(cotangent)]).max(initial=0.0)
                self._typical[i] = max(self._typical.get(i, 0.0), float(finite))

    def _apart(
        self, i: int, manual: np.ndarray, automatic: np.ndarray, weight: float
    ) -> Difference | None:
        """`weight` is the size of the cotangent that was asked with."""
        tolerance = self._evaluation.tolerance
        # sums of terms that cancel leave what rounding leaves of the terms
        floor = 1e-7 * max(self._typical.values(), default=0.0)
        floor = weight * max(floor, 1e-3 * self._typical.get(i, 0.0))
        apart = difference(manual, automatic, tolerance, floor)
        if apart is None:
            exactly = difference(manual, automatic, 0.0, floor)
            if exactly is not None and math.isfinite(exactly.relative):
                self.largest = max(self.largest, exactly.relative)
        return apart

    def _arbitrated(self, case: "_Case", apart: Difference) -> Finding:
        undecided, inside = "no slope is known here", None
        manual, automatic = case.manual[apart.entry], case.automatic[apart.entry]
        if not self._numerical:
            undecided = "there is no numerical witness"
        for asked in self._questions(case, apart):
            bound = apart.bound * asked.length
            said = decided(self._slopes(asked), asked.by_rule, asked.by_auto, bound)
            if said is None:
                continue
            verdict, text, reason = said
            if verdict in (KINK, AUTO_WRONG):
                inside = inside or (verdict, text, reason)
            elif verdict != OK:
                return case.finding(self._names, verdict, apart, text, reason)
        if inside is not None:
            verdict, text, reason = inside
            return case.finding(self._names, verdict, apart, text, reason)
        if not np.isfinite(automatic):
            reason = "the automatic derivative is not finite, and no slope is known"
            return case.finding(self._names, NOT_TESTABLE, apart, "", reason)
        plain = apart.relative > _PLAIN or not self._numerical
        onto_kink = case.candidate.label.startswith(KINK_LABELS)
        smooth = case.candidate.smooth or case.candidate.given
        smooth = smooth or (not self._numerical and not onto_kink)
        if not np.isfinite(manual) or (plain and smooth):
            reason = f"differs from the automatic derivative; {undecided}"
            return case.finding(self._names, RULE_WRONG, apart, "", reason)
        reason = f"a difference that cannot be judged: {undecided}"
        return case.finding(self._names, NOT_TESTABLE, apart, "", reason)

    def _undefined(self, case: "_Case") -> Iterator[Finding]:
        """Both are not a number: wrong where the slopes are known numbers."""
        if not self._numerical:
            return
        entries = np.isnan(case.manual)
        index = tuple(map(int, np.argwhere(entries)[0]))
        if not np.isfinite(case.candidate.arrays[case.input][index]):
            return
        direction = np.zeros(case.manual.shape)
        direction[index] = 1.0
        slopes = self._slopes(case.question({case.input: direction}))
        if not known(slopes.left, slopes.left_error, 1.0) or not known(
            slopes.right, slopes.right_error, 1.0
        ):
            return
        apart = Difference(entries, index, math.nan, 0.0)
        text, reason = text_of(slopes), "not a number where the slopes are"
        yield case.finding(self._names, BOTH_WRONG, apart, text, reason)

    def _without_automatic(
        self,
        candidate: Candidate,
        label: str,
        cotangents: list[np.ndarray],
        outcome: Outcome,
    ) -> Iterator[Finding]:
        """The slopes alone judge, along random directions."""
        if not self._numerical or not candidate.smooth:
            return
        for k, i in enumerate(self._evaluation.programs.floats):
            manual = outcome.manual[k]
            if not self._counts(i, manual) or not manual.size:
                continue
            case = _Case(candidate, label, cotangents, i, manual, manual * np.nan)
            for direction in self._random_directions(manual.shape):
                asked = case.question({i: direction})
                slopes, by_rule = self._slopes(asked), asked.by_rule
                size = float(np.abs(manual).max()) * length_of(direction)
                bound = self._evaluation.tolerance * size
                said = decided(slopes, by_rule, math.nan, bound)
                if said is not None and said[0] in (RULE_WRONG, KINK_OUTSIDE):
                    worst = np.abs(manual * direction)
                    index = np.unravel_index(np.argmax(worst), worst.shape)
                    gap = abs(by_rule - slopes.central) / (abs(slopes.central) or 1.0)
                    apart = Difference(worst > 0, tuple(map(int, index)), gap, 0.0)
                    yield case.finding(self._names, RULE_WRONG, apart, *said[1:])
                    break

    def both(
        self,
        candidate: Candidate,
        cotangents: list[np.ndarray],
        outcome: Outcome,
    ) -> Finding | None:
        """Where rule and automatic derivative agree: whether the function does too."""
        evaluation = self._evaluation
        if not self._numerical or outcome.automatic is None:
            return None
        moving = {
            i: outcome.manual[k]
            for k, i in enumerate(evaluation.programs.floats)
            if self._active[i] and outcome.manual[k].size
        }
        if not moving or not all(np.isfinite(m).all() for m in moving.values()):
            return None
        for i, manual in moving.items():
            x = candidate.arrays[i]
            blur = noise(evaluation, x, cotangents, outcome.value)
            wrong = [
                self._off(candidate, cotangents, i, manual, blur) for _ in range(2)
            ]
            if all(text is not None for text in wrong):
                case = _Case(candidate, "random", cotangents, i, manual, manual)
                index = np.unravel_index(np.argmax(np.abs(manual)), manual.shape)
                apart = Difference(manual != 0, tuple(map(int, index)), math.nan, 0.0)
                reason = "both derivatives are not that of the function"
                text = wrong[0] or ""
                return case.finding(self._names, BOTH_WRONG, apart, text, reason)
        return None

    def _off(
        self,
        candidate: Candidate,
        cotangents: list[np.ndarray],
        i: int,
        manual: np.ndarray,
        blur: np.ndarray,
    ) -> str | None:
        """The slope along a random direction, where the cotangent is not that."""
        x = candidate.arrays[i]
        direction = self._rng.standard_normal(x.shape) * np.isfinite(x)
        slopes = self._evaluation.slopes(candidate.arrays, cotangents, {i: direction})
        if slopes.kink or not known(slopes.central, slopes.central_error, 1e-4):
            return None
        expected = along(manual, direction)
        size = float(np.abs(manual * direction).sum())
        coarse = max(1.0, 1e4 * self._evaluation.tolerance)
        slack = 10 * slopes.central_error + 1e-3 * abs(slopes.central)
        slack += 1e-4 * coarse * size
        slack += 1e-9 * (length_of(direction) + 1)
        slack += float(np.abs(blur * direction).sum())
        return None if abs(expected - slopes.central) <= slack else text_of(slopes)

    def _slopes(self, asked: "_Question") -> Slopes:
        return self._evaluation.slopes(
            asked.candidate.arrays, asked.cotangents, asked.directions
        )

    def _questions(self, case: "_Case", apart: Difference) -> Iterator["_Question"]:
        """Along which directions, and for which cotangents, to ask for slopes."""
        if not self._numerical:
            return
        x = case.candidate.arrays[case.input]
        with np.errstate(invalid="ignore"):
            gap = np.where(apart.entries, np.abs(case.manual - case.automatic), 0.0)
        gap[apart.entry] = np.inf
        for flat in np.argsort(gap, axis=None)[::-1][:3]:
            index = np.unravel_index(flat, x.shape)
            if gap[index] and np.isfinite(x[index]):
                one = np.zeros(x.shape)
                one[index] = 1.0
                yield case.question({case.input: one})
        # Several entries together: of one output alone, because where many outputs
        # are summed each may keep a convention and the sum have none.
        yield from self._joint(case)

    def _joint(self, case: "_Case") -> Iterator["_Question"]:
        """Of single outputs: all entries of all inputs where the two are apart."""
        arrays, floats = case.candidate.arrays, self._evaluation.programs.floats
        for weights in self._alone(case.cotangents):
            outcome = self._evaluation.at(arrays, weights)
            backs = outcome.automatic or []
            directions: dict[int, np.ndarray] = {}
            for k, i in enumerate(floats):
                manual, automatic = outcome.manual[k], backs[k]
                usable = np.isfinite(manual) & np.isfinite(automatic)
                usable &= np.isfinite(arrays[i]) & (manual != automatic)
                if usable.any() and self._counts(i, manual):
                    directions[i] = usable.astype(float)
            if sum(d.sum() for d in directions.values()) > 1:
                pairs = [
                    (outcome.manual[floats.index(i)], d) for i, d in directions.items()
                ]
                autos = [(backs[floats.index(i)], d) for i, d in directions.items()]
                yield _Question(
                    case.candidate,
                    weights,
                    directions,
                    sum(along(m, d) for m, d in pairs),
                    sum(along(a, d) for a, d in autos),
                )

    def _alone(self, cotangents: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Cotangents of 1 for single entries of the outputs."""
        sizes = [w.size for w in cotangents]
        for flat in self._rng.permutation(sum(sizes))[:_OUTPUTS_ALONE]:
            whole = np.zeros(sum(sizes))
            whole[flat] = 1.0
            parts = np.split(whole, np.cumsum(sizes)[:-1])
            yield [p.reshape(w.shape) for p, w in zip(parts, cotangents)]

    def at_kink(
        self, candidate: Candidate, cotangents: list[np.ndarray], outcome: Outcome
    ) -> list[Finding]:
        """Where both agree on a kink: whether they are between the slopes."""
        if not self._numerical or outcome.automatic is None:
            return []
        for k, i in enumerate(self._evaluation.programs.floats):
            manual, x = outcome.manual[k], candidate.arrays[i]
            if not manual.size or not np.isfinite(manual).all() or not self._active[i]:
                continue
            entries = {0, int(np.argmax(np.abs(manual))), int(np.argmin(np.abs(x)))}
            case = _Case(candidate, "random", cotangents, i, manual, manual)
            blur = noise(self._evaluation, x, cotangents, outcome.value)
            for flat in sorted(entries):
                if not np.isfinite(x.flat[flat]):
                    continue
                one = np.zeros(x.size)
                one[flat] = 1.0
                asked = case.question({i: one.reshape(x.shape)})
                size = 1e-4 * float(np.abs(manual).max()) + float(blur.flat[flat])
                said = decided(self._slopes(asked), asked.by_rule, asked.by_auto, size)
                if said is not None and said[0] in (BOTH_WRONG, KINK_OUTSIDE):
                    index = tuple(map(int, np.unravel_index(flat, x.shape)))
                    apart = Difference(manual != 0, index, math.nan, 0.0)
                    return [case.finding(self._names, BOTH_WRONG, apart, *said[1:])]
        return []

    def _random_directions(self, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
        for _ in range(2):
            yield self._rng.standard_normal(shape)
        for _ in range(min(4, math.prod(shape))):
            one = np.zeros(math.prod(shape))
            one[self._rng.integers(one.size)] = 1.0
            yield one.reshape(shape)


class _Question(NamedTuple):
    """A direction, and the slopes that both derivatives say there are."""

    candidate: Candidate
    cotangents: list[np.ndarray]
    directions: dict[int, np.ndarray]
    by_rule: float
    by_auto: float

    @property
    def length(self) -> float:
        """The sum of the direction's sizes."""
        return sum(length_of(d) for d in self.directions.values())


class _Case(NamedTuple):
    """One input at one point."""

    candidate: Candidate
    label: str
    cotangents: list[np.ndarray]
    input: int
    manual: np.ndarray
    automatic: np.ndarray

    def question(self, directions: dict[int, np.ndarray]) -> "_Question":
        """What the slope along a direction of the input is asked for."""
        (direction,) = directions.values()
        by_rule = along(self.manual, direction)
        by_auto = along(self.automatic, direction)
        return _Question(self.candidate, self.cotangents, directions, by_rule, by_auto)

    def finding(
        self,
        names: Sequence[str],
        verdict: str,
        apart: Difference,
        numerical: str,
        reason: str,
    ) -> Finding:
        return Finding(
            verdict,
            names[self.input],
            self.candidate.label,
            self.label,
            apart.entry,
            self.manual[apart.entry].item(),
            self.automatic[apart.entry].item(),
            numerical,
            apart.relative,
            reason,
        )
