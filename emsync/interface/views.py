"""What the page says of films and takes: pure functions from records to HTML.

Whatever comes from a film or its name is escaped here.
"""

import base64
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from emsync.emotion.features.panel import missing
from emsync.emotion.mapping import scaled_categories
from emsync.interface.diagnostics import terms
from emsync.interface.music_words import keys_of
from emsync.interface.records import Outcome
from emsync.progress import Progress
from emsync.sound import stand_in
from emsync.stages import STAGES
from emsync.text import clock, listed, quoted

if TYPE_CHECKING:
    from emsync.emotion.curve import MoodRequest
    from emsync.emotion.features.panel import Panel
    from emsync.emotion.mapping import Mood
    from emsync.interface.records import Source, Take
    from emsync.music.composition import Composition
    from emsync.results import Piece, Result
    from emsync.settings import Settings

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


def wrong(sentence: str) -> str:
    """Return HTML of why what is asked for cannot be composed, beside the controls; nothing for an
    empty sentence."""
    return f'<p class="em-wrong" role="status">{html.escape(sentence)}</p>' if sentence else ""


def waiting(ahead: int) -> str:
    """Return HTML of the place in the queue.

    Args:
        ahead: how many films come before.
    """
    films = "one film is" if ahead == 1 else f"{ahead} films are"
    return busy(f"Waiting: {films} before yours. Keep this page open.")


def busy(sentence: str, share: float | None = None) -> str:
    """Return HTML of what is under way, of which no stage has begun; `share` of it is done."""
    percent = "" if share is None else f'<p class="em-percent">{share:.0%}</p>'
    return f'<div class="em-busy">{percent}<p role="status">{sentence}</p></div>'


