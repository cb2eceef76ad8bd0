"""A training history, sorted into curves to draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcnn.plots.finite import drawable

SIDES = ("train", "test")


@dataclass(frozen=True)
class Curve:
    """One metric on one side (train or test), point by point.

    Attributes:
        xs: float64 of shape (n,), such as epochs.
        values: float64 of shape (n,); accuracies are in %.
    """

    xs: NDArray[np.float64]
    values: NDArray[np.float64]


def metric_label(metric: str) -> str:
    """Name a metric for an axis, with its unit.

    Args:
        metric: the key without its side, such as "loss" or "top5_accuracy".

    Returns:
        Such as "loss", or "top5 accuracy in %".
    """
    name = metric.replace("_", " ")
    return f"{name} in %" if is_accuracy(metric) else name


def is_accuracy(metric: str) -> bool:
    """Tell whether a metric is a fraction that is shown in %.

    Args:
        metric: the key without its side.

    Returns:
        True if its name ends with "accuracy".
    """
    return metric.endswith("accuracy")


def curves_by_metric(
    history: Sequence[Mapping[str, Any]], x: str = "epoch"
) -> dict[str, dict[str, Curve]]:
    """Sort a history into curves.

    Args:
        history: one mapping per point, with a number under `x` and numbers under
            keys such as "train_loss" and "test_accuracy" (a fraction, 0 to 1). A key
            may lack, or be None, where it was not measured.
        x: the key of the x axis.

    Returns:
        metric -> side ("train", then "test") -> its curve; sides without any point
        are left out. Metrics are in the order of their first appearance.

    Raises:
        ValueError: if the history is empty, a record has no number under `x`, or no
            key starts with "train_" or "test_".
    """
    if len(history) == 0:
        raise ValueError(
            f"history is empty: nothing to draw. Give one mapping per {x}, such as "
            f'{{"{x}": 1, "train_loss": 0.5, "test_loss": 0.3}}.'
        )
    for position, record in enumerate(history):
        if not _is_number(record.get(x)):
            raise ValueError(
                f'history[{position}] needs a finite number under the key "{x}"; '
                f"got {dict(record)}."
            )
    found = {metric: _sides(history, metric, x) for metric in _metrics(history)}
    measured = {metric: sides for metric, sides in found.items() if sides}
    if not measured:
        raise ValueError(
            'history holds no figures: no key starts with "train_" or "test_" '
            f"and has a value; the first record has {sorted(history[0])}."
        )
    return measured


def _metrics(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the metrics' names, each once, in order of appearance."""
    split = (key.partition("_") for record in history for key in record)
    return list(dict.fromkeys(name for side, _, name in split if side in SIDES))


def _is_number(value: Any) -> bool:
    """Whether it is one number that has a place on an axis."""
    if value is None or isinstance(value, str) or np.ndim(value) != 0:
        return False
    return bool(drawable(value))


def _sides(
    history: Sequence[Mapping[str, Any]], metric: str, x: str
) -> dict[str, Curve]:
    """Collect one metric's curves, for the sides that measured it."""
    # Only a Python float is sure to take ×100 without wrapping or overflow warnings.
    scale = 100.0 if is_accuracy(metric) else 1.0
    curves = {}
    for side in SIDES:
        key = f"{side}_{metric}"
        points = [
            (float(record[x]), scale * float(record[key]))
            for record in history
            if record.get(key) is not None
        ]
        if points:
            xs, values = np.asarray(points, np.float64).T
            curves[side] = Curve(xs, values)
    return curves
