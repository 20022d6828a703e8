"""Words for people."""

from collections.abc import Sequence
from pickle import UnpicklingError


def listed(words: Sequence[str]) -> str:
    """List words as people do: a, b and c."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def clock(seconds: float) -> str:
    """Write minutes and seconds as players show them: 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def one_line(text: str, most: int = 200) -> str:
    """Return a stranger's text as it can be shown: short, on one line, no control characters."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:most])
    return shown + "…" if len(text) > most else shown


def quoted(name: str) -> str:
    """Quote a file's name, which a stranger may have given it, as it stands in a sentence."""
    return f"“{one_line(name)}”"


def unfit(problem: Exception) -> str:
    """Return why a library could not load a file of weights, in a clause."""
    if isinstance(problem, UnpicklingError):
        # PyTorch's own words go on to advise that it be loaded without that care.
        return "it holds more than tensors, or is damaged"
    return one_line((str(problem).splitlines() or ["it cannot be read"])[0])
