"""A part of a piece that is composed anew between neighbours that stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from emsync.errors import EmsyncError
from emsync.music.notes import GROUPS


@dataclass(frozen=True)
class Passage:
    """Bars of a piece, and who gets other notes there.

    What lies wholly in these bars and is played by these groups goes; whatever sounds in another
    bar, or is played by somebody else, stays note for note.
    """

    first: int
    """Number of its first bar, counted from 1."""
    last: int
    """Number of its last bar."""
    groups: tuple[str, ...]
    """Some of `notes.GROUPS`, in their order."""
    seed: int
    """Another number, other notes."""

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise ValueError(f"Bars {self.first} to {self.last} are no passage")
        if not self.groups or tuple(sorted(set(self.groups), key=GROUPS.index)) != self.groups:
            raise ValueError("The groups of a passage must be some, each once, in their order")

    @property
    def bars(self) -> str:
        """Return which bars these are, for people: "bar 9", "bars 9 to 16"."""
        if self.first == self.last:
            return f"bar {self.first}"
        return f"bars {self.first} to {self.last}"


def passage_of(
    bars: Sequence[float], first: int, last: int, groups: Sequence[str], seed: int
) -> Passage:
    """Return a passage of a piece, as somebody asks for it.

    Args:
        bars: seconds at which the bars of the piece begin.
        first: number of the first bar, counted from 1.
        last: number of the last one.
        groups: in any order; none for all.
        seed: of the draws.

    Raises:
        EmsyncError: the piece has no such bars, or there are no such groups.
    """
    if not 1 <= first <= last <= len(bars):
        raise EmsyncError(
            f"The piece has {len(bars)} bars. Ask for some of 1 to {len(bars)}, the first one "
            "first."
        )
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        raise EmsyncError(
            f"There is no instrument group “{unknown[0]}”. Name some of {', '.join(GROUPS)}."
        )
    chosen = tuple(group for group in GROUPS if not groups or group in groups)
    return Passage(first, last, chosen, seed)


def bars_between(bars: Sequence[float], start: float, end: float) -> tuple[int, int]:
    """Return the first and the last bar, counted from 1, of what lies between two moments.

    Scenes begin within bars: the bar lines nearest to both moments count, and one bar at least.

    Args:
        bars: seconds at which bars begin, ascending; at least one.
        start: seconds.
        end: seconds, after `start`.
    """

    def nearest(at: float) -> int:
        return min(range(len(bars)), key=lambda number: abs(bars[number] - at))

    first = nearest(start)
    after = nearest(end)
    if end >= bars[-1] + (bars[-1] - bars[-2] if len(bars) > 1 else 0.0) / 2:
        after = len(bars)
    return first + 1, max(after, first + 1)
