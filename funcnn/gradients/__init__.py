"""Gradient tools for any JAX program, with rules of ours or anybody's."""

from funcnn.gradients._autodiff import autodiff as autodiff
from funcnn.gradients._compare import compare_gradients as compare_gradients
from funcnn.gradients._report import Report as Report
