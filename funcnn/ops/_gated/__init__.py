"""Units of which one half of the pre-activations opens or shuts the other."""

from funcnn.ops._gated._gated import geglu as geglu
from funcnn.ops._gated._gated import glu as glu
from funcnn.ops._gated._gated import swiglu as swiglu
