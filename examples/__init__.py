"""Films that the project drew to try it with, and what it composed for them."""
