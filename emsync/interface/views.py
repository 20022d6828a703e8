"""What the page says of films and takes: pure functions from records to HTML.

Whatever comes from a film or its name is escaped here.
"""

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from emsync.emotion.features.panel import missing
from emsync.interface.diagnostics import terms
from emsync.interface.music_words import keys_of
from emsync.interface.records import Outcome
from emsync.progress import Progress
from emsync.stages import STAGES
from emsync.text import clock, listed

if TYPE_CHECKING:
    from emsync.emotion.features.panel import Panel
    from emsync.interface.records import Source, Take
    from emsync.results import Piece, Result

# Status -------------------------------------------------------------------------------------


def note(sentence: str, outcome: Outcome | None = None) -> str:
    """Return HTML of a plain message in the place of the progress.

    Args:
        sentence: for people.
        outcome: what it says, for scripts; None if nothing has ended.
    """
    mark = "" if outcome is None else f' data-outcome="{outcome}"'
    return f'<p class="em-note" role="status"{mark}>{html.escape(sentence)}</p>'


def problem(sentence: str) -> str:
    """Return HTML of what is wrong, and what to do about it."""
    mark = f'data-outcome="{Outcome.REFUSED}"'
    return f'<p class="em-problem" role="alert" {mark}>{html.escape(sentence)}</p>'


def waiting(ahead: int) -> str:
    """Return HTML of the place in the queue.

    Args:
        ahead: how many films come before.
    """
    films = "one film is" if ahead == 1 else f"{ahead} films are"
    return note(f"Waiting: {films} before yours. Keep this page open.")


def progress(now: Progress, share: float, past: Mapping[str, float]) -> str:
    """Return HTML of the progress, the stages with what they took, and the time left.

    Args:
        now: the stage that runs.
        share: of all the work, in [0, 1].
        past: seconds of each stage that is over.
    """
    left = "" if now.seconds_left is None else f"about {duration(now.seconds_left)} left"
    title = html.escape(STAGES[now.stage].title)
    items = []
    for stage, row in STAGES.items():
        if stage == now.stage:
            percent = f"{now.fraction:.0%}" if now.fraction > 0 else ""
            detail = f" <small>{html.escape(now.detail)}</small>" if now.detail else ""
            words = f"{row.title}{detail}<span>{percent}</span>"
            items.append(f'<li class="now" aria-current="step">{words}</li>')
        elif stage in past:
            items.append(f'<li class="done">{row.title}<span>{past[stage]:.1f} s</span></li>')
        else:
            items.append(f"<li>{row.title}</li>")
    return (
        f'<div class="em-progress"><p><strong>{title}</strong><span>{left}</span></p>'
        f'<progress max="1" value="{share:.3f}" aria-label="{title}"></progress>'
        f"<ol>{''.join(items)}</ol></div>"
    )


def done(take: "Take", outcome: Outcome, seconds: float = 0) -> str:
    """Return HTML of what came of a take, in two sentences; nothing if it has no result.

    Args:
        take: with the version that is shown.
        outcome: what was done.
        seconds: that it took; only said of a take that was made.
    """
    result = take.result
    if result is None:
        return ""
    hits = result.composition.score
    met = (
        f"Its chords fall on {hits.chord_tokens} of {hits.boundaries} kept cuts."
        if hits.boundaries
        else "The film has no cuts to meet."
    )
    if result.settings.mood.curve == "scenes" and len(result.curve.starts) == 1:
        met += " Its scenes are too short or too alike, so one mood holds throughout."
    label = take.versions[take.shown].label
    sentence = {
        Outcome.SCORED: f"Your film has its own music now, made in {duration(seconds)}.",
        Outcome.ADDED: f"Version {label} is new.",
        Outcome.SHOWN: f"This is version {label}.",
        Outcome.REPLAYED: "The sound is new; the piece is the same.",
        Outcome.BUNDLED: "Stems and ZIP are ready.",
        Outcome.FOUND: "Here it is again.",
    }[outcome]
    return note(f"{sentence} {met}", outcome)


# The film, before anything is done -----------------------------------------------------------


def facts(source: "Source", seconds: float, waiting: int, panel: "Panel") -> str:
    """Return HTML of how long the film is, how long its music will take, and who reads it.

    Args:
        seconds: that it will take once it is its turn.
        waiting: how many are at work or wait.
        panel: the experts, some of whom may not be installed.
    """
    film = source.film
    sound = "with sound" if film.has_audio else "without sound"
    shape = f"{film.width} × {film.height}, {float(film.frame_rate):.4g} frames a second, {sound}"
    ready = [expert.title for expert in panel.experts if not missing(expert)]
    looks = listed(["brightness, colour, movement, cuts and loudness", *ready])
    absent = len(panel.experts) - len(ready)
    more = (
        f" {absent} of {len(panel.experts)} experts are not installed: see “Who looks at the film”."
        if absent
        else ""
    )
    queue = "" if not waiting else f" {waiting} in line before it."
    return (
        f'<div class="em-facts" role="status"><p><strong>{html.escape(source.name)}</strong>: '
        f"{clock(float(film.duration))}, {shape}.</p>"
        f"<p>Its music will take about <strong>{duration(seconds)}</strong> here.{queue}</p>"
        f"<p>It is read by {html.escape(looks)}.{html.escape(more)}</p></div>"
    )


