"""The operating system: children that read strangers' bytes, files that appear whole, GPU
memory."""
