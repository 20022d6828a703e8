"""Films to test with: small ones rendered on the spot, and real ones where they are to be had."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emsync.film.ffmpeg import ffmpeg_executable
from emsync.progress import CancelToken
from emsync.sound.mix import write_wav
from emsync.sound.synth import Sound


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="trials as their commands run them: with this machine's weights and the standard "
        "settings, and every scored film is played",
    )


@pytest.fixture(scope="session", autouse=True)
def no_weights(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[None]:
    """Hide the pretrained weights that this machine's user has installed."""
    if pytestconfig.getoption("thorough"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMSYNC_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        yield


# Before anything imports PyTorch: its threads wait for each other busily, and where other programs
# run on the same cores a test with two threads takes many times as long as with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class Films:
    """Renders films with FFmpeg, each once in a test run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ffmpeg = ffmpeg_executable(("libx264", "libx265", "libvpx", "aac"))

    def render(self, name: str, *arguments: str | Path) -> Path:
        """The film `name`, made by `ffmpeg <arguments> name` unless it is there already."""
        path = self.folder / name
        if not path.exists():
            command = [self._ffmpeg, "-nostdin", "-v", "error", *map(str, arguments)]
            subprocess.run([*command, f"file:{path}"], check=True, timeout=120)
        return path

    def plain(self) -> Path:
        """3 s, 160 × 120, 25 frames a second, H.264 with B-frames, AAC: nothing odd about it."""
        return self.render(
            "plain.mp4",
            "-f", "lavfi", "-i", "testsrc2=s=160x120:d=3:r=25",
            "-f", "lavfi", "-i", "sine=d=3:r=44100",
            "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart",
        )  # fmt: skip

    def silent(self, seconds: int = 3, rate: int = 25, size: str = "160x120") -> Path:
        """H.264 without a sound track."""
        return self.render(
            f"silent-{seconds}-{rate}-{size}.mp4",
            "-f", "lavfi", "-i", f"testsrc2=s={size}:d={seconds}:r={rate}",
            "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast",
        )  # fmt: skip

    def uneven(self) -> Path:
        """Variable frame rate, dark and bright by turns of 2.5 s.

        Of 300 frames at 30 a second the first 60 are there, then every seventh: see
        `UNEVEN_TIMES`, in frames.
        """
        return self.render(
            "uneven.mkv",
            "-f", "lavfi", "-i", "color=black:s=160x120:r=30:d=10",
            "-vf", "geq=lum='if(lt(mod(T,5),2.5),30,210)':cb=128:cr=128,"
            "select='lt(n,60)+not(mod(n,7))'",
            "-fps_mode", "vfr", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0",
        )  # fmt: skip

    def uneven_mp4(self) -> Path:
        """The same in MP4 with B-frames, whose table of durations says little about its end."""
        return self.render(
            "uneven.mp4",
            "-i", self.uneven(), "-fps_mode", "vfr", "-c:v", "libx264", "-bf", "3",
            "-x264-params", "b-adapt=0",
        )  # fmt: skip

    def beep(self, name: str, *, picture_delay: float = 0, sound_delay: float = 0) -> Path:
        """3 s of picture; 3 s of sound, silent but for a tone from 1.0 s to 1.2 s of its own."""
        return self.render(
            name,
            "-itsoffset", str(picture_delay),
            "-f", "lavfi", "-i", "testsrc2=s=160x120:d=3:r=25",
            "-itsoffset", str(sound_delay),
            "-f", "lavfi", "-i", "aevalsrc='if(between(t,1,1.2),0.5*sin(6283*t),0)':s=44100:d=3",
            "-map", "0:v", "-map", "1:a", "-pix_fmt", "yuv420p",
            "-c:v", "libx264", "-bf", "0", "-c:a", "pcm_s16le",
        )  # fmt: skip


UNEVEN_TIMES = [n for n in range(300) if n < 60 or n % 7 == 0]
"""Times of the frames of `Films.uneven`, in thirtieths of a second."""


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def shared_videos() -> Path:
    """The folder of real films, which are not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "videos"
    folder = Path(os.environ.get("EMSYNC_TEST_VIDEOS", beside))
    if not (folder / "emsync_demo_60s.mp4").is_file():
        pytest.skip(f"needs the real films in {folder}; set EMSYNC_TEST_VIDEOS to their folder")
    return folder


@pytest.fixture(scope="session")
def demo_film(shared_videos: Path) -> Path:
    """A minute of real film: 640 × 360, HEVC and AAC, 20 cuts."""
    return shared_videos / "emsync_demo_60s.mp4"


@pytest.fixture
def cancel() -> CancelToken:
    return CancelToken()


@pytest.fixture
def full_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experts believe in a GPU; what is moved there finds no room."""
    import torch

    to: Any = torch.nn.Module.to

    def move(module: torch.nn.Module, *where: Any, **more: Any) -> torch.nn.Module:
        if "cuda" in (*where, *more.values()):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        moved: torch.nn.Module = to(module, *where, **more)
        return moved

    monkeypatch.setattr(torch.nn.Module, "to", move)
    monkeypatch.setattr("emsync.emotion.features.panel.device_of", lambda wanted: "cuda")


@pytest.fixture(params=["system", "packaged"])
def either_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test with the system's FFmpeg and with the packaged one; gives its path."""
    if request.param == "packaged":
        pytest.importorskip("imageio_ffmpeg")
        monkeypatch.setenv("PATH", "/nonexistent")
    else:
        system = shutil.which("ffmpeg")
        if system is None or ffmpeg_executable() != system:
            pytest.skip("this machine has no recent FFmpeg of its own")
    return ffmpeg_executable()


@pytest.fixture
def tone(tmp_path: Path) -> Iterator[Path]:
    """3 s of a quiet tone with a gap from 1.0 s to 1.5 s, 44.1 kHz stereo."""
    time = np.arange(3 * 44_100) / 44_100
    wave = 0.3 * np.sin(2 * np.pi * 440 * time) * ((time < 1) | (time >= 1.5))
    path = tmp_path / "tone.wav"
    write_wav(Sound(np.stack([wave, wave], axis=1).astype(np.float32), 44_100), path)
    yield path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium, by Playwright; for one module, as no other event loop runs beside it."""
    executable = os.environ.get("EMSYNC_CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if executable is None:
        message = "no Chromium: install it, or set EMSYNC_CHROMIUM to its path"
        if os.environ.get("EMSYNC_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield chromium
        chromium.close()
