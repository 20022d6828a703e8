"""How good a generator is: `python -m emsync.evaluation`."""
