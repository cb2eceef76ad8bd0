"""A tiny data set in IDX files, and the command run on it."""

import gzip

import numpy as np
import pytest
from commands import SMALL, run, run_folder_of
from idx_files import idx


@pytest.fixture(scope="session")
def images_folder(tmp_path_factory):
    """Twelve by twelve pixels: a bright left half is class 0, a right one class 1."""
    folder = tmp_path_factory.mktemp("idx")
    rng = np.random.default_rng(0)
    for prefix, count in [("train", 40), ("t10k", 20)]:
        labels = rng.integers(0, 2, count).astype(np.uint8)
        images = rng.integers(0, 60, (count, 12, 12)).astype(np.uint8)
        for image, label in zip(images, labels):
            image[:, 6 * label : 6 * label + 6] += 190
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(0x08, images))
        packed = gzip.compress(idx(0x08, labels))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(packed)
    return folder


@pytest.fixture(scope="session")
def trained(images_folder, tmp_path_factory):
    """A finished run of the MLP: the process, and its folder's path."""
    out = tmp_path_factory.mktemp("runs")
    done = run("train", "--data-dir", images_folder, "--out", out, *SMALL)
    assert done.returncode == 0, done.stderr
    return done, run_folder_of(done.stdout)
