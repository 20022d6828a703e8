"""All films of a folder."""
