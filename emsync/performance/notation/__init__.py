"""Notation: a piece as a score that musicians read, as MusicXML and as PDF."""
