"""The order of the data, as a pure function of (seed, epoch, position)."""

from collections.abc import Iterator, Sequence

import numpy as np

from funcnn.data.dataset import DataError

_WORD = 2**32


def order(n: int, *, seed: int, epoch: int) -> np.ndarray:
    """Draw the order in which an epoch goes through n examples.

    Args:
        n: the number of examples.
        seed: the run's seed, from 0 to 2**32 - 1.
        epoch: the epoch, from 0 to 2**32 - 1.

    Returns:
        A permutation of 0..n-1, int64 (n,), the same on every machine and in
        every version of NumPy.

    Raises:
        DataError: n is negative, or seed or epoch out of range.
    """
    if n < 0:
        raise DataError(f"n must not be negative, but is {n}")
    # One 32-bit word each: SeedSequence joins the words of longer numbers, so
    # that two different pairs could give one order.
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not 0 <= value < _WORD:
            raise DataError(f"{name} must be from 0 to 2**32 - 1, but is {value}")
    # NumPy guarantees the stream of a bit generator for good, but lets the
    # methods of Generator (permutation, shuffle) change between versions
    # (NEP 19). Equal draws are next to impossible, and a stable sort settles
    # even them in one way.
    draws = np.random.PCG64(np.random.SeedSequence([seed, epoch])).random_raw(n)
    return np.argsort(draws, kind="stable").astype(np.int64, copy=False)


def count_batches(n: int, batch_size: int) -> int:
    """Count the full batches in an epoch over n examples.

    Raises:
        DataError: batch_size is less than 1 or more than n.
    """
    if batch_size < 1:
        raise DataError(f"batch_size must be at least 1, but is {batch_size}")
    if batch_size > n:
        raise DataError(f"batch_size {batch_size} is more than the {n} examples")
    return n // batch_size


def batches(
    data: tuple[np.ndarray, ...],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    start: int = 0,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Go through one epoch in batches.

    Only full batches come: a smaller last one would have a jitted step traced
    and compiled a second time. The up to batch_size - 1 examples left over are
    others in each epoch, as the order is.

    Args:
        data: arrays of equal length n, such as (inputs, targets).
        batch_size: examples in a batch.
        seed: the run's seed; see `order`.
        epoch: the epoch; see `order`.
        start: the batch to begin with, so that a run resumes in mid-epoch.

    Returns:
        An iterator over tuples of arrays (batch_size, ...), one for each of
        data's, of the same dtypes.

    Raises:
        DataError: at once, not at the first batch: data is empty or its lengths
            differ, batch_size is less than 1 or more than n, start is not in
            0..count_batches(n, batch_size), or see `order`.
    """
    arrays = tuple(np.asarray(array) for array in data)
    rows = batch_rows(arrays, batch_size, seed=seed, epoch=epoch, start=start)
    return (tuple(array[own] for array in arrays) for own in rows)


def batch_rows(
    arrays: Sequence[np.ndarray],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    start: int = 0,
) -> np.ndarray:
    """Choose the rows of each batch of an epoch.

    Args:
        arrays: of equal length n; only their length is looked at.
        batch_size: examples in a batch.
        seed: the run's seed; see `order`.
        epoch: the epoch; see `order`.
        start: the batch to begin with.

    Returns:
        The rows, from 0 to n - 1, int64 (batches from start on, batch_size).

    Raises:
        DataError: as `batches`.
    """
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) != 1:
        raise DataError(f"data must be arrays of one length, but has {lengths}")
    count = count_batches(lengths[0], batch_size)
    if not 0 <= start <= count:
        raise DataError(f"start must be from 0 to {count}, but is {start}")
    indices = order(lengths[0], seed=seed, epoch=epoch)
    return indices[: count * batch_size].reshape(count, batch_size)[start:]
