"""Studies and measurements of this project's own numbers, and the films that tests are made of.

Not part of the wheel: run them from a checkout. Their results are in ``bench/results``.
"""
