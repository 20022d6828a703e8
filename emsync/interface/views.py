"""The page's words and tables: pure functions from results to HTML.

Whatever comes from a film or its name is escaped here.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from emsync.emotion.classifiers.classifier import CLASSIFIERS
from emsync.emotion.features.expert import noun_of
from emsync.emotion.features.panel import missing
from emsync.emotion.mapping import nearest_category, scaled_categories
from emsync.emotion.reading import EMOTIONS
from emsync.interface import plots
from emsync.interface.music_words import facts_of, in_words, keys_of
from emsync.interface.records import Outcome
from emsync.progress import Progress
from emsync.stages import STAGES
from emsync.text import clock, listed

if TYPE_CHECKING:
    from emsync.emotion.features.panel import Panel
    from emsync.emotion.features.report import FeatureReport
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
    line = "" if not waiting else f" {waiting} in line before it."
    return (
        f'<div class="em-facts" role="status"><p><strong>{html.escape(source.name)}</strong>: '
        f"{clock(float(film.duration))}, {shape}.</p>"
        f"<p>Its music will take about <strong>{duration(seconds)}</strong> here.{line}</p>"
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
    told = composition.score
    judged = composition.candidates[composition.kept]
    words = [
        # Html is made of these words by the browser, so nothing of the user's is among them.
        f"chords on {told.chord_tokens} of {told.boundaries} cuts"
        if told.boundaries
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


# Diagnostics --------------------------------------------------------------------------------


def diagnostics(result: "Result") -> str:
    """Return HTML of how every stage came to its result."""
    return (
        '<details class="em-why"><summary>How it came about: cuts, emotion, mood, music, numbers'
        '</summary><div class="em-report">'
        + _cuts(result)
        + _emotion(result)
        + _mood(result)
        + _music(result)
        + _making(result)
        + "</div></details>"
    )


def _cuts(result: "Result") -> str:
    cuts, seconds = result.analysis.cuts, float(result.analysis.film.duration)
    words = plots.describe_cuts(seconds, cuts)
    picture = ""
    if cuts:
        threshold = result.settings.cuts.threshold
        picture = plots.as_picture(
            plots.cuts_timeline(seconds, cuts, threshold),
            words,
            wide=plots.cuts_timeline(seconds, cuts, threshold, wide=True),
        )
    gap = float(result.settings.cuts.minimum_gap)
    explained = (
        f"Where the picture changes at once. Cuts at least {gap:g} s apart are kept: the moments "
        "that the music tries to meet."
    )
    return _section("Cuts", explained if cuts else words, picture, wide=True)


def _emotion(result: "Result") -> str:
    reading = result.analysis.reading
    absent = [report for report in reading.reports if report.status != "ran"]
    looked = [report for report in reading.reports if report.status == "ran"]
    seen = "".join(map(_seen, looked))
    missing = _table([(_name(report.modality), report.detail) for report in absent])
    if missing:
        missing = (
            f"<details><summary>Who found nothing, or did not look</summary>{missing}</details>"
        )
    return _section(
        "Emotion",
        f"Source: {html.escape(reading.source)}.",
        plots.as_picture(
            plots.emotion_bars(reading.probabilities),
            plots.describe_emotions(reading.probabilities),
        )
        + _voices(result)
        + _others(result)
        + f"<details><summary>What was seen, heard and read</summary>{seen}</details>"
        + missing,
    )


def _name(modality: str) -> str:
    words = noun_of(modality)
    return words[0].upper() + words[1:]


def _seen(report: "FeatureReport") -> str:
    """Return HTML of what one modality saw: findings, pictures, and what was said or read."""
    pictures = "".join(
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode()}" '
        f'alt="{html.escape(picture.caption)}"><figcaption>{html.escape(picture.caption)}'
        "</figcaption></figure>"
        for picture in report.pictures
    )
    spoken = "".join(
        f"<li><time>{clock(start)}</time> {html.escape(text)}</li>"
        for (start, _), text in report.transcript
    )
    return (
        f"<h3>{html.escape(_name(report.modality))}</h3><p>{html.escape(report.detail)}</p>"
        + _table(report.findings)
        + pictures
        + (f'<ol class="em-transcript">{spoken}</ol>' if spoken else "")
    )


def _voices(result: "Result") -> str:
    """Return HTML of what each modality said by itself, where they were pooled."""
    rows = []
    for voice in result.analysis.reading.voices:
        best = max(zip(voice.probabilities, EMOTIONS, strict=True))
        said = (
            "nothing to say"
            if voice.reliability == 0
            else f"{best[1]} ({best[0]:.0%}), believed by {voice.reliability:.0%}"
        )
        rows.append((_name(voice.modality), said))
    return _table(rows) if len(rows) > 1 else ""


def _others(result: "Result") -> str:
    """Return HTML of the likeliest labels by each classifier that does not read the emotion."""
    rows = []
    for one in result.analysis.reading.others:
        row = CLASSIFIERS.get(one.classifier)
        best = sorted(zip(one.probabilities, one.labels, strict=True), reverse=True)[:3]
        said = ", ".join(f"{label} ({share:.0%})" for share, label in best)
        rows.append((one.classifier if row is None else row.title, said))
    return _table(rows) if rows else ""


def _mood(result: "Result") -> str:
    mood, settings = result.mood, result.settings.mood
    stretches = result.curve.stretches(float(result.analysis.film.duration))
    words = plots.describe_mood(mood, nearest_category(mood, settings), stretches)
    path = [mood for _, _, mood in stretches]
    picture = plots.as_picture(plots.circumplex(mood, scaled_categories(settings), path), words)
    if settings.curve == "scenes" and len(stretches) == 1:
        words += " Its scenes are too short or too alike: one mood holds throughout."
    return _section("Mood", html.escape(words), picture)


def _music(result: "Result") -> str:
    piece = result.composition
    seconds = float(result.analysis.film.duration)
    words = in_words(piece)
    narrow, wide = (
        plots.piano_roll(piece.notes, piece.boundaries, piece.chords, seconds, wide=is_wide)
        for is_wide in (False, True)
    )
    picture = plots.as_picture(narrow, words, wide)
    planned = _table(facts_of(piece))
    return _section("Music", html.escape(words), picture + planned + _trace(result), wide=True)


def _trace(result: "Result") -> str:
    """Return HTML of every boundary: asked, hit, how far off; and the hits of a piece of the same
    seed that was not told of them, if there is one."""
    piece, window = result.composition, f"{result.settings.music.sensitivity:g} s"
    if not piece.boundaries:
        return ""
    trace = [
        (
            f"{boundary.asked:.2f} s" + (" (ending)" if boundary.kind == "ending" else ""),
            "missed"
            if boundary.hit is None or boundary.offset is None
            else f"chord at {boundary.hit:.2f} s ({boundary.offset:+.2f} s)",
        )
        for boundary in piece.boundaries
    ]
    told, untold = piece.score, piece.score_without
    counts = [
        ("strong chord", told.strong_chords, untold and untold.strong_chords),
        ("chord token", told.chord_tokens, untold and untold.chord_tokens),
    ]
    rows = [
        (
            f"Cuts with a {sign} within {window}",
            f"{hits} of {told.boundaries}"
            + ("" if twin is None else f" (same seed, not told of them: {twin})"),
        )
        for sign, hits, twin in counts
        if told.boundaries
    ]
    return _table(rows) + f"<details><summary>Every boundary</summary>{_table(trace)}</details>"


def _making(result: "Result") -> str:
    piece, settings = result.composition, result.settings
    times = [(STAGES[stage].title, f"{s:.1f} s") for stage, s in result.seconds.items()]
    facts = [
        ("Seed", str(piece.seed)),
        ("Weights", f"{piece.weights} ({piece.weights_sha256[:12]})"),
        ("Trained on", terms(piece.weights_tiers)),
        ("Opening chosen by", f"emotion-regressor ({piece.regressor_sha256[:12]})"),
        ("SoundFont", result.soundfont),
        ("Picture", result.mux.note),
        ("Valence–arousal range", f"{settings.mood.valence_arousal_range:g}"),
        ("Sensitivity", f"{settings.music.sensitivity:g} s"),
        ("Instruments", settings.music.instruments),
        ("Original sound", settings.sound.original_sound),
        *(("Remark", remark) for remark in piece.remarks),
    ]
    return _section(
        "Making of",
        "The same film, settings, seed and weights give the same music again.",
        '<div class="pair">'
        + _table([*times, ("Together", f"{sum(result.seconds.values()):.1f} s")])
        + _table(facts)
        + "</div>",
        wide=True,
    )


def terms(tiers: Sequence[str]) -> str:
    """Return what the licence tiers of the training music allow, in a line."""
    if not tiers or "unknown" in tiers:
        return "music of unknown terms: the weights do not say"
    music = f"{listed(sorted(tiers))} music"
    if set(tiers) <= {"free", "synthetic"}:
        return f"{music}: use the result as you like"
    if set(tiers) <= {"free", "synthetic", "copyleft"}:
        return f"{music}: weights to be shared alike"
    return f"{music}: weights for research only"


def _section(title: str, words: str, body: str, wide: bool = False) -> str:
    kind = ' class="wide"' if wide else ""
    return f"<section{kind}><h2>{title}</h2><p>{words}</p>{body}</section>"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Return an HTML table of names and values, which are plain text."""
    if not rows:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table><tbody>{lines}</tbody></table>"


def duration(seconds: float) -> str:
    """Return a time span as people say it, rounded more the longer it is."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} min"
