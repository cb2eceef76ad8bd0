"""Random masks."""

from funcnn.ops._regularization._dropout import dropout as dropout
