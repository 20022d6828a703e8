"""An expert and a classifier with labels of its own are added by one row each.

They go from the panel through the reading to the report and back, and to the page, without another
file knowing them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Films

from emsync.emotion.classifiers.classifier import (
    CLASSIFIERS,
    Classification,
    ClassifierRow,
    FilmFeatures,
)
from emsync.emotion.features import expert as experts_table
from emsync.emotion.features.expert import MODALITIES, Modality, ShareCallback
from emsync.emotion.features.panel import Panel, standard_experts
from emsync.emotion.features.report import FeatureReport, Opinion
from emsync.emotion.reading import EMOTIONS, LabelledReading
from emsync.errors import EmsyncError
from emsync.film.footage import Footage
from emsync.interface.diagnostics import diagnostics
from emsync.interface.experts import table
from emsync.pipeline import analyse, score
from emsync.progress import CancelToken, silent
from emsync.report.read import read_report
from emsync.results import Result
from emsync.settings import ExpertSettings, Settings

DISGUST = tuple(0.9 if name == "disgust" else 0.02 for name in EMOTIONS)
WEATHER = (0.25, 0.75)


class Nose:
    """Smells that the film is disgusting, and how much it is raining, by its length."""

    modality = "smell"
    title = "Smells"
    weights: tuple[str, ...] = ()

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        return 0.1

    def prepare(self, device: str) -> None:
        pass

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        whole = (0.0, footage.seconds)
        return FeatureReport(
            self.modality,
            "ran",
            "Sniffed.",
            np.array([[footage.seconds]], np.float32),
            (("Scent", "rotten"),),
            0.0,
            "cpu",
            stretches=(whole,),
            opinions=(Opinion(whole, DISGUST),),
        )

    def release(self) -> None:
        pass


@dataclass(frozen=True)
class Barometer:
    """Tells rain from sun, out of what the nose reports; never what a film feels like."""

    labels: tuple[str, ...] = ("rain", "sun")

    def why_not(self, features: FilmFeatures) -> str | None:
        if any(report.modality == "smell" for report in features.reports):
            return None
        return "nobody smelled it"

    def read(self, features: FilmFeatures) -> Classification:
        (smelled,) = (one for one in features.reports if one.modality == "smell")
        assert smelled.vectors is not None
        assert smelled.vectors[0, 0] == pytest.approx(features.seconds)
        return Classification(WEATHER, "a barometer")


def open_expert() -> Nose:
    return Nose()


def open_classifier() -> Barometer:
    return Barometer()


@pytest.fixture(scope="module")
def added() -> Iterator[None]:
    """The two rows. `ExpertSettings.names` would name the expert, too; a request names it here."""
    patch = pytest.MonkeyPatch()
    smell = Modality("Smells", "the smell", 0.5, False, __name__)
    patch.setitem(MODALITIES, "smell", smell)
    weather = ClassifierRow("The weather", "the barometer", __name__, reads_emotion=False)
    patch.setitem(CLASSIFIERS, "weather", weather)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def result(added: None, films: Films, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A film of 6 s, smelled and scored."""
    film = films.render(
        "smelly.mp4",
        "-f", "lavfi", "-i", "color=0x60C0F0:s=160x120:r=25:d=6",
        "-pix_fmt", "yuv420p", "-c:v", "libx264",
    )  # fmt: skip
    usual = Settings()
    request = replace(usual, experts=replace(usual.experts, names=("smell",)))
    panel = Panel([expert for expert in standard_experts() if expert.modality == "smell"])
    analysis = analyse(film, request, silent, CancelToken(), panel)
    settings = replace(usual, music=replace(usual.music, openings=1))
    folder = tmp_path_factory.mktemp("smelled")
    return score(analysis, folder, settings, silent, CancelToken())


def test_an_expert_has_a_say_and_a_name(result: Result) -> None:
    reading = result.analysis.reading
    assert [report.modality for report in reading.reports] == ["cues", "smell"]
    assert "(colour, movement, cutting and loudness and the smell)" in reading.source
    assert max(zip(reading.probabilities, EMOTIONS, strict=True))[1] == "disgust"
    assert {voice.modality: voice.reliability for voice in reading.voices}["smell"] == 0.5


def test_other_labels_stand_beside_the_reading_and_do_not_move_it(result: Result) -> None:
    reading = result.analysis.reading
    (weather,) = reading.others
    assert weather == LabelledReading("weather", "a barometer", ("rain", "sun"), WEATHER)
    assert "barometer" not in reading.source and len(reading.probabilities) == len(EMOTIONS)


def test_the_report_tells_of_both_and_is_read_again(result: Result) -> None:
    emotion = json.loads(result.report.read_text())["emotion"]
    assert [one["modality"] for one in emotion["modalities"]] == ["cues", "smell"]
    assert emotion["others"] == [
        {
            "classifier": "weather",
            "source": "a barometer",
            "probabilities": {"rain": 0.25, "sun": 0.75},
        }
    ]
    again = read_report(result.report).reading
    assert again.others == result.analysis.reading.others
    assert [report.modality for report in again.reports] == ["cues", "smell"]


def test_a_report_without_other_labels_reads_as_before(result: Result, tmp_path: Path) -> None:
    plain = json.loads(result.report.read_text())
    del plain["emotion"]["others"]
    (tmp_path / "report.json").write_text(json.dumps(plain))
    assert read_report(tmp_path / "report.json").reading.others == ()
    plain["emotion"]["others"] = [
        {"classifier": "weather", "source": "", "probabilities": {"rain": 1.5}}
    ]
    (tmp_path / "report.json").write_text(json.dumps(plain))
    with pytest.raises(EmsyncError, match="probabilities must lie in"):
        read_report(tmp_path / "report.json")


def test_the_page_shows_both(result: Result) -> None:
    shown = diagnostics(result)
    assert "<h3>The smell</h3><p>Sniffed.</p>" in shown
    assert ">The weather</th><td>sun (75%), rain (25%)</td>" in shown
    listing = table(Panel(standard_experts()), "cpu")
    assert ">Smells<" in listing and ">Pictures<" in listing


@pytest.mark.parametrize(
    ("labels", "probabilities", "sentence"),
    [
        (("rain", "rain"), WEATHER, "each once"),
        ((), (), "labels must be there"),
        (("rain",), WEATHER, "expected 1"),
        (("rain", "sun"), (0.5, float("nan")), r"in \[0, 1\]"),
    ],
)
def test_labels_that_make_no_sense_are_refused(
    labels: tuple[str, ...], probabilities: tuple[float, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        LabelledReading("weather", "a barometer", labels, probabilities)


def test_every_expert_is_asked_unless_somebody_says_otherwise() -> None:
    """The one place beside the table that names an expert: settings know nothing of emotion."""
    names = tuple(name for name, row in MODALITIES.items() if row.module not in (None, __name__))
    assert names == ExpertSettings().names
    for name in names:
        expert = experts_table.open_expert(name)
        assert (expert.modality, expert.title) == (name, MODALITIES[name].title)
