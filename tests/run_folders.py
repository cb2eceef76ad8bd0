"""Run folders as `funcnn train` leaves them, without the training."""

import json

from funcnn.cli._run_folder import RunFolder
from funcnn.training import JsonLines


def run_folder(path, epochs=3, done=3, **figures):
    """A run of so many epochs; its figures are f(epoch) by name."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    config = {"model": "mlp", "optimizer": "adam", "epochs": epochs}
    folder.write("config.json", json.dumps(config).encode())
    figures = {"test_accuracy": lambda n: n / 4, "test_loss": lambda n: 1 / n} | figures
    write = JsonLines(folder.metrics)
    for epoch in range(1, done + 1):
        own = {name: figure(epoch) for name, figure in figures.items()}
        write({"epoch": epoch, "seconds": 1.5, **own})
    return path


def checkpoint(path, step):
    """A folder with a checkpoint's name."""
    (path / "checkpoints" / f"{step:08d}").mkdir(parents=True)
