"""The notes of a token sequence as a piece, and how many cuts it hits."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from emsync.music.chords import CHORD_GROUPS, strong_chords
from emsync.music.composition import CHORD_VELOCITY, VELOCITY, BoundaryScore, ticked_off
from emsync.music.notes import GROUPS, TICK_SECONDS, Note
from emsync.music.transformer.tokens import DecodedTokens


def notes_of(decoded: DecodedTokens, seconds: float) -> tuple[Note, ...]:
    """Return notes up to `seconds`; those of a strong chord are played louder (thesis 4.2)."""
    table = decoded.notes
    chords = set(decoded.chords)
    notes = []
    rows = zip(table.group, table.pitch, table.start, table.end, strict=True)
    for group_index, pitch, start, end in rows:
        begin = start * TICK_SECONDS
        if begin >= seconds:
            continue
        group = GROUPS[group_index]
        loud = group in CHORD_GROUPS and int(start) in chords
        notes.append(
            Note(
                group,
                int(pitch),
                float(begin),
                float(min(end * TICK_SECONDS, seconds)),
                CHORD_VELOCITY if loud else VELOCITY,
            )
        )
    return tuple(notes)


def score_of(decoded: DecodedTokens, asked: Sequence[float], sensitivity: float) -> BoundaryScore:
    """Return how many cuts in `asked` (seconds) a piece hits, by CHORD tokens and by its notes."""
    told = [tick * TICK_SECONDS for tick in decoded.chords]
    heard = strong_chords(decoded.notes, beat_ticks(decoded)) * TICK_SECONDS
    return BoundaryScore(
        len(asked),
        ticked_off(asked, told, sensitivity),
        ticked_off(asked, heard.tolist(), sensitivity),
    )


def beat_ticks(decoded: DecodedTokens) -> float:
    """Return a quarter of the usual bar, 0.2 to 2 s; half a second where there are no bars."""
    bars = [b - a for a, b in pairwise(decoded.bars) if b > a]
    beat = median(bars) / 4 if bars else 0.5 / TICK_SECONDS
    return min(max(beat, 0.2 / TICK_SECONDS), 2.0 / TICK_SECONDS)
