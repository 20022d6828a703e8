"""Who reads the film: VEMOCLAP's fusion where it can, the pool where it cannot, and why."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Films

from emsync.emotion.classifiers.checkpoint import save
from emsync.emotion.classifiers.fusion import Feature, Fusion, FusionSettings
from emsync.emotion.features.expert import ShareCallback
from emsync.emotion.features.panel import Panel
from emsync.emotion.features.report import FeatureReport, Opinion, Status
from emsync.emotion.reading import EMOTIONS, EmotionReading
from emsync.errors import WeightsNotInstalled
from emsync.film.footage import Footage
from emsync.pipeline import analyse
from emsync.progress import CancelToken, silent
from emsync.settings import ExpertSettings, Settings
from emsync.weights import store as weights

FEATURES = (
    Feature("asr_sentiment", 5, 1),
    Feature("beats", 6, 4),
    Feature("clip", 7, 4),
    Feature("face_emotion", 8, 4),
)
DIMS = {"asr": 5, "beats": 6, "clip": 7, "face": 8}
JOY = tuple(0.9 if name == "joy" else 0.02 for name in EMOTIONS)


class Sees:
    """An expert whose vectors say how far into the film they are."""

    weights: tuple[str, ...] = ()

    def __init__(self, modality: str, status: Status = "ran", from_scene: int = 0) -> None:
        self.modality, self.title = modality, modality
        self._status, self._from_scene = status, from_scene

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        return 1.0

    def prepare(self, device: str) -> None:
        if self._status == "weights not installed":
            raise WeightsNotInstalled("Not here.")

    def release(self) -> None:
        pass

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        report = FeatureReport(self.modality, self._status, "Looked.", None, (), 0.0, "cpu")
        if self._status != "ran":
            return report
        if self.modality == "asr":
            stretches = [(0.0, footage.seconds), *footage.scenes[self._from_scene :]]
        else:
            first = footage.scenes[self._from_scene][0]
            stretches = [(s.time, s.time) for s in footage.stills if s.time >= first]
        at = np.array([sum(stretch) / 2 / footage.seconds for stretch in stretches])
        vectors = np.repeat(at[:, None], DIMS[self.modality], axis=1).astype(np.float32)
        return replace(
            report,
            vectors=vectors,
            stretches=tuple(stretches),
            opinions=(Opinion((0.0, footage.seconds), JOY),),
        )


@pytest.fixture
def fusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fusion of random weights, installed as `emsync weights add` does."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    model = Fusion(FusionSettings(FEATURES, width=16, heads=2))
    model.initialise(torch.Generator().manual_seed(3))
    for feature in FEATURES:
        model.range_of(feature).set(-2.0, 2.0)
    save(model, tmp_path / "fusion", {})
    weights.add("vemoclap", tmp_path / "fusion", other=True)
    yield


def two_scenes(films: Films) -> Path:
    return films.render(
        "ten-ten.mp4",
        "-f", "lavfi", "-i", "color=red:s=160x120:r=25:d=10",
        "-f", "lavfi", "-i", "color=blue:s=160x120:r=25:d=10",
        "-filter_complex", "[0:v][1:v]concat=n=2:v=1", "-pix_fmt", "yuv420p",
    )  # fmt: skip


def read(films: Films, *experts: Sees) -> EmotionReading:
    path = two_scenes(films)
    return analyse(path, Settings(), silent, CancelToken(), Panel(experts)).reading


@pytest.mark.usefixtures("fusion")
def test_the_fusion_reads_the_film_and_its_scenes(films: Films) -> None:
    reading = read(films, *map(Sees, DIMS))
    assert reading.source.startswith("VEMOCLAP's trained fusion (")
    assert reading.voices == ()
    assert [report.modality for report in reading.reports] == ["cues", *DIMS]
    first, second = (scene.probabilities for scene in reading.scenes)
    assert np.abs(np.subtract(first, second)).max() > 1e-3
    assert reading.probabilities not in (first, second)


@pytest.mark.usefixtures("fusion")
def test_who_found_nothing_does_not_keep_the_fusion_from_reading(films: Films) -> None:
    silent_film = [Sees("asr", "no such content"), *map(Sees, ("beats", "clip", "face"))]
    assert read(films, *silent_film).source.startswith("VEMOCLAP")


@pytest.mark.usefixtures("fusion")
@pytest.mark.parametrize("status", ["weights not installed", "failed"])
def test_who_could_not_look_leaves_it_to_the_pool(films: Films, status: Status) -> None:
    reading = read(films, Sees("asr"), Sees("beats"), Sees("clip"), Sees("face", status))
    assert "pooled without training" in reading.source and "faces" in reading.source
    assert {voice.modality for voice in reading.voices} == {"cues", "asr", "beats", "clip"}


@pytest.mark.usefixtures("fusion")
def test_a_scene_without_anything_is_read_as_the_film_and_that_is_said(films: Films) -> None:
    reading = read(films, *(Sees(modality, from_scene=1) for modality in DIMS))
    assert "1 of 2 scenes" in reading.source


@pytest.mark.usefixtures("fusion", "full_gpu")
def test_the_fusion_reads_where_the_gpu_is_full(films: Films) -> None:
    assert read(films, *map(Sees, DIMS)).source.startswith("VEMOCLAP's trained fusion (")


def test_without_the_fusion_the_pool_says_so(films: Films) -> None:
    assert "fusion is not installed" in read(films, *map(Sees, DIMS)).source


@pytest.mark.usefixtures("fusion")
def test_a_damaged_fusion_is_told_and_the_film_read_all_the_same(films: Films) -> None:
    (weights.folder() / "vemoclap" / "model-01-of-01.safetensors").write_bytes(b"nothing")
    reading = read(films, *map(Sees, DIMS))
    assert "pooled without training" in reading.source
    assert reading.probabilities[EMOTIONS.index("joy")] > 1 / 6
