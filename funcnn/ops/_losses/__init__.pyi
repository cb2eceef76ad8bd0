from funcnn.ops._losses._binary_cross_entropy import (
    binary_cross_entropy as binary_cross_entropy,
)
from funcnn.ops._losses._cosine_similarity import cosine_distance as cosine_distance
from funcnn.ops._losses._cosine_similarity import (
    cosine_similarity as cosine_similarity,
)
from funcnn.ops._losses._ctc import ctc_loss as ctc_loss
from funcnn.ops._losses._dice_loss import dice_loss as dice_loss
from funcnn.ops._losses._difference import absolute_error as absolute_error
from funcnn.ops._losses._difference import huber_loss as huber_loss
from funcnn.ops._losses._difference import l2_loss as l2_loss
from funcnn.ops._losses._difference import log_cosh_loss as log_cosh_loss
from funcnn.ops._losses._difference import squared_error as squared_error
from funcnn.ops._losses._gaussian_nll import gaussian_nll as gaussian_nll
from funcnn.ops._losses._hinge_loss import hinge_loss as hinge_loss
from funcnn.ops._losses._hinge_loss import perceptron_loss as perceptron_loss
from funcnn.ops._losses._info_nce import info_nce as info_nce
from funcnn.ops._losses._jensen_shannon import jensen_shannon as jensen_shannon
from funcnn.ops._losses._kl_divergence import kl_divergence as kl_divergence
from funcnn.ops._losses._kl_divergence import (
    kl_divergence_with_log_targets as kl_divergence_with_log_targets,
)
from funcnn.ops._losses._linear_cross_entropy import (
    linear_cross_entropy as linear_cross_entropy,
)
from funcnn.ops._losses._poisson_nll import poisson_nll as poisson_nll
from funcnn.ops._losses._sigmoid_cross_entropy import (
    sigmoid_cross_entropy as sigmoid_cross_entropy,
)
from funcnn.ops._losses._sigmoid_focal_loss import (
    sigmoid_focal_loss as sigmoid_focal_loss,
)
from funcnn.ops._losses._softmax_cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)
from funcnn.ops._losses._triplet_margin_loss import (
    triplet_margin_loss as triplet_margin_loss,
)
