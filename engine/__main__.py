"""``python -m fewframes`` is the command line."""

from fewframes.cli.main import main

main(prog_name="fewframes")
