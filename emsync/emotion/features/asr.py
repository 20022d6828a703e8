"""What is said in the film, and how it feels: Whisper on the stretches where somebody speaks.

VEMOCLAP (section 3) hears with Whisper (Radford et al., "Robust speech recognition via large-scale
weak supervision", 2023), translated to English, and reads the sentiment of the text
(`emsync.emotion.features.sentiment`). On music and noise Whisper invents sentences, so ours asks
others first: Silero's voice activity detector says where there is speech, and Whisper gets those
stretches alone, with silence in place of all else. What it then writes has to pass Whisper's own
doubts (its paper, section 4.5), to lie where there is speech, and to be no faster than people talk.

Nothing is drawn: decoding is greedy, so the same film gives the same text. What Whisper doubts is
left out rather than drawn again at a higher temperature, as its package does.

`FeatureReport.vectors`: the sentiment vectors, (1 + scenes with speech, 768), the first of the
whole film; None where there is only the word list. Opinions are of whole utterances. An utterance
that goes on over a cut counts for the text of both scenes, each with its own words; their times
are those of Whisper's segments, spread over the speech within by the words' lengths.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emsync.emotion.features.expert import MODALITIES, ShareCallback
from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.features.sentiment import Sentiment, SentimentReader, emotions_of
from emsync.errors import WeightsError, WeightsNotInstalled
from emsync.film.footage import SOUND_RATE, Footage
from emsync.film.speech import PADDING, SHORTEST_PAUSE, VoiceDetector
from emsync.progress import CancelToken, silent_share
from emsync.settings import ExpertSettings
from emsync.weights import store as weights

if TYPE_CHECKING:
    import torch

SIZES = {
    "cpu": ("base", "tiny", "small"),
    "cuda": ("large-v3-turbo", "medium", "small", "base", "tiny"),
}
"""Of Whisper, by device, the first that is installed. On a CPU "small" takes more time than the
film has, so it is only used where it is the only one."""

PIECE_SECONDS = 30.0
"""What Whisper hears at once."""

_BATCH = 8  # pieces written down at a time
_ROUGH = 0.5  # seconds by which Whisper's time stamps may miss the speech
_NO_SPEECH = 0.6  # this and the next two: Whisper's paper, section 4.5; this one by itself here
_LOG_PROBABILITY = -1.0
_COMPRESSION = 2.4  # text that a compressor makes this much smaller repeats itself
_WORDS_A_SECOND = 6.0  # nobody speaks faster for long; the words were not in the sound
_FULL_STOPS = (".", "!", "?", "…", "。", "！", "？")
_ENOUGH_WORDS = 4  # an utterance of fewer ("Okay.") says little about the mood

_COST = {
    "cpu": {"tiny": (3.0, 0.12), "base": (3.5, 0.22), "small": (6.0, 0.75)},
    "cuda": {
        "tiny": (3.0, 0.05),
        "base": (3.0, 0.05),
        "small": (4.0, 0.05),
        "medium": (6.0, 0.06),
        "large-v3-turbo": (8.0, 0.06),
    },
}
"""Seconds to load, and for each second of film that is all speech. Measured on one core for tiny
and base; the others are reckoned from their sizes."""


@dataclass(frozen=True)
class Utterance:
    """A few words that belong together.

    Attributes:
        words: each with its start and end in seconds from the film's first frame; never empty.
        probability: geometric mean that Whisper gives its tokens, in (0, 1].
    """

    words: tuple[tuple[Stretch, str], ...]
    probability: float

    @property
    def stretch(self) -> Stretch:
        """Seconds from its first word to its last."""
        return self.words[0][0][0], self.words[-1][0][1]

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(word for _, word in self.words)

    @property
    def certainty(self) -> float:
        """How sure it was heard right, in (0, 1]; less if it is short.

        Its length in seconds is left to the pooling, which looks at how much of a scene the
        opinions cover.
        """
        return self.probability * min(1.0, len(self.words) / _ENOUGH_WORDS)


@dataclass(frozen=True)
class Transcript:
    """What is said in a film."""

    utterances: tuple[Utterance, ...]
    doubted: int  # utterances that were left out
    language: str  # code
    english: bool  # whether the utterances are in English
    model: str


class AsrExpert:
    """Speech by Whisper, and its sentiment; see the module."""

    modality = "asr"
    title = MODALITIES["asr"].title

    def __init__(self) -> None:
        self._models: dict[str, _Whisper] = {}
        self._chosen = ""
        self._device = "cpu"
        self._voice: VoiceDetector | None = None
        self._sentiment = SentimentReader()

    @property
    def weights(self) -> tuple[str, ...]:
        """The size that it uses, or the one to install where there is none."""
        try:
            return (f"whisper-{chosen_size(self._device)}",)
        except WeightsError:
            return (f"whisper-{SIZES['cpu'][0]}",)

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """Return an estimate for speech throughout, by the best size here, measured on one core."""
        try:
            size = chosen_size(device)
        except WeightsError:
            size = SIZES["cpu"][0]
        loading, share = _COST[device][size]
        return loading + share * film_seconds

    def prepare(self, device: str) -> None:
        """Load the models, see `Expert.prepare`; without its own, sentiment has a list of words."""
        if device != self._device:
            self._models.clear()
        self._device = device
        self._chosen = chosen_size(device)
        self._model(self._chosen)
        if self._voice is None:
            self._voice = VoiceDetector()
        self._sentiment.prepare(device)

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        """Write down what is said, see `Expert.run`.

        It can be cancelled within a second: `cancel` is looked at between the model's layers.
        """
        import torch

        began = time.perf_counter()

        def nothing(detail: str) -> FeatureReport:
            """Return the report on a film in which nothing is said."""
            seconds = time.perf_counter() - began
            return FeatureReport(
                self.modality, "no such content", detail, None, (), seconds, self._device
            )

        if not footage.sound.any():
            return nothing("The film has no sound.")
        assert self._voice is not None, "prepare comes first"
        speech = self._voice.speech(
            footage.sound,
            cancel,
            longest=PIECE_SECONDS - 2 * PADDING,
            tell=lambda share: tell(0.2 * share),
        )
        if not speech:
            return nothing("Nobody speaks in the film.")
        with torch.inference_mode():
            transcript = self.transcribe(
                footage, speech, lambda share: tell(0.2 + 0.6 * share), cancel
            )
        utterances = transcript.utterances
        if not utterances:
            return nothing(
                f"Something like a voice was heard for {_seconds(speech):.1f} s, "
                "but no words could be made out."
            )
        texts = [(utterance.stretch, utterance.text) for utterance in utterances]
        scenes = _texts_of_scenes(utterances, footage.scenes)
        whole = " ".join(text for _, text in texts)
        everything = [whole, *(text for _, text in scenes), *(text for _, text in texts)]
        sentiments = self._sentiments(everything, tell, cancel) if transcript.english else []
        vectors = [s.vector for s in sentiments[: 1 + len(scenes)] if s.vector is not None]
        opinions = tuple(
            Opinion(utterance.stretch, emotions_of(sentiment), utterance.certainty)
            for utterance, sentiment in zip(
                utterances if sentiments else (), sentiments[1 + len(scenes) :], strict=True
            )
        )
        tell(1.0)
        return FeatureReport(
            modality=self.modality,
            status="ran",
            detail=_detail(transcript, speech, footage.seconds),
            vectors=np.stack(vectors) if vectors else None,
            findings=_findings(transcript, sentiments, self._sentiment.source),
            seconds=time.perf_counter() - began,
            device=self._device,
            stretches=((0.0, footage.seconds), *(scene for scene, _ in scenes)) if vectors else (),
            opinions=opinions,
            transcript=tuple(texts),
        )

    def release(self) -> None:
        """Let go of all models."""
        self._models.clear()
        self._voice = None
        self._sentiment.release()

    def _model(self, size: str) -> "_Whisper":
        """Return the Whisper of a size, loaded."""
        if size not in self._models:
            self._models[size] = _load(size, self._device)
        return self._models[size]

    def _translating_size(self) -> str | None:
        """Return the best installed size that can translate, if any."""
        for size in SIZES[self._device]:
            try:
                if self._model(size).translates:
                    return size
            except WeightsNotInstalled:
                continue
        return None

    def transcribe(
        self, footage: Footage, speech: Sequence[Stretch], tell: ShareCallback, cancel: CancelToken
    ) -> Transcript:
        """Return what is said in the stretches in which somebody speaks."""
        pieces = pieces_of(speech)
        model = self._model(self._chosen)
        features = model.encoded(footage.sound, pieces, lambda share: tell(0.5 * share), cancel)
        language = model.language(features, [_seconds(piece) for piece in pieces])
        if language != "en" and not model.translates and (other := self._translating_size()):
            model = self._model(other)
            features = model.encoded(footage.sound, pieces, silent_share, cancel)
        utterances: list[Utterance] = []
        doubted = 0
        for first in range(0, len(pieces), _BATCH):
            batch = slice(first, first + _BATCH)
            written = model.written(features[batch], language, cancel)
            for piece, segments in zip(pieces[batch], written, strict=True):
                for segment in segments:
                    start, end = (piece[0][0] + moment for moment in segment.stretch)
                    around = overlaps((start - _ROUGH, end + _ROUGH), piece)
                    within = overlaps((start, end), piece) or around
                    words = segment.text.split()
                    if segment.probability and len(words) <= _WORDS_A_SECOND * _seconds(around):
                        utterances.append(Utterance(spread(words, within), segment.probability))
                    else:
                        doubted += 1
            tell(0.5 + 0.5 * min(1.0, (first + _BATCH) / len(pieces)))
        english = language == "en" or model.translates
        return Transcript(sentences(utterances), doubted, language, english, model.name)

    def _sentiments(
        self, texts: Sequence[str], tell: ShareCallback, cancel: CancelToken
    ) -> list[Sentiment]:
        """Return the sentiment of each text."""
        found: list[Sentiment] = []
        for first in range(0, len(texts), _BATCH):
            cancel.check()
            found += self._sentiment.read(texts[first : first + _BATCH])
            tell(0.8 + 0.2 * len(found) / len(texts))
        return found


def open_expert() -> AsrExpert:
    """Return the expert, of which nothing is loaded yet."""
    return AsrExpert()


@dataclass(frozen=True)
class _Segment:
    """What Whisper writes between two of its time stamps; seconds from the start of the piece."""

    stretch: Stretch
    text: str
    probability: float  # 0 if it is not to be believed


@dataclass(frozen=True)
class _Whisper:
    """A network of the package, and what we do with it."""

    name: str
    network: Any

    @property
    def translates(self) -> bool:
        """Whether it can translate.

        Those that know one language only cannot; nor "turbo", whose decoder was cut to four layers
        and retrained without translations.
        """
        dims = self.network.dims
        return bool(self.network.is_multilingual and dims.n_text_layer == dims.n_audio_layer)

    def encoded(
        self,
        sound: np.ndarray,
        pieces: Sequence[Sequence[Stretch]],
        tell: ShareCallback,
        cancel: CancelToken,
    ) -> "list[torch.Tensor]":
        """Return the features of every piece, (1500, width), of its speech alone."""
        import whisper

        length = round(PIECE_SECONDS * SOUND_RATE)
        features = []
        with self._cancellable(cancel):
            for number, piece in enumerate(pieces, 1):
                speech = np.zeros(length, dtype=np.float32)  # (samples,), silent beside speech
                offset = round(piece[0][0] * SOUND_RATE)
                for start, end in piece:
                    part = slice(round(start * SOUND_RATE), round(end * SOUND_RATE))
                    speech[part.start - offset : part.stop - offset] = sound[part]
                # (bands, 3000)
                mel = whisper.log_mel_spectrogram(speech, self.network.dims.n_mels)
                mel = mel.to(self.network.device, self._dtype)
                features.append(self.network.encoder(mel[None])[0])
                tell(number / len(pieces))
        return features

    def language(self, features: "Sequence[torch.Tensor]", seconds: Sequence[float]) -> str:
        """Return the code of the language that is likeliest over all pieces, by their seconds."""
        import torch

        if not self.network.is_multilingual:
            return "en"
        _, pieces = self.network.detect_language(torch.stack(list(features)))
        return max(
            pieces[0],
            key=lambda code: sum(s * piece[code] for s, piece in zip(seconds, pieces, strict=True)),
        )

    def written(
        self, features: "Sequence[torch.Tensor]", language: str, cancel: CancelToken
    ) -> list[list[_Segment]]:
        """Return what is said in each piece, in English if this size can translate."""
        import torch
        from whisper import DecodingOptions, decode

        options = DecodingOptions(
            task="translate" if self.translates and language != "en" else "transcribe",
            language=language,
            fp16=self._dtype == torch.float16,
        )
        with self._cancellable(cancel):
            results = decode(self.network, torch.stack(list(features)), options)
            return [self._segments(result, options) for result in results]

    def _segments(self, result: Any, options: Any) -> list[_Segment]:
        """Return a result cut at its time stamps, each part with its own tokens' probability."""
        import torch
        from whisper.tokenizer import get_tokenizer

        network = self.network
        tokenizer = get_tokenizer(
            network.is_multilingual,
            num_languages=network.num_languages,
            language=options.language,
            task=options.task,
        )
        prompt = list(tokenizer.sot_sequence)
        tokens = torch.tensor([prompt + result.tokens], device=network.device)  # (1, tokens)
        # (tokens of the result, vocabulary): each row is asked for the token after it
        logits = network.logits(tokens, result.audio_features[None])[0, len(prompt) - 1 : -1]
        scores = logits.float().log_softmax(dim=-1)
        scores = scores.gather(1, tokens[0, len(prompt) :, None])[:, 0].tolist()
        silent = result.no_speech_prob > _NO_SPEECH
        believed = not silent and result.compression_ratio <= _COMPRESSION
        step = PIECE_SECONDS / network.dims.n_audio_ctx
        found, start, own = [], 0.0, []
        for token, score in [*zip(result.tokens, scores, strict=True), (None, 0.0)]:
            if token is not None and token < tokenizer.eot:
                own.append((token, score))
                continue
            stamp = PIECE_SECONDS if token is None else step * (token - tokenizer.timestamp_begin)
            text = tokenizer.decode([word for word, _ in own]).strip()
            if text:
                mean = float(np.mean([s for _, s in own]))
                sure = believed and mean >= _LOG_PROBABILITY
                found.append(_Segment((start, stamp), text, math.exp(mean) if sure else 0.0))
            start, own = stamp, []
        return found

    @property
    def _dtype(self) -> "torch.dtype":
        """In which it computes."""
        import torch

        return torch.float16 if self.network.device.type == "cuda" else torch.float32

    @contextmanager
    def _cancellable(self, cancel: CancelToken) -> Iterator[None]:
        """Look at `cancel` before every layer in the `with` block; a piece takes long on a CPU."""
        layers = [*self.network.encoder.blocks, *self.network.decoder.blocks]
        hooks = [layer.register_forward_pre_hook(lambda *_: cancel.check()) for layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def chosen_size(device: str) -> str:
    """Return the installed size of Whisper that is used on a device.

    Raises:
        WeightsNotInstalled: there is none that the device can bear.
    """
    for size in SIZES[device]:
        if weights.status_of(f"whisper-{size}").installed:
            return size
    weights.find(f"whisper-{SIZES['cpu'][0]}")
    raise AssertionError("unreachable")


def pieces_of(speech: Sequence[Stretch]) -> list[list[Stretch]]:
    """Return stretches gathered into as few pieces as go.

    Args:
        speech: in order, none longer than a piece.
    """
    pieces: list[list[Stretch]] = []
    for stretch in speech:
        if pieces and stretch[1] - pieces[-1][0][0] <= PIECE_SECONDS:
            pieces[-1].append(stretch)
        else:
            pieces.append([stretch])
    return pieces


def overlaps(stretch: Stretch, speech: Sequence[Stretch]) -> list[Stretch]:
    """Return the parts of a stretch in which there is speech."""
    parts = [(max(stretch[0], start), min(stretch[1], end)) for start, end in speech]
    return [(start, end) for start, end in parts if start < end]


def spread(words: Sequence[str], speech: Sequence[Stretch]) -> tuple[tuple[Stretch, str], ...]:
    """Return words with their times, if each takes as much of the speech as its letters."""
    lengths = np.array([0.0, *np.cumsum([len(word) + 1 for word in words])])
    edges = np.array([0.0, *np.cumsum([end - start for start, end in speech])])
    at = lengths / lengths[-1] * edges[-1]
    starts = [start for start, _ in speech]

    def moment(spoken: float, side: Any) -> float:
        """Return when so many seconds of speech are over, in seconds of the film."""
        # A word ends before a pause and the next one begins after it.
        part = int(np.clip(np.searchsorted(edges, spoken, side) - 1, 0, len(speech) - 1))
        return float(starts[part] + spoken - edges[part])

    return tuple(
        ((moment(first, "right"), moment(last, "left")), word)
        for word, first, last in zip(words, at[:-1], at[1:], strict=True)
    )


def sentences(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """Return utterances, joined where one goes on without a pause and without a full stop."""
    found: list[Utterance] = []
    for one in utterances:
        before = found[-1] if found else None
        if (
            before is None
            or before.text.endswith(_FULL_STOPS)
            or one.stretch[0] - before.stretch[1] >= SHORTEST_PAUSE
        ):
            found.append(one)
            continue
        counts = [len(before.words), len(one.words)]
        logarithms = [math.log(before.probability), math.log(one.probability)]
        mean = math.exp(float(np.average(logarithms, weights=counts)))
        found[-1] = Utterance(before.words + one.words, mean)
    return tuple(found)


def _texts_of_scenes(
    utterances: Sequence[Utterance], scenes: Sequence[Stretch]
) -> list[tuple[Stretch, str]]:
    """Return scenes with speech, and what is said in them; a word belongs where its middle is."""
    words = [word for utterance in utterances for word in utterance.words]
    texts = [
        (
            scene,
            " ".join(w for (start, end), w in words if scene[0] <= (start + end) / 2 < scene[1]),
        )
        for scene in scenes
    ]
    return [(scene, text) for scene, text in texts if text]


def _seconds(stretches: Sequence[Stretch]) -> float:
    """Return how long stretches are together."""
    return sum(end - start for start, end in stretches)


def _detail(transcript: Transcript, speech: Sequence[Stretch], film_seconds: float) -> str:
    """Return the sentence on what was done."""
    spoken = f"Somebody speaks for {_seconds(speech):.0f} of {film_seconds:.0f} s, in "
    if transcript.language == "en":
        return f"{spoken}English; what is said was written down and its sentiment read."
    if transcript.english:
        return (
            f"{spoken}{_name(transcript.language)}; what is said was translated to English "
            "and its sentiment read."
        )
    return (
        f"{spoken}{_name(transcript.language)}. What is said was written down, but this Whisper "
        f"({transcript.model}) cannot translate it, so its sentiment is not known. "
        "Install one that can: python -m emsync weights pull whisper-small"
    )


def _findings(
    transcript: Transcript, sentiments: Sequence[Sentiment], source: str
) -> tuple[tuple[str, str], ...]:
    """Return findings on language, words and sentiment."""
    only = (
        " (taken for granted: this Whisper knows no other)"
        if transcript.model.endswith(".en")
        else ""
    )
    found = [
        ("Language", _name(transcript.language) + only),
        ("Said", f"“{' '.join(utterance.text for utterance in transcript.utterances)}”"),
    ]
    if sentiments:
        kinds = zip(("negative", "neutral", "positive"), sentiments[0].probabilities, strict=True)
        found += [
            ("Sentiment", ", ".join(f"{kind} {share:.0%}" for kind, share in kinds)),
            ("Sentiment read by", source),
        ]
    if transcript.doubted:
        found.append(("Left out", f"{transcript.doubted} × something that was probably not said"))
    return (*found, ("Heard by", f"Whisper {transcript.model}"))


def _name(language: str) -> str:
    """Return the English name of a language, by Whisper's code."""
    from whisper.tokenizer import LANGUAGES

    return str(LANGUAGES[language]).title()


def _load(size: str, device: str) -> _Whisper:
    """Return a Whisper of a size, on a device.

    Raises:
        WeightsNotInstalled: it is not installed.
        WeightsError: its file cannot be used.
    """
    import torch
    import whisper

    name = f"whisper-{size}"
    folder = weights.find(name)
    # Of two, the one that knows more languages than English.
    files = sorted(folder.glob("*.pt"), key=lambda path: path.stem.endswith(".en"))
    try:
        # Given a path, the package downloads nothing, and it unpickles tensors only.
        network = whisper.load_model(str(files[0]), device="cpu").eval()
    except Exception as problem:  # a damaged file makes torch raise almost anything
        why = str(problem).strip().partition("\n")[0] if files else "there is no .pt file"
        raise WeightsError(
            f"The weights {name} in {folder} cannot be used ({why}). "
            f"Install them again: python -m emsync weights pull {name}"
        ) from problem
    if device == "cuda":
        for module in network.modules():
            # The package's layers convert as they go; the norms compute in float32 by design.
            if isinstance(module, torch.nn.Linear | torch.nn.Conv1d):
                module.half()
    return _Whisper(files[0].stem, network.to(device))
