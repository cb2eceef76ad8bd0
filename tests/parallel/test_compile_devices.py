"""Compiling for several devices: what is where, and what they tell each other."""

import json
import pathlib
import subprocess
import sys

import pytest

N = 64
SQUARE = 4 * N * N  # bytes


@pytest.fixture(scope="module")
def reports():
    script = pathlib.Path(__file__).with_name("compiled_on_devices.py")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["other_devices", "abstract_mesh"])
def test_a_mesh_of_other_devices_is_carried_over(reports, name):
    report = reports[name]
    assert report["memory"]["arguments"] == 2 * SQUARE // 2
    assert report["flops"] == pytest.approx(2 * N**3 / 4, rel=0.01)


def test_collectives_are_listed(reports):
    (row,) = reports["own_devices"]["collectives"]
    assert (row["kind"], row["count"], row["bytes"]) == ("all-reduce", 1, SQUARE)


def test_without_a_mesh_each_device_does_the_whole(reports):
    report = reports["no_mesh"]
    assert report["memory"]["arguments"] == 2 * SQUARE
    assert report["flops"] == pytest.approx(2 * N**3, rel=0.01)


@pytest.mark.parametrize(
    ("name", "share"), [("loop_on_a_mesh", 4), ("loop_without_a_mesh", 1)]
)
def test_operations_in_loops_are_shared_on_a_mesh_alone(reports, name, share):
    assert reports[name]["flops"] == 10 * 2 * N**3 / share


def test_shardings_of_the_function_s_own_are_kept(reports):
    report = reports["shardings_of_the_function"]
    assert report["memory"]["arguments"] == 1.25 * SQUARE


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shardings_of_the_function_elsewhere", "make its mesh of target_devices"),
        ("mesh_of_another_size", "(data=2) has 2 devices, the target 4"),
    ],
)
def test_what_is_laid_out_elsewhere_is_refused(reports, name, said):
    assert said in reports[name]["error"]


def test_a_training_step_reduces_its_gradients(reports):
    kinds = {row["kind"] for row in reports["training_step"]["collectives"]}
    assert "all-reduce" in kinds
