from funcnn.ops._implicit._fixed_point import fixed_point as fixed_point
from funcnn.ops._implicit._monotone_root import monotone_root as monotone_root
from funcnn.ops._implicit._ode_adjoint import ode_adjoint as ode_adjoint
from funcnn.ops._implicit._ode_checkpointed import ode_checkpointed as ode_checkpointed
from funcnn.ops._implicit._sinkhorn import sinkhorn as sinkhorn
