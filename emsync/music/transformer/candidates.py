"""What both methods of composing share: the order of candidates, progress, moods heard, endings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.music.composition import SEED_STEP, BoundaryHit, BoundaryScore, Candidate
from emsync.music.judging.emotion_regressor import EmotionRegressor
from emsync.music.judging.quality import PieceQuality
from emsync.music.notes import TICK_SECONDS, Note
from emsync.music.planning.grid import Grid
from emsync.music.planning.plan import Plan
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.decoding import Drawing, Sketch
from emsync.music.transformer.tokens import DecodedTokens
from emsync.progress import CancelToken
from emsync.settings import MusicSettings
from emsync.text import listed

ENDING_SECONDS = 3.0
"""The last chord is asked for this long before the end: it dies away with the fade-out."""
SHORTEST_ENDING = 1.5
"""A last chord is not asked for later than this before the end: there would be nothing to hold."""
ENDING_GAP = 4.0
"""Seconds between the last cut and the chord to end on, as between kept cuts."""
LONGEST_ENDING = ENDING_GAP + SHORTEST_ENDING
"""A chord on a cut in these last seconds is the last one as well: none fits in after it."""
ENDING_SENSITIVITY = 1.0
"""A chord further than this from where the end was asked does not end the piece."""
OPENING_SECONDS = 10.0
"""Length of an opening: what the regressor needs to hear tempo and mode."""
SHORTEST_ENDED_FILM = 6.0
"""Shorter films just fade out."""

DOUBT_SHARE = 1 / 3
"""Of a piece, after which it is looked at for faults. If it has some, what would be drawn in its
place is drawn along: a second row makes a step some 30 % longer. Of 64 pieces of a minute (drawn at
temperature 1.35 and top-p 0.6) 8 had a fault in the end; 5 of these had it by then, and 3 of the
others."""

OPENINGS, WRITING, AGAIN = "Trying out openings", "Writing the piece", "Writing it again"
"""What is under way while music is shown."""
StagedSketch = Callable[[tuple[int, ...], str], None]
"""Shown the tokens so far of what will be heard, and which of these is under way."""
Sounding = Callable[[int, tuple[int, ...]], tuple[int, ...] | None]
"""From the number of a piece and its tokens so far to those of what will be heard; None to wait."""


def check_keep(keep: int | None, count: int) -> None:
    """EmsyncError if the candidate to keep is not among `count`."""
    if keep is not None and keep > count:
        raise EmsyncError(
            f"Candidate {keep} is asked for, but the number of those drawn is {count}. Ask for "
            "another, or for the best."
        )


def tiers_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the licence tiers of the music that the weights were trained on."""
    tiers = checkpoint.card.get("tiers")
    return tuple(map(str, tiers)) if isinstance(tiers, list) else ()


class Meter:
    """How much is done, where the work is counted in seconds of music to be drawn."""

    def __init__(
        self, advance: Callable[[float], None], sketch: StagedSketch | None, planned: float
    ) -> None:
        """
        Args:
            advance: told the share that is done.
            sketch: shown the music while it is drawn, if anybody wants to see it.
            planned: seconds of music that are to be drawn.
        """
        self._advance = advance
        self._sketch = sketch
        self._done = 0.0
        self._planned = planned

    def more(self, seconds: float) -> None:
        """Count so much more than was planned."""
        self._planned += seconds

    def part(self, seconds: float) -> Callable[[float], None]:
        """Return what is told the share that is done of the next `seconds` of the work."""
        before, self._done = self._done, self._done + seconds
        return lambda share: self._advance(
            min((before + share * seconds) / max(self._planned, self._done), 1.0)
        )

    def sketch(self, under_way: str, sounding: Sounding | None = None) -> Sketch | None:
        """Return what is shown the music of this part of the work.

        Args:
            under_way: what this part of the work is, for people.
            sounding: makes of what is drawn what will be heard.
        """
        show = self._sketch
        if show is None:
            return None

        def shown(number: int, tokens: tuple[int, ...]) -> None:
            heard = tokens if sounding is None else sounding(number, tokens)
            if heard is not None:
                show(heard, under_way)

        return shown


@dataclass(frozen=True)
class Job:
    """What is to be composed, and for whom."""

    checkpoint: Checkpoint
    curve: MoodCurve
    cuts: tuple[float, ...]
    """Kept cuts, seconds of the film, ascending."""
    ending: float | None
    """Second at which a last chord is asked for."""
    seconds: float
    """Length of the film."""
    settings: MusicSettings
    seed: int
    regressor: EmotionRegressor
    cancel: CancelToken

    @property
    def asked(self) -> tuple[float, ...]:
        """Return all boundaries: the cuts, then the chord to end on."""
        return self.cuts if self.ending is None else (*self.cuts, self.ending)

    @property
    def seeds(self) -> list[int]:
        """Return as many seeds as all rounds and all openings may need."""
        count = self.settings.candidates * (self.settings.redraws + 1)
        if chooses(self.settings, self.seconds):
            count = max(count, self.settings.openings)
        return [self.seed + SEED_STEP * number for number in range(count)]

    @property
    def chooses(self) -> bool:
        """Return whether openings are drawn: not where there is nothing to choose."""
        return self.settings.opening is None and chooses(self.settings, self.seconds)

    @property
    def order(self) -> list[int]:
        """Return the numbers of the pieces that may be drawn, an opening asked for first.

        Raises:
            EmsyncError: there is no such opening.
        """
        numbers = list(range(len(self.seeds)))
        if self.settings.opening is not None:
            if self.settings.opening > len(numbers):
                raise EmsyncError(
                    f"Opening {self.settings.opening} is asked for, but there are only "
                    f"{len(numbers)}. Ask for another, or leave the choice to the program."
                )
            numbers.insert(0, numbers.pop(self.settings.opening - 1))
        return numbers


