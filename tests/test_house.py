"""What the parts of the tree promise each other: requirements, the Space, licences, imports."""

import ast
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from importlib.metadata import packages_distributions
from itertools import accumulate
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
RESEARCH = {REPOSITORY / "emsync" / name for name in ("training", "evaluation")}
HEAVY = {"torch", "gradio", "av", "matplotlib", "fluidsynth", "pretty_midi", "numba", "scipy"}
HUB_COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def requirements(name: str) -> dict[str, Requirement]:
    """The packages that a requirements file names itself, by canonical name."""
    lines = (REPOSITORY / name).read_text().splitlines()
    found = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    return {canonicalize_name(one.name): one for one in found}


def imported(*sources: Path) -> set[str]:
    """Canonical names of the distributions that these files import, by a look at their text."""
    modules = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    modules -= {*sys.stdlib_module_names, "emsync", "conftest"}
    known = packages_distributions()
    return {canonicalize_name(known[module][0]) for module in modules if module in known}


def front_matter() -> dict[str, str]:
    """The settings of the Hugging Face Space, which stand on top of the README."""
    text = (REPOSITORY / "README.md").read_text()
    assert text.startswith("---\n")
    block = text.split("---\n")[1]
    return dict(line.split(": ", 1) for line in block.splitlines())


def documents() -> str:
    """What is written for who uses it."""
    names = ("README.md", "RESEARCH.md")
    return "\n".join((REPOSITORY / name).read_text() for name in names)


