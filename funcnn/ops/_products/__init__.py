"""Products of arrays, and rows of tables."""

from funcnn.ops._products._affine import affine as affine
from funcnn.ops._products._binary_affine import binary_affine as binary_affine
from funcnn.ops._products._embedding import embedding as embedding
