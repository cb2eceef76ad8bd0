from funcnn.models._digits import cnn as cnn
from funcnn.models._digits import mlp as mlp
from funcnn.models._transformer import transformer as transformer
