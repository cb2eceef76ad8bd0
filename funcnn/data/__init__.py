"""Data: embedded digits, image files, downloads, made-up sets, and their order.

Real images: `digits` needs nothing but this package; `load_idx_folder` reads
MNIST's and Fashion-MNIST's files, which `download` fetches; `read_idx` reads a
single one. All of them give NumPy arrays (a `Dataset`) and raise `DataError`.

Made-up sets: `two_classes` and `truth_table`, pure functions of a JAX key.

Order: `batches`, by way of `order`, is a pure function of (seed, epoch,
position), so that a run resumes anywhere with three numbers and no iterator
state; `count_batches` gives the number of steps in an epoch.
"""

from funcnn.data.dataset import DataError, Dataset
from funcnn.data.embedded import digits
from funcnn.data.fetching import download
from funcnn.data.folder import load_idx_folder
from funcnn.data.idx import read_idx
from funcnn.data.ordering import batches, count_batches, order
from funcnn.data.sources import FASHION_MNIST_CLASSES
from funcnn.data.synthetic import truth_table, two_classes

__all__ = [
    "FASHION_MNIST_CLASSES",
    "DataError",
    "Dataset",
    "batches",
    "count_batches",
    "digits",
    "download",
    "load_idx_folder",
    "order",
    "read_idx",
    "truth_table",
    "two_classes",
]
