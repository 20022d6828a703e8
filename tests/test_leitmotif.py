"""A theme that returns in chosen scenes: moments as text, the sections of the plan, the notes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.music.arranging.arranger import write_lead
from emsync.music.arranging.theme import Theme
from emsync.music.notes import GROUPS
from emsync.music.planning.grid import METRES, STEPS_PER_QUARTER, Grid, lay_grid
from emsync.music.planning.leitmotif import moments_of
from emsync.music.planning.plan import Plan, Section
from emsync.music.planning.write import write_plan
from emsync.presets import check_together
from emsync.settings import MusicSettings, Settings

SECONDS = 60.0
CUTS = (6.1, 14.2, 22.0, 31.4, 40.3, 48.8, 59.0)
CURVE = MoodCurve((0.0, 22.0, 40.3), (Mood(0.6, 0.3), Mood(-0.6, -0.5), Mood(0.5, 0.6)))
THEME = Theme(
    tuple((12 * i, 12 * i + 9, pitch) for i, pitch in enumerate((72, 79, 76, 72, 81, 79, 74, 72)))
)


def grid() -> Grid:
    return lay_grid(METRES["4/4"], [(0.0, 16), (22.0, 24), (40.3, 16)], CUTS, SECONDS)


def plan(asked: MusicSettings, seed: int = 1) -> Plan:
    return write_plan(grid(), CURVE, SECONDS, asked, seed, True)


def test_moments_are_read_as_people_write_them() -> None:
    assert moments_of("") == moments_of("  ") == ()
    assert moments_of("1:05, 12.5;1:02:03  7") == (7.0, 12.5, 65.0, 3723.0)
    for wrong in ("soon", "1:2:3:4", "-5", "1:", "1e3", "12,5a"):
        with pytest.raises(EmsyncError, match=r"is not a moment of the film\. Write seconds"):
            moments_of(wrong)
    with pytest.raises(EmsyncError, match="not a moment"):
        check_together(Settings(music=MusicSettings(leitmotif="the kiss")))


def test_a_moment_after_the_end_is_told_about() -> None:
    with pytest.raises(EmsyncError, match="return at 1:00, but the film ends at 1:00"):
        plan(MusicSettings(leitmotif="60"))


@given(st.lists(st.floats(0.0, 59.9), min_size=1, max_size=4), st.integers(0, 50))
def test_every_chosen_scene_has_a_section_with_the_theme(moments: list[float], seed: int) -> None:
    asked = MusicSettings(leitmotif=" ".join(f"{at:.3f}" for at in moments))
    made = plan(asked, seed)
    laid, bar = grid(), METRES["4/4"].bar
    starts = [section.step for section in made.sections]
    assert starts == sorted(set(starts)) and starts[0] == 0
    sung = [
        (start, end)
        for section, start, end in zip(
            made.sections, starts, [*starts[1:], laid.steps], strict=True
        )
        if section.motif
    ]
    assert sung
    hits = [0, *(hit.step for hit in laid.hits)]
    times = [0.0, *(hit.seconds for hit in laid.hits)]
    for at in moments:
        scene = max(step for step, time in zip(hits, times, strict=True) if time <= at + 0.31)
        # The theme begins with the scene, or the section it lies in began shortly before.
        assert any(start - 2 * bar <= scene < end + 2 * bar for start, end in sung)
    for section in made.sections:
        if section.motif and set(section.groups) - {"bass", "drums"}:
            assert section.lead is not None


def test_the_theme_is_sung_there_and_nowhere_else_in_the_scenes_key() -> None:
    asked = MusicSettings(leitmotif="7 23")
    made = plan(asked)
    line = write_lead(made, asked, 1, THEME)
    starts = [section.step for section in made.sections]
    offsets = {start % (8 * STEPS_PER_QUARTER) for start, _, _ in THEME.notes}
    quarters = 0
    for section, start, end in zip(made.sections, starts, [*starts[1:], made.end], strict=True):
        own = [event for event in line if start <= event.start < end]
        if section.motif:
            assert len(own) >= 4
            first = -(-start // 48) * 48
            body = [e for e in own if e.start >= first and e.start < end - 48]
            on = sum((event.start - first) % 96 in offsets for event in body)
            assert on >= 0.9 * len(body)
            quarters += len(body)
        assert all(GROUPS[event.group] == section.lead for event in own)
    assert quarters >= 8
    modes = {section.mode for section in made.sections if section.motif}
    assert len(modes) == 2


def test_without_a_theme_the_first_melody_returns() -> None:
    """Of the sections that sing, the chosen ones sing what the first one sang."""
    asked = MusicSettings(leitmotif="45")
    for seed in range(6):
        made = plan(asked, seed)
        sections = list(made.sections)
        first = next(i for i, section in enumerate(sections) if section.lead is not None)
        (chosen,) = (i for i, section in enumerate(sections) if section.motif)
        if first == chosen:
            continue
        one, other = (_rhythm(made, asked, seed, i) for i in (first, chosen))
        assert min(len(one), len(other)) >= 4
        plain = _rhythm(replace(made, sections=_unmarked(made)), asked, seed, chosen)
        # Chords and hit points shift a note here and there.
        assert _likeness(one, other) >= 0.6
        assert sections[first].letter == sections[chosen].letter or (
            _likeness(one, plain) < _likeness(one, other)
        )


def _unmarked(made: Plan) -> tuple[Section, ...]:
    return tuple(replace(section, motif=False) for section in made.sections)


def _likeness(one: list[int], other: list[int]) -> float:
    """Return the Jaccard likeness of two rhythms, as far as both go."""
    until = min(one[-1], other[-1])
    first, second = ({at for at in rhythm if at <= until} for rhythm in (one, other))
    return len(first & second) / len(first | second)


def _rhythm(made: Plan, asked: MusicSettings, seed: int, index: int) -> list[int]:
    """Return where the melody of a section begins its notes, from its first bar line on."""
    starts = [section.step for section in made.sections] + [made.end]
    line = -(-starts[index] // 48) * 48
    return [
        event.start - line
        for event in write_lead(made, asked, seed, None)
        if line <= event.start < starts[index + 1]
    ]
