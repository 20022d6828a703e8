"""Video2Music as a composer, with random weights: how it works, not how it sounds."""

import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Films
from PIL import Image
from test_clip import archive_of, still

from emsync.commands.options import parser, read_options, settings_of
from emsync.emotion.analysis import Analysis
from emsync.emotion.curve import MoodCurve, draw_curve
from emsync.emotion.mapping import Mood
from emsync.errors import Cancelled, EmsyncError, WeightsError, WeightsNotInstalled
from emsync.film.frames import Frame, StillRequest, stream_frames
from emsync.music import composer as registered
from emsync.music.composer import COMPOSERS, Commission, Composer, Draft
from emsync.music.composition import Composition
from emsync.music.video2music import clip, installed, looking
from emsync.music.video2music import composer as video2music
from emsync.music.video2music.checkpoint import Checkpoint, load, save
from emsync.music.video2music.composer import Video2MusicComposer, open_composer
from emsync.music.video2music.features import EMOTIONS, Watched
from emsync.music.video2music.generate import DrawingRules
from emsync.music.video2music.model import ChordTransformer, ChordTransformerSettings
from emsync.music.video2music.mood import emotion_rows, emotions_of, key_of
from emsync.music.video2music.piece import notes_of
from emsync.music.video2music.regression import DynamicsNetwork, DynamicsSettings
from emsync.music.video2music.vocabulary import key_value, read_primer
from emsync.music.video2music.writing import Dynamics, draws_of, write_chords
from emsync.pipeline import analyse, compose_pieces, perform, score
from emsync.presets import from_plain
from emsync.progress import CancelToken, Progress, silent, silent_share
from emsync.report.read import read_report
from emsync.settings import ComposerName, MusicSettings, Settings, Video2MusicSettings
from emsync.weights import store

FRAMES = 24
"""Seconds that fit the small networks."""


def small_weights(folder: Path, semantic: int = 0, seed: int = 1) -> Path:
    torch.manual_seed(seed)
    chords = ChordTransformer(
        ChordTransformerSettings(
            layers=2, heads=2, width=16, inner_width=24, frames=FRAMES, chords=FRAMES,
            semantic=semantic,
        )
    )  # fmt: skip
    for name, parameter in chords.named_parameters():
        if "film" in name or "head" in name:  # what the film is like is to count
            torch.nn.init.normal_(parameter, std=1.5)
    dynamics = DynamicsNetwork(DynamicsSettings(width=4, semantic=semantic))
    save(chords, dynamics, folder, {"source": "random", "tiers": ["none"]})
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load(small_weights(tmp_path_factory.mktemp("weights") / "blind"))


@pytest.fixture(scope="module")
def analysis(films: Films) -> Analysis:
    """Ten seconds, cut at 2, 4, 6 and 8 s, of which those at least 4 s apart are kept."""
    film = films.render(
        "four-cuts.mp4",
        "-f", "lavfi", "-i", "color=black:s=160x120:r=25:d=10",
        "-vf", "geq=lum='if(lt(mod(T,4),2),30,210)+mod(X*N,20)':cb=128:cr=128",
        "-pix_fmt", "yuv420p", "-c:v", "libx264",
    )  # fmt: skip
    return analyse(film, Settings(), silent, CancelToken())


def commission(
    analysis: Analysis, seed: int = 3, own: dict[str, Any] | None = None, **settings: Any
) -> Commission:
    curve = draw_curve(analysis.reading, Settings())
    music = MusicSettings(**settings, video2music=Video2MusicSettings(**(own or {})))
    return Commission(analysis, curve, analysis.boundaries, music, seed)


def composed(composer: Composer, what: Commission) -> tuple[Composition, ...]:
    return composer.compose(what, silent_share, CancelToken())


# The protocol ------------------------------------------------------------------------------------


