"""Text pictures: width, content, axes and escapes."""

import math

import numpy as np
import pytest

from funcnn.plots import terminal_curves, terminal_lines

CURVES = {"train": ([1, 2, 3], [0.5, 0.4, 0.3]), "test": ([1, 2, 3], [0.45, 0.2, 0.1])}


def history(epochs):
    return [
        {
            "epoch": e,
            "train_loss": 0.5 / e,
            "train_accuracy": 1 - 0.15 / e,
            "test_loss": 0.3 / e,
            "test_accuracy": 1 - 0.1 / e,
            "seconds": 3.2,
        }
        for e in range(1, epochs + 1)
    ]


def draw(series, **options):
    return terminal_lines(series, x_label="epoch", y_label="loss", **options)


def canvas(text):
    """The drawn characters, without titles, labels and legend."""
    rows = [line.partition(" | ")[2] for line in text.split("\n") if " |" in line[:13]]
    return "\n".join(rows[:-1])  # the last row holds the ticks of x


def x_ticks(text):
    return [float(word) for word in text.split("\n")[-1].split("|")[1].split()]


def y_ticks(text):
    labels = [line[:10].strip() for line in text.split("\n") if line[10:12] == " |"]
    return [float(label) for label in labels if label]


def test_every_point_has_its_series_marker():
    drawn = canvas(draw(CURVES))
    assert drawn.count("o") == 3
    assert drawn.count("x") == 3


def test_nothing_but_the_series_is_drawn():
    drawn = canvas(draw({"a": ([-1], [-1]), "b": ([1], [1])}))
    assert set(drawn) <= set("ox\u2800\n")


def test_labels_title_and_legend():
    lines = draw(CURVES, title="A run").split("\n")
    assert lines[:3] == ["A run", "o train   x test", "loss"]
    assert lines[-2].endswith("> (epoch)")


def test_markers_sit_where_the_ticks_say():
    text = draw({"a": ([0, 4], [0.0, 8.0])}, height=15)
    bottom, top = canvas(text).split("\n")[-1], canvas(text)
    assert bottom[0] == "o"
    assert top.index("o") > 0
    last_line = text.split("\n")[-1]
    row = next(line for line in text.split("\n") if "o" in line[13:])
    assert row.index("o", 13) == last_line.index("4")
    assert row[:10].strip() == "8"


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("epochs", [1, 2, 3, 12, 150])
def test_no_line_exceeds_the_width(width, epochs):
    text = terminal_curves(history(epochs), width=width)
    assert max(map(len, text.split("\n"))) <= width


def test_long_names_titles_and_labels_stay_inside_the_width():
    series = {"a long name " * 9: ([1], [1]), "b" * 70: ([1], [2])}
    text = terminal_lines(
        series, width=60, x_label="x", y_label="how far " * 10, title="title " * 20
    )
    assert max(map(len, text.split("\n"))) <= 60


def test_plain_text_has_no_escapes(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in terminal_curves(history(3))


def test_colour_adds_escapes_only(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = draw(CURVES, color=True)
    assert "\x1b[34mo train\x1b[0m" in text
    assert "\x1b[31mx\x1b[0m" in text


@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 10, 37, 1000])
def test_epoch_ticks_are_whole_and_reach_around_the_data(epochs):
    text = draw({"a": (range(1, epochs + 1), np.linspace(1, 2, epochs))})
    ticks = x_ticks(text)
    assert len(ticks) >= 2
    assert all(tick.is_integer() for tick in ticks)
    assert ticks[0] <= 1


@pytest.mark.parametrize(
    "values",
    [[0, 0], [3, 3], [1e-9, 2e-9], [-5, 1e6], [0.1, 0.3], [1e30, 1e38], [0, 5e-324]],
)
def test_all_values_are_inside_the_y_axis(values):
    text = draw({"a": ([0, 1], values)})
    assert canvas(text).count("o") == 2
    ticks = y_ticks(text)
    assert ticks == sorted(ticks, reverse=True)
    assert len(set(ticks)) == 6
    assert ticks[-1] <= min(values)
    assert ticks[0] > max(values)


def test_not_finite_points_leave_a_counted_gap():
    ys = [1.0, 1.0, math.nan, math.inf, 1.0]
    text = draw({"a": ([1, 2, 3, 4, 5], ys)})
    assert "o a (2 not finite)" in text
    row = next(line for line in canvas(text).split("\n") if "o" in line)
    first, second, third = (i for i, c in enumerate(row) if c == "o")
    assert "\u2800" not in row[first:second]  # joined by a line
    assert set(row[second + 1 : third]) == {"\u2800"}  # not joined over the gap


@pytest.mark.parametrize("series", [{}, {"a": ([], [])}, {"a": ([1], [math.nan])}])
def test_nothing_to_show(series):
    text = draw(series, title="A run")
    assert text.startswith("A run\n")
    assert text.endswith("nothing to show: no finite values")


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        ({"a": ([1, 2], [1])}, {}, r"series 'a' needs .*one length.*\(2,\) and \(1,\)"),
        ({"a": ([[1]], [[1]])}, {}, "series 'a' needs"),
        ({str(i): ([1], [1]) for i in range(7)}, {}, "at most 6 series.*got 7"),
        (CURVES, {"width": 33}, "width must be at least 34 columns, got 33"),
        (CURVES, {"height": 2}, "height must be at least 3 lines, got 2"),
    ],
)
def test_unusable_arguments_are_refused(series, options, message):
    with pytest.raises(ValueError, match=message):
        draw(series, **options)


def test_smallest_size_is_drawn():
    text = draw(CURVES, width=34, height=3)
    assert max(map(len, text.split("\n"))) <= 34
    assert "x" in canvas(text)


def test_training_gives_loss_then_accuracy_in_percent():
    loss, accuracy = terminal_curves(history(3)).split("\n\n")
    assert loss.split("\n")[1] == "loss"
    assert accuracy.split("\n")[1] == "accuracy in %"
    assert max(y_ticks(loss)) < 1
    assert min(y_ticks(accuracy)) > 80


def test_training_without_accuracy_gives_one_picture():
    text = terminal_curves([{"epoch": 1, "train_loss": 0.5}])
    assert "accuracy" not in text
    assert text.split("\n")[0] == "o train"


def test_curves_by_another_key():
    records = [{"step": s, "train_loss": 1 / s} for s in (100, 200)]
    text = terminal_curves(records, x="step")
    assert text.split("\n")[-2].endswith("> (step)")
    assert canvas(text).count("o") == 2


def test_many_points_have_about_twenty_markers_on_their_line():
    steps = np.arange(200)
    drawn = canvas(draw({"a": (steps, np.exp(-steps / 50))}))
    assert 15 <= drawn.count("o") <= 21
    assert len(set(drawn)) > 5  # of braille


def test_points_that_nothing_joins_have_markers():
    ys = [1.0 if step % 2 else math.nan for step in range(100)]
    assert canvas(draw({"a": (range(100), ys)})).count("o") > 40


def test_unusable_history_is_refused():
    with pytest.raises(ValueError, match="history is empty"):
        terminal_curves([])
    with pytest.raises(
        ValueError, match=r"neither loss nor accuracy, only \['speed'\]"
    ):
        terminal_curves([{"epoch": 1, "train_speed": 5}])
