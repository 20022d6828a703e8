"""Whether an English text is negative, neutral or positive, for what is said and what is written.

As VEMOCLAP (section 3) we use cardiffnlp/twitter-roberta-base-sentiment-latest (Loureiro et al.,
"TimeLMs", ACL 2022). The vector that VEMOCLAP's fusion takes is, by its authors' published code,
the last hidden state of the first token. Without those weights a list of words has to do (VADER,
Hutto & Gilbert, ICWSM 2014); it has no vector, and `SentimentReader.source` says that it was used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emsync.emotion.features.loading import from_folder, no_progress_bars
from emsync.emotion.mapping import TABLE_6_1
from emsync.errors import WeightsError
from emsync.weights import store as weights

NAME = "sentiment"
"""Of the weights in `emsync.weights.store`."""
MODEL = "twitter-roberta-base-sentiment-latest"
WORD_LIST = "VADER word list"

_LABELS = ("negative", "neutral", "positive")
_BATCH = 16  # pieces of text at a time
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_USER, _LINK = re.compile(r"(?<!\S)@\S+"), re.compile(r"(?<!\S)http\S*")


@dataclass(frozen=True)
class Sentiment:
    """What a text feels like.

    Attributes:
        vector: (768,) float32, what VEMOCLAP takes; None from the word list.
        probabilities: of negative, neutral and positive; sum 1.
    """

    vector: np.ndarray | None
    probabilities: tuple[float, float, float]


def emotions_of(sentiment: Sentiment) -> tuple[float, ...]:
    """Return six probabilities, order of `EMOTIONS`.

    What is positive goes to the emotions of positive valence in table 6.1 of the thesis and what is
    negative to those of negative valence, each in proportion to the distance of its mean from 0;
    what is neutral speaks for none of them and goes to all six evenly. Ours: a sentiment is a
    valence and says nothing of arousal, so anger, disgust, fear and sadness come out nearly alike.
    """
    negative, neutral, positive = sentiment.probabilities
    valences = [category.valence_mean for category in TABLE_6_1]
    above = sum(valence for valence in valences if valence > 0)
    below = sum(valence for valence in valences if valence < 0)
    return tuple(
        neutral / len(valences) + (positive * v / above if v > 0 else negative * v / below)
        for v in valences
    )


class SentimentReader:
    """Reads texts with RoBERTa, or with the word list where RoBERTa's weights cannot be used."""

    weights: tuple[str, ...] = (NAME,)
    source: str = ""
    """Who reads, and if it is the word list, why; for the findings. Empty before `prepare`."""

    def __init__(self) -> None:
        self._reader: _Reader | None = None
        self._device = ""

    def prepare(self, device: str) -> None:
        """Load the model, unless it is loaded.

        Weights that are missing or damaged are no failure: then `source` says so.

        Args:
            device: "cpu" or "cuda".
        """
        if isinstance(self._reader, _Roberta) and self._device == device:
            return
        self._device = device
        try:
            self._reader, self.source = _Roberta(weights.find(NAME), device), MODEL
        except WeightsError as problem:
            self._reader, self.source = _WordList(), f"{WORD_LIST}, because: {problem}"

    def read(self, texts: Sequence[str]) -> list[Sentiment]:
        """Return the sentiment of each text; `prepare` has been called.

        A text longer than the model takes (512 tokens; a sentence for the word list) is cut into
        pieces, whose vectors and probabilities are averaged, weighted by their length.

        Raises:
            ValueError: if a text is empty.
        """
        assert self._reader is not None, "prepare has not been called"
        if not all(text.strip() for text in texts):
            raise ValueError("a text without words has no sentiment")
        return self._reader.read(texts) if texts else []

    def release(self) -> None:
        """Let go of the model."""
        self._reader = None


class _Reader(Protocol):
    """One way to read texts."""

    def read(self, texts: Sequence[str]) -> list[Sentiment]:
        """Return the sentiment of each text; none of them is empty."""


