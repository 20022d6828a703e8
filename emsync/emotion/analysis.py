"""All that is known of a film before a note is written: its cuts and its emotion."""

from dataclasses import dataclass
from typing import Protocol

from emsync.emotion.reading import EmotionReading
from emsync.film.film import Film
from emsync.film.footage import Still
from emsync.film.frames import Frame, StillRequest
from emsync.film.scenes import Cut


class FrameWatcher(Protocol):
    """Looks at the frames of a film as it is decoded, for a composer."""

    request: StillRequest | None
    """Which of them it wants larger as well, as `Frame.picture`."""

    def add_frame(self, frame: Frame) -> None:
        """Look at the next frame; quickly, for the decoding waits."""

    @property
    def features(self) -> object:
        """Return what was seen, in a shape that its composer knows."""


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
    features: object = None
    """What a composer's watcher saw; None if none watched, as where the reading is out of a report.
    A composer that finds nothing of its own here decodes the film itself."""

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Kept cuts, in seconds: where strong chords are wanted."""
        return tuple(float(cut.time) for cut in self.cuts if cut.kept)
