"""The report of a scored film, written and read again."""
