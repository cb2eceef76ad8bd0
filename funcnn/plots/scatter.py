"""Points as text for a terminal."""

import unicodedata
from collections.abc import Mapping

from numpy.typing import ArrayLike

from funcnn.plots.canvas import MARKERS, Frame, TextSeries, text_picture
from funcnn.plots.finite import plane


def terminal_scatter(
    groups: Mapping[str, ArrayLike],
    *,
    width: int = 80,
    height: int = 20,
    x_label: str,
    y_label: str,
    title: str | None = None,
    color: bool = False,
    markers: Mapping[str, str] | None = None,
) -> str:
    """Draw groups of points as text, each group with a character of its own.

    Args:
        groups: name -> points, numbers of shape (n, 2): x and y. Points that are not
            finite are left out, and the legend counts them. Where points fall on one
            character of the picture, one marker stands for all of them: that of the
            last group.
        width: how many columns no line exceeds.
        height: of the drawing area in lines, at least 3; title, legend and axes add
            about six.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        title: a first line; None for none.
        color: whether to add colour, as in `terminal_lines`.
        markers: name -> one character that is as wide as a letter. A group that has
            none here is drawn with its name, if that is such a character ("0", "1"),
            else with the first of "ox+*#@" that no other group has.

    Returns:
        Lines of text without a newline at the end, plain ASCII if all names, labels
        and markers are. If no point is finite, it says "nothing to show".

    Raises:
        ValueError: if points are not of shape (n, 2), a marker is not one character
            or that of two groups, `markers` names no group, no marker is left, or
            `width` or `height` is too small.
    """
    chosen = _markers(list(groups), markers or {})
    drawn = []
    for name, points in groups.items():
        xs, ys = plane(points, f"group {name!r} needs points").T
        drawn.append(TextSeries(name, xs, ys, chosen[name], joined=False))
    return text_picture(drawn, Frame(width, height, x_label, y_label, title, color))


def _markers(names: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """Give every group a character of its own."""
    strangers = [name for name in given if name not in names]
    if strangers:
        raise ValueError(
            f"markers names {strangers[0]!r}, which is no group: groups are {names}."
        )
    chosen: dict[str, str] = {}
    for name in names:
        marker = given.get(name, name)
        if name in given and not _is_marker(marker):
            raise ValueError(
                f"the marker of group {name!r} must be one character as wide as a "
                f"letter, got {marker!r}."
            )
        if _is_marker(marker):
            chosen[name] = marker
    for name in names:
        chosen[name] = chosen.get(name) or _free(name, set(chosen.values()))
    twice = [name for name in names if list(chosen.values()).count(chosen[name]) > 1]
    if twice:
        raise ValueError(f"groups {twice} have one marker: {chosen[twice[0]]!r}.")
    return chosen


def _free(name: str, used: set[str]) -> str:
    """The first marker that is left."""
    for marker in MARKERS:
        if marker not in used:
            return marker
    raise ValueError(
        f"no marker is left for group {name!r}: all of {MARKERS!r} are in use; give "
        "it one in markers, or a name of one character."
    )


def _is_marker(text: str) -> bool:
    """Whether it takes exactly one column and can be seen."""
    return (
        len(text) == 1
        and text.isprintable()
        and not text.isspace()
        and not unicodedata.combining(text)
        and unicodedata.east_asian_width(text) not in "WF"
    )
