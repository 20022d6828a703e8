"""A corpus written by the rules of the craft: `python -m emsync.training.craft -o SHARDS`."""
