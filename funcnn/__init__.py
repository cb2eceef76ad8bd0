"""Neural networks as pure functions in JAX, every gradient written by hand.

Ops (`funcnn.ops`) are pure functions of arrays with hand-written gradients, layers
(`funcnn.layers`) hyperparameters with pure `init` and `apply`; both are here at the
top as well. `funcnn.training` has the jitted step and a loop around it, `funcnn.data`
what to train on, and `funcnn.gradients` the tools that tell whether a gradient is
right.
"""

from funcnn import _lazy

__getattr__, __dir__, __all__ = _lazy.exports(__name__)