class _Roberta:
    """The classifier, loaded."""

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import RobertaForSequenceClassification, RobertaTokenizer

        try:
            with no_progress_bars():
                self._tokenizer: Any = RobertaTokenizer.from_pretrained(
                    folder, local_files_only=True
                )
                self._model, loaded = from_folder(RobertaForSequenceClassification, folder, device)
        except Exception as problem:  # a damaged file makes the library raise almost anything
            raise _damaged(folder, str(problem).strip().partition("\n")[0]) from problem
        config = self._model.config
        labels = {str(label).lower(): index for index, label in (config.id2label or {}).items()}
        # The library fills what it does not find with random numbers and goes on.
        if loaded["missing_keys"] or loaded["mismatched_keys"]:
            raise _damaged(folder, "parts of the model are missing")
        if len(self._tokenizer) != config.vocab_size:
            raise _damaged(folder, "the vocabulary is not that of the model")
        if set(labels) != set(_LABELS):
            raise _damaged(folder, f"it tells apart {', '.join(labels)}")
        self._order = [labels[label] for label in _LABELS]
        self._model = self._model.to(device).eval()
        # RoBERTa counts positions from the one after the padding's.
        self._longest = config.max_position_embeddings - config.pad_token_id - 1

    def read(self, texts: Sequence[str]) -> list[Sentiment]:
        """Return the sentiment of each text, see `SentimentReader.read`."""
        import torch

        encoded = self._tokenizer(
            [_LINK.sub("http", _USER.sub("@user", text)) for text in texts],
            truncation=True,
            max_length=self._longest,
            return_overflowing_tokens=True,
        )
        pieces: list[list[int]] = encoded["input_ids"]
        outcomes: list[np.ndarray] = [np.empty(0)] * len(pieces)
        # Pieces of like length together, so that little is padding.
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]))
        for first in range(0, len(order), _BATCH):
            chosen = order[first : first + _BATCH]
            batch = self._tokenizer.pad(
                {"input_ids": [pieces[index] for index in chosen]}, return_tensors="pt"
            ).to(self._model.device)
            with torch.inference_mode():
                output = self._model(**batch, output_hidden_states=True)
            probabilities = output.logits.float().softmax(dim=-1)[:, self._order]  # (pieces, 3)
            vectors = output.hidden_states[-1][:, 0].float()  # (pieces, 768)
            rows = torch.cat([probabilities, vectors], dim=1).cpu().numpy()  # (pieces, 771)
            for index, row in zip(chosen, rows, strict=True):
                outcomes[index] = row
        found = []
        for text in range(len(texts)):
            own = [
                i for i, owner in enumerate(encoded["overflow_to_sample_mapping"]) if owner == text
            ]
            lengths = [len(pieces[index]) for index in own]
            mean = np.average([outcomes[index] for index in own], axis=0, weights=lengths)
            found.append(Sentiment(mean[3:].astype(np.float32), _normalised(mean[:3])))
        return found


class _WordList:
    """VADER: its compound score in [-1, 1] is the share of positive, or if below 0 of negative."""

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyser = SentimentIntensityAnalyzer()

    def read(self, texts: Sequence[str]) -> list[Sentiment]:
        """Return the sentiment of each text, without vectors."""
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Sentiment:
        """Return the mean over the sentences of a text, weighted by their words."""
        # The score saturates with the number of words, so it is meant for single sentences.
        sentences = [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]
        scores = [self._analyser.polarity_scores(sentence)["compound"] for sentence in sentences]
        shares = [(max(0.0, -score), 1 - abs(score), max(0.0, score)) for score in scores]
        lengths = [len(sentence.split()) for sentence in sentences]
        return Sentiment(None, _normalised(np.average(shares, axis=0, weights=lengths)))


def _normalised(values: np.ndarray) -> tuple[float, float, float]:
    """Return three numbers as shares of their sum."""
    negative, neutral, positive = (values / values.sum()).tolist()
    return negative, neutral, positive


def _damaged(folder: Path, why: str) -> WeightsError:
    """Return the error for weights that cannot be used; `why` is a clause."""
    return WeightsError(
        f"The weights {NAME} in {folder} cannot be used ({why}). "
        f"Install them again: python -m emsync weights pull {NAME}"
    )
