"""How wrong computed slopes are, over the whole range of floats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from funcnn._ulps import errors_in_ulps
from funcnn.plots.figures import (
    MARKERS,
    empty_figure,
    finish,
    legend_below,
    new_figure,
    style,
)
from funcnn.plots.finite import LARGEST
from funcnn.plots.scales import set_error_axis, set_symmetric_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Errors:
    """The errors of one way to compute slopes.

    Attributes:
        name: for the legend.
        dtype: in which the slopes were computed.
        ulps: float64 of shape (n,), infinite where a slope is not finite.
    """

    name: str
    dtype: str
    ulps: NDArray[np.float64]


def slope_errors(
    inputs: ArrayLike,
    slopes: Mapping[str, ArrayLike],
    true: ArrayLike,
    *,
    title: str | None = None,
) -> "Figure":
    """Draw the errors of slopes in ULP (units in the last place).

    Args:
        inputs: n floats, over the whole range of their dtype if it is to be seen;
            those beyond 1e300 are drawn there.
        slopes: name -> n slopes, computed in the dtype that they have, such as
            float32 or bfloat16; at most 7 names. One that is not finite is drawn in a
            lane of its own, unless the true slope is beyond the dtype's largest.
        true: n slopes in float64, or exact to it.
        title: the figure's title; None for none.

    Returns:
        The figure: below, the error in ULP of the true slope in the dtype of `slopes`
        against the input, both axes linear around 0 and logarithmic beyond; above,
        the lane of slopes that are not finite. Where the input or the true slope is
        not finite there is no point, and the x axis counts these. With no inputs or
        no slopes, it says "nothing to show".

    Raises:
        ValueError: if there are more than 7 names, or the inputs, the slopes and the
            true slopes are not of one length.
        TypeError: if slopes are not of a floating dtype.
    """
    xs = np.asarray(inputs).astype(np.float64)
    truth = np.asarray(true).astype(np.float64)
    if xs.ndim != 1:
        raise ValueError(f"inputs must be of shape (n,), got shape {xs.shape}.")
    if truth.shape != xs.shape:
        raise ValueError(f"true must be of shape {xs.shape}, got shape {truth.shape}.")
    if len(slopes) > len(MARKERS):
        raise ValueError(
            f"at most {len(MARKERS)} slopes can be told apart, got {len(slopes)}."
        )
    errors = [_errors(name, given, truth) for name, given in slopes.items()]
    good = np.isfinite(xs) & np.isfinite(truth)
    if not errors or not good.any():
        return empty_figure(title)
    return _figure(xs, good, errors, title)


def _errors(name: str, given: ArrayLike, true: NDArray[np.float64]) -> Errors:
    """Check and measure one way to compute slopes."""
    array = np.asarray(given)
    if array.shape != true.shape:
        raise ValueError(
            f"slopes {name!r} must be of shape {true.shape}, got shape {array.shape}."
        )
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"slopes {name!r} must be floats, got {array.dtype}.")
    ulps = errors_in_ulps(array.astype(np.float64), true, array.dtype)
    return Errors(name, array.dtype.name, ulps)


def _figure(
    xs: NDArray[np.float64],
    good: NDArray[np.bool_],
    errors: list[Errors],
    title: str | None,
) -> "Figure":
    """Draw at least one point."""
    places = np.clip(xs[good], -LARGEST, LARGEST)
    figure = new_figure(7.0, 4.2 + 0.12 * len(errors), title)
    heights = [0.2 + 0.15 * len(errors), 3.6]
    lane, panel = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for number, one in enumerate(errors):
        ulps, look = one.ulps[good], style(number) | {"linestyle": "none"}
        label = f"{one.name}: {_largest(ulps)}"
        infinite = np.isinf(ulps)
        # Smaller ones inside larger ones: points of equal errors hide nothing.
        size = 3.5 + 2.0 * (len(errors) - 1 - number)
        options = {**look, "markersize": size, "markerfacecolor": "none"}
        panel.plot(places[~infinite], ulps[~infinite], label=label, **options)
        lane.plot(places[infinite], np.full(infinite.sum(), -number), **options)
    _finish_lane(lane, errors, good)
    left_out = np.count_nonzero(~good)
    note = f" ({left_out} without a finite input and true slope left out)"
    unit = ", ".join(dict.fromkeys(one.dtype for one in errors))
    finish(panel, "input" + note * bool(left_out), f"error in ULP of {unit}")
    drawn = np.concatenate([one.ulps[good] for one in errors])
    set_error_axis(panel, "y", drawn[np.isfinite(drawn)])
    magnitudes = np.abs(places[places != 0])
    set_symmetric_log(panel, "x", places, float(magnitudes.min(initial=1.0)))
    legend_below(figure, panel)
    return figure


def _largest(ulps: NDArray[np.float64]) -> str:
    """Write the largest error, and how many are beyond any."""
    missing = int(np.count_nonzero(np.isinf(ulps)))
    text = f"largest {ulps[np.isfinite(ulps)].max(initial=0.0):.3g} ULP"
    return f"{text}, {missing} not finite" if missing else text


def _finish_lane(lane: "Axes", errors: list[Errors], good: NDArray[np.bool_]) -> None:
    """Turn an axes into a lane without numbers."""
    count = len(errors)
    if not any(np.isinf(one.ulps[good]).any() for one in errors):
        lane.text(0.5, 0.5, "none", transform=lane.transAxes, ha="center", va="center")
    lane.set_ylim(-count + 0.2, 0.8)
    lane.set_yticks([(1 - count) / 2], ["not finite"])
    lane.tick_params(axis="y", length=0)
    lane.tick_params(axis="x", bottom=False, labelbottom=False)
    lane.set_facecolor("0.94")
    lane.spines[:].set_visible(False)
