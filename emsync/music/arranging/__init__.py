"""Arranging: what the generator drew on a grid becomes music that obeys its plan."""

from emsync.music.arranging.arranger import Arrangement, arrange
from emsync.music.arranging.theme import Theme, theme_of

__all__ = ["Arrangement", "Theme", "arrange", "theme_of"]
