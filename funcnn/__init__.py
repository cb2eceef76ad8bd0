"""Neural networks as pure functions in JAX, every gradient written by hand.

Ops (`funcnn.ops`) are pure functions of arrays with hand-written gradients, layers
(`funcnn.layers`) hyperparameters with pure `init` and `apply`; both are here at the
top as well. `funcnn.training` has the jitted step and a loop around it, `funcnn.data`
what to train on, and `funcnn.gradients` the tools that tell whether a gradient is
right.

Where JAX has no accelerator, freed memory stays with the process:
see `funcnn.training.keep_freed_memory`.
"""

from funcnn import _lazy, _memory

_memory.keep_freed_memory_on_cpu()
__getattr__, __dir__, __all__ = _lazy.exports(__name__)
