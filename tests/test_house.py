"""What the parts of the tree promise each other: requirements, the Space, licences, imports."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from itertools import accumulate
from pathlib import Path
from typing import Any

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


# The structure ---------------------------------------------------------------------------------

FLOORS = (
    {"errors", "text", "progress", "limits", "settings", "stages"},
    {"process"},
    {"weights"},
    {"film"},
    {"emotion"},
    {"music"},
    {"performance"},
    {"sound"},
    {"results", "presets"},
    {"report"},
    {"pipeline"},
    {"batch", "commands", "interface", "evaluation", "training", "benchmarks"},
)
"""Parts of the package, the lowest first: a module imports from its own floor and those below."""
BESIDE = {"__main__": 11, "__init__": 0}
"""The package itself and its command, with the floors on which they stand."""
ARROWS_UP: dict[tuple[str, str], str] = {}
"""Imports from a higher floor that are to stay, with the reason."""
MOST_MODULE_LINES = 600
MOST_ROOT_MODULES = 10
FEWEST_IMPERATIVE = 0.9
VERBS = set((REPOSITORY / "tests" / "verbs.txt").read_text().split())
"""With which docstrings begin. What is no verb of this list counts as no imperative, so a new verb
has to be added there."""


@functools.cache
def product() -> dict[str, ast.Module]:
    """Every module of the package by its full name, parsed."""
    root = REPOSITORY / "emsync"
    return {
        ".".join(("emsync", *path.relative_to(root).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): ast.parse(path.read_text(), str(path))
        for path in sorted(root.rglob("*.py"))
    }


def imports_of(module: str, tree: ast.Module, modules: set[str]) -> set[str]:
    """The modules of the package that one imports: anywhere, and for types as well."""
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{module} imports relatively"
            # What is imported may be a module or something in it.
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= inner & modules
            if inner - modules:
                named.add(node.module)
    return (named & modules) - {module}


def floor_of(module: str) -> int:
    part = [*module.split("."), "__init__"][1]
    floors = [number for number, parts in enumerate(FLOORS) if part in parts]
    assert floors or part in BESIDE, f"on which floor does {module} stand?"
    return floors[0] if floors else BESIDE[part]


def test_modules_import_from_their_own_floor_and_those_below() -> None:
    modules = product()
    up = {
        (module, other)
        for module, tree in modules.items()
        for other in imports_of(module, tree, set(modules))
        if floor_of(other) > floor_of(module)
    }
    wrong = sorted(up - set(ARROWS_UP))
    assert not wrong, "\n".join(f"{one} imports {other}" for one, other in wrong)
    assert set(ARROWS_UP) == up, "an arrow is excused that is no longer there"


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = product()
    graph = {module: imports_of(module, tree, set(modules)) for module, tree in modules.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as found:
        pytest.fail("a circle: " + " ← ".join(found.args[1]))


def test_few_modules_stand_at_the_root_of_the_package() -> None:
    root = {path.stem for path in (REPOSITORY / "emsync").glob("*.py")} - {"__init__"}
    assert len(root) <= MOST_ROOT_MODULES, sorted(root)


def test_no_module_is_too_long() -> None:
    folders = ("emsync", "trials", "hosts", "scripts", "examples")
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    lines = {path: path.read_text().count("\n") for path in [*paths, REPOSITORY / "app.py"]}
    long = {
        str(path.relative_to(REPOSITORY)): count
        for path, count in lines.items()
        if count > MOST_MODULE_LINES
    }
    assert not long, long


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods, with their names inside the module."""

    def inside(node: ast.AST, place: str) -> Iterator[tuple[str, Any]]:
        for child in ast.iter_child_nodes(node):
            name = getattr(child, "name", "")
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield place + name, child
            yield from inside(child, f"{place}{name}." if name else place)

    yield from inside(tree, "")


def test_docstrings_of_functions_and_methods_are_in_the_imperative() -> None:
    """Counted are functions and methods of the package that have a docstring, but for properties,
    which are what they say. Right is one whose first word is a verb of `VERBS` and which ruff's
    rule D401 does not find in another form ("Returns")."""
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "D401", "--output-format",
         "json", "emsync"],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    other_forms = {
        (Path(one["filename"]).relative_to(REPOSITORY).as_posix(), one["location"]["row"])
        for one in json.loads(found.stdout)
    }
    counted, wrong = 0, []
    for path in sorted((REPOSITORY / "emsync").rglob("*.py")):
        for name, node in functions(ast.parse(path.read_text())):
            text = ast.get_docstring(node)
            marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
            if not text or marks & {"property", "cached_property", "setter"}:
                continue
            counted += 1
            place = path.relative_to(REPOSITORY).as_posix()
            first, second, *_ = [*re.findall(r"\w+", text.lower()), "", ""]
            # "Score of the piece" is no verb.
            if first not in VERBS or second == "of" or (place, node.body[0].lineno) in other_forms:
                wrong.append(f"{place}:{node.lineno} {name}: {text.splitlines()[0]}")
    assert counted > 1000, "the docstrings were not found"
    share = 1 - len(wrong) / counted
    assert share >= FEWEST_IMPERATIVE, "\n".join(
        [*wrong, f"{share:.1%} of {counted} docstrings are in the imperative"]
    )


MOST_FUNCTION_LINES = 80
LONG_FUNCTIONS: dict[str, str] = {}
"""Functions of more than `MOST_FUNCTION_LINES` lines, with the reason."""


def test_no_function_is_too_long() -> None:
    long = {
        f"{module}.{name}": node.end_lineno - node.lineno + 1
        for module, tree in product().items()
        for name, node in functions(tree)
        if node.end_lineno and node.end_lineno - node.lineno >= MOST_FUNCTION_LINES
    }
    wrong = {name: count for name, count in long.items() if name not in LONG_FUNCTIONS}
    assert not wrong, wrong
    assert set(LONG_FUNCTIONS) == set(long), "a function is excused that is no longer long"
