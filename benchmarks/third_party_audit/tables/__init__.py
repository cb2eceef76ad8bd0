"""The functions of each module with their meaning in mpmath."""

from .losses import LOSSES
from .neural import NEURAL
from .numpy import NUMPY
from .special import SPECIAL
from .stats import STATS
from .vectors import VECTORS

CASES = [*NEURAL, *NUMPY, *SPECIAL, *STATS, *VECTORS, *LOSSES]
