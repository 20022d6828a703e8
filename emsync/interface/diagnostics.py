"""How every stage came to its result, as HTML: the figures and tables below a result.

Whatever comes from a film or its name is escaped here.
"""

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emsync.emotion.classifiers.classifier import CLASSIFIERS
from emsync.emotion.features.expert import noun_of
from emsync.emotion.mapping import nearest_category, scaled_categories
from emsync.emotion.reading import EMOTIONS
from emsync.interface import plots
from emsync.interface.music_words import facts_of
from emsync.interface.pictures import as_picture
from emsync.performance.performer import PERFORMERS
from emsync.stages import STAGES
from emsync.text import clock, listed

if TYPE_CHECKING:
    from emsync.emotion.features.report import FeatureReport
    from emsync.results import Result


_BESIDE_THE_STAGE = ("Tempo", "Melody")
"""Names of what was planned and is not seen there."""


def diagnostics(result: "Result") -> str:
    """Return HTML of how every stage came to its result."""
    return (
        '<details class="em-why"><summary>How this score was made'
        '</summary><div class="em-report">'
        + _cuts(result)
        + _emotion(result)
        + _mood(result)
        + _hits(result)
        + _making(result)
        + "</div></details>"
    )


def _cuts(result: "Result") -> str:
    cuts, seconds = result.analysis.cuts, float(result.analysis.film.duration)
    words = plots.describe_cuts(seconds, cuts)
    picture = ""
    if cuts:
        threshold = result.settings.cuts.threshold
        picture = as_picture(
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
        as_picture(
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
    picture = as_picture(plots.circumplex(mood, scaled_categories(settings), path), words)
    if settings.curve == "scenes" and len(stretches) == 1:
        words += " Its scenes are too short or too alike: one mood holds throughout."
    return _section("Mood", html.escape(words), picture)


def _hits(result: "Result") -> str:
    """Return HTML of how the music meets the cuts; its notes, chords and form are on the stage."""
    piece = result.composition
    words = plots.describe_music(piece.notes, piece.boundaries, piece.chords)
    facts = [(name, value) for name, value in facts_of(piece) if name in _BESIDE_THE_STAGE]
    return _section("Hits", html.escape(words), _table(facts) + _trace(result), wide=True)


def _trace(result: "Result") -> str:
    """Return HTML of every boundary: asked, hit, how far off; and the hits of a piece of the same
    seed that was composed without them, if there is one."""
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
    score, twin_score = piece.score, piece.score_without
    counts = [
        ("strong chord", score.strong_chords, twin_score and twin_score.strong_chords),
        ("chord token", score.chord_tokens, twin_score and twin_score.chord_tokens),
    ]
    rows = [
        (
            f"Cuts with a {sign} within {window}",
            f"{hits} of {score.boundaries}"
            + ("" if twin is None else f" (same seed, not told of them: {twin})"),
        )
        for sign, hits, twin in counts
        if score.boundaries
    ]
    return _table(rows) + f"<details><summary>Every boundary</summary>{_table(trace)}</details>"


def _making(result: "Result") -> str:
    piece, settings = result.composition, result.settings
    times = [(STAGES[stage].title, f"{s:.1f} s") for stage, s in result.seconds.items()]
    facts = [
        ("Seed", str(piece.seed)),
        ("Weights", f"{piece.weights} ({piece.weights_sha256[:12]})"),
        ("Trained on", terms(piece.weights_tiers)),
        *(
            [("Opening chosen by", f"emotion-regressor ({piece.regressor_sha256[:12]})")]
            if piece.regressor_sha256
            else []
        ),
        ("SoundFont", result.soundfont),
        ("Picture", result.mux.note),
        ("Valence–arousal range", f"{settings.mood.valence_arousal_range:g}"),
        ("Sensitivity", f"{settings.music.sensitivity:g} s"),
        ("Instruments", settings.music.instruments),
        ("Played", PERFORMERS[settings.performance.performer].title),
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
