"""What strangers and broken machines do to EMSYNC, each kind with a command of its own.

Most kinds are cases that pytest runs, see `tests/test_trials_*.py`; `python -m trials.KIND` has it
run all of one kind and prints a line for each. Every command prints at last how many were tried,
right and wrong, and ends with status 1 if any was wrong.
"""
