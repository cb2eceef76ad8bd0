"""What a run is asked when it is over."""

from typing import Any, NamedTuple

import jax
import numpy as np

from funcnn.data import Dataset
from funcnn.gradients import Report, compare_gradients
from funcnn.training import LossFunction, TrainState

_SHOWN = 64  # mistakes that are drawn
_COMPARED = 32  # examples of the comparison: float64 convolutions are slow on CPU


class Mistakes(NamedTuple):
    """Test images that were classified wrongly.

    Attributes:
      images: the first of them.
      truths: their classes, by number.
      guesses: what they were taken for.
      total: how many there are in all.
    """

    images: np.ndarray
    truths: np.ndarray
    guesses: np.ndarray
    total: int


def find_mistakes(net: Any, state: TrainState, dataset: Dataset) -> Mistakes:
    """The first wrongly classified test images, and how many there are."""
    images, labels = dataset.test
    guesses = classify(net, state.params, state.state, images).argmax(-1)
    (wrong,) = np.nonzero(guesses != labels)
    shown = wrong[:_SHOWN]
    return Mistakes(images[shown], labels[shown], guesses[shown], len(wrong))


def classify(
    net: Any, params: Any, state: Any, images: np.ndarray, batch_size: int = 500
) -> np.ndarray:
    """The logits of images, in batches."""
    apply = jax.jit(lambda x: net.apply(params, state, x)[0])
    parts = range(0, len(images), batch_size)
    return np.concatenate([apply(images[i : i + batch_size]) for i in parts])


def compare_in_float64(
    loss_fn: LossFunction, state: TrainState, data: tuple[np.ndarray, np.ndarray]
) -> Report:
    """The loss's gradient by rules and by automatic differentiation, with dropout."""
    with jax.enable_x64(True):
        params, model_state = jax.tree.map(
            lambda leaf: np.asarray(leaf, np.float64), (state.params, state.state)
        )
        images, labels = (array[:_COMPARED] for array in data)
        batch = (images.astype(np.float64), labels)

        def loss(params: Any) -> jax.Array:
            options = {"key": state.key, "train": True}
            return loss_fn(params, model_state, batch, **options)[0]

        # the slopes would take as long again
        return compare_gradients(loss, params, numerical=False)
