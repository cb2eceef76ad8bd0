"""The digits which come with the package: no network, no setup."""

from importlib import resources

import numpy as np

from funcnn.data.dataset import Dataset, make_dataset

_TRAIN_EXAMPLES = 9_000


def digits() -> Dataset:
    """Read the 10,000 handwritten digits embedded in this package.

    They come from MNIST (see NOTICE.md for authors and licence).

    Returns:
        9,000 training and 1,000 test digits of 28 x 28 pixels, white on black.
        Every call reads fresh arrays, which the caller may write to.
    """
    file = resources.files("funcnn.data").joinpath("mnist10k.npz")
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    split = _TRAIN_EXAMPLES
    return make_dataset(
        (images[:split], labels[:split]), (images[split:], labels[split:])
    )