def test_a_piece_is_composed(checkpoint: Checkpoint, analysis: Analysis) -> None:
    composer = Video2MusicComposer(checkpoint)
    shares: list[float] = []
    drafts: list[Draft] = []
    (piece,) = composer.compose(commission(analysis), shares.append, CancelToken(), drafts.append)
    assert piece.seconds == 10 and len(piece.written) == 10
    assert {note.group for note in piece.notes} == {"piano"}
    assert all(0 <= note.start < note.end <= 10 for note in piece.notes)
    assert piece.bars == (0, 2, 4, 6, 8) and piece.beats_per_minute == 120
    assert piece.weights == "blind" and piece.weights_tiers == ("none",)
    assert composer.weights.sha256 == piece.weights_sha256
    assert shares == sorted(shares) and shares[-1] == 1.0
    lengths = [len(draft.notes()) for draft in drafts]
    assert len(lengths) == 9 and lengths == sorted(lengths) and lengths[-1] == len(piece.notes)
    assert all(a != b for a, b in itertools.pairwise(symbol for _, symbol in piece.symbols))
    starts = [at for at, _ in piece.symbols]
    assert starts == sorted(starts) and starts[0] == 0
    assert max(np.diff([*starts, 10])) <= 2, "no chord holds a third second"


def test_the_same_seed_gives_the_same_piece(checkpoint: Checkpoint, analysis: Analysis) -> None:
    one, same = (
        composed(Video2MusicComposer(checkpoint), commission(analysis))[0] for _ in range(2)
    )
    assert one.notes == same.notes
    composer = Video2MusicComposer(checkpoint)
    assert composed(composer, commission(analysis, seed=4))[0].notes != one.notes


def test_candidates_are_ranked_and_one_can_be_kept(
    checkpoint: Checkpoint, analysis: Analysis
) -> None:
    composer = Video2MusicComposer(checkpoint)
    alone = composed(composer, commission(analysis))[0]
    pieces = composed(composer, commission(analysis, candidates=3))
    ranks = [piece.candidates[piece.kept].rank for piece in pieces]
    assert ranks == sorted(ranks) and {piece.kept for piece in pieces} == {0, 1, 2}
    assert len({piece.notes for piece in pieces}) > 1
    (first,) = (piece for piece in pieces if piece.kept == 0)
    assert first.notes == alone.notes, "a piece does not depend on those beside it"
    for piece in pieces:
        again = composed(composer, commission(analysis, candidates=3, keep=piece.keep))[0]
        assert again.notes == piece.notes
    with pytest.raises(EmsyncError, match="Candidate 4 is asked for"):
        composed(composer, commission(analysis, candidates=3, keep=4))


def test_composing_stops_when_asked_to(checkpoint: Checkpoint, analysis: Analysis) -> None:
    composer = Video2MusicComposer(checkpoint)
    cancel = CancelToken()
    drafts: list[Draft] = []

    def show(draft: Draft) -> None:
        drafts.append(draft)
        cancel.cancel()

    with pytest.raises(Cancelled):
        composer.compose(commission(analysis), silent_share, cancel, show)
    assert len(drafts) == 1
    with pytest.raises(Cancelled):
        composer.compose(commission(analysis), silent_share, cancel)


def test_notes_end_with_the_film() -> None:
    chords = read_primer("C F G", "C major")
    dynamics = Dynamics(np.zeros(3, np.float32), np.full(3, 0.5, np.float32))
    whole, cut = (
        notes_of(chords, dynamics, "C major", Video2MusicSettings(), seconds, accents=(0.2, 2.5))
        for seconds in (3.0, 2.3)
    )
    assert [note for note in whole if note.start < 2.3 and note.end <= 2.3] == [
        note for note in cut if note.end < 2.3
    ]
    assert len(cut) == sum(note.start < 2.3 for note in whole) < len(whole)
    assert max(note.end for note in cut) == 2.3


# Cuts --------------------------------------------------------------------------------------------


def test_arpeggios_hit_no_cut_and_the_piece_says_so(
    checkpoint: Checkpoint, analysis: Analysis
) -> None:
    composer = Video2MusicComposer(checkpoint)
    (piece,) = composed(composer, commission(analysis))
    cuts = len(analysis.boundaries)
    assert cuts >= 2 and piece.score.boundaries == cuts
    assert (piece.score.strong_chords, piece.score.chord_tokens) == (0, 0)
    assert [hit.hit for hit in piece.boundaries] == [None] * cuts
    assert any("no hit points" in remark for remark in piece.remarks)


