"""Gradient tools for any JAX program, with rules of ours or anybody's."""

from funcnn.gradients._autodiff import autodiff as autodiff
from funcnn.gradients._compare import compare_gradients as compare_gradients
from funcnn.gradients._forward_mode import forward_mode as forward_mode
from funcnn.gradients._nonfinite import find_nonfinite as find_nonfinite
from funcnn.gradients._report import Report as Report
from funcnn.gradients._residuals import saved_bytes as saved_bytes
from funcnn.gradients._trace_backward import trace_backward as trace_backward
from funcnn.gradients.checker import audit as audit
from funcnn.gradients.checker import check as check
from funcnn.gradients.mutation import kill_rate as kill_rate
from funcnn.gradients.mutation import mutants as mutants
from funcnn.rules import ConsumedRuleError as ConsumedRuleError