def preview(source: "Source") -> str:
    """Return HTML of the film as it came, or a picture of it where browsers cannot play it."""
    film = source.film
    picture = poster_address(source)
    address = html.escape(file_address(film.path))
    name = html.escape(source.name)
    if film.path.suffix.lower() == ".gif":
        return f'<img class="em-preview" src="{address}" alt="{name}">'
    if film.path.suffix.lower() in _PLAYED_SUFFIXES and film.video_codec in _PLAYED_CODECS:
        return (
            f'<video class="em-preview" src="{address}" poster="{picture}" controls playsinline '
            f'preload="metadata" aria-label="{name}"></video>'
        )
    return (
        f'<figure class="em-preview"><img src="{picture}" alt="A frame of {name}"><figcaption>A '
        "frame of it. Your browser may not play such a film; it will play the scored one."
        "</figcaption></figure>"
    )


def poster_address(source: "Source") -> str:
    """Return the picture of a film, as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(source.poster).decode()


def title(name: str) -> str:
    """Return the heading of a result: the name of its film."""
    return f"<h2>“{html.escape(name)}” with its music</h2>"


_PLAYED_SUFFIXES = {".mp4", ".m4v", ".mov", ".webm"}
_PLAYED_CODECS = {"h264", "vp8", "vp9", "av1"}


def file_address(path: Path) -> str:
    """Return where the page finds a file of ours, relative to itself."""
    return "gradio_api/file=" + quote(str(path))


# The takes -------------------------------------------------------------------------------------


def cards(take: "Take") -> list[dict[str, Any]]:
    """Return the versions side by side: what each is worth, which is shown, and which can be."""
    return [
        {
            "label": version.label,
            "shown": slot == take.shown,
            "ready": take.is_idle or version.result is not None,
            "words": _worth(version.piece),
        }
        for slot, version in enumerate(take.versions)
    ]


def _worth(piece: "Piece") -> list[str]:
    """Return the scores of a piece in words, as candidates are ranked by them."""
    composition = piece.composition
    score = composition.score
    judged = composition.candidates[composition.kept]
    words = [
        # Html is made of these words by the browser, so nothing of the user's is among them.
        f"chords on {score.chord_tokens} of {score.boundaries} cuts"
        if score.boundaries
        else "no cuts to meet",
        f"{judged.mood_distance:.2f} off the mood asked for",
        *([] if composition.plan is None else [keys_of(composition.plan)]),
        f"{composition.beats_per_minute:.0f} beats a minute",
        listed(sorted({note.group for note in composition.notes})) or "silence",
        f"seed {composition.seed}"
        + ("" if composition.keep is None else f", number {composition.keep} of it"),
    ]
    if judged.faults:
        words.append(f"fault: {listed(judged.faults)}")
    return words


def files_of(result: "Result") -> tuple[Path, ...]:
    """Return the files that come with every result: film, MIDI, WAV and report."""
    return result.video, result.midi, result.wav, result.report


def downloads(take: "Take") -> str:
    """Return HTML with links to the files of the version that is shown."""
    if take.result is None:
        return ""
    version, result = take.versions[take.shown], take.result
    links = [
        ("em-film-file", "Film", result.video),
        ("em-midi", "MIDI", result.midi),
        ("em-wav", "WAV", result.wav),
        ("em-json", "Report", result.report),
    ]
    links += [(f"em-stem-{group}", f"Stem: {group}", path) for group, path in version.stems.items()]
    if version.bundle is not None:
        links.append(("em-zip", "Everything (ZIP)", version.bundle))
    return (
        '<p class="em-files">'
        + "".join(
            f'<a id="{name}" href="{html.escape(file_address(path))}" download>'
            f"{html.escape(label)} <small>{size(path)}</small></a>"
            for name, label, path in links
        )
        + "</p>"
    )


def size(path: Path) -> str:
    """Return the size of a file, in megabytes or kilobytes."""
    length = path.stat().st_size
    return f"{length / 1e6:.1f} MB" if length >= 1e5 else f"{max(1, round(length / 1e3))} kB"


def about(result: "Result") -> str:
    """Return the text that says what lies in the ZIP and on which terms."""
    piece = result.composition
    return (
        "Music composed by EMSYNC for the film beside this file.\n\n"
        "scored.mp4   the film with its music\n"
        "music.mid    the music as notes, to edit\n"
        "music.wav    the music as it sounds in the film\n"
        "stems        the sound of each group of instruments; together they are the music\n"
        "report.json  how it was made; python -m emsync --from-report makes it again\n\n"
        f"Weights: {piece.weights}, trained on {terms(piece.weights_tiers)}.\n"
        f"SoundFont: {result.soundfont}; its samples keep their own licence.\n"
        "EMSYNC claims no rights in the music. Your rights in the film are as they were.\n"
    )


def duration(seconds: float) -> str:
    """Return a time span as people say it, rounded more the longer it is."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} min"
