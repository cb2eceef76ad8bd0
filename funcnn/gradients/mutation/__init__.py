"""Faults injected into a correct rule, and the share of them that a checker finds."""

from funcnn.gradients.mutation._equivalent import Likeness as Likeness
from funcnn.gradients.mutation._equivalent import equivalent as equivalent
from funcnn.gradients.mutation._kill_rate import KillReport as KillReport
from funcnn.gradients.mutation._kill_rate import kill_rate as kill_rate
from funcnn.gradients.mutation._mutant import Mutant as Mutant
from funcnn.gradients.mutation._mutants import mutants as mutants
