"""The float32 inputs at which gradients are asked for."""

import numpy as np

FLOAT32 = np.finfo(np.float32)
SCALES = (-38, -30, -20, -12, -8, -5, -3, -1, 0, 1, 2, 3, 5, 8, 12, 20, 30, 38)


def ladder() -> np.ndarray:
    """Both signs of a ladder over all exponents, denser around one; shape [n].

    With the zeros, subnormals, the extremes, the neighbourhoods of one, and the
    places where a float32 exponential, square or sine gives up.
    """
    few, many = (1.0, 3.1), (1.0, 1.3, 1.7, 2.2, 3.1, 4.3, 5.9, 7.9)
    steps = [
        m * 10.0**k for k in range(-38, 39) for m in (many if -3 <= k < 3 else few)
    ]
    near_one = [1 + s * 2.0**-k for k in range(1, 24) for s in (1, -1)]
    limits = [87.0, 88.0, 88.7, 89.0, 103.0, 104.0, 9.0, 13.0, 16.0, 20.0, 25.0]
    limits += [1.8e19, 1.9e19, 6.9e12, 4096.0, 4097.0, 2.0**23, 2.0**24, 2.0**31]
    extremes = [FLOAT32.max, FLOAT32.tiny, 1e-40, 1e-45, 0.0, 0.5, 1.5, 2.0, 3.0, 6.0]
    sizes = np.array([*steps, *near_one, *limits, *extremes])
    sizes = sizes[sizes <= FLOAT32.max].astype(np.float32)
    return np.unique(np.concatenate([sizes, -sizes]))


def vectors(size: int, infinite: bool = False) -> np.ndarray:
    """Zeros, ties, single large entries and generic ones at all scales; [n, size]."""
    generic = np.array([0.8, -0.35, 1.1, -1.6, 0.25, 0.45, -0.9, 1.9, 0.05])
    first, ends = np.eye(size)[0], np.eye(size)[0] - np.eye(size)[-1]
    patterns = [np.ones(size), -np.ones(size), first, -first, ends, -ends]
    patterns += [generic[:size], -generic[:size], np.abs(generic[:size])]
    patterns += [np.arange(size) + 1.0, 1.0 - first]
    scaled = [pattern * 10.0**k for k in SCALES for pattern in patterns]
    shifted = [generic[:size] + 10.0**k * s for k in (1, 3, 5) for s in (1, -1)]
    rows = [np.zeros(size), *scaled, *shifted]
    rows += list(probabilities(size))
    found = np.array([row for row in rows if np.abs(row).max() <= FLOAT32.max])
    if infinite:
        found = np.concatenate([found, masked(found[::7])])
    return np.unique(found.astype(np.float32), axis=0)


def probabilities(size: int) -> np.ndarray:
    """Distributions: uniform, certain, nearly certain and generic; [n, size]."""
    first = np.eye(size)[0]
    tails = [10.0**-k for k in (3, 6, 10, 20, 37)]
    nearly = [np.where(first > 0, 1 - t * (size - 1), t) for t in tails]
    generic = np.arange(size) + 1.0
    rows = [
        np.full(size, 1 / size),
        first,
        first[::-1],
        *nearly,
        generic / generic.sum(),
    ]
    return np.array(rows)


def masked(rows: np.ndarray) -> np.ndarray:
    """The rows with minus infinity in the last place, as in a masked softmax."""
    out = rows.copy()
    out[:, -1] = -np.inf
    return out
