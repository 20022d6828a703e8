"""What the stages hand on: Analysis, Piece, Result."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.emotion.analysis import Analysis
from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.film.footage import Stretch
from emsync.settings import Settings

if TYPE_CHECKING:
    from emsync.music.composition import Composition
    from emsync.performance.performance import PerformanceSummary
    from emsync.sound.mix import MixSummary
    from emsync.sound.mux import MuxReport


@dataclass(frozen=True)
class Piece:
    """Music composed for an analysed film, not played yet."""

    analysis: Analysis
    settings: Settings
    """Those that give this piece again, whichever of the candidates it is."""
    mood: Mood
    """Of the whole film, or the first of the caller's in its place."""
    mood_given: bool
    """The caller said what to compose for, at least to begin with."""
    curve: MoodCurve
    """What was composed for: `mood` throughout, unless scenes or the caller changed it."""
    composition: "Composition"
    seconds: dict[str, float]
    """Wall time of each stage, those of the analysis included."""


@dataclass(frozen=True)
class Result:
    """A scored film and everything that comes with it. Files lie in the request's own folder."""

    piece: Piece
    settings: Settings
    """The piece's, with those of the sound that was made of it."""
    performance: "PerformanceSummary"
    mix: "MixSummary"
    mux: "MuxReport"
    soundfont: str
    speech: tuple[Stretch, ...] | None
    """When somebody speaks in the film, if that was listened for."""
    video: Path
    midi: Path
    score: Path
    """For musicians to read, as MusicXML."""
    wav: Path
    report: Path
    seconds: dict[str, float]
    """Wall time of each stage, those of the analysis included."""

    @property
    def analysis(self) -> Analysis:
        return self.piece.analysis

    @property
    def composition(self) -> "Composition":
        return self.piece.composition

    @property
    def mood(self) -> Mood:
        return self.piece.mood

    @property
    def mood_given(self) -> bool:
        return self.piece.mood_given

    @property
    def curve(self) -> MoodCurve:
        return self.piece.curve
