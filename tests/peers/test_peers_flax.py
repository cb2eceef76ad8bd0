"""Our layers and ops agree with Flax's at equal weights: outputs and gradients."""

import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from peer_table import drawn

pytestmark = pytest.mark.peers

PEERS = {
    name: peer
    for path in sorted(pathlib.Path(__file__).parent.glob("rows_*.py"))
    for name, peer in importlib.import_module(path.stem).PEERS.items()
}


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_output_and_gradients_agree(peer):
    arrays = drawn(peer.arrays)
    got, expected = jax.device_get(
        jax.jit(lambda: [_pullback(f, arrays) for f in (peer.ours, peer.theirs)])()
    )
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    assert jax.tree.leaves(got)
    for g, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert (g.shape, g.dtype) == (e.shape, e.dtype)
        assert np.isfinite(e).all()
        error = abs(g - e).max(initial=0)
        assert error <= 1e-5 * abs(e).max(initial=0), (error, g, e)


def _pullback(f, arrays):
    """The output, and the cotangents of all floats by random ones of the outputs."""
    leaves, tree = jax.tree.flatten(arrays)
    floats = [i for i, a in enumerate(leaves) if jnp.issubdtype(a.dtype, jnp.floating)]

    def of_floats(*values):
        given = dict(zip(floats, values, strict=True))
        whole = [given.get(i, leaf) for i, leaf in enumerate(leaves)]
        return f(*jax.tree.unflatten(tree, whole))

    output, pull = jax.vjp(of_floats, *(leaves[i] for i in floats))
    rng = np.random.default_rng(1)
    cotangent = jax.tree.map(
        lambda y: rng.standard_normal(y.shape).astype(y.dtype), output
    )
    return output, pull(cotangent)
