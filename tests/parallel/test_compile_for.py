"""What compiling for a target reports, on a CPU, which is here."""

import json

import jax
import jax.numpy as jnp
import pytest

import funcnn as fn
from funcnn.parallel import (
    CHIPS,
    CompilationError,
    Report,
    TargetError,
    _compile,
    _largest,
    compile_for,
    largest_batch,
    parse_target,
    target_devices,
)
from funcnn.parallel._report import Memory

N = 64
SQUARE = jax.ShapeDtypeStruct((N, N), jnp.float32)


def product(a, b):
    return a @ b


def test_a_product_has_its_memory_and_operations():
    report = compile_for("cpu", product, SQUARE, SQUARE)
    assert report.memory.arguments == 2 * 4 * N * N
    assert report.memory.outputs == 4 * N * N
    assert report.memory.aliased == 0
    assert report.memory.total == report.needed >= 3 * 4 * N * N
    assert report.flops == pytest.approx(2 * N**3, rel=0.01)
    assert report.bytes_accessed >= 3 * 4 * N * N
    assert report.collectives == ()
    assert report.fits is None
    assert report.roofline_seconds is None


def test_arrays_and_types_are_compiled_alike():
    arrays = compile_for("cpu", product, jnp.ones((N, N)), jnp.ones((N, N)))
    types = compile_for("cpu", product, SQUARE, SQUARE)
    assert arrays.memory == types.memory


def test_a_donated_argument_s_place_is_taken():
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    report = compile_for("cpu", step, SQUARE)
    assert report.memory.aliased == report.memory.outputs
    assert report.memory.total == report.memory.arguments + report.memory.temporaries


def test_trees_numbers_and_keys_are_arguments():
    def f(tree, factor, key):
        return tree["a"] * factor + jax.random.normal(key, (N, N))

    assert compile_for("cpu", f, {"a": SQUARE}, 2.0, jax.random.key(0)).memory.arguments


def test_operations_in_a_loop_count_as_often_as_it_runs():
    def f(a, b):
        return jax.lax.scan(lambda c, _: (c @ b, None), a, length=10)[0]

    report = compile_for("cpu", f, SQUARE, SQUARE)
    assert report.flops == 10 * 2 * N**3
    assert "as traced" in report.flops_of


def test_convolutions_count():
    x = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    kernel = jax.ShapeDtypeStruct((3, 3, 3, 4), jnp.float32)

    def f(x, kernel):
        return jax.lax.map(lambda _: fn.conv(x, kernel, jnp.zeros(4)), jnp.arange(5))

    report = compile_for("cpu", f, x, kernel)
    assert report.flops == pytest.approx(5 * 2 * 2 * 8 * 8 * 4 * 27)


def test_more_cpus_than_there_are_are_refused():
    with pytest.raises(TargetError, match="jax_num_cpu_devices"):
        target_devices("cpu:4096")


def of_chip(name, memory, **fields):
    target = parse_target(name)
    fields = {"flops": 1e12, "bytes_accessed": 1e9, "compiler_seconds": 0.5} | fields
    return Report(
        target,
        "f",
        memory,
        memory.total,
        target.chip.memory,
        flops_of="",
        bytes_of="",
        collectives=(),
        compile_seconds=1.0,
        **fields,
    )


def test_a_program_fits_with_its_code_or_not():
    chip = CHIPS["v5e"]
    all_but_code = Memory(chip.memory - 10, 20, 20, 8, 2)
    assert of_chip("tpu:v5e", all_but_code).fits is True
    assert of_chip("tpu:v5e", all_but_code._replace(code=3)).fits is False


def test_a_report_prints_and_is_json():
    report = of_chip("tpu:v5e", Memory(2**30, 2**20, 0, 2**34, 0))
    text = str(report)
    for part in ("17.00 GiB", "DOES NOT FIT", "1 TFLOP", "500 ms", "limited by"):
        assert part in text
    assert "<table>" in report._repr_html_()
    said = json.loads(report.to_json())
    assert said["memory"]["total"] == report.memory.total
    assert said["fits"] is False
    assert said["compute_seconds"] == pytest.approx(1e12 / 197e12)
    assert said["roofline_seconds"] == max(said["compute_seconds"], 1e9 / 819e9)


def test_a_tpu_that_refuses_a_program_for_its_memory_reports_so(monkeypatch):
    said = (
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for "
        "HLO temporaries (32.00G) exceeds available HBM (15.75G)."
    )
    report = refused(monkeypatch, said)
    assert report.fits is False
    assert (report.needed, report.available) == (32 * 2**30, 15.75 * 2**30)
    assert report.memory is None
    assert "DOES NOT FIT" in str(report)
    other = "Used 17.5G of 15.75G hbm. Exceeded hbm capacity by 1.75G."
    assert refused(monkeypatch, other).needed == 17.5 * 2**30


def refused(monkeypatch, said):
    monkeypatch.setattr(_compile, "target_devices", lambda target: jax.devices()[:1])

    def refuse(*args, **kwargs):
        raise jax.errors.JaxRuntimeError(said)

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    return compile_for("tpu:v5e", product, SQUARE, SQUARE)


def test_what_a_compiler_refuses_for_other_reasons_is_an_error(monkeypatch):
    with pytest.raises(CompilationError, match="refuses product: UNIMPLEMENTED: no"):
        refused(monkeypatch, "UNIMPLEMENTED: no\nmore")


def test_the_compiler_s_time_is_that_of_one_tpu():
    cost = {"optimal_seconds": 0.25}
    seconds = _compile.compiler_seconds
    assert seconds(parse_target("tpu:v5e:1"), cost) == (0.25, 0)
    assert seconds(parse_target("tpu:v5e:4"), cost) == (None, 0)
    assert seconds(parse_target("gpu:h100"), cost) == (None, 0)
    assert seconds(parse_target("cpu"), cost) == (None, 0)
    known, unknown = seconds(parse_target("tpu:v5e"), {"optimal_seconds": -2.75})
    assert (known, unknown) == (0.25, 3)  # -1 for each that it has no time for


@pytest.mark.parametrize("multiple", [1, 8])
@pytest.mark.parametrize("start", [None, 5, 100, 4096])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("largest", [1, 77, 1000])
def test_the_largest_batch_is_found(monkeypatch, multiple, start, power, largest):
    chip, sizes = CHIPS["h100"], []
    largest *= multiple

    def compiled(target, f, batch):
        sizes.append(batch)
        used = int(chip.memory * (batch / (largest + 0.5)) ** power)
        return of_chip("gpu:h100", Memory(0, 0, 0, used, 0))

    monkeypatch.setattr(_largest, "compile_for", compiled)
    found, report = largest_batch(
        "gpu:h100", lambda n: (None, (n,)), multiple=multiple, start=start
    )
    assert found == largest
    assert report.fits
    assert len(sizes) == len(set(sizes)) <= 30
    assert not any(size % multiple for size in sizes)


def test_no_batch_fits(monkeypatch):
    told = []
    full = of_chip("gpu:h100", Memory(2**40, 0, 0, 0, 0))
    monkeypatch.setattr(_largest, "compile_for", lambda *args: full)
    found, report = largest_batch(
        "gpu:h100", lambda n: (None, ()), start=4, tell=lambda *of: told.append(of)
    )
    assert found == 0
    assert not report.fits
    assert told == [(4, None), (4, full), (2, None), (2, full), (1, None), (1, full)]


def test_a_cpu_s_memory_is_not_filled():
    with pytest.raises(TargetError, match="no memory of known size"):
        largest_batch("cpu", lambda n: (product, (SQUARE, SQUARE)))
