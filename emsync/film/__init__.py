"""From a file to a `Film`: probing, frames and cuts (thesis 5.1)."""
