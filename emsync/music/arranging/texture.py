"""Time and texture: notes on one subdivision, and no more of them at once than can be heard."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from emsync.music.arranging.events import BASS, DRUMS, Event, in_order, onsets
from emsync.music.planning.grid import STEPS_PER_EIGHTH, STEPS_PER_QUARTER, STEPS_PER_SIXTEENTH

Feel = Literal["straight", "triplets"]

MOST_TOGETHER = 7
"""Pitched notes that begin on one step at most; more is a crash, not a chord. Ours."""
STEPS_PER_TRIPLET = 4
SHARE_OF_TRIPLETS = 1.5
"""Triplets against sixteenths off the eighths, from which a piece is taken to be in triplets."""


def feel_of(events: Iterable[Event]) -> Feel:
    """Return how a piece divides its beats: by the onsets off the eighths."""
    places = Counter(event.start % STEPS_PER_QUARTER for event in events)
    triplets, sixteenths = places[4] + places[8], places[3] + places[9]
    return "triplets" if triplets > SHARE_OF_TRIPLETS * max(1, sixteenths) else "straight"


def settle(events: Iterable[Event], feel: Feel) -> list[Event]:
    """Return the notes moved to the nearest sixteenth, or triplet and eighth, of their beat.

    Sixteenths and triplets side by side in one beat sound like an error, not like a rhythm.
    """
    places = (0, 4, 6, 8, 12) if feel == "triplets" else (0, 3, 6, 9, 12)
    nearest = [min(places, key=lambda place: abs(place - at)) for at in range(STEPS_PER_QUARTER)]
    out: list[Event] = []
    for event in events:
        beat, at = divmod(event.start, STEPS_PER_QUARTER)
        start = beat * STEPS_PER_QUARTER + nearest[at]
        beat, at = divmod(event.end, STEPS_PER_QUARTER)
        end = beat * STEPS_PER_QUARTER + nearest[at]
        if end <= start:
            end = start + STEPS_PER_SIXTEENTH
        out.append(event.moved(start, end))
    return in_order(out)


def swung(events: Iterable[Event], straight: Sequence[int]) -> list[Event]:
    """Return the notes with the second of two eighths on the third triplet, as jazz plays them.

    Notes that begin at a step in `straight`, the hit points, stay.
    """
    kept = set(straight)

    def swing(step: int) -> int:
        on = step % STEPS_PER_QUARTER == STEPS_PER_EIGHTH and step not in kept
        return step + 2 if on else step

    return in_order(
        event.moved(swing(event.start), max(swing(event.end), swing(event.start) + 1))
        for event in events
    )


def without_pile_ups(events: Sequence[Event], spared: Sequence[int]) -> list[Event]:
    """Return the notes with at most seven pitched ones on a step.

    Melody, bass and the outer voices stay; unisons go first, then inner voices. The steps in
    `spared`, hit points and the last chord, are left as they are.
    """
    out: list[Event] = []
    leave = set(spared)
    for step, together in onsets(in_order(events)):
        pitched = [e for e in together if e.group != DRUMS]
        if step in leave or len(pitched) <= MOST_TOGETHER:
            out += together
            continue
        keep = [e for e in pitched if e.lead or e.group == BASS]
        others = [e for e in pitched if not (e.lead or e.group == BASS)]
        seen: set[int] = {e.pitch for e in keep}
        single: list[Event] = []
        doubled: list[Event] = []
        for event in others:
            (doubled if event.pitch in seen else single).append(event)
            seen.add(event.pitch)
        outer = [single[0], single[-1], *single[1:-1]] if len(single) > 1 else single
        keep += [*outer, *doubled][: max(0, MOST_TOGETHER - len(keep))]
        out += [e for e in together if e.group == DRUMS] + keep
    return in_order(out)