def test_accents_hit_every_cut(checkpoint: Checkpoint, analysis: Analysis) -> None:
    composer = Video2MusicComposer(checkpoint)
    plain = replace(commission(analysis), hit_points=(2.3, 6.9))
    struck = commission(analysis, own={"accents": True, "primer": "C F G Am"})
    (piece,) = composed(composer, replace(struck, hit_points=plain.hit_points))
    assert piece.score.strong_chords == 2
    assert [hit.offset for hit in piece.boundaries] == pytest.approx([0.0, 0.0], abs=0.005)
    begun = sorted(note.pitch % 12 for note in piece.notes if note.start == 2.3)
    assert begun == [2, 7, 7, 11], "the chord of the third second is G"
    assert composed(composer, plain)[0].score.strong_chords == 0


# The film's one decoding -------------------------------------------------------------------------


def test_what_is_seen_comes_from_the_films_one_decoding(
    checkpoint: Checkpoint, analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Settings(music=MusicSettings(composer="video2music"))
    watched = analyse(analysis.film, asked, silent, CancelToken())
    assert analysis.features is None and isinstance(watched.features, Watched)
    assert watched.cuts == analysis.cuts
    assert watched.reading.probabilities == analysis.reading.probabilities
    again = Video2MusicComposer(checkpoint)
    late = composed(again, replace(commission(analysis), analysis=analysis))[0]
    monkeypatch.setattr(looking, "stream_frames", lambda *_, **__: pytest.fail("decoded again"))
    early = composed(Video2MusicComposer(checkpoint), commission(watched))[0]
    assert early.notes == late.notes, "a film decoded again looks the same"


@pytest.mark.parametrize("seconds", [1.0, 0.7, 3.0])
def test_pictures_of_two_requests_do_not_disturb_each_other(
    analysis: Analysis, seconds: float
) -> None:
    def frames(**asked: StillRequest) -> list[Frame]:
        return list(stream_frames(analysis.film, CancelToken(), 40, **asked))

    one, other = StillRequest(seconds, 80), StillRequest(1.1, 64)
    both = frames(stills=one, pictures=other)
    for name, alone in (("still", frames(stills=one)), ("picture", frames(pictures=other))):
        pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(both, alone, strict=True)]
        assert [a is None for a, _ in pairs] == [b is None for _, b in pairs]
        assert all(np.array_equal(a, b) for a, b in pairs if a is not None)
        assert sum(a is not None for a, _ in pairs) >= 3
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(both, frames(), strict=True))


# Key and mood ------------------------------------------------------------------------------------


def test_the_key_moves_the_notes(checkpoint: Checkpoint, analysis: Analysis) -> None:
    composer = Video2MusicComposer(checkpoint)
    (home,) = composed(composer, commission(analysis, tonic="C", mode="major"))
    (moved,) = composed(composer, commission(analysis, tonic="F#", mode="major"))
    assert moved.written == home.written
    assert [note.pitch for note in moved.notes] == [note.pitch - 6 for note in home.notes]
    (minor,) = composed(composer, commission(analysis, tonic="Ab", mode="minor"))
    (home,) = composed(composer, commission(analysis, mode="minor"))
    assert [note.pitch for note in minor.notes] == [note.pitch - 1 for note in home.notes]
    assert home.symbols[0] == (0, "A:min")
    fixed = commission(analysis, tonic="Ab", mode="minor", own={"transpose": False})
    (still_home,) = composed(composer, fixed)
    assert still_home.notes == home.notes
    with pytest.raises(EmsyncError, match="knows major and minor, not dorian"):
        composed(composer, commission(analysis, mode="dorian"))
    with pytest.raises(EmsyncError, match="among the first chords is not known"):
        composed(composer, commission(analysis, own={"primer": "X"}))


def test_every_key_of_the_page_is_known(checkpoint: Checkpoint, analysis: Analysis) -> None:
    from typing import get_args

    from emsync.music.video2music.vocabulary import KEYS
    from emsync.settings import Tonic

    for tonic, mode in itertools.product(get_args(Tonic), ("auto", "major", "minor")):
        asked = commission(analysis, tonic=tonic, mode=mode)
        assert video2music._key(asked) in KEYS


