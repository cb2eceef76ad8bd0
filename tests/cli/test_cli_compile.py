"""`funcnn compile`, where only a CPU can be compiled for."""

import json
import re

import pytest
from commands import invoke, run

from funcnn.parallel import CHIPS

PROGRAM = """\
import jax
import jax.numpy as jnp

def loss(w, x):
    return jnp.tanh(x @ w).sum()

def sized(mesh, batch_size):
    rows = jax.NamedSharding(mesh, jax.P("data"))
    x = jax.ShapeDtypeStruct((batch_size, 8), jnp.float32, sharding=rows)
    return jax.grad(loss), (jax.ShapeDtypeStruct((8, 8), jnp.float32), x)

def fixed(mesh):
    assert mesh.shape == {"data": 1, "model": 1}
    return sized(mesh, 16)

def nothing(mesh):
    return None

def half(mesh):
    return loss

def three(mesh, batch_size, more):
    return loss, ()

def raising(mesh):
    raise RuntimeError("so it goes\\nand on")

def misshapen(mesh):
    return loss, (jnp.ones((2, 3)), jnp.ones((4, 5)))
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize(
    ("target", "needed"),
    [("tpu:v5e:2x2", 'pip install "jax[tpu]"'), ("gpu:h100:8", "jax-cuda12-plugin==")],
)
def test_without_a_compiler_one_line_says_what_to_install(target, needed):
    done = run("compile", "--target", target)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"funcnn: {target} needs")
    assert needed in line


def refused(*arguments):
    done = invoke("compile", *arguments)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.splitlines()
    return line


def test_of_an_unknown_target_the_known_ones_are_listed():
    line = refused("--target", "tpu:v99:2x2")
    assert "'tpu:v99:2x2'" in line
    assert all(name in line for name in CHIPS)


def test_a_model_s_step_is_compiled():
    done = invoke("compile", "--target", "cpu", "mlp", "--batch-size", 32)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("batch size: 32\nstep for cpu (1 device)")
    assert re.search(r"^temporaries +\d", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "options", [["--partition", "fsdp+tensor"], ["--precision", "bfloat16"]]
)
def test_a_model_s_options(options):
    done = invoke("compile", "--target", "cpu", "mlp", "--json", *options)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["batch_size"] == 64


@pytest.mark.parametrize("name", ["sized", "fixed"])
def test_anybody_s_function_is_compiled(program, name):
    done = invoke("compile", "--target", "cpu", f"{program}:{name}", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    rows = 64 if name == "sized" else 16
    assert said["memory"]["arguments"] == 4 * (8 * 8 + rows * 8)
    assert said.get("batch_size") == (64 if name == "sized" else None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "nothing",
            "must return (f, args): a function, and a tuple of its arguments",
        ),
        ("half", "got function"),
        ("three", "(mesh, batch_size, more); it is called with the mesh"),
        ("raising", "raised RuntimeError: so it goes ("),
        ("misshapen", "raised TypeError: dot_general"),
        ("absent", "has no 'absent'"),
    ],
)
def test_what_is_no_program_is_refused_in_one_line(program, name, said):
    assert said in refused("--target", "cpu", f"{program}:{name}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["resnet"], "there are mlp, cnn; a function is MODULE:FUNCTION"),
        (["--mesh", "data=3"], "--mesh data=3: make_mesh: data=3 times model=1 are 3"),
        (["--mesh", "rows=3"], "--mesh needs sizes of data and model"),
        (["--mesh", "data=1,data=1"], "--mesh needs sizes of data and model"),
        (["--mesh", "data=x"], "--mesh needs sizes of data and model"),
        (["--largest-batch"], "cpu has no memory of known size to fill"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(options, said):
    assert said in refused("--target", "cpu", *options)


@pytest.mark.parametrize("option", [["--batch-size", "8"], ["--largest-batch"]])
def test_a_function_of_the_mesh_alone_has_no_batch(program, option):
    line = refused("--target", "cpu", f"{program}:fixed", *option)
    assert "takes the mesh alone" in line


def test_the_batch_is_split_over_the_mesh():
    done = run("compile", "--target", "cpu:2", "mlp", "--batch-size", "7")
    assert done.returncode == 2
    assert "--batch-size 7 is no multiple of the mesh's data=2" in done.stderr


def test_the_help_explains_the_function_and_the_targets():
    text = invoke("compile", "--help").stdout
    for words in ("def step(mesh, batch_size):", "gpu:b200", "Exit code"):
        assert words in text
