"""BEATs, the model behind the sound expert: architecture, weights, names of what it hears."""