def test_a_mood_is_read_as_six_emotions() -> None:
    for name, mood in (
        ("exciting", Mood(0.7, 0.8)), ("fearful", Mood(-0.7, 0.7)), ("sad", Mood(-0.7, -0.5)),
        ("relaxing", Mood(0.6, -0.6)), ("neutral", Mood(0, 0)), ("relaxing", Mood(1, -1)),
    ):  # fmt: skip
        found = emotions_of(mood)
        assert EMOTIONS[int(found.argmax())] == name
        assert found.sum() == pytest.approx(1)
    curve = MoodCurve((0.0, 3.0), (Mood(0.7, 0.8), Mood(-0.7, -0.5)))
    strongest = [EMOTIONS[i] for i in emotion_rows(curve, 5).argmax(1)]
    assert strongest == ["exciting"] * 3 + ["sad"] * 2
    assert key_of(curve, 10) == "A minor" and key_of(curve, 4) == "C major"


def test_the_mood_leads_weights_without_pictures(
    checkpoint: Checkpoint, analysis: Analysis
) -> None:
    composer = Video2MusicComposer(checkpoint)
    what = commission(analysis, mode="major")
    (own,) = composed(composer, what)
    (sad,) = composed(composer, replace(what, curve=MoodCurve.constant(Mood(-0.7, -0.5))))
    assert own.written != sad.written
    assert any("know no pictures" in remark for remark in own.remarks)


# Long films --------------------------------------------------------------------------------------


def test_long_films_are_composed_in_windows(checkpoint: Checkpoint) -> None:
    rows = np.random.default_rng(0).normal(size=(70, 8)).astype(np.float32)
    shares: list[float] = []
    shown: list[int] = []

    def write(seconds: int) -> list[str]:
        chords = write_chords(
            checkpoint, rows[:seconds], read_primer("C Am", "C major"), key_value("C major"),
            DrawingRules(), draws_of(5), CancelToken(), shares.append,
            lambda chords: shown.append(len(chords)),
        )  # fmt: skip
        return [chord.symbol for chord in chords]

    symbols = write(70)
    assert len(symbols) == 70 and symbols[:2] == ["C", "A:min"]
    assert all(len({*three}) > 1 for three in zip(symbols, symbols[1:], symbols[2:], strict=False))
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert shown == list(range(3, 71))
    assert write(FRAMES) == symbols[:FRAMES]
    assert write(1) == ["C"]


# Weights -----------------------------------------------------------------------------------------


def test_what_is_not_installed_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setattr(installed, "SHIPPED", tmp_path / "none")
    with pytest.raises(WeightsNotInstalled) as refused:
        open_composer(None)
    assert str(refused.value) == (
        "The weights video2music are not installed. Run: python -m emsync weights pull video2music"
    )
    with pytest.raises(WeightsNotInstalled) as refused:
        open_composer(small_weights(tmp_path / "seeing", semantic=5))
    assert str(refused.value) == (
        "The weights clip-vit-l-14-336 are not installed. Run: python -m emsync weights pull "
        "clip-vit-l-14-336"
    )
    assert open_composer(small_weights(tmp_path / "blind")).weights.name == "blind"


# CLIP --------------------------------------------------------------------------------------------

WIDTH = 12


