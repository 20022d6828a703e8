"""The page's pictures: from results to figures, and from figures to words for who cannot see them.

Every function is pure: data in, a new `matplotlib.figure.Figure` out; nothing global is touched, so
that requests may draw at the same time. Colours are those of Okabe & Ito (2008), which stay apart
in every common form of colour blindness, and no meaning hangs on colour alone. Sizes are chosen so
that the narrow form is readable on a screen of 390 px; `wide` is for the desk.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from emsync.emotion.mapping import CategoryGaussian, Mood
from emsync.emotion.reading import EMOTIONS
from emsync.text import listed

if TYPE_CHECKING:
    from emsync.film.scenes import Cut
    from emsync.music.composition import BoundaryHit
    from emsync.music.notes import Note

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#6B7280"
INK, FAINT = "#1F2937", "#D9DDE3"

EMOTION_COLOURS = {
    "anger": VERMILION,
    "disgust": GREEN,
    "fear": PURPLE,
    "joy": ORANGE,
    "sadness": BLUE,
    "surprise": SKY,
}
GROUP_COLOURS = {
    "strings": PURPLE,
    "piano": BLUE,
    "guitar": ORANGE,
    "bass": GREEN,
    "drums": GREY,
}

_NARROW, _WIDE = 4.2, 9.0  # inches; at 96 px an inch the narrow form is about 400 px


# Cuts ---------------------------------------------------------------------------------------


def cuts_timeline(
    duration: float, cuts: Sequence["Cut"], threshold: float = 0.27, wide: bool = False
) -> Figure:
    """Draw all cuts of a film over time, as high as their score; the kept ones stand out.

    Args:
        duration: seconds.
        threshold: the score that a cut has to exceed; drawn as a line.
    """
    figure, axes = _figure(wide, 1.9)
    for kept, colour, size in ((False, GREY, 4), (True, BLUE, 6)):
        shown = [cut for cut in cuts if cut.kept is kept]
        times, scores = [float(cut.time) for cut in shown], [cut.score for cut in shown]
        axes.vlines(times, 0, scores, colors=colour, linewidth=2.2 if kept else 1.0)
        axes.plot(
            times,
            scores,
            "o",
            color=colour,
            markersize=size,
            markerfacecolor=colour if kept else "white",
        )
    axes.axhline(threshold, color=VERMILION, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, threshold, 1], ["0", f"{threshold:g}", "1"])
    axes.set_ylabel("score")
    _time_axis(axes, duration)
    kept_count = sum(cut.kept for cut in cuts)
    _legend(
        figure,
        [
            Line2D([], [], color=BLUE, marker="o", markersize=6, linewidth=2.2),
            Line2D([], [], color=GREY, marker="o", markersize=4, markerfacecolor="white"),
            Line2D([], [], color=VERMILION, linestyle=(0, (4, 3)), linewidth=1),
        ],
        [f"kept ({kept_count})", f"too close ({len(cuts) - kept_count})", "threshold"],
    )
    return figure


def describe_cuts(duration: float, cuts: Sequence["Cut"]) -> str:
    """Describe `cuts_timeline` in words."""
    if not cuts:
        return f"No cuts in {duration:.1f} seconds of film."
    kept = [cut for cut in cuts if cut.kept]
    times = ", ".join(f"{float(cut.time):.1f}" for cut in kept)
    return (
        f"{_count(len(cuts), 'cut')} in {duration:.1f} seconds of film, "
        f"{len(kept)} of them kept as boundaries for the music: at {times} seconds."
    )


# Emotion ------------------------------------------------------------------------------------


def emotion_bars(probabilities: Sequence[float]) -> Figure:
    """Draw the six probabilities (order of `EMOTIONS`) as bars; the even guess of 1/6 is marked."""
    figure, axes = _figure(False, 2.4)
    rows = range(len(EMOTIONS))
    axes.barh(rows, probabilities, color=[EMOTION_COLOURS[name] for name in EMOTIONS], height=0.66)
    most = max(probabilities)
    for row, value in zip(rows, probabilities, strict=True):
        axes.text(
            value + 0.012 * max(most, 0.3) / 0.3,
            row,
            f"{value:.0%}",
            va="center",
            color=INK,
            fontweight="bold" if value == most else "normal",
            fontsize=10,
            bbox=_HALO,
        )
    axes.axvline(1 / 6, color=INK, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
    axes.text(1 / 6, -0.62, "even guess", ha="center", va="bottom", color=INK, fontsize=8.5)
    axes.set_yticks(rows, EMOTIONS, fontsize=10)
    axes.set_ylim(len(EMOTIONS) - 0.5, -0.7)
    axes.set_xlim(0, max(0.34, most * 1.16))
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)
    return figure


def describe_emotions(probabilities: Sequence[float]) -> str:
    """Describe `emotion_bars` in words, the likeliest first."""
    ranked = sorted(zip(probabilities, EMOTIONS, strict=True), key=lambda pair: -pair[0])
    return "Emotions: " + ", ".join(f"{name} {value:.0%}" for value, name in ranked) + "."


def circumplex(
    mood: Mood, categories: Sequence[CategoryGaussian], path: Sequence[Mood] = ()
) -> Figure:
    """Draw the mood in the valence-arousal plane, with every category as its 1-sigma ellipse.

    Args:
        path: where several moods follow each other they are drawn, as a line, instead of `mood`.
    """
    figure, axes = _figure(False, 4.0)
    axes.axhline(0, color=FAINT, linewidth=1, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
    axes.add_patch(Ellipse((0, 0), 2, 2, fill=False, edgecolor=FAINT, linewidth=1, zorder=0))
    for category in categories:
        colour = EMOTION_COLOURS[category.emotion]
        centre = (category.valence_mean, category.arousal_mean)
        size = (2 * category.valence_sd, 2 * category.arousal_sd)
        axes.add_patch(Ellipse(centre, *size, facecolor=colour, alpha=0.16, zorder=1))
        axes.add_patch(Ellipse(centre, *size, fill=False, edgecolor=colour, linewidth=1.4))
        axes.plot(*centre, marker="+", color=colour, markersize=7, markeredgewidth=1.6)
        _name_category(axes, category)
    if len(path) > 1:
        _draw_path(axes, path)
    else:
        _draw_mood(axes, mood)
    axes.set_xlim(-_PLANE, _PLANE)
    axes.set_ylim(-_PLANE, _PLANE)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xticks([-1, 0, 1], ["−1\nunpleasant", "0", "+1\npleasant"])
    axes.set_yticks([-1, 0, 1], ["calm −1", "0", "excited +1"])
    axes.set_xlabel("valence", labelpad=-8)
    axes.set_ylabel("arousal", labelpad=-22)
    for side_name in ("left", "bottom"):
        axes.spines[side_name].set_visible(False)
    axes.tick_params(length=0)
    return figure


def describe_mood(
    mood: Mood, nearest: str, stretches: Sequence[tuple[float, float, Mood]] = ()
) -> str:
    """Describe `circumplex` in words.

    Args:
        nearest: the category whose Gaussian is closest.
        stretches: (start, end, mood) in seconds, where the music follows several moods.
    """
    pleasant = "pleasant" if mood.valence >= 0 else "unpleasant"
    excited = "excited" if mood.arousal >= 0 else "calm"
    return (
        f"Mood: valence {mood.valence:+.2f} ({pleasant}), arousal {mood.arousal:+.2f} ({excited}), "
        f"both from -1 to +1; nearest to {nearest}."
    ) + _describe_path(stretches)


def _describe_path(stretches: Sequence[tuple[float, float, Mood]]) -> str:
    if len(stretches) < 2:
        return ""
    points = [
        f"({mood.valence:+.2f}, {mood.arousal:+.2f}) from {start:.0f} s"
        for start, _, mood in stretches
    ]
    return f" The music follows {len(stretches)} moods: {listed(points)}."


# Music --------------------------------------------------------------------------------------


def describe_music(
    notes: Sequence["Note"], boundaries: Sequence["BoundaryHit"], chords: Sequence[float]
) -> str:
    """Describe the piano roll of the page in words."""
    groups = [group for group in GROUP_COLOURS if any(note.group == group for note in notes)]
    played = f" on {listed(groups)}" if groups else ""
    text = f"{_count(len(notes), 'note')}{played}, {_count(len(chords), 'strong chord')}."
    cuts = [boundary for boundary in boundaries if boundary.kind == "cut"]
    ends = "".join(
        f" The chord to end on falls at {boundary.hit:.1f} seconds."
        if boundary.hit is not None
        else f" The chord to end on, asked for at {boundary.asked:.1f} seconds, is missing."
        for boundary in boundaries
        if boundary.kind == "ending"
    )
    if not cuts:
        return text + " The film has no cuts that the music should hit." + ends
    hits = [boundary for boundary in cuts if boundary.hit is not None]
    text += f" {len(hits)} of {_count(len(cuts), 'asked cut')} hit"
    missed = [f"{boundary.asked:.1f}" for boundary in cuts if boundary.hit is None]
    offsets = [abs(boundary.offset) for boundary in hits if boundary.offset is not None]
    if offsets:
        text += f", on average {sum(offsets) / len(offsets):.2f} seconds away"
    return text + (f"; missed at {', '.join(missed)} seconds." if missed else ".") + ends


# Parts --------------------------------------------------------------------------------------

_HALO = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0}

# Where the name of a category stands: position in its ellipse (SDs from its mean) and alignment.
# Anger, disgust and fear overlap, so their names are spread around them. Table 6.1 is only ever
# stretched along its axes, so these places hold for every range r.
_NAME_PLACES = {
    "anger": (1.0, 0.55, "left"),
    "disgust": (0.75, -1.0, "left"),
    "fear": (-0.1, 1.14, "center"),
    "joy": (0.0, -1.2, "center"),
    "sadness": (0.0, -0.55, "center"),
    "surprise": (0.0, 1.16, "center"),
}
_PLANE = 1.32  # half the side of the circumplex; the largest range lets ellipses leave it


def _name_category(axes: Axes, category: CategoryGaussian) -> None:
    across, up, alignment = _NAME_PLACES[category.emotion]
    axes.text(
        category.valence_mean + across * category.valence_sd,
        max(0.1 - _PLANE, min(_PLANE - 0.1, category.arousal_mean + up * category.arousal_sd)),
        category.emotion,
        ha=alignment,
        va="center",
        fontsize=9.5,
        color=darker(EMOTION_COLOURS[category.emotion]),
        bbox=_HALO,
        zorder=3,
    )


def _draw_mood(axes: Axes, mood: Mood) -> None:
    """Draw a star with its name."""
    axes.plot(
        mood.valence,
        mood.arousal,
        marker="*",
        markersize=19,
        color=BLACK,
        markeredgecolor="white",
        markeredgewidth=1.4,
        linestyle="none",
        zorder=5,
    )
    below = mood.arousal > -0.9
    axes.annotate(
        "mood",
        (mood.valence, mood.arousal),
        (0, -11 if below else 11),
        textcoords="offset points",
        ha="center",
        va="top" if below else "bottom",
        fontsize=10.5,
        fontweight="bold",
        color=BLACK,
        bbox=_HALO,
        zorder=4,
    )


def _draw_path(axes: Axes, path: Sequence[Mood]) -> None:
    """Draw a line from mood to mood; its ends are named, so that its direction can be seen."""
    across, up = [mood.valence for mood in path], [mood.arousal for mood in path]
    axes.plot(across, up, "o-", color=INK, linewidth=1.3, markersize=5, zorder=4)
    for word, at in (("start", 0), ("end", -1)):
        axes.annotate(
            word,
            (across[at], up[at]),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
            color=INK,
            bbox=_HALO,
            zorder=4,
        )


def darker(colour: str) -> tuple[float, float, float]:
    """Return the same hue, dark enough for small letters on white."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return red * 0.62, green * 0.62, blue * 0.62


def _figure(wide: bool, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDE if wide else _NARROW, height), dpi=200, layout="constrained")
    figure.set_facecolor("white")
    return figure, _plain(figure.subplots())


def _plain(axes: Axes) -> Axes:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=9, colors=INK)
    axes.xaxis.label.set(size=9.5, color=INK)
    axes.yaxis.label.set(size=9.5, color=INK)
    return axes


def _time_axis(axes: Axes, duration: float, label: bool = True) -> None:
    axes.set_xlim(-duration * 0.008, duration * 1.008)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 1.5, 2, 3, 5, 6, 10]))
    if label:
        axes.set_xlabel("seconds" if duration < 120 else "minutes")
    if duration >= 120:
        axes.xaxis.set_major_locator(MultipleLocator(60 * math.ceil(duration / 360)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at / 60:.0f}"))


def _legend(
    figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int | None = None
) -> None:
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=columns or len(labels),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.2,
        borderaxespad=0.1,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
