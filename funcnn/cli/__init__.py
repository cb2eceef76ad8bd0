"""The `funcnn` command: one file per subcommand."""

import sys

from funcnn._quiet import quiet


def main() -> None:
    """Runs the `funcnn` command."""
    try:
        import typer  # noqa: F401
    except ImportError:
        sys.exit("funcnn: the command needs more packages: pip install 'funcnn[cli]'")
    with quiet():  # JAX tells of plugins for devices that are not here
        from funcnn.cli._app import app
    app(prog_name="funcnn")