def tracked() -> list[Path]:
    """Files that are in the repository, or would be with the next commit."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this tree is not a git repository")
    paths = [REPOSITORY / os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


# Requirements and the Space ------------------------------------------------------------------


def test_the_app_requires_what_it_imports_and_nothing_else() -> None:
    sources = [REPOSITORY / "app.py", *(REPOSITORY / "emsync").rglob("*.py")]
    needed = imported(*(path for path in sources if not RESEARCH & {*path.parents}))
    # pretty_midi also carries the SoundFont of last resort, but it is imported as well.
    carried = {"starlette"}  # Gradio is made with it, and cannot be had without
    assert needed - carried == set(requirements("requirements.txt"))


def test_tests_and_research_require_what_they_import() -> None:
    sources = [path for folder in RESEARCH for path in folder.rglob("*.py")]
    sources += (REPOSITORY / "tests").rglob("*.py")
    app, extra = requirements("requirements.txt"), requirements("requirements-dev.txt")
    carried = {"packaging", "pillow"}  # pytest and gradio cannot be had without them
    assert imported(*sources) - set(app) - carried <= set(extra)
    assert "-r requirements.txt" in (REPOSITORY / "requirements-dev.txt").read_text()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_bounded_and_comes_from_the_index_of_the_user(name: str) -> None:
    for requirement in requirements(name).values():
        kinds = {specifier.operator for specifier in requirement.specifier}
        assert kinds in ({"=="}, {">=", "<"}), requirement
    text = (REPOSITORY / name).read_text()
    assert "://" not in text and "index-url" not in text


def test_the_space_runs_the_same_tree() -> None:
    space = front_matter()
    gradio = requirements("requirements.txt")["gradio"]
    assert space["sdk"] == "gradio"
    assert f"=={space['sdk_version']}" == str(gradio.specifier)
    assert (REPOSITORY / space["app_file"]).is_file()
    assert tuple(map(int, space["python_version"].strip('"').split("."))) >= (3, 11)
    assert space["license"] == "mit"
    assert {space["colorFrom"], space["colorTo"]} <= HUB_COLORS
    assert 0 < len(space["short_description"]) <= 60
    assert len(space["emoji"].strip()) in (1, 2)
    # Its system packages are those that the set-up script installs elsewhere.
    packages = (REPOSITORY / "packages.txt").read_text().split()
    setup = (REPOSITORY / "scripts" / "setup.sh").read_text()
    for package in ("libfluidsynth3", "fluid-soundfont-gm"):
        assert package in packages and package in setup


def test_the_readme_names_commands_that_exist() -> None:
    text = documents()
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE))
    assert {"run", "test"} <= {first or second for first, second in named} <= targets
    modules = set(re.findall(r"python -m (emsync[.\w]*)", text))
    for module in modules:
        path = REPOSITORY.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    for link in re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r'src="([^":]+)"', text):
        assert (REPOSITORY / link).exists(), link


def test_the_readme_gives_the_options_as_they_are() -> None:
    from emsync.commands.options import parser
    from emsync.music.transformer.checkpoint import DEFAULT

    text = documents()
    standard = vars(parser().parse_args(["film", "-o", "out"]))
    unset = {"mood": "the film's", "weights": DEFAULT, "mood-at": "none"}
    unset |= dict.fromkeys(
        ("primer", "keep", "opening", "slowest", "fastest", "chords", "theme"), "none"
    )
    rows = re.findall(r"^\| `--([a-z-]+)[^`]*` \| ([^|]*) \|", text, re.MULTILINE)
    assert {"range", "sensitivity", "instruments", "seed"} <= {name for name, _ in rows}
    for name, default in rows:
        value = standard[name.replace("-", "_")]
        value = "all" if isinstance(value, tuple) else value
        assert default.strip() == (unset[name] if value in (None, [], "") else str(value)), name


def test_licences_are_stated() -> None:
    licence = (REPOSITORY / "LICENSE").read_text()
    assert licence.startswith("MIT License") and "The EMSYNC contributors" in licence
    for folder in (REPOSITORY / "weights").iterdir():
        card = (folder / "README.md").read_text().lower().replace(" ", "")
        assert "licen" in card, folder
        config = json.loads((folder / "config.json").read_text())
        if "architecture" not in config:
            continue  # it writes no music
        assert set(config["tiers"]) <= {"free", "synthetic"}, "not for everybody to use"
        for source in config["sources"]:
            assert source.split("_")[0] in card, f"{folder.name} does not credit {source}"


# The tree --------------------------------------------------------------------------------------


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    # Spelled so that this file does not find itself.
    pattern = re.compile(rb"(?<![\w.])/(?:work|root|home|Users)" + rb"/\w")
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content[:8192] and pattern.search(content):
            found.append(str(path.relative_to(REPOSITORY)))
    assert not found


def test_the_example_film_is_cut_where_its_shots_change() -> None:
    """The film that every clone has: all its cuts are found, and those 4 s apart are kept."""
    from emsync.film.frames import stream_frames
    from emsync.film.probe import probe
    from emsync.film.scenes import ThresholdDetector
    from emsync.progress import CancelToken
    from emsync.settings import CutSettings
    from examples.landscapes import RATE, SHOTS

    film = probe(REPOSITORY / "examples" / "landscapes.mp4")
    detector = ThresholdDetector(CutSettings())
    for frame in stream_frames(film, CancelToken(), 160):
        detector.add_frame(frame)
    ends = list(accumulate(Fraction(round(shot.seconds * RATE), RATE) for shot in SHOTS))
    assert film.duration == ends[-1]
    assert [cut.time for cut in detector.cuts] == ends[:-1]
    assert [cut.time for cut in detector.cuts if not cut.kept] == [Fraction(27, 2), Fraction(22)]


# Imports ---------------------------------------------------------------------------------------


def run_python(program: str, *arguments: str) -> str:
    """Standard output of a new Python in the repository."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "GRADIO_ANALYTICS_ENABLED": "False"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_loads_nothing_heavy() -> None:
    program = """
import runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("emsync", run_name="__main__")
except SystemExit as end:
    assert not end.code
print("loaded:", *{name.partition(".")[0] for name in sys.modules})
"""
    loaded = set(run_python(program).splitlines()[-1].split()[1:])
    assert "argparse" in loaded
    assert not loaded & HEAVY


def test_the_pipeline_is_heavy_only_when_it_runs() -> None:
    program = "import emsync.pipeline, sys; print(*{n.partition('.')[0] for n in sys.modules})"
    assert not set(run_python(program).split()) & HEAVY


def test_importing_does_nothing_else() -> None:
    """No file is written, no program started, no thread, no connection, no setting changed."""
    program = """
import importlib, logging, os, pkgutil, sys, threading
import gradio, matplotlib.figure, torch  # what these do is theirs
import emsync

acts = []

def look(event, arguments):
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & writes:
        acts.append((event, str(arguments[0])))
    elif event in ("subprocess.Popen", "os.system", "os.mkdir", "os.remove", "os.rename",
                   "socket.connect", "socket.bind", "os.putenv", "os.chdir"):
        acts.append((event, str(arguments)))

def state():
    return (threading.active_count(), len(logging.root.handlers), torch.get_num_threads(),
            torch.get_default_dtype(), torch.is_grad_enabled(), torch.initial_seed(),
            matplotlib.get_backend(auto_select=False), list(sys.path))

before = state()
sys.addaudithook(look)
names = [found.name for found in pkgutil.walk_packages(emsync.__path__, "emsync.")]
for name in ["app", *names]:
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert "emsync.pipeline" in sys.modules and "emsync.interface.layout" in sys.modules
assert acts == [], acts
assert state() == before, (before, state())
"""
    run_python(program)
