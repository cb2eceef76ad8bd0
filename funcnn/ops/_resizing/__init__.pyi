from funcnn.ops._resizing._adaptive_max_pool import (
    adaptive_max_pool as adaptive_max_pool,
)
from funcnn.ops._resizing._adaptive_max_pool import global_max_pool as global_max_pool
from funcnn.ops._resizing._axis_maps import adaptive_avg_pool as adaptive_avg_pool
from funcnn.ops._resizing._axis_maps import global_avg_pool as global_avg_pool
from funcnn.ops._resizing._axis_maps import resize_bilinear as resize_bilinear
from funcnn.ops._resizing._axis_maps import resize_nearest as resize_nearest
from funcnn.ops._resizing._pixel_shuffle import pixel_shuffle as pixel_shuffle
from funcnn.ops._resizing._pixel_shuffle import pixel_unshuffle as pixel_unshuffle
