"""Whether a rule's derivative is the same under every transformation of JAX."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from funcnn import _jax
from funcnn.gradients._verdicts import RAISES, RULE_WRONG
from funcnn.gradients.checker._findings import Difference, Finding, difference
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._variants_programs import Variant, variants
from funcnn.gradients.checker._variants_shard_map import devices, shard_map_variants
from funcnn.gradients.checker._variants_subject import Columns, Subject

_LARGEST = 1_000_000  # entries of all inputs together
_MOVES = 3  # how often to ask what rounding changes, and how much it may count for
_ROUNDING = 10.0


def variant_findings(occurrence: Occurrence) -> tuple[list[Finding], list[str]]:
    """Compares the derivative under each transformation with that of the rule alone.

    Args:
      occurrence: the rule, with the inputs that reached it.

    Returns:
      What differs or raises, one finding for each variant, whose `point` is the
      variant's name; and notes of what was not looked at.
    """
    if occurrence.region:
        return [], ["no variants of a program with rules in it"]
    if sum(np.size(x) for x in occurrence.inputs[0]) > _LARGEST:
        return [], [f"no variants of more than {_LARGEST:,} entries"]
    subject = Subject(occurrence)
    if not subject.differentiable:
        return [], []
    raised = _raised_by(subject)
    if raised is not None:
        return raised, []
    found = [f for v in variants(subject) if (f := _finding(subject, v))]
    more, notes = _on_devices(subject)
    return [*found, *more], notes


def _raised_by(subject: Subject) -> list[Finding] | None:
    """What there is to say of a rule that cannot be compiled; None of one that can."""
    try:
        subject.one_by_one(1, ())
    except Exception as error:  # of any kind: it is the rule's own
        try:
            subject.one_by_one(1, (), derivative=subject.pulled)
        except Exception:  # so the rule raises everywhere, and has been found to
            return []
        return [_raises("jit", error)]
    return None


def _on_devices(subject: Subject) -> tuple[list[Finding], list[str]]:
    found, notes, on = [], [], devices()
    if len(on) < 2:
        return [], ["no shard_map: there are fewer than two CPU devices"]
    if not subject.again:
        # an equation knows only the types that it was traced for
        return [], ["no shard_map: the rule cannot be called again by itself"]
    for variant in shard_map_variants(subject, on):
        try:
            one = _compared(subject, variant)
        except Exception as error:
            if _jax.is_about_varying(error):
                notes.append(f"{variant.name}: refused by JAX: {_first_line(error)}")
                continue
            one = _raises(variant.name, error)
        found += [one] if one else []
    return found, notes


def _finding(subject: Subject, variant: Variant) -> Finding | None:
    try:
        return _compared(subject, variant)
    except Exception as error:  # of any kind: it is the rule's own
        return _raises(variant.name, error)


def _compared(subject: Subject, variant: Variant) -> Finding | None:
    """The largest difference, if any."""
    got, expected = variant.run(), variant.expected()
    if not any(_differences(subject, got, expected)):
        return None
    moved = [variant.expected(moved=1 + n).values for n in range(_MOVES)]
    settled = [
        None if x is None else _without_rounding(x, wanted, changed)
        for x, wanted, *changed in zip(got, expected.values, *moved, strict=True)
    ]
    apart = list(_differences(subject, settled, expected))
    relative = [np.nan_to_num(d.relative) if d else 0.0 for d in apart]
    k = int(np.argmax(relative))
    worst, wanted, source = apart[k], expected.values[k], k - subject.outputs
    if worst is None or wanted is None:
        return None
    is_output = source < 0
    return Finding(
        RULE_WRONG,
        "output" if is_output else subject.names[subject.floats[source]],
        variant.name,
        "random",
        worst.entry,
        got[k][worst.entry].item(),
        wanted[worst.entry].item(),
        "",
        worst.relative,
        f"the {'output' if is_output else 'cotangent'} is another than that "
        f"{variant.against}",
    )


def _differences(
    subject: Subject, got: list[Any], expected: Columns
) -> Iterator[Difference | None]:
    for value, wanted, size in zip(got, *expected, strict=True):
        if value is None or wanted is None:
            yield None
        else:  # what has cancelled in a sum is not exact
            yield difference(value, wanted, subject.tolerance, max(size, 1e-30))


def _without_rounding(
    got: np.ndarray, expected: np.ndarray, moved: list[np.ndarray]
) -> np.ndarray:
    """`got`, but as expected where rounding alone makes as much of a difference.

    On a kink it may take either side, and nothing follows from that.
    """
    most = np.max([_row_changes(m, expected) for m in moved], axis=0)
    return np.where(_row_changes(got, expected) <= _ROUNDING * most, expected, got)


def _row_changes(other: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """By entry of the first axis, the lanes: the largest change."""
    with np.errstate(all="ignore"):
        same = (other == expected) | (np.isnan(other) & np.isnan(expected))
        change = np.where(same, 0.0, np.abs(other - expected))
    change = np.where(np.isnan(change), np.inf, change)
    axes = tuple(range(1, change.ndim))
    return change.max(axes, initial=0.0, keepdims=True)


def _raises(name: str, error: BaseException) -> Finding:
    reason = f"{type(error).__name__}: {_first_line(error)}"
    return Finding(RAISES, "", name, "random", (), None, None, "", 0.0, reason)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