@dataclass(frozen=True)
class Drawn:
    """A candidate with its music. Times in seconds of the film."""

    candidate: Candidate
    tokens: tuple[int, ...]
    forced: int
    """Draws in which a rule hemmed the model in."""
    notes: tuple[Note, ...]
    lead: tuple[bool, ...]
    bars: tuple[float, ...]
    chords: tuple[float, ...]
    boundaries: tuple[BoundaryHit, ...]
    score: BoundaryScore
    ended_on_chord: bool
    quality: PieceQuality
    beats_per_minute: float
    plan: Plan | None = None
    grid: Grid | None = None


@dataclass(frozen=True)
class Rounds:
    """All candidates that were drawn, and what happened on the way."""

    drawn: tuple[Drawn, ...]
    remarks: tuple[str, ...]
    """One for each round that had to be drawn after the first."""
    tokens: int
    """Drawn in all, those of the openings included."""


def draw_rounds(
    drawing: Drawing,
    order: Sequence[int],
    seconds: float,
    settings: MusicSettings,
    is_doubtful: Callable[[int, float], bool],
    judged: Callable[[int], Drawn],
    cancel: CancelToken,
    meter: Meter,
    write: Callable[[int, Callable[[float], None], Sketch | None], None] | None = None,
    sounding: Sounding | None = None,
) -> Rounds:
    """Draw candidates in rounds until one is without faults.

    Args:
        drawing: all the pieces that may be needed.
        order: their numbers, the most promising first.
        seconds: length of a piece.
        settings: how many candidates a round has, and how many rounds there may be.
        is_doubtful: whether a piece, drawn so many seconds far, has faults already.
        judged: a piece that is drawn to its end, and what it is worth.
        cancel: looked at before every token.
        meter: told the progress.
        write: draws one piece to its end, where that is not done from beginning to end at once.
        sounding: makes of what is drawn what will be heard, for the sketch.
    """
    coming, drawn, remarks = list(order), list[Drawn](), list[str]()
    round_seconds = settings.candidates * seconds
    for number in range(settings.redraws + 1):
        if number:
            meter.more(round_seconds)
        now, coming = coming[: settings.candidates], coming[settings.candidates :]
        told = meter.part(round_seconds)
        shown = meter.sketch(AGAIN if number else WRITING, sounding)
        spare = coming[: settings.candidates] if number < settings.redraws else []
        until = seconds * DOUBT_SHARE
        if write is not None:
            for one in now:
                write(one, told, shown)
        else:
            drawing.draw(now, cancel, _first_part(told), shown, until)
            if not all(is_doubtful(one, until) for one in now):
                spare = []
            drawing.draw(now, cancel, told, shown, beside=spare)
        drawn += [judged(one) for one in now]
        wrong = min(drawn, key=lambda one: one.candidate.rank).candidate.faults
        if not wrong:
            break
        if number < settings.redraws:
            remarks.append(
                f"Every candidate so far had a fault (the best: {listed(wrong)}), so "
                + (f"{settings.candidates} more were" if settings.candidates > 1 else "another was")
                + " drawn."
            )
    return Rounds(tuple(drawn), tuple(remarks), drawing.tokens)


def _first_part(told: Callable[[float], None]) -> Callable[[float], None]:
    """Return what is told the share that is done of the part up to `DOUBT_SHARE`."""
    return lambda share: told(share * DOUBT_SHARE)


def chooses(settings: MusicSettings, seconds: float) -> bool:
    """Return whether openings are drawn: not for a short film, nor for too few of them."""
    return settings.openings > settings.candidates and seconds >= 2 * OPENING_SECONDS


def ending_of(cuts: Sequence[float], seconds: float) -> float | None:
    """Return when a last chord is to be asked for, in seconds; None if a cut or the end is too
    near.

    Args:
        cuts: kept cuts, ascending.
        seconds: length of the film.
    """
    at = max(seconds - ENDING_SECONDS, cuts[-1] + ENDING_GAP if cuts else 0.0)
    if seconds < SHORTEST_ENDED_FILM or at > seconds - SHORTEST_ENDING:
        return None
    return at


def heard_moods(
    decoded: DecodedTokens, curve: MoodCurve, seconds: float, regressor: EmotionRegressor
) -> tuple[Mood | None, ...]:
    """Return the mood of what begins in each stretch of the curve; None where there are too few
    notes."""
    found: list[Mood | None] = []
    for start, end, _ in curve.stretches(seconds):
        first, last = start / TICK_SECONDS, end / TICK_SECONDS
        begins = (decoded.notes.start >= first) & (decoded.notes.start < last)
        bars = [bar for bar in decoded.bars if first <= bar < last]
        heard = regressor.hear(decoded.notes.take(begins), bars)
        found.append(None if math.isnan(heard.valence) else Mood(heard.valence, heard.arousal))
    return tuple(found)


def mood_distance(heard: Sequence[Mood | None], curve: MoodCurve, seconds: float) -> float:
    """See `Candidate.mood_distance`."""
    total = 0.0
    for (start, end, asked), mood in zip(curve.stretches(seconds), heard, strict=True):
        valence, arousal = (
            (2.0, 2.0)
            if mood is None
            else (abs(mood.valence - asked.valence), abs(mood.arousal - asked.arousal))
        )
        total += (end - start) * (valence + arousal) / 2
    return total / seconds
