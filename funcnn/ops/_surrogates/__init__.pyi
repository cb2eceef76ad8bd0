from funcnn.ops._surrogates._clip_gradient import clip_gradient as clip_gradient
from funcnn.ops._surrogates._fake_quantize import fake_quantize as fake_quantize
from funcnn.ops._surrogates._scale_gradient import reverse_gradient as reverse_gradient
from funcnn.ops._surrogates._scale_gradient import scale_gradient as scale_gradient
from funcnn.ops._surrogates._straight_through import clip_ste as clip_ste
from funcnn.ops._surrogates._straight_through import round_ste as round_ste
from funcnn.ops._surrogates._straight_through import sign_ste as sign_ste
