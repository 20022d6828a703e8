"""The benchmark, as the README has it run: what it prints adds up."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Films

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "emsync.benchmarks.speed")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def seconds_of(line: str, printed: str) -> float:
    found = re.search(rf"^ *{re.escape(line)} +(?:after )?([\d.]+) s", printed, re.MULTILINE)
    assert found, f"no “{line}” in:\n{printed}"
    return float(found[1])


@pytest.mark.slow
def test_every_stage_is_timed_and_what_follows_on_the_page(films: Films) -> None:
    began = time.monotonic()
    done = run(films.plain(), "--again")
    taken = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    stages = ("probe", "scenes", "emotion", "compose", "render", "mux", "loading libraries")
    whole = seconds_of("all, from a cold process", done.stdout)
    parts = sum(seconds_of(stage, done.stdout) for stage in stages)
    assert abs(parts - whole) < 0.1 * len(stages), "each is rounded to a tenth"
    assert all(seconds_of(stage, done.stdout) > 0 for stage in ("compose", "render", "mux"))
    others = seconds_of("again, four versions", done.stdout)
    assert whole + others + 5 * 0.1 < taken < whole + others + 60
    assert re.search(
        r"again, for other moods +[\d.]+ s in the median, [\d.]+ s at most, of 5", done.stdout
    )
    first = seconds_of("first notes seen", done.stdout)
    assert first <= seconds_of("again, for other moods", done.stdout)
    assert seconds_of("again, with other sound", done.stdout) < whole


def test_what_is_no_film_is_told_in_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "letter.mp4"
    text.write_text("Dear Sir or Madam")
    done = run(text)
    assert done.returncode == 1
    assert done.stderr.startswith("emsync: ") and "Traceback" not in done.stderr
