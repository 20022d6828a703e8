"""Text on the screen: lines followed from look to look, and what stands together read as one.

All of it is ours; VEMOCLAP joins whatever it reads in any frame.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from emsync.emotion.features.report import Stretch

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""

ALIKE = 0.75
"""Share of letters (Ratcliff & Obershelp) from which two readings are of one line."""
MARK_SHARE = 0.5
"""Share of the looks, and of the film, for which a small text in a corner must be there to be a
logo: what is there all the time tells nothing about the mood of what happens."""
MARK_WIDTH = 0.3
"""Of the picture's width; wider text is a caption."""
MARK_LOOKS = 4
"""Different pictures at least; in fewer nothing can be told to stay while the rest changes."""

_SENTENCE_END = tuple(".!?…:;,。！？、")
_SAME_SENTENCE_GAP = 0.8  # of a line's height, to the line before


@dataclass(frozen=True)
class Line:
    """A line of text in one picture.

    Attributes:
        text: as the recogniser has it.
        confidence: the recogniser's, 0 to 1.
        box: around it.
    """

    text: str
    confidence: float
    box: Box

    @property
    def height(self) -> int:
        """Pixels, at least 1."""
        return max(1, self.box[3] - self.box[1])

    @property
    def centre(self) -> tuple[float, float]:
        """Pixels from the left and from the top."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class Look:
    """What was read in one picture.

    Attributes:
        stretch: from its time until the picture changes, in seconds.
        lines: in any order.
    """

    stretch: Stretch
    lines: tuple[Line, ...]


@dataclass
class Track:
    """One line of text for as long as it is there.

    Attributes:
        seen: numbers of the looks that have it, ascending, each with its reading.
    """

    seen: list[tuple[int, Line]]

    @property
    def first(self) -> int:
        """Number of the first look that has it."""
        return self.seen[0][0]

    @property
    def last(self) -> int:
        """Number of the last look that has it."""
        return self.seen[-1][0]

    @property
    def line(self) -> Line:
        """The best reading: the text with most confidence over all looks, longer ones for more."""
        votes: dict[str, float] = {}
        for _, line in self.seen:
            votes[line.text] = votes.get(line.text, 0.0) + line.confidence * len(line.text)
        text = max(votes, key=lambda one: votes[one])
        readings = [line for _, line in self.seen if line.text == text]
        return max(readings, key=lambda line: line.confidence)


@dataclass(frozen=True)
class Card:
    """Lines that are on the screen together.

    Attributes:
        tracks: in reading order.
        stretch: seconds from the first to the last moment of any of them.
    """

    tracks: tuple[Track, ...]
    stretch: Stretch

    def text(self, spell: Callable[[Line], str]) -> str:
        """Return its lines as sentences, each as `spell` writes it.

        A line goes on with the sentence before it if it begins with a small letter, or came with
        that line and stands close under or beside it. A sentence without a mark at its end gets a
        full stop.
        """
        sentences: list[str] = []
        before: Track | None = None
        for track in self.tracks:
            written = spell(track.line)
            if before is not None and (written[:1].islower() or _goes_on(before, track)):
                sentences[-1] += " " + written
            else:
                sentences.append(written)
            before = track
        ended = [one if one.endswith(_SENTENCE_END) else one + "." for one in sentences]
        return " ".join(ended)


def bare(text: str) -> str:
    """Return letters and digits alone, small: what two readings of one line have in common."""
    return re.sub(r"[\W_]+", "", text).casefold()


def alike(one: str, other: str) -> float:
    """Return how much two readings are one line, 0 to 1; 0 below `ALIKE`.

    Of a line that fades in or is cut off, a part of at least four letters will do.
    """
    one, other = sorted((bare(one), bare(other)), key=len)
    likeness = SequenceMatcher(None, one, other, autojunk=False).ratio()
    if len(one) >= 4 and one in other:
        likeness = max(likeness, ALIKE)
    return likeness if likeness >= ALIKE else 0.0


def find_marks(looks: Sequence[Look], size: tuple[int, int]) -> list[Track]:
    """Return logos and watermarks: small text in a corner that stays while the pictures change.

    Args:
        looks: in order.
        size: width and height of the pictures.
    """
    if len(looks) < MARK_LOOKS:
        return []
    width, height = size
    groups: list[tuple[tuple[bool, bool], Track]] = []
    for number, look in enumerate(looks):
        for line in look.lines:
            x, y = line.centre[0] / width, line.centre[1] / height
            small = line.box[2] - line.box[0] <= MARK_WIDTH * width
            if not small or 1 / 3 <= x <= 2 / 3 or 1 / 4 <= y <= 3 / 4 or not bare(line.text):
                continue
            corner = (x > 0.5, y > 0.5)
            for place, track in groups:
                if place == corner and alike(track.seen[0][1].text, line.text):
                    track.seen.append((number, line))
                    break
            else:
                groups.append((corner, Track([(number, line)])))
    begin, end = looks[0].stretch[0], looks[-1].stretch[1]

    def stays(track: Track) -> bool:
        """Return whether it is there for most of the looks, and of the film."""
        share = len({number for number, _ in track.seen}) / len(looks)
        spread = looks[track.last].stretch[1] - looks[track.first].stretch[0]
        return share >= MARK_SHARE and spread >= MARK_SHARE * (end - begin)

    return [track for _, track in groups if stays(track)]


def without_marks(looks: Sequence[Look], marks: Sequence[Track]) -> list[Look]:
    """Return the looks without what is read where a logo is, however it was read."""
    places = []
    for mark in marks:
        boxes = [line.box for _, line in mark.seen]
        margin = mark.line.height / 2
        places.append(
            (
                min(box[0] for box in boxes) - margin,
                min(box[1] for box in boxes) - margin,
                max(box[2] for box in boxes) + margin,
                max(box[3] for box in boxes) + margin,
            )
        )

    def free(line: Line) -> bool:
        """Return whether no logo is where a line is."""
        x, y = line.centre
        return not any(
            left <= x <= right and top <= y <= bottom for left, top, right, bottom in places
        )

    return [Look(look.stretch, tuple(filter(free, look.lines))) for look in looks]


def follow(looks: Sequence[Look]) -> list[Track]:
    """Return lines followed over the looks, in the order in which they appear.

    A reading continues a line that is alike and was there one or two looks before: text may move
    (credits) and may be missed once.
    """
    tracks: list[Track] = []
    for number, look in enumerate(looks):
        open_tracks = [track for track in tracks if track.last >= number - 2]
        matches = sorted(
            (
                (alike(track.line.text, line.text), -index, place)
                for index, track in enumerate(open_tracks)
                for place, line in enumerate(look.lines)
            ),
            reverse=True,
        )
        placed: set[int] = set()
        for likeness, index, place in matches:
            track = open_tracks[-index]
            if likeness and place not in placed and track.last < number:
                track.seen.append((number, look.lines[place]))
                placed.add(place)
        tracks += [
            Track([(number, line)]) for place, line in enumerate(look.lines) if place not in placed
        ]
    return tracks


def find_cards(looks: Sequence[Look]) -> list[Card]:
    """Return what is on the screen together, each line once.

    New lines join the card that is there if more than half of its lines still are; else they begin
    the next one.
    """
    groups: list[list[Track]] = []
    for track in follow(looks):
        number = track.first
        current = groups[-1] if groups else []
        if current and current[-1].first != number:
            staying = sum(other.last >= number for other in current)
            fresh = 2 * staying <= len(current)
        else:
            fresh = not current
        if fresh:
            groups.append([track])
        else:
            current.append(track)
    cards = []
    for tracks in groups:
        ordered = tuple(
            track
            for number in sorted({track.first for track in tracks})
            for track in _reading_order([one for one in tracks if one.first == number])
        )
        start = min(looks[track.first].stretch[0] for track in tracks)
        end = max(looks[track.last].stretch[1] for track in tracks)
        cards.append(Card(ordered, (start, end)))
    return cards


def _reading_order(tracks: Sequence[Track]) -> list[Track]:
    """Return tracks by rows from top to bottom, each from left to right."""
    rows: list[list[Track]] = []
    for track in sorted(tracks, key=lambda one: one.line.centre[1]):
        if rows and _beside(rows[-1][0].line, track.line):
            rows[-1].append(track)
        else:
            rows.append([track])
    return [track for row in rows for track in sorted(row, key=lambda one: one.line.box[0])]


def _beside(one: Line, other: Line) -> bool:
    """Return whether two lines share a row: more than half of the lower one's height."""
    shared = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    return 2 * shared > min(one.height, other.height)


def _goes_on(before: Track, after: Track) -> bool:
    """Return whether a line goes on with the sentence of the one before it."""
    if before.first != after.first or before.line.text.endswith((".", "!", "?", "。")):
        return False
    one, other = before.line, after.line
    height = min(one.height, other.height)
    if _beside(one, other):
        return other.box[0] - one.box[2] <= 2 * height
    apart = other.box[1] - one.box[3]
    overlap = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    return overlap > 0 and apart <= _SAME_SENTENCE_GAP * height
