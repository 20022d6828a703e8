"""Arranging: what the generator drew on a grid becomes music that obeys its plan."""

from emsync.music.arranging.arranger import Arrangement, Theme, arrange

__all__ = ["Arrangement", "Theme", "arrange"]
