"""From the paths of parameters to PartitionSpecs; no devices are needed."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

import funcnn as fn
from funcnn._paths import named
from funcnn.parallel._partition import partition_of

parallel = fn.parallel
SIZES = {"data": 4, "model": 2}


def shapes_of(model, *shape, dtype=jnp.float32):
    x = jax.ShapeDtypeStruct(shape, dtype)
    params, _ = jax.eval_shape(model.init, jax.random.key(0), x)
    return {path: leaf.shape for path, leaf in named(params).items()}


def specs(partition, shapes, sizes=SIZES):
    """Those of what is split, by path."""
    found = partition_of(partition).specs(shapes, sizes)
    assert found.keys() == shapes.keys()
    return {path: spec for path, spec in found.items() if spec != P()}


BLOCK = fn.TransformerBlock(fn.MultiHeadAttention(4, kv_heads=2))
OF_BLOCK = {
    "attention.query.kernel": P(None, "model"),
    "attention.query.bias": P("model"),
    "attention.key.kernel": P(None, "model"),
    "attention.key.bias": P("model"),
    "attention.value.kernel": P(None, "model"),
    "attention.value.bias": P("model"),
    "attention.out.kernel": P("model"),
    "feed_forward.0.kernel": P(None, "model"),
    "feed_forward.0.bias": P("model"),
    "feed_forward.2.kernel": P("model"),
}


def test_none_keeps_all_parameters_whole():
    assert specs(None, shapes_of(BLOCK, 2, 6, 8)) == {}


def test_a_mapping_is_taken_by_the_first_pattern_that_fits():
    shapes = {"0.kernel": (4, 8), "1.kernel": (8, 4), "1.bias": (4,)}
    rules = {"0.*": P(None, ("data", "model")), "*.kernel": P("model", None)}
    assert specs(rules, shapes) == {
        "0.kernel": P(None, ("data", "model")),
        "1.kernel": P("model", None),
    }


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"*": P(), "0.*": P()}, "no parameter is left for 0.*; there are 0.kernel, 0"),
        (
            {"0.kernel": P("pipe")},
            "0.kernel: the mesh has no axis 'pipe', it has 'data'",
        ),
        ({"0.kernel": P("data")}, r"0.kernel \(6, 8\): axis 0 cannot .* into 4 equal"),
        ({"0.bias": P(None, "model")}, r"0.bias \(8,\) has 1 axes, .* is for 2"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_the_path(rules, message):
    with pytest.raises(ValueError, match=message):
        specs(rules, {"0.kernel": (6, 8), "0.bias": (8,)})


def test_what_is_no_partition_is_refused():
    with pytest.raises(TypeError, match="fully_sharded or tensor_parallel, got 'data'"):
        specs("data", {"kernel": (4,)})
    with pytest.raises(TypeError, match=r"0\.kernel needs a PartitionSpec, got 'data'"):
        specs({"*": "data"}, {"0.kernel": (4,)})


def test_fully_sharded_splits_the_largest_axis_that_can_be():
    shapes = {"a": (6, 8), "b": (16, 8), "c": (5, 7), "d": (8, 8), "e": (3,)}
    partition = parallel.fully_sharded(smallest=4)
    assert specs(partition, shapes) == {
        "a": P(None, "data"),
        "b": P("data"),
        "d": P(None, "data"),  # of equal ones the last
    }


def test_fully_sharded_leaves_small_parameters_whole():
    shapes = {"small": (63,), "large": (64,)}
    assert specs(parallel.fully_sharded(smallest=64), shapes) == {"large": P("data")}
    assert specs(parallel.fully_sharded(), shapes) == {}


def test_fully_sharded_uses_what_other_rules_leave_free():
    shapes = {"0.kernel": (64, 8), "1.kernel": (8, 64), "2.kernel": (8, 64)}
    rules = {"0.*": P("model"), "1.*": P(None, "data")}
    assert specs(parallel.fully_sharded(rules, smallest=1), shapes) == {
        "0.kernel": P("model", "data"),
        "1.kernel": P(None, "data"),
        "2.kernel": P(None, "data"),
    }
    by_model = parallel.fully_sharded(smallest=1, axis="model")
    assert specs(by_model, {"kernel": (8, 64)}) == {"kernel": P(None, "model")}


@pytest.mark.parametrize(
    "partition", [parallel.fully_sharded, parallel.tensor_parallel]
)
def test_an_axis_that_the_mesh_does_not_have_is_refused(partition):
    with pytest.raises(ValueError, match="no axis 'pipe', it has 'data', 'model'"):
        specs(partition(axis="pipe"), {"0.kernel": (64, 64)})


def test_tensor_parallel_knows_the_parts_of_a_transformer():
    assert specs(parallel.tensor_parallel(), shapes_of(BLOCK, 2, 6, 8)) == OF_BLOCK


def test_tensor_parallel_knows_them_in_a_stack_of_layers():
    shapes = shapes_of(fn.Repeat(BLOCK, 3), 2, 6, 8)
    assert shapes["attention.query.kernel"] == (3, 8, 4, 2)
    found = specs(parallel.tensor_parallel(), shapes)
    assert found == {path: P(None, *spec) for path, spec in OF_BLOCK.items()}


def test_tensor_parallel_knows_a_language_model_with_experts():
    experts = fn.MixtureOfExperts(fn.GatedFeedForward(16), 4)
    model = fn.Chain(fn.Embed(20, 8), experts, fn.LayerNorm(), fn.Dense(20))
    shapes = shapes_of(model, 2, 6, dtype=jnp.int32)
    assert specs(parallel.tensor_parallel(), shapes) == {
        "0.embedding": P("model"),
        "1.experts.up.kernel": P(None, None, "model"),
        "1.experts.down.kernel": P(None, "model"),
        "3.kernel": P(None, "model"),
    }


def test_tensor_parallel_splits_the_features_of_convolutions():
    model = fn.Chain(fn.Conv(8, (3, 3)), fn.BatchNorm(), fn.Flatten(), fn.Dense(10))
    shapes = shapes_of(model, 2, 4, 4, 1)
    assert specs(parallel.tensor_parallel(), shapes, {"data": 1, "model": 8}) == {
        "0.kernel": P(None, None, None, "model")
    }


def test_tensor_parallel_splits_the_features_of_a_vocabulary_that_it_cannot_split():
    assert specs(parallel.tensor_parallel(), {"embedding": (7, 8)}) == {
        "embedding": P(None, "model")
    }


def test_tensor_parallel_leaves_to_rules_what_they_split():
    rules = {"*query.kernel": P("model"), "*out.kernel": P("data", "model")}
    found = specs(parallel.tensor_parallel(rules), shapes_of(BLOCK, 2, 6, 8))
    own = {"attention.query.kernel": P("model")}
    own |= {"attention.out.kernel": P("data", "model")}
    assert found == OF_BLOCK | own


def test_tensor_parallel_that_can_split_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"no parameter can be split into 2 parts; .* b"
    ):
        specs(parallel.tensor_parallel(), {"a.scale": (8,), "b": (7,)})


def test_the_mixture_splits_a_transformer_both_ways():
    mixture = parallel.fully_sharded(parallel.tensor_parallel(), smallest=32)
    found = specs(mixture, shapes_of(BLOCK, 2, 6, 8))
    assert found["attention.query.kernel"] == P("data", "model")
    assert found["attention.out.kernel"] == P("model", None, "data")
    assert found["feed_forward.0.kernel"] == P("data", "model")
    assert found["feed_forward.2.kernel"] == P("model", "data")
