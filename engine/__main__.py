"""``python -m fewframes`` is the command line."""

from fewframes.commands.cli import main

main(prog_name="fewframes")
