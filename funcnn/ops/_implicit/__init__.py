"""Solutions of equations: the rule differentiates the equation, not its solver."""

from funcnn.ops._implicit._fixed_point import fixed_point as fixed_point
from funcnn.ops._implicit._monotone_root import monotone_root as monotone_root
