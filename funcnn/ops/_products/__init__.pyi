from funcnn.ops._products._affine import affine as affine
from funcnn.ops._products._bilinear import bilinear as bilinear
from funcnn.ops._products._binary_affine import binary_affine as binary_affine
from funcnn.ops._products._einsum import einsum as einsum
from funcnn.ops._products._embedding import embedding as embedding
from funcnn.ops._products._low_rank_affine import low_rank_affine as low_rank_affine
from funcnn.ops._products._unembed import unembed as unembed
