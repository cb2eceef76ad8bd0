from funcnn.ops._regularization._dropout import drop_path as drop_path
from funcnn.ops._regularization._dropout import dropout as dropout
from funcnn.ops._regularization._dropout import spatial_dropout as spatial_dropout
