"""Text on the screen: read by PaddleOCR, put into English, and its mood taken.

Stills that differ are read by PP-OCRv5's mobile models (Cui et al., "PaddleOCR 3.0", 2025) in a
process of their own (`client`). Lines are followed from still to still and joined to cards
(`cards`); English has its joined words put apart and look-alike letters mended (`spelling`),
other languages are translated (`translation`), and the English is read for its sentiment
(`sentiment`), as in VEMOCLAP (section 3).

What counts for the mood: text that is English or could be translated, except logos, i.e. small text
in a corner for at least half of the film. The fusion's vectors are the classifier's last hidden
state: first of all text in the film, then of the text in each scene that has some. An opinion is a
card's sentiment; its certainty is the number of its known words out of four, at most 1, so that
scraps of letters count for nothing.
"""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emsync.emotion.features.expert import MODALITIES, ShareCallback
from emsync.emotion.features.ocr.cards import (
    Card,
    Line,
    Look,
    bare,
    find_cards,
    find_marks,
    without_marks,
)
from emsync.emotion.features.ocr.client import MODELS, TextReader
from emsync.emotion.features.ocr.spelling import SURE, Spelling
from emsync.emotion.features.ocr.stills import Chosen, choose, most_looks
from emsync.emotion.features.report import FeatureReport, Opinion, Picture, Stretch
from emsync.emotion.features.sentiment import SentimentReader, emotions_of
from emsync.emotion.features.translation import LANGUAGES, MODEL, LanguageFinder, Translator
from emsync.errors import WeightsError
from emsync.film.footage import Footage, Still
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings
from emsync.text import listed
from emsync.weights import store as weights

CONFIDENCE = 0.9
"""Of the recogniser, below which a line is left out. Ours: on the demo film all that the film says
is above it, most of what a moving handwritten form gives is below."""
FEWEST_LETTERS = 2
"""Of a line that counts as text."""
CERTAIN_LANGUAGE = 0.9
"""Probability from which the language finder is believed against the dictionary. Ours."""
LIKELY_LANGUAGE = 0.5
"""Probability from which it is believed at all, and share of words in the dictionary that makes a
text English. Ours."""
CERTAIN_WORDS = 4
"""Known words that make a card's opinion fully certain. Ours."""

_FILES = ("inference.json", "inference.pdiparams", "inference.yml")


@dataclass(frozen=True)
class CardText:
    """What a card says.

    Attributes:
        card: its lines.
        read: the text as it stands there, English spelled right.
        language: key of `LANGUAGES` or another code of the language finder; None if unknown.
        english: None if it is not English and could not be translated.
    """

    card: Card
    read: str
    language: str | None
    english: str | None

    @property
    def shown(self) -> str:
        """For people: the English, and what it was."""
        if self.english is None or self.english == self.read:
            return self.read
        return f"{self.english} ({_name(self.language)}: {self.read})"


