"""Words for people."""

from collections.abc import Sequence


def listed(words: Sequence[str]) -> str:
    """Words as people list them: a, b and c."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