def progress(now: Progress, share: float, past: Mapping[str, float]) -> str:
    """Return HTML of the progress, the stages with what they took, and the time left.

    Args:
        now: the stage that runs.
        share: of all the work, in [0, 1].
        past: seconds of each stage that is over.
    """
    left = "" if now.seconds_left is None else f"about {duration(now.seconds_left)} left"
    percent = f"{share:.0%}"
    title = html.escape(STAGES[now.stage].title)
    items = []
    for stage, row in STAGES.items():
        if stage == now.stage:
            part = f"{now.fraction:.0%}" if now.fraction > 0 else ""
            detail = f" <small>{html.escape(now.detail)}</small>" if now.detail else ""
            words = f"{row.title}{detail}<span>{part}</span>"
            items.append(f'<li class="now" aria-current="step">{words}</li>')
        elif stage in past:
            items.append(f'<li class="done">{row.title}<span>{past[stage]:.1f} s</span></li>')
        else:
            items.append(f"<li>{row.title}</li>")
    return (
        f'<div class="em-progress em-busy"><p class="em-percent">{percent}</p>'
        f"<p><strong>{title}</strong><span>{left}</span></p>"
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
    hits, cuts = hits_of(result.composition)
    met = (
        f"Its strong chords land on {hits} of {cuts} {'cut' if cuts == 1 else 'cuts'}."
        if cuts
        else "The film has no cuts to land on."
    )
    if result.settings.mood.curve == "scenes" and len(result.curve.starts) == 1:
        met += " Its scenes are too short or too alike, so one mood holds throughout."
    met = f"{met} {stand_in.note(result.mix.lacking, quoted(result.soundfont))}".rstrip()
    label = take.versions[take.shown].label
    sentence = {
        Outcome.SCORED: f"Your score is ready, made in {duration(seconds)}.",
        Outcome.ADDED: f"Version {label} is new.",
        Outcome.SHOWN: f"This is version {label}.",
        Outcome.REPLAYED: "The sound is new; the piece is the same.",
        Outcome.BUNDLED: "Stems and ZIP are ready.",
        Outcome.MIXABLE: "The groups can be mixed now.",
        Outcome.DELETED: "The take is deleted; this is another.",
        Outcome.FOUND: "Here it is again.",
    }[outcome]
    return note(f"{sentence} {met}", outcome)


# The film, before anything is done -----------------------------------------------------------


def facts(source: "Source", waiting: int, panel: "Panel") -> str:
    """Return HTML of what film it is, and from what its mood is read.

    Args:
        waiting: how many are at work or wait.
        panel: the experts, some of whom may not be installed.
    """
    film = source.film
    sound = "with sound" if film.has_audio else "without sound"
    shape = f"{film.width} × {film.height} · {sound}"
    ready = [expert.title for expert in panel.experts if not missing(expert)]
    looks = listed(["colour", "motion", "editing", "loudness", *ready])
    basic = "" if ready else " (basic mode)"
    queue = "" if not waiting else f" · {waiting} ahead in the queue"
    return (
        f'<div class="em-facts" role="status"><p><strong>{html.escape(source.name)}</strong> '
        f"{clock(float(film.duration))} · {shape}{queue}</p>"
        f'<p class="em-badge">Mood estimated from {html.escape(looks)}{basic}. '
        '<button type="button" class="em-dismiss" aria-label="Dismiss">×</button></p></div>'
    )


def playable(source: "Source") -> str | None:
    """Return the address of the film as it came; None where browsers cannot play it."""
    film = source.film
    if film.path.suffix.lower() in _PLAYED_SUFFIXES and film.video_codec in _PLAYED_CODECS:
        return file_address(film.path)
    return None


def poster_address(source: "Source") -> str:
    """Return the picture of a film, as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(source.poster).decode()


_PLAYED_SUFFIXES = {".mp4", ".m4v", ".mov", ".webm"}
_PLAYED_CODECS = {"h264", "vp8", "vp9", "av1"}


def file_address(path: Path) -> str:
    """Return where the page finds a file of ours, relative to itself."""
    return "gradio_api/file=" + quote(str(path))


# The takes -------------------------------------------------------------------------------------


def cards(takes: Sequence["Take"], shown: "Take") -> list[dict[str, Any]]:
    """Return a strip of everything that was made of a film: all versions of all takes.

    HTML is made of these words by the browser, so what is the user's is escaped.

    Args:
        takes: of one film, the oldest first.
        shown: one of them.
    """
    strip: list[dict[str, Any]] = []
    count: Counter[str] = Counter()
    for take in takes:
        title = mood_title(take.request, take.settings)
        for slot, version in enumerate(take.versions):
            count[title] += 1
            numbered = title if count[title] == 1 else f"{title} {count[title]}"
            strip.append(
                {
                    "take": take.token,
                    "slot": slot,
                    "mark": version.mark,
                    "name": html.escape(version.name or numbered),
                    "starred": version.starred,
                    "roll": version.roll,
                    "shown": take is shown and slot == take.shown,
                    "ready": take.is_idle or version.result is not None,
                    "words": _worth(version.piece),
                    "detail": _detail(version.piece),
                }
            )
    return strip


def mood_title(request: "MoodRequest", settings: "Settings") -> str:
    """Return what a mood that is asked for is called.

    Args:
        request: what is asked for.
        settings: with r, by which the emotions are placed.
    """
    if request.mood is None:
        return "By scene" if request.follow_scenes or request.changes else "Film’s mood"
    return (emotion_at(request.mood, settings) or "Own mood").capitalize()


def emotion_at(mood: "Mood", settings: "Settings") -> str | None:
    """Return the emotion whose mean a mood is, as the mood editor's buttons ask for it."""
    for category in scaled_categories(settings.mood):
        there = abs(category.valence_mean - mood.valence), abs(category.arousal_mean - mood.arousal)
        if max(there) < _SAME_MOOD:
            return category.emotion
    return None


def hits_of(composition: "Composition") -> tuple[int, int]:
    """Return on how many cuts a strong chord sounds, and how many there are to land on."""
    if composition.plan is None and composition.score.chord_tokens:
        # In the music of the paper a boundary is hit by a token, whether or not a chord sounds.
        return composition.score.strong_chords, composition.score.boundaries
    cuts = [boundary for boundary in composition.boundaries if boundary.kind == "cut"]
    return sum(boundary.hit is not None for boundary in cuts), len(cuts)


def _worth(piece: "Piece") -> list[str]:
    """Return what a piece is worth, in words."""
    composition = piece.composition
    hits, cuts = hits_of(composition)
    judged = composition.candidates[composition.kept]
    return [
        f"Mood match {_match(judged.mood_distance)}",
        f"hits {hits} of {cuts}" if cuts else "no cuts",
        *([f"fault: {listed(composition.faults)}"] if composition.faults else []),
    ]


def _match(distance: float) -> str:
    """Return in a word how well the mood was met; `distance` is on the plane, which is 2 wide."""
    return "good" if distance < _GOOD else "fair" if distance < 2 * _GOOD else "poor"


def _detail(piece: "Piece") -> list[str]:
    """Return what else there is to say of a piece."""
    composition = piece.composition
    return [
        *([] if composition.plan is None else [keys_of(composition.plan)]),
        f"{composition.beats_per_minute:.0f} beats a minute",
        listed(sorted({note.group for note in composition.notes})) or "silence",
        *(f"{passage.bars} composed anew" for passage in composition.passages),
        f"seed {composition.seed}"
        + ("" if composition.keep is None else f", number {composition.keep} of it"),
    ]


_SAME_MOOD = 0.01  # the editor's fields have two decimals
_GOOD = 0.25  # an eighth of the plane


def files_of(result: "Result") -> tuple[Path, ...]:
    """Return the files that come with every result: film, MIDI, WAV, report and score."""
    return result.video, result.midi, result.wav, result.report, result.score


def film_file(path: Path) -> str:
    """Return HTML of the link to a scored film."""
    return (
        f'<p class="em-files"><a id="em-film-file" class="em-primary" '
        f'href="{html.escape(file_address(path))}" download>Download film '
        f"<small>{size(path)}</small></a></p>"
    )


def downloads(take: "Take") -> str:
    """Return HTML with links to the files of the version that is shown, but for the film."""
    if take.result is None:
        return ""
    version, result = take.versions[take.shown], take.result
    links = [
        ("em-midi", "MIDI", result.midi),
        ("em-score", "Score (MusicXML)", result.score),
        ("em-wav", "WAV", result.wav),
        ("em-json", "Report", result.report),
    ]
    if version.pages is not None:
        links.append(("em-pages", "Score (PDF)", version.pages))
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


def about(result: "Result", pages: str) -> str:
    """Return the text that says what lies in the ZIP and on which terms.

    Args:
        result: what was scored.
        pages: a line on the score as PDF; empty if there is none.
    """
    piece = result.composition
    return (
        "Music composed by EMSYNC for the film beside this file.\n\n"
        "scored.mp4      the film with its music\n"
        "music.mid       the music as notes, to edit\n"
        "music.musicxml  the music as a score, for notation programs\n"
        f"{pages}"
        "music.wav       the music as it sounds in the film\n"
        "stems           the sound of each group of instruments; together they are the music\n"
        "report.json     how it was made; python -m emsync --from-report makes it again\n\n"
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
