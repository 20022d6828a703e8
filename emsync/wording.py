"""Words for people."""

from collections.abc import Sequence


def listed(words: Sequence[str]) -> str:
    """Words as people list them: a, b and c."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def clock(seconds: float) -> str:
    """Minutes and seconds, as players show them: 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
