"""Scattered points as text: markers, places, legend and errors."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from funcnn.plots import terminal_scatter


def draw(groups, **options):
    return terminal_scatter(groups, x_label="x1", y_label="x2", **options)


def canvas(text):
    """The drawn characters, without titles, labels and legend."""
    rows = [line.partition(" | ")[2] for line in text.split("\n") if " |" in line[:13]]
    return "\n".join(rows[:-1])  # the last row holds the ticks of x


def test_every_point_has_the_marker_of_its_group_and_nothing_joins_them():
    drawn = canvas(draw({"0": [[0, 0], [1, 3]], "1": [[2, 1], [3, 2], [4, 4]]}))
    assert drawn.count("0") == 2
    assert drawn.count("1") == 3
    assert set(drawn) == set("01 \n")


def test_the_text_is_ascii_so_that_columns_align_in_any_font():
    assert draw({"0": [[0, 0], [1, 3]]}).isascii()


def test_legend_has_one_character_names_once_and_others_with_their_marker():
    groups = {"1": [[0, 0]], "truth": [[1, 1]], "output": [[2, 2]]}
    text = draw(groups, title="Ten points", markers={"truth": "x"})
    assert text.split("\n")[:3] == ["Ten points", "1   x truth   o output", "x2"]


def test_default_markers_avoid_those_that_are_taken():
    text = draw({"first": [[0, 0]], "o": [[1, 1]], "second": [[2, 2]]})
    assert text.startswith("x first   o   + second\n")


def test_more_groups_than_default_markers_if_names_are_markers():
    drawn = canvas(draw({str(digit): [[digit, digit]] for digit in range(10)}))
    assert sorted(drawn.replace(" ", "").split()) == list("0123456789")


@pytest.mark.parametrize("name", ["界", " ", "\u0301", "\t", "\x1b"])
def test_a_name_that_takes_no_single_column_is_no_marker(name):
    assert "o" in canvas(draw({name: [[0, 0]]}))


def test_of_points_on_one_character_the_last_group_shows():
    drawn = canvas(draw({"a": [[1, 2], [1, 2]], "b": [[1, 2]]}))
    assert drawn.replace(" ", "").strip() == "b"


def test_points_sit_where_the_ticks_say():
    text = draw({"0": [[4, 8.0], [0, 0.0]]}, height=15)
    lines = text.split("\n")
    row = next(line for line in lines if "0" in line[13:])
    assert row.index("0", 13) == lines[-1].index("4")
    assert row[:10].strip() == "8"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e301])
def test_not_finite_points_are_counted(bad):
    text = draw({"a": [[bad, 1], [1, bad], [1, 1]], "b": [[2, 2]]})
    assert text.startswith("a (2 not finite)   b\n")
    assert canvas(text).count("a") == 1


@pytest.mark.parametrize("points", [[], np.zeros((0, 2)), [[math.nan, 0]]])
def test_nothing_to_show(points):
    assert draw({"a": points}).endswith("nothing to show: no finite values")
    assert draw({}).endswith("nothing to show: no finite values")


@pytest.mark.parametrize(
    "points", [[[3, 3]], [[3, 3]] * 9, [[-1e300, 1e300], [1e300, 0]], [[0, 5e-324]]]
)
@pytest.mark.parametrize("width", [40, 80])
def test_odd_ranges_stay_inside_the_width(points, width):
    text = draw({"a": points}, width=width, title="long " * 40)
    assert max(map(len, text.split("\n"))) <= width
    assert "a" in canvas(text)


def test_jax_arrays_are_taken():
    assert "a" in canvas(draw({"a": jnp.ones((3, 2), jnp.bfloat16)}))


def test_colour_adds_escapes_only_when_asked(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    groups = {str(i): [[i, i]] for i in range(8)}
    assert "\x1b" not in draw(groups)
    assert "\x1b[34m0\x1b[0m" in draw(groups, color=True)


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        ({"a": [[1, 2, 3]]}, {}, r"group 'a' needs points of shape \(n, 2\).*\(1, 3\)"),
        ({"a": [1, 2]}, {}, r"group 'a' needs points .* got shape \(2,\)"),
        ({"ab": []}, {"markers": {"ab": "xy"}}, "group 'ab' must be one .* got 'xy'"),
        ({"ab": []}, {"markers": {"ba": "x"}}, "'ba', which is no group.*'ab'"),
        ({"x": [], "ab": []}, {"markers": {"ab": "x"}}, r"\['x', 'ab'\] have one.*'x'"),
        (
            {f"group {i}": [] for i in range(7)},
            {},
            "no marker is left for group 'group 6'",
        ),
        ({"a": []}, {"width": 30}, "width must be at least 32 columns, got 30"),
        ({"a": []}, {"height": 2}, "height must be at least 3 lines, got 2"),
    ],
)
def test_unusable_arguments_are_refused(groups, options, message):
    with pytest.raises(ValueError, match=message):
        draw(groups, **options)
