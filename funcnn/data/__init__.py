"""Data: embedded digits, image files, downloads, made-up sets, and their order.

Real images: `digits` needs nothing but this package; `load_idx_folder` reads
MNIST's and Fashion-MNIST's files, which `download` fetches; `read_idx` reads a
single one. All of them give NumPy arrays (a `Dataset`) and raise `DataError`.

Made-up sets: `two_classes` and `truth_table`, pure functions of a JAX key.

Order: `batches`, by way of `order`, is a pure function of (seed, epoch,
position), so that a run resumes anywhere with three numbers and no iterator
state; `count_batches` gives the number of steps in an epoch.
"""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
