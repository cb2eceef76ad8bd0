from funcnn.ops._attention._dot_product_attention import (
    dot_product_attention as dot_product_attention,
)
from funcnn.ops._attention._rotary_embedding import rotary_embedding as rotary_embedding
