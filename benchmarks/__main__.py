"""``python -m benchmarks``: all that is measured about speed, or one part of it.

Each part is one function with defaults for all of its options, which is a subcommand
here; without a subcommand they run one after another.
"""

import typer

from benchmarks.steps import steps

# A new part is one entry.
PARTS = {"steps": steps}

app = typer.Typer(
    help="Measures funcnn beside others; without a command, all of these.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Runs every part with its defaults, unless one was named."""
    if context.invoked_subcommand is None:
        for part in PARTS.values():
            part()


for _name, _part in PARTS.items():
    app.command(_name)(_part)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
