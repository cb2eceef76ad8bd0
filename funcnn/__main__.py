"""`python -m funcnn` is the `funcnn` command."""

from funcnn.cli import main

main()
