"""The main job at full size: accuracy, time, and the cost of importing."""

import os
import pathlib
import statistics
import subprocess
import sys
import time

import pytest
from commands import run_folder_of

pytestmark = pytest.mark.slow


def train(out, *options):
    """`funcnn train` compiled as users have it; the output and the seconds."""
    # the suite's own flags make programs compile fast and run slowly
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "funcnn", "train", "--out", out, *map(str, options)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, time.perf_counter() - start


def accuracy(output):
    return float(output.rsplit("test accuracy ", 1)[1].split("%")[0])


def test_the_digits_are_learned_in_time_and_bitwise_the_same_twice(tmp_path):
    weights = []
    for _ in range(2):
        output, seconds = train(tmp_path, "--seed", 0)
        print(f"{accuracy(output)} % in {seconds:.1f} s")
        assert accuracy(output) >= 98
        assert seconds < 90
        folder = pathlib.Path(run_folder_of(output))
        weights.append((folder / "params.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_fashion_mnist_is_learned_from_its_own_files(tmp_path):
    """Debian's package dataset-fashion-mnist; the variable says where its files are."""
    folder = os.environ["FUNCNN_FASHION_MNIST"]
    options = ["--data", "fashion-mnist", "--data-dir", folder, "--epochs", 3]
    output, seconds = train(tmp_path, *options)
    print(f"{accuracy(output)} % in {seconds:.1f} s")
    assert accuracy(output) >= 88


def test_importing_costs_at_most_0_15_s_over_jax_and_optax():
    programs = ["import jax, optax", "import jax, optax, funcnn"]
    seconds = {program: [] for program in programs}
    for _ in range(11):
        for program in programs:  # interleaved, for the machine's speed drifts
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            seconds[program].append(time.perf_counter() - start)
    without, with_funcnn = (statistics.median(seconds[p]) for p in programs)
    print(f"{without:.3f} s, and {with_funcnn - without:.3f} s for funcnn")
    assert with_funcnn - without <= 0.15
