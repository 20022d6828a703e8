"""The experts together: faults, time-outs and cancelling, and how a reading comes of it."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Films

from emsync.emotion.analysis import Analysis
from emsync.emotion.features.cues import SOURCE as CUES_SOURCE
from emsync.emotion.features.expert import Expert, ShareCallback
from emsync.emotion.features.panel import Panel
from emsync.emotion.features.report import FeatureReport, Opinion
from emsync.emotion.reading import EMOTIONS
from emsync.errors import Cancelled, EmsyncError, WeightsError, WeightsNotInstalled
from emsync.film.footage import Footage, StillCollector
from emsync.film.frames import stream_frames
from emsync.film.probe import probe
from emsync.pipeline import analyse
from emsync.progress import CancelToken, Progress, silent
from emsync.settings import ExpertSettings, FilmLimits, Settings

JOY = tuple(0.9 if name == "joy" else 0.02 for name in EMOTIONS)
SADNESS = tuple(0.9 if name == "sadness" else 0.02 for name in EMOTIONS)
SHORT = ExpertSettings(patience=0.3, patience_per_second=0.0)

Look = Callable[[Footage, ShareCallback, CancelToken], FeatureReport]


class Made:
    """An expert that does what a test wants."""

    weights: tuple[str, ...] = ()

    def __init__(self, modality: str, look: Look, missing: EmsyncError | None = None) -> None:
        self.modality = modality
        self.title = modality.capitalize()
        self.loaded = 0
        self.released = 0
        self._look, self._missing = look, missing

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        return 1.0

    def prepare(self, device: str) -> None:
        if self._missing is not None:
            raise self._missing
        self.loaded += 1

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        tell(0.5)
        return self._look(footage, tell, cancel)

    def release(self) -> None:
        self.released += 1


def seen(modality: str, *opinions: Opinion) -> FeatureReport:
    return FeatureReport(modality, "ran", "Looked.", None, (), 0.0, "cpu", opinions=opinions)


def happy(modality: str) -> Made:
    return Made(modality, lambda footage, *_: seen(modality, Opinion((0, footage.seconds), JOY)))


def fails(*_: object) -> FeatureReport:
    raise RuntimeError("it broke")


def lacks(*_: object) -> FeatureReport:
    raise ModuleNotFoundError("No module named 'nowhere'")


def footage() -> Footage:
    return Footage(2.0, ((0.0, 2.0),), (), np.zeros(0, np.float32))


def consult(*experts: Expert, settings: ExpertSettings | None = None) -> dict[str, FeatureReport]:
    reports = Panel(experts).consult(
        footage(), settings or ExpertSettings(), lambda *_: None, CancelToken()
    )
    return {report.modality: report for report in reports}


def test_an_expert_without_weights_or_with_a_fault_is_named_and_the_others_go_on() -> None:
    sentence = "The weights clip-vit-b-32 are not installed."
    reports = consult(
        Made("clip", fails, WeightsNotInstalled(sentence)),
        Made("face", fails, EmsyncError("The file is damaged.")),
        Made("asr", fails),
        Made("beats", lacks),
        happy("ocr"),
    )
    assert [report.status for report in reports.values()] == [
        "weights not installed", "failed", "failed", "failed", "ran",
    ]  # fmt: skip
    assert "a package is missing (No module named 'nowhere')" in reports["beats"].detail
    assert reports["clip"].detail == sentence
    assert "The file is damaged." in reports["face"].detail
    assert "RuntimeError" in reports["asr"].detail


def test_only_the_experts_that_are_asked_for() -> None:
    settings = ExpertSettings(names=("ocr",))
    assert list(consult(happy("clip"), happy("ocr"), settings=settings)) == ["ocr"]


@pytest.mark.parametrize("listens", [True, False])
def test_an_expert_that_takes_too_long_is_left_behind(listens: bool) -> None:
    let_go = threading.Event()

    def slow(_: Footage, __: ShareCallback, cancel: CancelToken) -> FeatureReport:
        while not let_go.wait(0.02):
            if listens:
                cancel.check()
        return seen("asr")

    asr = Made("asr", slow)
    panel = Panel([asr, happy("ocr")])
    if not listens:
        threading.Timer(1.5, let_go.set).start()
    began = time.monotonic()
    reports = panel.consult(footage(), SHORT, lambda *_: None, CancelToken())
    assert time.monotonic() - began < 5
    assert reports[1].status == "ran"
    if listens:
        assert reports[0].status == "failed" and "stopped after" in reports[0].detail


def test_cancelling_stops_an_expert_and_leaves_the_panel_usable() -> None:
    def slow(_: Footage, __: ShareCallback, cancel: CancelToken) -> FeatureReport:
        while True:
            cancel.check()
            time.sleep(0.02)

    slow_one = Made("asr", slow)
    panel = Panel([slow_one, happy("ocr")])
    cancel = CancelToken()
    threading.Timer(0.2, cancel.cancel).start()
    with pytest.raises(Cancelled):
        panel.consult(footage(), ExpertSettings(), lambda *_: None, cancel)
    only_ocr = ExpertSettings(names=("ocr",))
    (report,) = panel.consult(footage(), only_ocr, lambda *_: None, CancelToken())
    assert report.status == "ran"


def test_two_requests_share_an_expert_one_after_the_other() -> None:
    inside: list[int] = []
    together = []

    def look(*_: object) -> FeatureReport:
        inside.append(1)
        together.append(len(inside))
        time.sleep(0.1)
        inside.pop()
        return seen("clip")

    panel = Panel([Made("clip", look)])

    def ask() -> None:
        panel.consult(footage(), ExpertSettings(), lambda *_: None, CancelToken())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [1, 1, 1]


def test_models_are_kept_for_the_next_request_or_not() -> None:
    for keep in (True, False):
        expert = happy("clip")
        panel = Panel([expert], keep=keep)
        panel.consult(footage(), ExpertSettings(), lambda *_: None, CancelToken())
        assert expert.released == (0 if keep else 1)
        panel.release()
        assert expert.released == (1 if keep else 2)


def test_what_an_expert_costs_is_learnt_from_the_last_film() -> None:
    def look(*_: object) -> FeatureReport:
        time.sleep(0.3)
        return seen("clip")

    expert = Made("clip", look)
    panel = Panel([expert])
    assert panel.expected_seconds(2.0, ExpertSettings()) == 1.0
    panel.consult(footage(), ExpertSettings(), lambda *_: None, CancelToken())
    assert 0.25 < panel.cost(expert, 2.0, "cpu") < 0.95


def test_progress_names_the_expert_and_never_falls() -> None:
    told: list[tuple[str, float]] = []
    Panel([happy("clip"), happy("ocr")]).consult(
        footage(), ExpertSettings(), lambda title, share: told.append((title, share)), CancelToken()
    )
    assert {title for title, _ in told} == {"Clip", "Ocr"}
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_stills_are_spread_over_the_film_and_its_scenes(films: Films) -> None:
    film = probe(films.silent(10), FilmLimits())
    collector = StillCollector(film, ExpertSettings())
    for frame in stream_frames(film, CancelToken(), 64, collector.request):
        collector.add_frame(frame)
    stills = collector.stills
    times = [still.time for still in stills]
    assert len(stills) >= 16 and times[0] == 0 and times[-1] > 9
    assert np.diff(times) == pytest.approx(np.full(len(times) - 1, times[1]), abs=1e-6)
    assert stills[0].pixels().shape == (120, 160, 3)
    seen_stills = Footage(
        10.0, ((0.0, 1.0), (1.0, 9.0), (9.0, 10.0)), stills, np.zeros(0, np.float32)
    )
    assert len(seen_stills.equidistant(16)) == 16
    assert seen_stills.equidistant(1, (3.0, 3.001))[0] in stills
    sampled = seen_stills.sampled(16, 1, 64)
    assert [s.time for s in sampled] == sorted({s.time for s in sampled})
    assert set(seen_stills.equidistant(16)) <= set(sampled)
    assert len(seen_stills.sampled(4, 3, 6)) == 6


def test_the_large_stills_are_the_frames_that_they_claim_to_be(films: Films) -> None:
    film = probe(films.uneven(), FilmLimits())
    collector = StillCollector(film, ExpertSettings())
    small = {}
    for frame in stream_frames(film, CancelToken(), 64, collector.request):
        small[float(frame.time)] = frame.pixels.mean()
        collector.add_frame(frame)
    assert len(collector.stills) > 10
    for still in collector.stills:
        assert still.pixels().mean() == pytest.approx(small[still.time], abs=3)


def _analysed(path: Path, panel: Panel | None, told: list[Progress] | None = None) -> Analysis:
    tell = silent if told is None else told.append
    return analyse(path, Settings(), tell, CancelToken(), panel)


def test_a_film_is_read_with_whatever_experts_there_are(films: Films) -> None:
    film = films.plain()
    by_cues = _analysed(film, None).reading
    assert by_cues.source == CUES_SOURCE
    broken = Panel([Made("clip", fails), Made("face", fails, WeightsNotInstalled("Not here."))])
    without = _analysed(film, broken).reading
    assert without.probabilities == pytest.approx(by_cues.probabilities)
    assert without.source == CUES_SOURCE
    assert [report.status for report in without.reports] == [
        "ran", "failed", "weights not installed",
    ]  # fmt: skip
    told: list[Progress] = []
    glad = _analysed(film, Panel([happy("clip"), happy("asr")]), told).reading
    joy = EMOTIONS.index("joy")
    assert glad.probabilities[joy] > by_cues.probabilities[joy] + 0.2
    assert "pooled" in glad.source and "speech" in glad.source
    assert {voice.modality for voice in glad.voices} == {"cues", "clip", "asr"}
    assert {"Clip", "Asr"} <= {progress.detail for progress in told}


def test_scenes_are_read_apart(films: Films) -> None:
    """A film whose first half looks sad to an expert, and whose second glad."""

    def turning(shown: Footage, *_: object) -> FeatureReport:
        half = shown.seconds / 2
        return seen(
            "clip",
            *(
                Opinion((still.time, still.time), SADNESS if still.time < half else JOY)
                for still in shown.stills
            ),
        )

    path = films.render(
        "two-halves.mp4",
        "-f", "lavfi", "-i", "color=red:s=160x120:r=25:d=10",
        "-f", "lavfi", "-i", "color=blue:s=160x120:r=25:d=10",
        "-filter_complex", "[0:v][1:v]concat=n=2:v=1", "-pix_fmt", "yuv420p",
    )  # fmt: skip
    reading = _analysed(path, Panel([Made("clip", turning)])).reading
    assert [scene.start for scene in reading.scenes] == [Fraction(0), Fraction(10)]
    joy, sadness = EMOTIONS.index("joy"), EMOTIONS.index("sadness")
    first, second = (scene.probabilities for scene in reading.scenes)
    assert first[sadness] > first[joy]
    assert second[joy] > second[sadness]


def test_a_film_whose_frames_come_seldom_at_last_is_seen_to_its_end(films: Films) -> None:
    """60 frames a second for 5 s, then one every 2 s."""
    path = films.render(
        "fast-then-slow.mkv",
        "-f", "lavfi", "-i", "testsrc2=s=160x120:r=60:d=17",
        "-vf", "select='lt(t,5)+not(mod(n,120))'", "-fps_mode", "vfr",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0",
    )  # fmt: skip
    film = probe(path, FilmLimits())
    collector = StillCollector(film, ExpertSettings())
    small = {}
    for frame in stream_frames(film, CancelToken(), 64, collector.request):
        small[float(frame.time)] = frame.pixels.mean()
        collector.add_frame(frame)
    times = [still.time for still in collector.stills]
    assert times[-1] > 14 and 8 <= sum(time < 5 for time in times) <= 16
    for still in collector.stills:
        assert still.pixels().mean() == pytest.approx(small[still.time], abs=3)


def raised(how: str) -> None:
    """PyTorch's and CUDA's words for a full memory, as libraries pass them on."""
    if how == "cuBLAS":
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(...)")
    full = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if how == "cause":
        raise WeightsError("The file is damaged. Install it again.") from full
    try:
        raise full
    except RuntimeError:
        if how == "context, twice":
            try:
                raise ValueError("no such layer")
            except ValueError as second:
                raise OSError("Cannot load the model.") from second
        raise


@pytest.mark.parametrize("how", ["as it is", "cuBLAS", "cause", "context, twice"])
@pytest.mark.parametrize("where", ["prepare", "run"])
@pytest.mark.usefixtures("full_gpu")
def test_an_expert_that_finds_no_room_on_the_gpu_looks_on_the_cpu(where: str, how: str) -> None:
    class Hungry(Made):
        device = ""

        def prepare(self, device: str) -> None:
            self.device = device
            if where == "prepare" and device == "cuda":
                raised(how)

    def look(shown: Footage, *_: object) -> FeatureReport:
        if hungry.device == "cuda":
            raised(how)
        return seen("clip")

    hungry = Hungry("clip", look)
    panel = Panel([hungry])
    for times in (1, 2):  # the second film tries the GPU again
        (report,) = panel.consult(footage(), ExpertSettings(), lambda *_: None, CancelToken())
        assert report.status == "ran" and hungry.released == times
        assert "Done on the CPU: the memory of the GPU was full." in report.detail


@pytest.mark.usefixtures("full_gpu")
def test_another_fault_on_the_gpu_is_none_of_its_memory() -> None:
    report = consult(Made("clip", fails))["clip"]
    assert report.status == "failed" and "CPU" not in report.detail


def test_a_load_that_hangs_fails_nobody_else_who_is_loaded_and_is_named() -> None:
    let_go = threading.Event()

    class Hangs(Made):
        def prepare(self, device: str) -> None:
            let_go.wait(20)

    reports = {
        report.modality: report
        for report in Panel([Hangs("asr", fails), happy("ocr")]).consult(
            footage(), SHORT, lambda *_: None, CancelToken()
        )
    }
    let_go.set()
    assert "stopped after" in reports["asr"].detail
    assert (
        reports["ocr"].status == "ran" or "another expert was still busy" in reports["ocr"].detail
    )


def test_cancelling_does_not_wait_for_a_load() -> None:
    let_go = threading.Event()

    class Loads(Made):
        def prepare(self, device: str) -> None:
            let_go.wait(20)

    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        Panel([Loads("asr", fails), Loads("ocr", fails), happy("clip")]).consult(
            footage(), ExpertSettings(), lambda *_: None, cancel
        )
    assert time.monotonic() - began < 2
    let_go.set()