class OcrExpert:
    """Reads the text on the screen; see the module."""

    modality: str = "ocr"
    title: str = MODALITIES["ocr"].title
    weights: tuple[str, ...] = MODELS

    def __init__(self) -> None:
        self._reader: TextReader | None = None
        self._sentiment = SentimentReader()
        self._translator = Translator()
        self._spelling: Spelling | None = None
        self._languages: LanguageFinder | None = None
        self._device = "cpu"

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """Return an estimate, measured on one core: 4 to 5 s for the start, 0.5 s a still.

        With much text it takes thrice that. Translation is not in it: about 2 s for a card.
        """
        return 5.0 + 0.5 * most_looks(film_seconds, ExpertSettings())

    def prepare(self, device: str) -> None:
        """Start the reader and load the sentiment; a translation is loaded when one is needed.

        PaddleOCR always runs on the CPU; `device` is for the language models.

        Raises:
            WeightsNotInstalled: with a sentence that says how to install them.
            WeightsError: they are damaged or of another format.
            EmsyncError: the reader does not start.
        """
        self._device = device
        if self._reader is None or not self._reader.running:
            self._start()
        self._sentiment.prepare(device)

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        """Read the stills; `prepare` has been called.

        Raises:
            Cancelled: the request was cancelled, or the expert's time is up.
            EmsyncError: the reader ended or does not answer.
        """
        began = time.monotonic()
        if self._reader is None or not self._reader.running:
            self._start()
        assert self._reader is not None
        chosen = choose(footage.stills, footage.seconds, most_looks(footage.seconds, settings))
        cancel.check()
        looks = []
        for number, one in enumerate(chosen):
            tell(number / (len(chosen) + 1))
            lines = self._reader.read(one.still.jpeg, cancel)
            looks.append(Look((one.still.time, one.until), lines))
        tell(len(chosen) / (len(chosen) + 1))
        # A logo is small and over moving pictures, so uncertain readings count for finding it.
        marks = find_marks(looks, _size(footage.stills[0]))
        cards = find_cards(
            [
                Look(look.stretch, tuple(filter(_is_text, look.lines)))
                for look in without_marks(looks, marks)
            ]
        )
        findings = [("Stills read", f"{len(chosen)} of {len(footage.stills)}")]
        if marks:
            names = self._words().segmented(" ".join(mark.line.text for mark in marks))
            findings.append(("Logo", f"“{names}”, there all the time; not counted"))
        if not cards:
            return FeatureReport(
                self.modality,
                "no such content",
                "The only text in the film is a logo." if marks else "No text was found.",
                None,
                tuple(findings),
                time.monotonic() - began,
                "cpu",
            )
        texts, remarks = self._put_into_english(cards, cancel)
        vectors, stretches, opinions, mood = self._sentiments(texts, footage)
        cancel.check()
        findings += [*_languages_found(texts), *remarks, *mood]
        lines_read = sum(len(card.tracks) for card in cards)
        tell(1.0)
        return FeatureReport(
            self.modality,
            "ran",
            f"{lines_read} {'line' if lines_read == 1 else 'lines'} of text "
            f"{'was' if lines_read == 1 else 'were'} read; its mood is that of its sentiment."
            if opinions
            else "Text was read, but none of it is English or could be translated, so it has no "
            "say in the mood.",
            vectors,
            tuple(findings),
            time.monotonic() - began,
            "cpu",
            stretches,
            opinions,
            (_picture(texts, chosen),),
            tuple((text.card.stretch, text.shown) for text in texts),
        )

    def release(self) -> None:
        """End the reader and let go of the models."""
        if self._reader is not None:
            self._reader.stop()
        self._reader = self._spelling = self._languages = None
        self._sentiment.release()
        self._translator.release()

    def _start(self) -> None:
        """Start the reader.

        Raises:
            WeightsError: files are missing or damaged.
        """
        folders = [weights.find(name) for name in MODELS]
        for name, folder in zip(MODELS, folders, strict=True):
            missing = [file for file in _FILES if not (folder / file).is_file()]
            if missing:
                raise WeightsError(
                    f"The weights {name} in {folder} are not whole ({', '.join(missing)} missing). "
                    f"Install them again: python -m emsync weights pull {name}"
                )
        self._reader = TextReader(*folders)

    def _words(self) -> Spelling:
        """Return the dictionary, loaded when it is first asked for."""
        if self._spelling is None:
            self._spelling = Spelling()
        return self._spelling

    def _put_into_english(
        self, cards: Sequence[Card], cancel: CancelToken
    ) -> tuple[list[CardText], list[tuple[str, str]]]:
        """Return what each card says, and findings on the translation."""
        texts = [self._understand(card) for card in cards]
        foreign = sorted({text.language for text in texts if text.language not in (None, "en")})
        foreign_still: dict[str, list[str]] = {}
        for language in foreign:
            if language not in LANGUAGES:
                foreign_still.setdefault(f"unknown to {MODEL}", []).append(_name(language))
                continue
            try:
                self._translator.prepare(self._device)
            except WeightsError as problem:
                foreign_still.setdefault(str(problem), []).append(_name(language))
                continue
            own = [number for number, text in enumerate(texts) if text.language == language]
            english = self._translator.translate([texts[n].read for n in own], language, cancel)
            for number, translated in zip(own, english, strict=True):
                if bare(translated):
                    texts[number] = replace(texts[number], english=translated)
        remarks = [
            ("Not translated", f"{listed(names)}: {why}") for why, names in foreign_still.items()
        ]
        if any(text.english != text.read for text in texts if text.english):
            remarks.append(("Translated by", MODEL))
        return texts, remarks

    def _understand(self, card: Card) -> CardText:
        """Return what a card says, and in which language; nothing is translated yet."""
        words = self._words()

        def spell(line: Line) -> str:
            """Return a line as English, with its letters mended where they are uncertain."""
            apart = words.segmented(line.text)
            return apart if line.confidence >= SURE else words.corrected(apart)

        raw, english = card.text(lambda line: line.text), card.text(spell)
        language = self._language(raw, english)
        if language == "en":
            return CardText(card, english, language, english)
        return CardText(card, raw, language, None)

    def _language(self, raw: str, english: str) -> str | None:
        """Return the code of a card's language; None if it cannot be told.

        The finder errs on short texts and "dont leave me"; the dictionary on "la fin".
        """
        if self._languages is None:
            self._languages = LanguageFinder()
        code, certainty = self._languages.find(english)
        if code != "en":
            code, certainty = self._languages.find(raw)
            if certainty >= CERTAIN_LANGUAGE:
                return code
        if self._words().known(english) >= LIKELY_LANGUAGE:
            return "en"
        return code if certainty >= LIKELY_LANGUAGE else None

    def _sentiments(
        self, texts: Sequence[CardText], footage: Footage
    ) -> tuple[np.ndarray | None, tuple[Stretch, ...], tuple[Opinion, ...], list[tuple[str, str]]]:
        """Return vectors with their stretches, opinions and findings on the mood of the text."""
        counted = [(text.card.stretch, text.english) for text in texts if text.english]
        if not counted:
            return None, (), (), []
        stretches = [(0.0, footage.seconds)]
        joined = [" ".join(text for _, text in counted)]
        for scene in footage.scenes:
            inside = [text for (start, end), text in counted if start < scene[1] and end > scene[0]]
            if inside:
                stretches.append(scene)
                joined.append(" ".join(inside))
        feelings = self._sentiment.read([*joined, *(text for _, text in counted)])
        opinions = tuple(
            Opinion(stretch, emotions_of(feeling), self._certainty(text))
            for (stretch, text), feeling in zip(counted, feelings[len(joined) :], strict=True)
        )
        negative, neutral, positive = feelings[0].probabilities
        findings = [
            (
                "Sentiment of the text",
                f"{negative:.0%} negative, {neutral:.0%} neutral, {positive:.0%} positive",
            ),
            ("Sentiment by", self._sentiment.source),
        ]
        known = [one.vector for one in feelings[: len(joined)] if one.vector is not None]
        if not known:
            return None, (), opinions, findings
        return np.stack(known), tuple(stretches), opinions, findings

    def _certainty(self, text: str) -> float:
        """Return how much a card's opinion counts, in [0, 1]."""
        words = len(text.split())
        return min(1.0, self._words().known(text) * words / CERTAIN_WORDS)


