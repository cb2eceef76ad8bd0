from funcnn.ops._gated._gated import geglu as geglu
from funcnn.ops._gated._gated import glu as glu
from funcnn.ops._gated._gated import swiglu as swiglu
