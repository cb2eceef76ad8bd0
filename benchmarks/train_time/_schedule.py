"""What all train alike: the defaults of `funcnn train`, and its data in its order."""

from collections.abc import Iterator

import numpy as np

from funcnn.data import batches, count_batches, digits

EPOCHS, BATCH, RATE = 12, 64, 2e-3

DATA = digits()
STEPS = EPOCHS * count_batches(len(DATA.train[0]), BATCH)


def epochs() -> Iterator[Iterator[tuple[np.ndarray, ...]]]:
    """The batches of each epoch."""
    for epoch in range(1, EPOCHS + 1):
        yield batches(DATA.train, BATCH, seed=0, epoch=epoch)


def said(accuracy: float) -> None:
    """Says how many of the test digits are classified right, as the command does."""
    print(f"test accuracy {accuracy:.2%}")
