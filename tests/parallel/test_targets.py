"""The names of targets, and what is said where one cannot be had."""

import importlib.util
import os
import re

import pytest

from funcnn._quiet import quiet
from funcnn.parallel import (
    CHIPS,
    MissingCompilerError,
    TargetError,
    parse_target,
    target_devices,
)
from funcnn.parallel._topologies import gpu_target_config


@pytest.mark.parametrize(
    ("text", "platform", "chip", "shape"),
    [
        ("cpu", "cpu", None, (1,)),
        ("cpu:8", "cpu", None, (8,)),
        ("tpu:v5e", "tpu", "v5e", (1, 1)),
        ("tpu:v5e:1", "tpu", "v5e", (1, 1)),
        ("tpu:v5e:1x1", "tpu", "v5e", (1, 1)),
        ("tpu:v5e:4x4", "tpu", "v5e", (4, 4)),
        ("tpu:v6e:8", "tpu", "v6e", (2, 4)),
        ("tpu:v5e:64", "tpu", "v5e", (8, 8)),
        ("TPU:V5P:4", "tpu", "v5p", (2, 2, 1)),
        ("tpu:v4:2x2", "tpu", "v4", (2, 2, 1)),
        ("tpu:v4:64", "tpu", "v4", (4, 4, 4)),
        ("gpu:a100", "gpu", "a100", (1,)),
        ("gpu:h100:8", "gpu", "h100", (8,)),
    ],
)
def test_a_target_is_read(text, platform, chip, shape):
    target = parse_target(text)
    assert (target.platform, target.shape) == (platform, shape)
    assert target.chip == (chip and CHIPS[chip])


@pytest.mark.parametrize(
    "text",
    [
        "",
        *"tpu gpu x tpu:v9 tpu:h100 gpu:v5e:4 cpu:0 cpu:x cpu:1:1".split(),
        *"gpu:h100:0 gpu:h100:-1 gpu:h100:2x2 gpu:h100:8:1 gpu:h100:٣".split(),
        *"tpu:v5e:2x2x2 tpu:v5e:4xx4 tpu:v5e:99999x99999".split(),
    ],
)
def test_of_an_unknown_target_the_known_ones_are_listed(text):
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    said = str(caught.value)
    assert "\n" not in said
    assert repr(text) in said
    for chip in CHIPS.values():
        assert f"{chip.platform}:{chip.name}" in said


@pytest.mark.parametrize("count", [2, 3, 12])
def test_a_slice_has_a_power_of_two_of_chips(count):
    with pytest.raises(TargetError, match="1, 4, 8, 16"):
        parse_target(f"tpu:v5e:{count}")


@pytest.fixture
def nothing_installed(monkeypatch):
    found = importlib.util.find_spec
    hidden = "libtpu", "jax_plugins"
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name.startswith(hidden) else found(name, *rest),
    )


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tpu:v5e:2x2", r'pip install "jax\[tpu\]"$'),
        ("gpu:h100:8", r"pip install jax-cuda12-plugin==[\d.]+ "),
    ],
)
def test_without_a_compiler_one_line_says_what_to_install(text, said):
    with pytest.raises(MissingCompilerError) as caught:
        target_devices(text)
    assert re.search(said, str(caught.value))
    assert "\n" not in str(caught.value)


def test_the_figures_are_those_of_one_chip_of_each_generation():
    for name, chip in CHIPS.items():
        assert chip.name == name
        assert chip.source
        assert chip.memory % 2**30 == 0
        # between them lie all that were published from 2020 to 2025
        assert 100 < chip.ridge < 700
        assert chip.links < chip.bandwidth
    # of the scale that makers print: 197 TFLOP/s, 819 GB/s and 1600 Gbit/s
    v5e = CHIPS["v5e"]
    assert (v5e.flops, v5e.bandwidth, 8 * v5e.links) == (197e12, 819e9, 1600e9)


@pytest.mark.parametrize("name", [n for n, c in CHIPS.items() if c.platform == "gpu"])
def test_a_gpu_is_described_by_its_figures(name):
    chip = CHIPS[name]
    text = gpu_target_config(chip)
    assert f"core_count: {chip.gpu.count}" in text
    assert f"device_memory_size: {chip.memory}" in text
    clock = float(re.search(r"clock_rate_ghz: ([\d.]+)", text)[1])
    assert 1.3 < clock < 2.0


def test_what_compilers_write_past_python_is_not_seen(capfd):
    with quiet():
        os.write(2, b"no TPU here\n")
    os.write(2, b"but this\n")
    assert capfd.readouterr().err == "but this\n"
