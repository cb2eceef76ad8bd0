"""The image grid: images, titles and limits reach the figure unchanged."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

from funcnn.plots import guesses, image_grid

GREY = np.linspace(0, 1, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)


def pictures(figure):
    return [np.asarray(panel.images[0].get_array()) for panel in figure.axes]


def test_images_and_titles():
    titles = ["4, guessed 9", "1", "7"]
    figure = image_grid(GREY, titles, title="Mistakes")
    assert [panel.get_title() for panel in figure.axes] == titles
    np.testing.assert_array_equal(pictures(figure), GREY)
    assert figure.get_suptitle() == "Mistakes"


def test_same_grey_means_the_same_value_in_every_image():
    for panel in image_grid(GREY, ["a", "b", "c"]).axes:
        assert panel.images[0].get_clim() == (0, 1)


def test_uint8_is_scaled():
    images = np.array([[[0, 51, 255]]], np.uint8)
    (picture,) = pictures(image_grid(images, ["a"]))
    np.testing.assert_allclose(picture, [[0, 0.2, 1]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, bool])
def test_other_dtypes_keep_their_values(dtype):
    images = jnp.array([[[0, 1], [1, 0]]], dtype)
    (picture,) = pictures(image_grid(images, ["a"]))
    np.testing.assert_array_equal(picture, [[0, 1], [1, 0]])


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 5)), (3, (4, 5, 3))])
def test_channels(channels, shape):
    figure = image_grid(np.zeros((2, 4, 5, channels)), ["a", "b"])
    assert [picture.shape for picture in pictures(figure)] == [shape, shape]


def test_columns_bound_a_row():
    figure = image_grid(np.zeros((5, 2, 2)), list("abcde"), columns=2)
    places = [panel.get_subplotspec() for panel in figure.axes]
    assert [place.rowspan.start for place in places] == [0, 0, 1, 1, 2]
    assert [place.colspan.start for place in places] == [0, 1, 0, 1, 0]


def test_long_titles_neither_overlap_nor_are_cut_off():
    figure = image_grid(
        np.zeros((4, 8, 8)),
        ["ankle boot, guessed sneaker with a probability of 0.998"] * 4,
        columns=2,
        title="a long title " * 8,
    )
    figure.savefig(io.BytesIO(), format="png")
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height
    first, second = (panel.title.get_window_extent() for panel in figure.axes[:2])
    assert first.x1 < second.x0


@pytest.mark.parametrize("images", [[], np.zeros((0, 28, 28), np.uint8)])
def test_nothing_to_show(images):
    figure = image_grid(images, [], title="Mistakes")
    figure.savefig(io.BytesIO(), format="png")
    assert figure.axes == []
    assert "nothing to show" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize(
    ("images", "titles", "message"),
    [
        (GREY, ["a"], "3 images need as many titles, got 1"),
        (np.zeros((2, 3)), ["a", "b"], r"images must have shape .*got \(2, 3\)"),
        (np.zeros((1, 3, 3, 2)), ["a"], r"images must have shape .*\(1, 3, 3, 2\)"),
        (np.zeros((1, 0, 3)), ["a"], "images must have pixels"),
        (np.full((1, 2, 2), 1.5), ["a"], r"values in \[0, 1\]; got float64 .* to 1.5"),
        (np.full((1, 2, 2), -1.0), ["a"], r"values in \[0, 1\]; got float64 from -1"),
        (np.full((1, 2, 2), np.nan), ["a"], r"values in \[0, 1\].* nan"),
    ],
)
def test_unusable_images_are_refused(images, titles, message):
    with pytest.raises(ValueError, match=message):
        image_grid(images, titles)


def test_guesses_have_one_form_of_title_right_or_wrong():
    figure = guesses(GREY, [4, 1, 7], jnp.array([9, 1, 7]), title="Digits")
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["4, guessed 9", "1, guessed 1", "7, guessed 7"]
    np.testing.assert_array_equal(pictures(figure), GREY)
    assert figure.get_suptitle() == "Digits"


def test_guesses_by_the_names_of_classes():
    figure = guesses(GREY, np.array([True, False, True]), [0, 0, 1], classes=("3", "9"))
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["9, guessed 3", "3, guessed 3", "9, guessed 9"]


def test_guesses_in_columns():
    figure = guesses(GREY, [0, 1, 2], [0, 1, 2], columns=2)
    places = [panel.get_subplotspec().rowspan.start for panel in figure.axes]
    assert places == [0, 0, 1]


def test_guesses_without_images():
    figure = guesses([], [], [], classes=["3", "9"])
    assert "nothing to show" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize(
    ("truths", "guessed", "message"),
    [
        ([1, 2], [1, 1, 1], r"3 images need truths of shape \(3,\), got \(2,\)"),
        ([1, 1, 1], [[1], [1], [1]], r"need guesses of shape \(3,\), got \(3, 1\)"),
        ([0.0, 1, 1], [1, 1, 1], "truths must be integer class numbers, got float64"),
        ([1, 1, 1], ["a", "b", "c"], "guesses must be integer class numbers, got <U1"),
        ([0, 2, 1], [0, 0, 0], r"truths\[1\] must be a class from 0 to 1, got 2"),
        ([0, 0, 0], [0, 0, -1], r"guesses\[2\] must be a class from 0 to 1, got -1"),
    ],
)
def test_unusable_guesses_are_refused(truths, guessed, message):
    with pytest.raises(ValueError, match=message):
        guesses(GREY, truths, guessed, classes=["3", "9"])


def test_columns_below_one_are_refused():
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        image_grid(GREY, ["a", "b", "c"], columns=0)
