"""From a chord to pitches: voices that move as little as they can.

The rules are those of four-part writing (Piston, Harmony; Aldwell & Schachter, Harmony and Voice
Leading): common tones stay, the others go to the nearest tone, outer voices avoid parallel fifths
and octaves. Of a seventh chord in three voices the fifth is left out.
"""

from functools import lru_cache
from itertools import combinations, pairwise

from emsync.music.planning.plan import Chord

PARALLEL_COST = 6.0
"""Semitones of motion that one parallel fifth or octave counts as. Ours."""
RUB_COST = 8.0
"""Semitones of distance that two neighbours a semitone apart count as, as in a close major seventh
on its seventh. Ours."""


def _kept(tones: tuple[int, ...], voices: int) -> tuple[int, ...]:
    """Return the pitch classes that `voices` voices sing; the fifth goes first, then the root."""
    kept = list(tones)
    while len(kept) > max(voices, 2):
        kept.pop(2 if len(kept) > 3 else 0)
    return tuple(kept)


@lru_cache(maxsize=50_000)
def _stacks(
    tones: tuple[int, ...], low: int, high: int, voices: int, spread: bool
) -> tuple[tuple[int, ...], ...]:
    """Return ascending voicings between `low` and `high`, close or (`spread`) every second tone."""
    usable = [p for p in range(low, high + 1) if p % 12 in tones]
    found = []
    for first in range(len(usable)):
        close = usable[first : first + voices]
        if len(close) == voices:
            found.append(tuple(close))
        if spread and voices > 2:
            # The second voice from below an octave up: open position.
            opened = sorted([*close[:1], *close[2:], *(p + 12 for p in close[1:2])])
            if len(opened) == voices and opened[-1] <= high:
                found.append(tuple(opened))
    wanted = set(tones[:voices])
    whole = [stack for stack in found if wanted <= {p % 12 for p in stack}]
    return tuple(whole or found)


def _parallels(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Return the number of pairs of voices that go from fifth to fifth or octave to octave."""
    count = 0
    for i, j in combinations(range(min(len(before), len(after))), 2):
        if before[i] == after[i] or before[j] == after[j]:
            continue
        first, second = (before[j] - before[i]) % 12, (after[j] - after[i]) % 12
        count += first == second and first in (0, 7)
    return count


@lru_cache(maxsize=200_000)
def led(
    tones: tuple[int, ...],
    before: tuple[int, ...],
    low: int,
    high: int,
    voices: int,
    spread: bool = False,
) -> tuple[int, ...]:
    """Return the voicing that follows `before` most smoothly, ascending pitches.

    Args:
        tones: pitch classes, the root first.
        before: the voicing before; empty at the beginning.
        low: lowest pitch, at least an octave and a fifth below `high`.
        high: highest pitch.
        voices: 1 to 5.
        spread: open position is allowed.
    """
    stacks = _stacks(_kept(tones, voices), low, high, voices, spread)
    middle = (low + high) / 2

    def cost(stack: tuple[int, ...]) -> float:
        away = abs(sum(stack) / len(stack) - middle)
        away += RUB_COST * sum(b - a == 1 for a, b in pairwise(stack))
        if len(before) != len(stack):
            return away
        moved = sum(abs(a - b) for a, b in zip(before, stack, strict=True))
        return moved + 0.4 * away + PARALLEL_COST * _parallels(before, stack)

    return min(stacks, key=cost)


@lru_cache(maxsize=50_000)
def open_stack(chord: Chord, low: int, tones: int = 6) -> tuple[int, ...]:
    """Return the bass, its fifth, octave, tenth and so on, as a left hand breaks a chord.

    Close thirds are left out below the octave, where they sound muddy.
    """
    bass = low + (chord.lowest - low) % 12
    classes = chord.tones
    third, fifth = classes[1], classes[2]
    middle = fifth if chord.lowest in (chord.root, third) else chord.root
    stack = [bass, bass + ((middle - bass) % 12 or 12)]
    above = bass + 12
    while len(stack) < tones:
        if above % 12 in classes and above > stack[-1]:
            stack.append(above)
        above += 1
    return tuple(stack)