@pytest.fixture
def small_clip(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Make open_clip build a small model under the name of the large one; its random weights."""
    import open_clip

    config = {
        "embed_dim": WIDTH,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 28, "layers": 2, "width": 64, "patch_size": 14},
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2,
        },
    }  # fmt: skip

    def of_name(name: str) -> dict[str, Any]:
        assert name == clip.ARCHITECTURE
        return config

    assert open_clip.get_model_config(clip.ARCHITECTURE)["vision_cfg"]["image_size"] == 336
    monkeypatch.setattr(open_clip, "get_model_config", of_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        model = open_clip.CLIP(**config)
    return {name: value.half() for name, value in model.state_dict().items()}


def install_clip(state: dict[str, torch.Tensor], folder: Path, name: str) -> None:
    from safetensors.torch import save_file

    (folder / "made").mkdir()
    if name == clip.ARCHIVE:
        torch.jit.save(archive_of(state), str(folder / "made" / name))
    else:
        save_file(state, folder / "made" / name)
    store.add(clip.WEIGHTS, folder / "made", other=True)


@pytest.mark.parametrize("name", [clip.ARCHIVE, clip.SAFETENSORS])
def test_pictures_are_seen_as_by_clip_itself(
    name: str,
    small_clip: dict[str, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import open_clip

    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    install_clip(small_clip, tmp_path, name)
    eye = clip.Eye(clip.load(store.find(clip.WEIGHTS)), "cpu")
    pictures = [still(float(second)) for second in range(3)]
    seen = eye.see(pictures, CancelToken())
    model = open_clip.CLIP(**open_clip.get_model_config(clip.ARCHITECTURE)).eval()
    model.load_state_dict({key: value.float() for key, value in small_clip.items()})
    prepared = open_clip.image_transform(28, is_train=False)
    with torch.no_grad():
        images = torch.stack([prepared(Image.fromarray(one.pixels())) for one in pictures])
        words = open_clip.tokenize(["exciting", "fearful", "tense", "sad", "relaxing", "neutral"])
        vectors, texts, scale = model(images, words)
        chances = (scale * vectors @ texts.T).softmax(-1)
        raw = model.encode_image(images)
    np.testing.assert_allclose(seen.semantic, raw, atol=1e-4)
    np.testing.assert_allclose(seen.emotion, chances, atol=1e-4)
    coarse = clip.Eye(clip.load(store.find(clip.WEIGHTS), "bfloat16"), "cpu").see(
        pictures, CancelToken()
    )
    likeness = (coarse.semantic * seen.semantic).sum(1) / (
        np.linalg.norm(coarse.semantic, axis=1) * np.linalg.norm(seen.semantic, axis=1)
    )
    assert likeness.min() > 0.999
    with pytest.raises(Cancelled):
        cancel = CancelToken()
        cancel.cancel()
        eye.see(pictures, cancel)


@pytest.mark.parametrize("size", [(640, 360), (333, 500), (336, 336), (100, 90)])
def test_pictures_are_prepared_as_by_clip_itself(size: tuple[int, int]) -> None:
    import open_clip

    picture = Image.open(io.BytesIO(still(1.0, *size).jpeg)).convert("RGB")
    expected = open_clip.image_transform(336, is_train=False)(picture).numpy()
    np.testing.assert_allclose(clip.prepare(np.asarray(picture), 336), expected, atol=1e-5)


def test_damaged_clip_is_refused(
    small_clip: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    small_clip.pop("ln_final.bias")
    install_clip(small_clip, tmp_path, clip.SAFETENSORS)
    with pytest.raises(WeightsError, match="damaged or holds another model"):
        clip.open_eye("cpu")


@pytest.fixture
def seeing(
    small_clip: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Video2MusicComposer]:
    """Opens composers that look at pictures, with small random weights."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    install_clip(small_clip, tmp_path, clip.ARCHIVE)
    folder = small_weights(tmp_path / "seeing", semantic=WIDTH)
    return lambda: open_composer(folder)


def test_a_film_is_looked_at_once(
    seeing: Callable[[], Video2MusicComposer],
    analysis: Analysis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    see = clip.Eye.see

    def counted(self: clip.Eye, pictures: Any, *rest: Any) -> clip.Seen:
        looked.append(len(pictures))
        return see(self, pictures, *rest)

    monkeypatch.setattr(clip.Eye, "see", counted)
    every_second = {"clip_every": 1}
    composer = seeing()
    (first,) = composed(composer, commission(analysis, own=every_second))
    composed(composer, commission(analysis, seed=9, own=every_second))
    assert looked == [10] and not any("One picture" in remark for remark in first.remarks)
    assert first.notes == composed(seeing(), commission(analysis, own=every_second))[0].notes
    (coarse,) = composed(seeing(), commission(analysis, own={"clip_every": 3}))
    assert looked[-1] == 4 and any("One picture every 3 s" in one for one in coarse.remarks)
    # Other cuts are other scenes: the film is looked at anew.
    composer = seeing()
    one, _ = (
        composed(composer, commission(film, own=every_second))[0]
        for film in (analysis, replace(analysis, cuts=analysis.cuts[:1]))
    )
    assert looked[-2:] == [10, 10] and one.written == first.written
    composed(seeing(), commission(analysis, own={"most_on_cpu": 5}))
    assert looked[-1] == (5 if not torch.cuda.is_available() else 10)


def test_an_asked_mood_takes_the_place_of_what_is_seen(
    seeing: Callable[[], Video2MusicComposer], analysis: Analysis
) -> None:
    what = commission(analysis, mode="major")
    other = replace(what, curve=MoodCurve.constant(Mood(-0.7, -0.5)))
    own, asked = (composed(seeing(), one)[0] for one in (what, other))
    assert own.written != asked.written
    assert [any("mood asked for" in r for r in one.remarks) for one in (own, asked)] == [
        False,
        True,
    ]
    own_way = replace(other.settings, video2music=Video2MusicSettings(mood_counts=False))
    deaf = composed(seeing(), replace(other, settings=own_way))[0]
    assert deaf.written == own.written


# Everything after it -----------------------------------------------------------------------------


def test_a_film_is_scored(checkpoint: Checkpoint, films: Films, tmp_path: Path) -> None:
    """Performance, sound, mux and report take the piece as they take EMSYNC's."""
    composer = Video2MusicComposer(checkpoint)
    steps: list[Progress] = []
    analysis = analyse(films.silent(), Settings(), silent, CancelToken())
    result = score(analysis, tmp_path, Settings(), steps.append, CancelToken(), composer)
    assert result.video.stat().st_size > 0 and result.report.exists()
    again = tmp_path / "again"
    again.mkdir()
    repeated = perform(result.piece, again, result.settings.sound, silent, CancelToken())
    assert repeated.midi.read_bytes() == result.midi.read_bytes()
    assert result.piece.composition.seconds == float(Fraction(3))


# Both composers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPOSERS)
def test_every_composer_scores_a_film_through_the_same_interface(
    name: ComposerName, analysis: Analysis, tmp_path: Path
) -> None:
    """With the weights that come with EMSYNC; and again from the report, note for note."""
    music = MusicSettings(composer=name, openings=1, redraws=0)
    if name == "video2music":
        own = Video2MusicSettings(primer="C Am", pattern="paper", accents=True)
        music = MusicSettings(composer=name, tonic="D", video2music=own)
    settings = Settings(music=music, seed=5)
    watched = analyse(analysis.film, settings, silent, CancelToken())
    composer = registered.open_composer(name)
    result = score(watched, tmp_path, settings, silent, CancelToken(), composer)
    assert result.piece.composition.weights == composer.weights.name
    assert registered.weights_folder(name, composer.weights.name) is not None
    assert len(result.piece.composition.notes) > 10 and result.video.stat().st_size > 0
    recorded = read_report(result.report)
    assert recorded.settings == settings
    late = recorded.analysis(analysis.film)
    assert late.features is None
    again = tmp_path / "again"
    again.mkdir()
    repeated = score(
        late, again, recorded.settings, silent, CancelToken(),
        registered.open_composer(name), recorded.request,
    )  # fmt: skip
    assert repeated.midi.read_bytes() == result.midi.read_bytes()


def test_a_composer_is_not_asked_for_what_another_does(analysis: Analysis) -> None:
    own = MusicSettings(video2music=Video2MusicSettings(accents=True))
    for music, sentence in (
        (own, "EMSYNC cannot be told: video2music"),
        (MusicSettings(composer="video2music", style="jazz"), "Video2Music cannot be told: style"),
    ):
        with pytest.raises(EmsyncError, match=sentence):
            compose_pieces(analysis, Settings(music=music), silent, CancelToken())


def test_a_wrong_primer_is_told_before_the_film_is_opened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["film.mp4", "-o", "out.mp4", "--composer", "video2music", "--first-chords"]
    with pytest.raises(SystemExit) as ended:
        read_options(parser, [*options, "C Hm"])
    assert ended.value.code == 2
    assert "“Hm” among the first chords is not known" in capsys.readouterr().err
    with pytest.raises(EmsyncError, match="“X” among the first chords"):
        from_plain({"music": {"video2music": {"primer": "X"}}})
    found = settings_of(read_options(parser, [*options, "Am F"])[0])
    assert found.music.video2music.primer == "Am F" and found.music.composer == "video2music"
