"""Makes the example films, and scores them: `python -m examples`.

    python -m examples                 draws and scores all
    python -m examples storm           this one only
    python -m examples --keep-films    scores the films as they are
    python -m examples --compare 6     says what the seeds 0 to 5 give, and writes nothing

A folder for each film receives film.mp4, scored.mp4, music.mid, report.json, and for the page
sheet.json, example.json and credits.txt; the film of the landscapes lies beside its folder, as does
music.png, a picture of its music. On one
core of a server's processor storm and carnival each take about a minute to draw, landscapes a few;
scoring takes half a minute each. On one machine the same comes out again, but for the times that
the reports tell.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.progress import CancelToken, silent
from emsync.settings import Settings, SoundSettings

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis
    from emsync.music.composition import Composition

EXAMPLES_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Example:
    """A film that the project drew, and how it is scored."""

    name: str
    about: str
    """For the credits, and under its picture on the page."""
    settings: Settings

    @property
    def folder(self) -> Path:
        return EXAMPLES_FOLDER / self.name

    @property
    def film(self) -> Path:
        """The unscored film; that of the landscapes is older than the folders, and not moved."""
        return (self.folder / self.film_name).resolve()

    @property
    def film_name(self) -> str:
        """From the folder."""
        return "../landscapes.mp4" if self.name == "landscapes" else "film.mp4"


EXAMPLES = (
    Example(
        "landscapes", "ten shots of one valley, from the night to the morning", Settings(seed=0)
    ),
    Example(
        "storm",
        "a night at sea, from the moonlit swell to the next morning",
        Settings(seed=3, sound=SoundSettings(original_sound="keep")),
    ),
    Example("carnival", "a day at the fair, from balloons to fireworks", Settings(seed=0)),
)
"""Seeds chosen by looking at the music, among those of `--compare 4`; the mood heard is 0.30, 0.39
and 0.32 off. All hit all their cuts, without faults. Storm keeps the sea under the music."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is asked for.

    Raises:
        EmsyncError: something that is needed is missing; see its text.
        subprocess.CalledProcessError: FFmpeg failed.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - {example.name for example in EXAMPLES}
    if unknown:
        parser.error(f"there is no example {', '.join(sorted(unknown))}")
    for example in EXAMPLES:
        if asked.names and example.name not in asked.names:
            continue
        if asked.compare:
            compare(example, asked.compare)
            continue
        example.folder.mkdir(exist_ok=True)
        if not asked.keep_films:
            draw(example)
        score(example)
        _describe(example)


def draw(example: Example) -> None:
    """Draw the film anew."""
    from examples import carnival, landscapes, storm

    draws = {"landscapes": landscapes.main, "storm": storm.main, "carnival": carnival.main}
    draws[example.name](str(example.film))


def score(example: Example) -> None:
    """Score the film by its colours, movement, cuts and loudness, and store what comes of it."""
    from emsync import pipeline
    from emsync.interface.timeline import timeline_of

    with tempfile.TemporaryDirectory() as folder:
        analysis = _analysis(example)
        result = pipeline.score(analysis, Path(folder), example.settings, silent, CancelToken())
        for path in (result.video, result.midi, result.report):
            shutil.copy(path, example.folder / path.name)
        sheet = json.dumps(timeline_of(result), separators=(",", ":"), ensure_ascii=False)
        (example.folder / "sheet.json").write_text(sheet + "\n", encoding="utf-8")
        if example.name == "landscapes":
            draw_music(result.composition, EXAMPLES_FOLDER / "music.png")


def draw_music(piece: "Composition", path: Path) -> None:
    """Draw the piano roll of a piece, its chords over it and its hit points dashed."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from emsync.evaluation.rolls import draw_roll, roll_of
    from emsync.interface.plots import GROUP_COLOURS

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    axes = figure.subplots()
    draw_roll(axes, roll_of(piece, ""))
    axes.set_title("", loc="left")
    axes.set_xlabel("seconds", fontsize=8)
    axes.legend(
        handles=[Patch(color=colour, label=name) for name, colour in GROUP_COLOURS.items()],
        ncols=len(GROUP_COLOURS), loc="upper right", bbox_to_anchor=(1, 1.1), frameon=False,
        fontsize=8,
    )  # fmt: skip
    figure.savefig(path, dpi=110)


def compare(example: Example, count: int) -> None:
    """Print a line for each seed from 0 on: cuts hit by chords that sound, faults, pieces drawn
    before it, and how far the mood that is heard is from the one that was asked for."""
    from emsync import pipeline

    analysis = _analysis(example)
    for seed in range(count):
        settings = replace(example.settings, seed=seed)
        (piece, *_) = pipeline.compose_pieces(analysis, settings, silent, CancelToken())
        made = piece.composition
        kept = made.candidates[made.kept]
        late = [abs(hit.offset) for hit in made.boundaries if hit.offset is not None]
        print(
            f"{example.name}, seed {seed}: {made.score.strong_chords} of {made.score.boundaries} "
            f"hit, at most {max(late, default=0):.3f} s off, faults: "
            f"{', '.join(made.faults) or 'none'}, mood {kept.mood_distance:.2f} off, "
            f"{kept.groups} groups, {made.quality.density:.1f} notes a second, "
            f"{made.beats_per_minute:.0f} beats a minute, ends on a chord: {made.ended_on_chord}, "
            f"repeats {made.quality.repeated_bars:.2f}, clusters {made.quality.clusters:.2f}",
            flush=True,
        )


def _analysis(example: Example) -> "Analysis":
    from emsync import pipeline

    return pipeline.analyse(example.film, example.settings, silent, CancelToken())


def _describe(example: Example) -> None:
    """Write what the page shows beside the film, and the credits."""
    told = {
        "title": example.name.capitalize(),
        "words": f"{example.about[0].upper()}{example.about[1:]}",
        "film": example.film_name,
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    (example.folder / "example.json").write_text(text + "\n", encoding="utf-8")
    film = example.film.relative_to(EXAMPLES_FOLDER.parent).as_posix()
    drawn = "Picture" if example.name == "carnival" else "Picture and its own sound"
    (example.folder / "credits.txt").write_text(
        f"""{example.name.capitalize()}: {example.about}.

{drawn}: drawn for the EMSYNC project by examples/{example.name}.py; the film as
it was before is {film}.
Music: composed by EMSYNC for this film (report.json tells how) with the weights free-5m,
trained on free and synthetic music; played with {_soundfont(example)}.

To the extent possible under law, the EMSYNC project has dedicated this film and its music to
the public: CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/
Those whose music the weights learnt from are credited in weights/free-5m/README.md; keep that
credit with what the weights write: Freedoom, EasyRPG RTP, Tanner Helland, JS Fakes, OpenScore.
""",
        encoding="utf-8",
    )


def _soundfont(example: Example) -> str:
    report = json.loads((example.folder / "report.json").read_text(encoding="utf-8"))
    return str(report["sound"]["soundfont"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples", description="Make the examples.")
    names = [example.name for example in EXAMPLES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; else all")
    parser.add_argument("--keep-films", action="store_true", help="do not draw them anew")
    parser.add_argument("--compare", type=int, metavar="N", help="only compare the first N seeds")
    return parser


if __name__ == "__main__":
    main()
