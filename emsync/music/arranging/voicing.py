"""Chords as pitches: which octave each tone lies in, and how one chord leads into the next.

The rules are those of any harmony textbook (Aldwell & Schachter, "Harmony and Voice Leading";
Piston, "Orchestration"): keep common tones, move the others by the shortest way, do not double the
leading note, leave out the fifth first, and keep close intervals out of the low register.
"""

from functools import lru_cache
from itertools import combinations, pairwise

from emsync.music.planning.plan import Chord

CLOSE_FROM = 52
"""E3: below it, intervals under a fourth sound muddy (low-interval limits, Piston)."""
OPEN_FROM = 46
"""Below it, only fifths and wider."""
REACH = 9
"""Semitones around the wished middle in which tones are looked for; wide enough for any chord of
four tones in close or open position."""


@lru_cache(maxsize=4096)
def voice_chord(
    chord: Chord,
    size: int,
    middle: int,
    low: int,
    high: int,
    before: tuple[int, ...] = (),
    others: tuple[int, ...] = (),
    without: frozenset[int] = frozenset(),
) -> tuple[int, ...]:
    """Return `size` pitches of `chord`, ascending, near `middle` and near the voicing `before`.

    Fewer come back where the range from `low` to `high` has fewer chord tones.

    Args:
        chord: whose tones sound.
        size: voices wanted, at least 1.
        middle: MIDI pitch around which they are to lie.
        low: lowest pitch allowed.
        high: highest pitch allowed.
        before: the group's voicing of the chord before, ascending; empty at the beginning.
        others: pitches that other groups sound; doubling them in unison is avoided.
        without: pitches that are taken.
    """
    tones = set(chord.tones)
    free = [p for p in range(low, high + 1) if p % 12 in tones and p not in without]
    near = [p for p in free if abs(p - middle) <= REACH]
    if len(near) < size:
        near = free
    if len(near) <= size:
        return tuple(near)
    return min(
        combinations(near, size),
        key=lambda v: (_shape_cost(v, chord, middle, others) + _motion_cost(v, before), v),
    )


def _shape_cost(
    pitches: tuple[int, ...], chord: Chord, middle: int, others: tuple[int, ...]
) -> float:
    """Return how far a voicing is from a good one, in semitones of motion that it is worth."""
    classes = [pitch % 12 for pitch in pitches]
    third, fifth = chord.tones[1], chord.tones[2]
    heard = set(classes) | {pitch % 12 for pitch in others}
    cost = 0.5 * abs(sum(pitches) / len(pitches) - middle)
    cost += 6.0 * (third not in heard) + 2.0 * (chord.root not in heard and len(pitches) > 2)
    cost += sum(3.0 for tone in chord.tones[3:] if tone not in heard)
    # The third of a major chord is the leading note of whatever the chord leads to.
    cost += 3.0 * max(0, classes.count(third) - 1) + 1.0 * max(0, classes.count(fifth) - 1)
    cost += 2.0 * (len(classes) - len(set(classes)))
    cost += sum(1.0 for pitch in pitches if pitch in others)
    for lower, upper in pairwise(pitches):
        gap = upper - lower
        cost += 6.0 * (gap == 1) + 1.5 * max(0, gap - 9)
        cost += 8.0 * (lower < CLOSE_FROM and gap < 5) + 6.0 * (lower < OPEN_FROM and gap < 7)
    cost += sum(5.0 for pitch in pitches for other in others if abs(pitch - other) == 1)
    return cost


def _motion_cost(pitches: tuple[int, ...], before: tuple[int, ...]) -> float:
    """Return the semitones that the voices move in total, and a penalty for parallel fifths."""
    if not before:
        return 0.0
    if len(before) != len(pitches):
        return sum(min(abs(pitch - old) for old in before) for pitch in pitches)
    steps = [pitch - old for pitch, old in zip(pitches, before, strict=True)]
    cost = float(sum(map(abs, steps)))
    # Outer voices in parallel fifths or octaves lose their independence.
    if steps[0] == steps[-1] != 0 and (pitches[-1] - pitches[0]) % 12 in (0, 7):
        cost += 2.0
    return cost


def nearest(pitch: float, classes: frozenset[int] | tuple[int, ...], low: int, high: int) -> int:
    """Return the pitch of one of `classes` nearest to `pitch` from `low` to `high`.

    The lower one of two that are equally near.

    Raises:
        ValueError: none of them lies in the range.
    """
    return min(
        (at for at in range(low, high + 1) if at % 12 in classes),
        key=lambda at: (abs(at - pitch), at),
    )


def into_range(pitch: int, low: int, high: int) -> int:
    """Return `pitch` moved by octaves into the range from `low` to `high`, an octave at least."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch
