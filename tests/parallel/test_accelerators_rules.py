"""Every rule's gradient is compiled for a TPU or a GPU, of which none is here."""

import jax
import jax.numpy as jnp
import pytest
from accelerators import ONE
from matrix import NAMES, cases, pullback

from funcnn.parallel import compile_for

pytestmark = pytest.mark.accelerators


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_a_rule_s_gradient_compiles(name, dtype):
    # tiny shapes; the first is the plainest, the last shows the rarest branch
    first, *others = cases(name, dtype=dtype)
    chosen = [first, *others[-1:]]

    def gradients(inputs):
        return [pullback(c.manual)(*args) for c, args in zip(chosen, inputs)]

    inputs = [(case.floats, case.cotangent()) for case in chosen]
    report = compile_for(ONE, gradients, inputs)
    assert report.fits
    for case, (_, cotangents) in zip(chosen, jax.eval_shape(gradients, inputs)):
        assert [x.dtype for x in cotangents] == [x.dtype for x in case.floats]
