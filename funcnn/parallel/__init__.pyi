from funcnn.parallel._batch import shard_batch as shard_batch
from funcnn.parallel._launch import initialize as initialize
from funcnn.parallel._mesh import make_mesh as make_mesh
from funcnn.parallel._partition import Partition as Partition
from funcnn.parallel._partition import fully_sharded as fully_sharded
from funcnn.parallel._tensor import tensor_parallel as tensor_parallel
