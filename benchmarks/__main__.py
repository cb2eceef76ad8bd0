"""``python -m benchmarks``: all that is measured about speed, or one part of it.

Each part is one function with defaults for all of its options, which is a subcommand
here; without a subcommand they run one after another.
"""

from collections.abc import Callable

import typer

from benchmarks.accelerators._command import accelerators
from benchmarks.checkpoint_cost import checkpoints
from benchmarks.compile_time import compile_time
from benchmarks.dispatch import dispatch
from benchmarks.import_time import imports
from benchmarks.rules._command import rules
from benchmarks.steps._command import steps
from benchmarks.train_time._command import train

# A new part is one entry.
PARTS: dict[str, Callable[..., None]] = {
    "rules": rules,
    "steps": steps,
    "dispatch": dispatch,
    "compile": compile_time,
    "imports": imports,
    "train": train,
    "checkpoints": checkpoints,
    "accelerators": accelerators,
}

app = typer.Typer(
    help="Measures funcnn beside others; without a command, all of these.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Measures funcnn beside others; without a command, all of these."""
    if context.invoked_subcommand is None:
        for part in PARTS.values():
            part()


for _name, _part in PARTS.items():
    app.command(_name)(_part)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
