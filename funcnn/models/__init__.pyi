from funcnn.models._digits import cnn as cnn
from funcnn.models._digits import mlp as mlp
