"""`summary`: a model's shapes, parameters and costs, without running anything."""

import contextlib
import gc
import math

import jax
import jax.numpy as jnp
import pytest
from executions import executions
from layer_table import LAYERS, NESTED, shape

import funcnn as fn

# 126 TB of images: whatever makes an array of it fails.
ENORMOUS = shape(10**7, 1024, 1024, 3)


@contextlib.contextmanager
def compilations():
    """Collects the names of JAX's events of compiling."""
    seen = []

    def listen(event, seconds, **details):
        if "backend_compile" in event:
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def parameter_count(model, x):
    params, _ = jax.eval_shape(lambda key: model.init(key, x), jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def test_the_listener_sees_a_compilation():
    # without this the next test would prove nothing
    with compilations() as seen:
        jax.jit(lambda x: x + 1.25).lower(1.0).compile()
    assert len(seen) == 1


def test_summary_compiles_and_allocates_nothing():
    model = fn.Chain(
        fn.Conv(64, (7, 7), stride=2),
        fn.relu,
        fn.Dropout(0.5),
        fn.Residual(fn.LayerNorm()),
        fn.MaxPool(2),
        fn.Flatten(),
    )
    gc.collect()  # garbage of other tests, which would be missing afterwards
    before = len(jax.live_arrays())
    with compilations() as seen:
        table = fn.summary(model, ENORMOUS)
    assert seen == []
    assert len(jax.live_arrays()) == before
    assert table.rows[0].output == (10**7, 512, 512, 64)
    assert table.parameters == 7 * 7 * 3 * 64 + 64 + 2 * 64


@pytest.mark.slow
def test_summary_executes_nothing():
    assert executions(lambda: jax.random.key(0)) > 0  # the count sees a single key
    tables = []
    assert executions(lambda: tables.append(fn.summary(NESTED, shape(2, 8, 8, 3)))) == 0
    assert len(tables[0].rows) == 12


@pytest.mark.parametrize("layer", [fn.BatchNorm(), fn.AvgPool(2), fn.Conv(2, (1, 1))])
def test_more_entries_than_32_bits_count_are_counted(layer):
    assert fn.summary(layer, ENORMOUS).forward_flops > 10**13


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_counted(name):
    model, x, output, *_ = LAYERS[name]
    table = fn.summary(model, x)
    assert table.parameters == parameter_count(model, x)
    if name != "empty Chain" and not hasattr(model, "layers"):
        assert [row.output for row in table.rows] == [output]


def test_parameters_of_a_nested_model_are_counted():
    x = shape(2, 8, 8, 3)
    table = fn.summary(NESTED, x)
    assert table.parameters == parameter_count(NESTED, x)
    assert [row.path for row in table.rows] == [
        "Chain[0].Conv",
        "Chain[1].BatchNorm",
        "Chain[2].Residual.Chain[0].Conv",
        "Chain[2].Residual.Chain[1].relu",
        "Chain[2].Residual.shortcut.Conv",
        "Chain[3].Parallel[0].Chain[0].Flatten",
        "Chain[3].Parallel[0].Chain[1].Dense",
        "Chain[3].Parallel[1].Flatten",
        "Chain[4].Residual.Dropout",
        "Chain[5].LayerNorm",
        "Chain[6].gelu",
        "Chain[7].Dense",
    ]


def test_flops_of_dense_are_exact():
    batch, n, m = 5, 7, 3
    row = fn.summary(fn.Dense(m), shape(batch, n)).rows[0]
    product = 2 * batch * n * m
    assert row.forward_flops == product + batch * m
    # dx and dW are a product each, and the bias adds up the batch
    assert row.backward_flops == 2 * product + batch * m
    without = fn.summary(fn.Dense(m, use_bias=False), shape(batch, n)).rows[0]
    assert (without.forward_flops, without.backward_flops) == (product, 2 * product)


def test_flops_of_conv_are_exact():
    layer, x = fn.Conv(8, (3, 3), padding="VALID"), shape(2, 9, 7, 4)
    row = fn.summary(layer, x).rows[0]
    outputs = 2 * 7 * 5 * 8
    assert row.forward_flops == 2 * outputs * 3 * 3 * 4 + outputs


def test_flops_of_a_grouped_and_strided_conv_are_exact():
    layer = fn.Conv(8, (3,), stride=2, groups=4, padding="VALID", use_bias=False)
    row = fn.summary(layer, shape(1, 9, 8)).rows[0]
    assert row.forward_flops == 2 * (4 * 8) * (3 * 8 // 4)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (fn.Conv(8, (3, 3)), shape(16, 20, 20, 8)),
        (fn.Conv(8, (3, 3), stride=2), shape(16, 20, 20, 8)),
        (fn.Dense(100), shape(32, 100)),
        (fn.BinaryDense(100), shape(32, 100)),
    ],
)
def test_backward_is_about_twice_forward(layer, x):
    table = fn.summary(layer, x)
    assert 1.8 < table.backward_flops / table.forward_flops < 2.6


def test_moving_data_costs_nothing():
    table = fn.summary(fn.Flatten(), shape(2, 3, 4))
    assert (table.forward_flops, table.backward_flops) == (0, 0)


def test_ids_have_no_gradient_to_pay_for():
    table = fn.summary(fn.Embed(10, 4), shape(3, dtype="int32"))
    assert table.parameters == 40


def test_sums_are_those_of_the_rows():
    table = fn.summary(fn.Chain(fn.Dense(4), fn.relu, fn.Dense(2)), shape(3, 5))
    assert len(table.rows) == 3
    assert table.parameters == 5 * 4 + 4 + 4 * 2 + 2
    for name in ("parameters", "forward_flops", "backward_flops"):
        assert getattr(table, name) == sum(getattr(row, name) for row in table.rows)


def test_it_prints_as_a_table():
    text = str(fn.summary(fn.Chain(fn.Dense(1000), fn.relu), shape(2, 30)))
    header, line, dense, relu, total = text.splitlines()
    assert header.split() == ["layer", "output", "parameters", "forward", "backward"]
    assert set(line) == {"-", " "}
    assert dense.startswith("Chain[0].Dense  Dense(1000)  (2, 1000)")
    assert "31,000" in dense
    assert "122 k" in dense
    assert relu.startswith("Chain[1].relu")
    assert total.split()[:2] == ["total", "31,000"]


def test_an_array_is_as_good_as_a_shape():
    model = fn.Chain(fn.Dense(4), fn.relu)
    assert fn.summary(model, jnp.ones((3, 5))) == fn.summary(model, shape(3, 5))


def test_a_layer_used_twice_is_two_rows():
    layer = fn.Dense(3)
    table = fn.summary(fn.Chain(layer, layer), shape(2, 3))
    assert [row.path for row in table.rows] == ["Chain[0].Dense", "Chain[1].Dense"]


def test_several_outputs_have_several_shapes():
    table = fn.summary(fn.Parallel(fn.Dense(3), lambda x: (x, x[0])), shape(2, 4))
    assert table.rows[1].output == ((2, 4), (4,))


def test_an_input_that_does_not_fit_is_refused():
    with pytest.raises(fn.ShapeError, match=r"Chain\[0\]\.Conv"):
        fn.summary(fn.Chain(fn.Conv(2, (3, 3))), shape(2, 3))
