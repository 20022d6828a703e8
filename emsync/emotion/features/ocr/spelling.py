"""English as it comes off a screen: joined words apart, and letters that look like others.

The dictionary and its counts are symspellpy's (82,765 words, Google Books and SCOWL, with common
names), as in VEMOCLAP. It would rather leave a mistake than change a name or a word that is right.
"""

import re
from importlib.resources import files
from itertools import pairwise

COMMON = 10_000_000
"""Counts in the dictionary from which a word may come out of a joined one: some 5,600 words. Rarer
ones, "barn", "bros", "mojo", break up names. Ours."""

SURE = 0.97
"""Confidence of the recogniser from which letters are not touched. Ours."""

_LETTERS = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")
_RUN = re.compile(r"[A-Za-z0-9']+")
_TITLE = re.compile(r"[A-Z][a-z']*$")
_LOOK_ALIKES = {
    frozenset(pair)
    for pair in (
        "0o", "od", "oq", "0d", "1l", "1i", "il", "lt", "it", "5s", "8b", "6g", "2z", "ce", "co",
        "hn", "uv", "un", "nh", "nm", "vy", "gq", "fi", "ft", "aw",
    )
}  # fmt: skip
"""Pairs of letters, in either case, that a recogniser takes for one another. Ours."""


class Spelling:
    """The dictionary, loaded; about one second and 100 MB."""

    def __init__(self) -> None:
        from symspellpy import SymSpell

        self._speller = SymSpell(max_dictionary_edit_distance=1)
        folder = files("symspellpy")
        words = folder / "frequency_dictionary_en_82_765.txt"
        pairs = folder / "frequency_bigramdictionary_en_243_342.txt"
        if not (
            self._speller.load_dictionary(str(words), 0, 1)
            and self._speller.load_bigram_dictionary(str(pairs), 0, 2)
        ):
            raise FileNotFoundError("symspellpy came without its dictionaries; install it again")

    def known(self, text: str) -> float:
        """Return the share of the words in a text that are in the dictionary, 0 if it has none.

        Letters of all scripts make words.
        """
        words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())
        return sum(self._is_word(word) for word in words) / max(1, len(words))

    def segmented(self, text: str) -> str:
        """Put spaces where words are joined: "HELPUS" becomes "HELP US"; no letter changes.

        A word comes apart only if it is unknown and all its parts are common. One written like a
        name ("Suzie") must also fall into parts that are known to stand side by side.
        """
        return _LETTERS.sub(lambda match: self._apart(match[0]), text)

    def corrected(self, text: str) -> str:
        """Make unknown words of four letters or more known by one look-alike: "HOUNO" → "HOUND".

        Words written like names are left alone.
        """
        return _RUN.sub(lambda match: self._mended(match[0]), text)

    def _is_word(self, word: str) -> bool:
        """Return whether a word in small letters is in the dictionary."""
        # Its single letters are the alphabet, not words.
        return word in self._speller.words and (len(word) > 1 or word in "ai")

    def _apart(self, word: str) -> str:
        """Return a word with spaces in it where it is several."""
        if len(word) < 4 or self._is_word(word.lower()):
            return word
        found = self._speller.word_segmentation(word.lower(), max_edit_distance=0)
        parts = found.segmented_string.split()
        # The library drops some characters; then its parts are not this word's.
        if len(parts) < 2 or "".join(parts) != word.lower():
            return word
        if any(not self._is_word(part) or self._speller.words[part] < COMMON for part in parts):
            return word
        pairs = pairwise(parts)
        if _TITLE.match(word) and any(f"{a} {b}" not in self._speller.bigrams for a, b in pairs):
            return word
        pieces, at = [], 0
        for part in parts:
            pieces.append(word[at : at + len(part)])
            at += len(part)
        return " ".join(pieces)

    def _mended(self, word: str) -> str:
        """Return a word with at most one letter or digit changed."""
        from symspellpy import Verbosity

        lower = word.lower()
        letters = sum(character.isalpha() for character in word)
        if letters < 3 or len(word) < 4 or self._is_word(lower) or _TITLE.match(word):
            return word
        for found in self._speller.lookup(lower, Verbosity.ALL, max_edit_distance=1):
            if len(found.term) != len(word) or found.count < COMMON:
                continue
            ((at, read, meant),) = (
                (at, *pair)
                for at, pair in enumerate(zip(lower, found.term, strict=True))
                if pair[0] != pair[1]
            )
            if frozenset((read, meant)) in _LOOK_ALIKES:
                before, after = word[:at], word[at + 1 :]
                return before + (meant.upper() if (before + after).isupper() else meant) + after
        return word
