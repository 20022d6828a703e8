"""Films of every kind that people have: `python -m trials.films` makes each, scores it, and looks
at what came, without the product's own reading of films.

Where Playwright and a Chromium are installed, each scored film is played in it as well.
"""

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emsync.benchmarks.speed import PeakMemory
from emsync.music.composer import Composer, open_composer
from emsync.pipeline import analyse, score
from emsync.progress import CancelToken, silent
from emsync.settings import Settings
from trials.film_cases import FILMS, Film
from trials.film_checks import check, check_played
from trials.making import make
from trials.trial import case, main
from trials.watching import Player


def videos() -> Path:
    """Return the folder of real films, which are not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "videos"
    return Path(os.environ.get("EMSYNC_TEST_VIDEOS", beside))


@functools.cache
def _composer() -> Composer:
    return open_composer(Settings().music.composer)


def score_film(film: Film, folder: Path, settings: Settings, player: Player | None) -> str:
    """Make a film, score it, check what came, and play it.

    Args:
        film: which one.
        folder: an empty one.
        settings: those of the music; the film has its own for its sound.
        player: None where nothing is to be played.

    Returns:
        What came, in a few words.

    Raises:
        Wrong: something is not as promised.
    """
    if isinstance(film.recipe, str):
        path = videos() / film.recipe
        if not path.is_file():
            pytest.skip(f"there is no {path}")
    else:
        path = make(film.recipe, folder)
    settings = replace(settings, sound=replace(settings.sound, original_sound=film.original))
    target = folder / "scored"
    target.mkdir()
    cancel = CancelToken()
    with PeakMemory() as memory:
        analysis = analyse(path, settings, silent, cancel)
        result = score(analysis, target, settings, silent, cancel, _composer())
    came = check(path, result, film.expected())
    if film.heavy:
        came += f", {sum(result.seconds.values()):.0f} s, {memory.bytes / 1e6:.0f} MB at most"
    if player is not None:
        played = player.play(result.video, target)
        if played is None:
            came += f", {player.missing}"
        else:
            check_played(played, result.video)
            came += ", plays"
    return came


QUICK = {
    "h264 mkv", "h264 avi", "hevc mp4", "vp8 webm", "vp9 webm", "av1 mp4", "prores mov",
    "gif 720p", "hevc yuv420p10le", "odd size vp9", "16 x 16", "oblong pixels h264",
    "turned 90 h264", "interlaced h264", "high dynamic range pq hevc", "uneven h264 mp4",
    "dropped frames avi mjpeg", "fragmented mp4", "begins at 10 s webm",
    "clock begins anew in ts", "edit list that delays the picture", "half a second",
    "a cut every frame", "one frame of three seconds", "no sound, kept",
    "sound 5.1 aac, kept", "sound 8 kHz, ducked", "sound after an edit list, kept",
}  # fmt: skip
"""One film of each kind: those that `make test` scores."""
UNPLAYED = QUICK - {
    "h264 mkv", "vp9 webm", "turned 90 h264", "high dynamic range pq hevc", "uneven h264 mp4",
    "one frame of three seconds", "sound 5.1 aac, kept",
}  # fmt: skip
"""Of those, the ones that only the command plays in a browser."""

CASES = [case(one.name, one, one.seconds, slow=one.name not in QUICK) for one in FILMS]

if __name__ == "__main__":
    sys.exit(main("films"))
