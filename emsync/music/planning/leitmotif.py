"""Leitmotif: in which scenes a theme returns (Wagner's device, and film music's ever since).

Scenes are named by moments that lie in them, as an editor knows them. A section of the form is made
to begin with such a scene, and sings the theme in its own key, mode and tempo.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from emsync.errors import EmsyncError
from emsync.music.planning.grid import Grid
from emsync.text import clock, one_line

_MOMENT = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5}(?:\.\d{1,6})?)")
SHORTEST_SECTION = 2
"""Bars between two sections, at least: fewer are no phrase. Ours."""
EARLY = 0.3
"""Seconds before a cut that still mean the scene after it. Ours: nobody reads a player closer."""


def moments_of(text: str) -> tuple[float, ...]:
    """Return the moments that people wrote, in seconds, ascending.

    Args:
        text: seconds, minutes or hours with colons, separated by spaces or commas:
            "12.5, 1:05 1:02:03".

    Raises:
        EmsyncError: something else stands there.
    """
    found = []
    for word in re.split(r"[\s,;]+", text.strip()) if text.strip() else ():
        match = _MOMENT.fullmatch(word)
        if match is None:
            raise EmsyncError(
                f"“{one_line(word, 20)}” is not a moment of the film. Write seconds or minutes, "
                "such as 12.5 or 1:05."
            )
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        found.append(3600 * hours + 60 * minutes + seconds)
    return tuple(sorted(found))


def motif_starts(text: str, grid: Grid, hits: Sequence[int], seconds: float) -> tuple[int, ...]:
    """Return the bar lines nearest to where the scenes of the theme begin, ascending.

    A scene begins at the last hit point before the moment that names it.

    Args:
        text: moments, as `moments_of` reads them.
        grid: of the piece.
        hits: steps of the hit points, ascending.
        seconds: length of the film.

    Raises:
        EmsyncError: the text cannot be read, or names a moment after the end.
    """
    moments = moments_of(text)
    if moments and moments[-1] >= seconds:
        raise EmsyncError(
            f"The theme is to return at {clock(moments[-1])}, but the film ends at "
            f"{clock(seconds)}. Name a moment before that."
        )
    begins = [0, *hits]
    times = [0.0, *grid.seconds_of(list(hits)).tolist()]
    lines = []
    for moment in moments:
        scene = begins[max(0, bisect_right(times, moment + EARLY) - 1)]
        line = round(scene / grid.metre.bar) * grid.metre.bar
        lines.append(min(line, grid.bar_lines[-1]))
    return tuple(sorted(set(lines)))


def with_starts(starts: Sequence[int], motifs: Sequence[int], end: int, bar: int) -> list[int]:
    """Return the beginnings of the sections of one mood with those of the theme among them.

    A beginning that is nearer than `SHORTEST_SECTION` bars to one of the theme's gives way to it,
    except for the first, which stays.

    Args:
        starts: steps, ascending.
        motifs: bar lines at which the theme begins.
        end: step at which the mood ends.
        bar: steps of a bar.
    """
    least = SHORTEST_SECTION * bar
    first = starts[0]
    own = [at for at in motifs if first + least <= at <= end - least]
    kept = [at for at in starts[1:] if all(abs(at - motif) >= least for motif in own)]
    return sorted({first, *own, *kept})


def is_motif(start: int, end: float, motifs: Sequence[int], bar: int) -> bool:
    """Return whether the theme is sung in the section from step `start` to `end`.

    It is where a scene of the theme begins in it, or shortly before it; of one that begins shortly
    before its end the next section is meant, as a phrase has to have room. After the last section
    there is none: its `end` is infinite.
    """
    least = SHORTEST_SECTION * bar
    at = bisect_left(motifs, start - least)
    return any(start - least < motif <= max(start, end - least) for motif in motifs[at:])
