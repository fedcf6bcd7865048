"""`python -m quaterion_core.cli` is the command `quaterion`."""

from quaterion_core.cli import main

main(prog_name="quaterion")
