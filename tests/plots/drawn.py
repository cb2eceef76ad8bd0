"""What a figure shows once it is rendered."""

import io

import numpy as np


def draw(figure):
    """Render as savefig does: layout, ticks and warnings happen only now."""
    figure.savefig(io.BytesIO(), format="png")


def assert_nothing_cut_off(figure):
    draw(figure)
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height


def texts(figure):
    return [text.get_text() for text in figure.texts]


def curves(panel):
    """label -> (xs, ys) of the labelled lines."""
    return {
        line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist())
        for line in panel.lines
        if not str(line.get_label()).startswith("_")
    }


def legend(figure):
    """The texts of the legend under the axes."""
    (only,) = figure.legends
    return [text.get_text() for text in only.get_texts()]


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def offsets(panel):
    """label -> (n, 2) points of the scattered groups."""
    return {
        group.get_label(): np.asarray(group.get_offsets())
        for group in panel.collections
        if not str(group.get_label()).startswith("_")
    }
