"""A piece in words: its key, tempo, metre, style and form, and how far its beat gives way."""

from typing import TYPE_CHECKING

from emsync.interface.plots import describe_music
from emsync.music.planning.plan import PITCH_NAMES
from emsync.text import clock, listed

if TYPE_CHECKING:
    from emsync.music.composition import Composition
    from emsync.music.planning.plan import Plan

MOST_KEYS = 4
"""Named one by one; a long film may change its key with every scene."""


def in_words(piece: "Composition") -> str:
    """Return what kind of music it is, if that was planned, and what its roll shows."""
    shown = describe_music(piece.notes, piece.boundaries, piece.chords)
    return shown if piece.plan is None else f"{kind_of(piece)}. {shown}"


def kind_of(piece: "Composition") -> str:
    """Return key, tempo, metre and style in a line, such as "A minor, 92 beats a minute, 4/4, folk
    style"; nothing for a piece without a plan."""
    if piece.plan is None:
        return ""
    kind = [keys_of(piece.plan), tempo_of(piece), piece.plan.metre.name]
    return ", ".join([*kind, f"{piece.plan.style} style"])


def keys_of(plan: "Plan") -> str:
    """Return the keys of the sections in turn, such as "A minor, then C major"."""
    names = [f"{with_signs(PITCH_NAMES[one.key])} {one.mode}" for one in plan.sections]
    turns = [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    if len(turns) > MOST_KEYS:
        return f"{', then '.join(turns[:MOST_KEYS])}, and so on"
    return ", then ".join(turns)


def tempo_of(piece: "Composition") -> str:
    """Return its tempo, or the slowest and the fastest if it changes, in quarters a minute."""
    tempi = [piece.beats_per_minute]
    if piece.grid is not None:
        tempi = [piece.grid.tempo_at(step) for step, _ in piece.grid.tempos]
    low, high = round(min(tempi)), round(max(tempi))
    return f"{low} beats a minute" if low == high else f"{low} to {high} beats a minute"


def facts_of(piece: "Composition") -> list[tuple[str, str]]:
    """Return names and values of what was planned; none for a piece without a plan."""
    plan = piece.plan
    if plan is None:
        return []
    leads = sorted({one.lead for one in plan.sections if one.lead is not None})
    form = ", ".join(f"{letter} from {clock(at)}" for at, letter in piece.sections)
    warp = (
        f"the beat gives way by at most {piece.warp:.1%} so that the chords fall on the cuts"
        if round(piece.warp, 3)
        else "the beat does not have to give way for the chords to fall on the cuts"
    )
    return [
        ("Key", keys_of(plan)),
        ("Tempo", f"{tempo_of(piece)}; {warp}"),
        ("Metre", plan.metre.name),
        ("Style", plan.style),
        ("Form", form),
        ("Melody", listed(leads) if leads else "none"),
        ("Chords", with_signs(" | ".join(piece.chart.splitlines()))),
    ]


def with_signs(chords: str) -> str:
    """Return chord symbols with the signs of a score in place of # and b: "Bbm7" is "B♭m7".

    A b is a flat after the letter of a note, in a bass after a stroke as well, and before the
    fifth of "m7b5". Chords as Video2Music writes them lose their colon: "A:min7" is "Am7".
    """
    chords = chords.replace(":min", "m").replace(":", "")
    out = []
    for i, letter in enumerate(chords):
        before = chords[i - 1] if i else " "
        is_flat = letter == "b" and (before in "ABCDEFG" or chords[i + 1 : i + 2] == "5")
        out.append("♭" if is_flat else "♯" if letter == "#" else letter)
    return "".join(out)