def open_expert() -> OcrExpert:
    """Return the expert, of which nothing is loaded yet."""
    return OcrExpert()


def _is_text(line: Line) -> bool:
    """Return whether a line is to be believed, and more than a mark."""
    letters = sum(character.isalpha() for character in line.text)
    return line.confidence >= CONFIDENCE and letters >= FEWEST_LETTERS


def _name(language: str | None) -> str:
    """Return what a language is called."""
    if language is None:
        return "unknown language"
    return LANGUAGES[language][0] if language in LANGUAGES else f"language “{language}”"


def _languages_found(texts: Sequence[CardText]) -> list[tuple[str, str]]:
    """Return a finding on the languages, in the order of the cards."""
    names = dict.fromkeys(_name(text.language) for text in texts)
    return [("Language", ", ".join(names))]


def _size(still: Still) -> tuple[int, int]:
    """Return width and height in pixels, without decoding the picture."""
    from PIL import Image

    with Image.open(io.BytesIO(still.jpeg)) as image:
        return image.size


def _picture(texts: Sequence[CardText], chosen: Sequence[Chosen]) -> Picture:
    """Return the card with most text, in the still with most of its lines, each in a box."""
    from PIL import Image, ImageDraw

    most = max(texts, key=lambda text: len(bare(text.read)))
    shown = [number for track in most.card.tracks for number, _ in track.seen]
    number = max(sorted(set(shown)), key=shown.count)
    still = chosen[number].still
    image = Image.fromarray(still.pixels())
    draw = ImageDraw.Draw(image)
    for track in most.card.tracks:
        for seen, line in track.seen:
            if seen == number:
                draw.rectangle(line.box, outline=(255, 210, 0), width=2)
    written = io.BytesIO()
    image.save(written, "JPEG", quality=90)
    return Picture(f"Text at {still.time:.1f} s: {most.shown}", written.getvalue())
