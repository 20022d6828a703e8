"""All that is known of a film before a note is written: its cuts and its emotion."""

from dataclasses import dataclass

from emsync.emotion.reading import EmotionReading
from emsync.film.film import Film
from emsync.film.footage import Still
from emsync.film.scenes import Cut


@dataclass(frozen=True)
class Analysis:
    """All that is known of a film before a note is written."""

    film: Film
    cuts: tuple[Cut, ...]
    reading: EmotionReading
    seconds: dict[str, float]
    """Wall time of each stage."""
    pictures: tuple[Still, ...] = ()
    """A small one of each scene, to show; none where the reading is out of a report."""

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Kept cuts, in seconds: where strong chords are wanted."""
        return tuple(float(cut.time) for cut in self.cuts if cut.kept)
