"""`python -m poltergust`: the same as the `poltergust` command."""

from poltergust.cli import main

main()
