"""One run in two processes that real launchers have started: Open MPI's and Slurm's.

They need `mpirun`, and `srun` with a controller and a node, such as `.ci/slurm` starts.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import run_folder_of
from safetensors.numpy import load_file

pytestmark = pytest.mark.launchers

ROOT = pathlib.Path(__file__).parents[2]
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"]
SRUN = ["srun", "-n", "2", "--kill-on-bad-exit=1"]
LAUNCHERS = {"mpirun": MPIRUN, "srun": SRUN}
RANK = {"mpirun": "OMPI_COMM_WORLD_RANK=1", "srun": "SLURM_PROCID=1"}
# So that the draws and the order of sums are those of users' programs.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
ENVIRONMENT["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
SECONDS = 300
EPOCHS = 2


def train(out, *options, launcher=()):
    command = [sys.executable, "-m", "funcnn", "train", "--model", "mlp"]
    command += ["--out", str(out), *map(str, options)]
    if launcher:
        command += ["--distributed"]
    return [*launcher, *command]


def run(command):
    return subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS
    )


def weights(folder):
    return load_file(pathlib.Path(folder) / "params.safetensors")


@pytest.fixture(scope="module", params=LAUNCHERS)
def launcher(request):
    return request.param


@pytest.fixture(scope="module")
def whole(launcher, tmp_path_factory):
    """A run in two processes that nothing happens to, and what it said."""
    out = tmp_path_factory.mktemp(launcher)
    done = run(train(out, "--epochs", EPOCHS, launcher=LAUNCHERS[launcher]))
    assert done.returncode == 0, done.stderr
    return out, done


def test_the_processes_learn_what_one_learns(whole, tmp_path):
    _, done = whole
    alone = run(train(tmp_path, "--epochs", EPOCHS))
    folder = pathlib.Path(run_folder_of(done.stdout))
    expected = weights(run_folder_of(alone.stdout))
    for name, array in weights(folder).items():
        distance = np.abs(array - expected[name]).max()
        assert distance < 1e-3 * np.abs(expected[name]).max(), name
    accuracies = [
        float(text.rsplit("test accuracy ", 1)[1].split("%")[0])
        for text in (done.stdout, alone.stdout)
    ]
    assert abs(accuracies[0] - accuracies[1]) < 0.1
    assert accuracies[0] > 90


def test_one_process_writes_and_talks(whole):
    out, done = whole
    (folder,) = out.iterdir()
    assert done.stdout.count("saved in") == 1
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == EPOCHS
    assert done.stderr.count(f"epoch {EPOCHS}/{EPOCHS}") == 1


def process_of(out, rank):
    """The second process of a job, found by what its launcher has told it."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode()
            told = (folder / "environ").read_bytes().decode()
        except OSError:
            continue
        if str(out) in command and "funcnn" in command and rank in told.split("\0"):
            return int(folder.name)
    return None


def wait_until(found):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


@pytest.mark.parametrize(
    ("number", "victim"),
    [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGTERM, 1)],
)
def test_a_signal_to_one_process_ends_the_job_which_then_goes_on(
    launcher, whole, number, victim, tmp_path
):
    options = ["--epochs", EPOCHS, "--checkpoint-every", 20]
    command = train(tmp_path, *options, launcher=LAUNCHERS[launcher])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as job:
        wait_until(lambda: list(tmp_path.glob("*/checkpoints/0*")))
        rank = RANK[launcher].replace("=1", f"={victim}")
        os.kill(process_of(tmp_path, rank), number)
        start = time.monotonic()
        output, errors = job.communicate(timeout=SECONDS)
        assert time.monotonic() - start < 60
        assert job.returncode != 0
        assert errors
        assert ("to go on: " in output) == (number == signal.SIGTERM)
    (folder,) = tmp_path.iterdir()
    steps = [int(p.name) for p in (folder / "checkpoints").glob("0*")]
    assert max(steps) < EPOCHS * 140
    resumed = run(train(tmp_path, "--resume", folder, launcher=LAUNCHERS[launcher]))
    assert resumed.returncode == 0, resumed.stderr
    expected = pathlib.Path(run_folder_of(whole[1].stdout))
    name = "params.safetensors"
    assert (folder / name).read_bytes() == (expected / name).read_bytes()


def test_a_process_that_hangs_ends_the_job(launcher, tmp_path):
    command = train(tmp_path, "--epochs", 30, launcher=LAUNCHERS[launcher])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as job:
        wait_until(lambda: list(tmp_path.glob("*/checkpoints/0*")))
        stopped = process_of(tmp_path, RANK[launcher])
        os.kill(stopped, signal.SIGSTOP)
        start = time.monotonic()
        try:
            job.communicate(timeout=SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the launcher did it
                os.kill(stopped, signal.SIGKILL)
        assert time.monotonic() - start < 60
        assert job.returncode != 0


def test_a_batch_that_cannot_be_split_is_refused(launcher, tmp_path):
    done = run(train(tmp_path, "--batch-size", 63, launcher=LAUNCHERS[launcher]))
    assert done.returncode == 2
    assert "--batch-size 63: the rows of a batch (63,) cannot be split" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_job_file_for_slurm_trains_and_goes_on(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    options = ["--nodes=1", "--ntasks=2", "--ntasks-per-node=2", "--wait"]
    job = ["sbatch", *options, f"--chdir={here}", f"--output={here}/log"]
    job += [ROOT / "docs/jobs/train.slurm", "--model", "mlp", "--epochs", "2"]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(job, env=environment, timeout=SECONDS)
    text = (here / "log").read_text()
    assert done.returncode == 0, text
    assert run_folder_of(text).startswith("runs/")
    assert "test accuracy 9" in text


def test_the_launchers_are_those_that_they_are_taken_for():
    assert shutil.which("mpirun")
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True)
    assert "Open MPI" in version.stdout
    version = subprocess.run(["srun", "--version"], capture_output=True, text=True)
    assert version.stdout.startswith("slurm")
