"""The page's pictures: what they show, that they can be read, and their words."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.text import Text

from emsync.emotion.mapping import Mood, scaled_categories
from emsync.emotion.reading import EMOTIONS
from emsync.film.scenes import Cut
from emsync.interface import plots
from emsync.interface.pictures import as_picture
from emsync.music.composition import BoundaryHit
from emsync.music.notes import Note
from emsync.settings import MoodSettings

CUTS = (
    Cut(Fraction(2), 0.8, True),
    Cut(Fraction(4), 0.3, False),
    Cut(Fraction(17, 2), 0.5, True),
)
NOTES = (
    Note("piano", 60, 0.0, 1.0, 80),
    Note("piano", 64, 0.0, 1.0, 80),
    Note("bass", 36, 0.5, 2.0, 80),
    Note("drums", 38, 1.0, 1.1, 80),
)
BOUNDARIES = (BoundaryHit(2.0, 2.1), BoundaryHit(8.5, None))
EVEN = (1 / 6,) * 6


def all_figures(span: float = 0.8) -> dict[str, Figure]:
    mood = MoodSettings(valence_arousal_range=span)
    return {
        "cuts": plots.cuts_timeline(10, CUTS),
        "emotions": plots.emotion_bars((0.05, 0.05, 0.1, 0.6, 0.1, 0.1)),
        "mood": plots.circumplex(Mood(0.9, 0.2), scaled_categories(mood)),
        "path": plots.circumplex(
            Mood(0, 0), scaled_categories(mood), [Mood(-1, 1), Mood(0, 0), Mood(1, -1)]
        ),
    }


def points(line: Line2D) -> list[tuple[float, float]]:
    across, up = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    return list(zip(across.tolist(), up.tolist(), strict=True))


def times(line: Line2D) -> list[float]:
    return [across for across, _ in points(line)]


def letters(figure: Figure) -> list[Text]:
    """Every text that is drawn."""
    figure.draw_without_rendering()
    found = []
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
    for legend in figure.legends:
        found += legend.get_texts()
    return [text for text in found if text.get_text() and text.get_visible()]


def svg_of(picture: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", picture, re.DOTALL)


def test_kept_cuts_are_told_from_the_others() -> None:
    (axes,) = plots.cuts_timeline(10, CUTS).axes
    others, kept = axes.lines[0], axes.lines[1]
    assert times(others) == [4.0]
    assert times(kept) == [2.0, 8.5]
    assert others.get_markerfacecolor() != kept.get_markerfacecolor()
    low, high = axes.get_xlim()
    assert low <= 0 < 10 <= high


def test_bars_carry_the_probabilities() -> None:
    probabilities = (0.05, 0.05, 0.1, 0.6, 0.1, 0.1)
    (axes,) = plots.emotion_bars(probabilities).axes
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == pytest.approx(
        probabilities
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == list(EMOTIONS)
    assert [text.get_text() for text in axes.texts][:6] == ["5%", "5%", "10%", "60%", "10%", "10%"]


def test_ellipses_are_one_standard_deviation() -> None:
    categories = scaled_categories(MoodSettings())
    (axes,) = plots.circumplex(Mood(-0.3, 0.4), categories).axes
    ellipses = [patch for patch in axes.patches if isinstance(patch, Ellipse)]
    for category in categories:
        expected = (category.valence_mean, category.arousal_mean)
        assert any(
            ellipse.center == expected
            and ellipse.width == 2 * category.valence_sd
            and ellipse.height == 2 * category.arousal_sd
            for ellipse in ellipses
        )
    assert [(-0.3, 0.4)] in [points(line) for line in axes.lines]
    assert set(EMOTIONS) | {"mood"} <= {text.get_text() for text in axes.texts}


def test_moods_that_follow_each_other_are_a_path() -> None:
    path = [Mood(-0.6, 0.1), Mood(0.2, 0.3), Mood(0.7, 0.5)]
    (axes,) = plots.circumplex(Mood(0, 0), scaled_categories(MoodSettings()), path).axes
    drawn = [points(line) for line in axes.lines]
    assert [(mood.valence, mood.arousal) for mood in path] in drawn
    assert [(0.0, 0.0)] not in drawn
    words = {text.get_text() for text in axes.texts}
    assert {"start", "end"} <= words and "mood" not in words


def test_the_chord_to_end_on_is_no_cut() -> None:
    boundaries = (*BOUNDARIES, BoundaryHit(9.5, 9.4, "ending"))
    told = plots.describe_music(NOTES, boundaries, (2.1, 9.4))
    assert "1 of 2 asked cuts hit" in told
    assert told.endswith("The chord to end on falls at 9.4 seconds.")
    missed = plots.describe_music(NOTES, (BoundaryHit(9.5, None, "ending"),), ())
    assert "no cuts" in missed and missed.endswith("asked for at 9.5 seconds, is missing.")


@pytest.mark.parametrize("span", [0.1, 0.8, 1.0])
def test_letters_are_legible_at_390_pixels(span: float) -> None:
    for name, figure in all_figures(span).items():
        pixels_per_point = 390 / (figure.get_figwidth() * 72)
        smallest = min(float(text.get_fontsize()) for text in letters(figure))
        assert smallest * pixels_per_point >= 10, name


@pytest.mark.parametrize("span", [0.1, 0.5, 0.8, 1.0])
def test_nothing_is_cut_off(span: float) -> None:
    for name, figure in all_figures(span).items():
        for text in letters(figure):
            box, edge = text.get_window_extent(), figure.bbox
            assert edge.x0 - 1 <= box.x0 and box.x1 <= edge.x1 + 1, (name, text.get_text())
            assert edge.y0 - 1 <= box.y0 and box.y1 <= edge.y1 + 1, (name, text.get_text())


def test_an_empty_film_can_be_drawn() -> None:
    (svg,) = svg_of(as_picture(plots.cuts_timeline(0.04, ()), "nothing"))
    assert ElementTree.fromstring(svg).get("aria-label") == "nothing"


def test_pictures_are_valid_svg_and_fetch_nothing() -> None:
    for figure in all_figures().values():
        (svg,) = svg_of(as_picture(figure, "words"))
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")
        for element in root.iter():
            for key, value in element.attrib.items():
                if key.endswith("href"):
                    assert value.startswith("#"), value


def test_several_pictures_on_a_page_do_not_meet() -> None:
    pictures = [svg_of(as_picture(figure, "words"))[0] for figure in all_figures().values()]
    names: set[str] = set()
    for svg in pictures:
        own = set(re.findall(r'\bid="([^"]+)"', svg))
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
        assert own and used <= own and not own & names
        assert "<style" not in svg  # it would hold for all of the page
        names |= own


def test_pictures_follow_the_theme() -> None:
    for name, figure in all_figures().items():
        (svg,) = svg_of(as_picture(figure, "words"))
        assert "currentColor" in svg, name
        fixed = set(re.findall(r"[:,] (#[0-9a-f]{6})", svg.lower()))
        allowed = {colour.lower() for colour in plots.EMOTION_COLOURS.values()}
        allowed |= {plots.GREY.lower(), "#d9dde3"}  # the last where a page says no other
        assert fixed <= allowed, (name, fixed - allowed)


def test_the_description_is_escaped() -> None:
    picture = as_picture(plots.emotion_bars(EVEN), 'a "quoted" <b>')
    assert 'aria-label="a &quot;quoted&quot; &lt;b&gt;"' in picture


def test_a_wide_picture_is_offered_beside_the_narrow_one() -> None:
    narrow, wide = plots.cuts_timeline(10, CUTS), plots.cuts_timeline(10, CUTS, wide=True)
    kinds = [re.findall(r'class="([^"]+)"', svg)[0] for svg in
             svg_of(as_picture(narrow, "x", wide))]  # fmt: skip
    assert kinds == ["em-picture em-narrow", "em-picture em-wide"]


def test_words_for_the_pictures() -> None:
    assert plots.describe_cuts(10, CUTS) == (
        "3 cuts in 10.0 seconds of film, 2 of them kept as boundaries for the music: "
        "at 2.0, 8.5 seconds."
    )
    assert plots.describe_cuts(10, ()) == "No cuts in 10.0 seconds of film."
    assert plots.describe_emotions((0.1, 0.0, 0.0, 0.6, 0.3, 0.0)).startswith(
        "Emotions: joy 60%, sadness 30%, anger 10%"
    )
    assert plots.describe_mood(Mood(-0.5, 0.25), "anger") == (
        "Mood: valence -0.50 (unpleasant), arousal +0.25 (excited), both from -1 to +1; "
        "nearest to anger."
    )
    stretches = ((0.0, 9.6, Mood(-0.5, 0.25)), (9.6, 20.0, Mood(0.5, 0.0)))
    assert plots.describe_mood(Mood(-0.5, 0.25), "anger", stretches).endswith(
        "nearest to anger. The music follows 2 moods: (-0.50, +0.25) from 0 s and "
        "(+0.50, +0.00) from 10 s."
    )
    assert plots.describe_music(NOTES, BOUNDARIES, (2.1, 5.0)) == (
        "4 notes on piano, bass and drums, 2 strong chords. "
        "1 of 2 asked cuts hit, on average 0.10 seconds away; missed at 8.5 seconds."
    )


def test_nothing_global_is_touched() -> None:
    program = (
        "import sys, matplotlib\n"
        "def now(): return list(dict.items(matplotlib.rcParams))\n"
        "before = now()\n"
        "from emsync.interface import plots\n"
        "from emsync.interface.pictures import as_picture\n"
        "as_picture(plots.emotion_bars((1/6,) * 6), 'x')\n"
        "sys.exit('matplotlib.pyplot' in sys.modules or before != now())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
