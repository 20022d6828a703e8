"""EMSYNC: music composed for a film, following its emotion and its cuts."""

__version__ = "0.3.0"
