"""What `make run` does to a machine, tried on machines that are made up.

The set-up script is the real one. Python, apt-get, sudo and id are stand-ins that write down how
they were called, since no test should install anything.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = (
    "bash",
    "cat",
    "cmp",
    "cp",
    "dirname",
    "env",
    "grep",
    "mkdir",
    "rm",
    "timeout",
    "touch",
    "uname",
)

OPENCV = ("libgl1", "libglib2.0-0")
"""Packages with the libraries that OpenCV loads."""
PULL = "python -m emsync weights pull standard --if-reachable"

PYTHON = """#!/bin/bash
echo "python $*" >>"$MACHINE/log"
case "$*" in
  *version_info*"(3, 11)"*) [ ! -e "$MACHINE/old" ] ;;
  *'"%d.%d"'*) cat "$MACHINE/version" 2>/dev/null || echo 3.12 ;;
  --version) if [ -e "$MACHINE/old" ]; then echo Python 3.9.2; else echo Python 3.12.1; fi ;;
  *ensurepip*) [ -e "$MACHINE/python3.12-venv" ] ;;
  *fluidsynth*) [ -e "$MACHINE/libfluidsynth3" ] ;;
  "-m venv "*) rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip --version") true ;;
  "-m pip install "*) [ ! -e "$MACHINE/offline" ] ;;
  "-c import cv2")
    for library in libGL.so.1:libgl1 libgthread-2.0.so.0:libglib2.0-0; do
      [ -e "$MACHINE/${library#*:}" ] && continue
      echo "ImportError: ${library%:*}: cannot open shared object file" >&2
      exit 1
    done ;;
  *find_spec*paddle*) [ ! -e "$MACHINE/without-paddle" ] ;;
  "-m emsync weights pull "*) exit "$(cat "$MACHINE/pull" 2>/dev/null || echo 0)" ;;
  *) false ;;
esac
"""
APT = """#!/bin/bash
echo "apt-get $*" >>"$MACHINE/log"
case "$*" in *" install "*) touch "$MACHINE/${@: -1}" ;; esac
"""


@dataclass(frozen=True)
class Machine:
    """A copy of what the script needs, in a folder with a space in its name."""

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / "my films"

    def has(self, *things: str) -> None:
        """Something is installed on, or true of, this machine."""
        for thing in things:
            (self.root / thing).touch()

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def setup(self, profile: str = "app", **variables: str) -> tuple[int, str, list[str]]:
        """Run the script; its exit status, all it said, and how the stand-ins were called."""
        log = self.root / "log"
        log.write_text("")
        done = subprocess.run(
            ["bash", str(self.tree / "scripts" / "setup.sh"), profile],
            cwd=self.root,  # it must find its tree by itself
            env={
                "PATH": str(self.root / "bin"),
                "HOME": str(self.root),
                "MACHINE": str(self.root),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Debian with Python 3.12 and nothing else, for a user who may not use apt."""
    made = Machine(tmp_path)
    made.tree.joinpath("scripts").mkdir(parents=True)
    for name in ("scripts/setup.sh", "requirements.txt", "requirements-dev.txt", "constraints.txt"):
        shutil.copy(REPOSITORY / name, made.tree / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (tmp_path / "bin" / tool).symlink_to(os.path.realpath(found))
    made.program("python3", PYTHON)
    made.program("apt-get", APT)
    made.program("id", "#!/bin/bash\necho 1000\n")
    made.program("sudo", "#!/bin/bash\nexit 1\n")
    made.has("python3.12-venv", *OPENCV)
    return made


def root(machine: Machine) -> None:
    machine.program("id", "#!/bin/bash\necho 0\n")


def installs(log: list[str]) -> list[str]:
    return [line for line in log if " install" in line and "--version" not in line]


def test_without_rights_it_names_the_line_and_goes_on(machine: Machine) -> None:
    status, told, log = machine.setup()
    assert status == 0, told
    assert "sudo apt-get update && sudo apt-get install -y libfluidsynth3" in told
    assert not [line for line in log if line.startswith("apt-get")]
    assert "python -m pip install --requirement requirements.txt" in log
    assert (machine.tree / ".venv" / "emsync-app.installed").is_file()


def test_with_rights_it_installs_what_is_missing(machine: Machine) -> None:
    root(machine)
    status, told, log = machine.setup()
    assert status == 0, told
    apt = [line.split() for line in log if line.startswith("apt-get")]
    assert apt[0][-1] == "update"
    assert apt[1][-1] == "libfluidsynth3"
    assert sum(line[-1] == "update" for line in apt) == 1
    # The script looks where Debian puts the SoundFont, which this machine may really have.
    assert {line[-1] for line in apt[2:]} <= {"fluid-soundfont-gm"}


def test_sudo_that_asks_nothing_will_do(machine: Machine) -> None:
    machine.program("sudo", '#!/bin/bash\n[ "$1" = -n ] && shift && exec "$@"\n')
    machine.program("true", "#!/bin/bash\n")
    status, told, log = machine.setup()
    assert status == 0, told
    assert any(line.endswith("libfluidsynth3") for line in log)


def test_apt_is_left_alone_when_told_so(machine: Machine) -> None:
    root(machine)
    status, told, log = machine.setup(APT="no")
    assert status == 0, told
    assert "libfluidsynth3" in told
    assert not [line for line in log if line.startswith("apt-get")]


def test_the_second_time_there_is_nothing_to_do(machine: Machine) -> None:
    machine.has("libfluidsynth3")
    assert machine.setup()[0] == 0
    status, told, log = machine.setup()
    assert (status, told, installs(log)) == (0, "", [])


def test_new_requirements_are_installed(machine: Machine) -> None:
    machine.has("libfluidsynth3")
    machine.setup()
    with (machine.tree / "requirements.txt").open("a") as file:
        file.write("one-more>=1,<2\n")
    assert "python -m pip install --requirement requirements.txt" in installs(machine.setup()[2])
    assert installs(machine.setup()[2]) == []


def test_the_python_that_was_tested_gets_the_versions_that_were_tested(machine: Machine) -> None:
    machine.has("libfluidsynth3")
    (machine.root / "version").write_text("3.11")
    status, told, log = machine.setup()
    assert status == 0, told
    pinned = "python -m pip install --requirement requirements.txt --constraint constraints.txt"
    assert pinned in log and "newest" not in told
    with (machine.tree / "constraints.txt").open("a") as file:
        file.write("one-more==1\n")
    assert pinned in installs(machine.setup()[2])
    assert installs(machine.setup()[2]) == []


def test_another_python_is_told_that_it_gets_others(machine: Machine) -> None:
    assert "This is Python 3.12: it gets the newest versions" in machine.setup()[1]


def test_what_has_no_wheel_for_a_python_is_left_out_in_a_sentence(machine: Machine) -> None:
    machine.has("libfluidsynth3")
    assert "PaddlePaddle" not in machine.setup()[1]
    machine.has("without-paddle")
    (machine.root / "version").write_text("3.14")
    (machine.tree / ".venv" / "emsync-app.installed").unlink()
    status, told, _ = machine.setup()
    assert status == 0
    assert "PaddlePaddle is not built for Python 3.14 on this machine" in told
    assert "left out" not in machine.setup()[1]  # said once, not at every start


def test_requirements_are_resolved_for_every_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is left out: what `make resolve` finds out with it is printed there."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    import resolve  # type: ignore[import-not-found]

    assert resolve.left_out("3.13", "x86_64") == []
    assert resolve.left_out("3.14", "x86_64") == ["paddleocr", "paddlepaddle"]
    assert resolve.left_out("3.11", "aarch64") == ["paddleocr", "paddlepaddle"]
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        asked.append(command)
        refused = "3.12" in command
        return subprocess.CompletedProcess(command, refused, "one==1\ntwo==2\n", "No wheel.")

    monkeypatch.setattr(resolve.subprocess, "run", run)
    assert resolve.resolve("3.14", "x86_64") == ["one==1", "two==2"]
    assert resolve.resolve("3.12", "x86_64") == "No wheel."
    assert "--only-binary" in asked[0] and asked[0][-1] == "requirements-dev.txt"
    assert resolve.main() == 1
    assert {command[command.index("--python-version") + 1] for command in asked} == {
        "3.11", "3.12", "3.13", "3.14",
    }  # fmt: skip


def test_every_requirement_has_a_version_that_was_tested() -> None:
    def names(file: str) -> set[str]:
        lines = (REPOSITORY / file).read_text().splitlines()
        found = [re.match(r"[A-Za-z0-9._-]+", line) for line in lines if line[:1] not in "#-"]
        return {one[0].lower().replace("_", "-") for one in found if one is not None}

    tested = names("constraints.txt")
    assert names("requirements.txt") <= tested
    assert names("requirements-dev.txt") <= tested


def test_tests_need_more_than_the_app(machine: Machine) -> None:
    machine.has("libfluidsynth3")
    machine.setup("app")
    status, told, log = machine.setup("tests")
    assert status == 0, told
    assert "python -m pip install --requirement requirements-dev.txt" in installs(log)
    assert "sudo apt-get install -y chromium" in told
    assert "sudo apt-get install -y musescore3" in told
    machine.program("chromium", "#!/bin/bash\n")
    machine.program("mscore3", "#!/bin/bash\n")
    (machine.tree / ".venv" / "emsync-tests.installed").unlink()
    told = machine.setup("tests")[1]
    assert "chromium" not in told and "musescore" not in told


def test_an_old_python_is_refused_in_a_sentence(machine: Machine) -> None:
    machine.has("old")
    status, told, log = machine.setup()
    assert status == 1
    assert "EMSYNC needs Python 3.11 or newer; this machine has Python 3.9.2." in told
    assert installs(log) == []
    assert not (machine.tree / ".venv").exists()


def test_another_python_can_be_named(machine: Machine) -> None:
    (machine.root / "bin" / "python3").rename(machine.root / "bin" / "mine")
    assert machine.setup()[0] == 1
    assert machine.setup(PYTHON="mine")[0] == 0


def test_without_the_venv_module_there_is_no_going_on(machine: Machine) -> None:
    (machine.root / "python3.12-venv").unlink()
    status, told, log = machine.setup()
    assert status == 1
    assert "sudo apt-get install -y python3.12-venv" in told
    assert installs(log) == []
    root(machine)
    assert machine.setup()[0] == 0


def test_a_failed_installation_is_not_taken_for_done(machine: Machine) -> None:
    machine.has("libfluidsynth3", "offline")
    status, told, _ = machine.setup()
    assert status == 1
    assert "network" in told
    (machine.root / "offline").unlink()
    status, told, log = machine.setup()
    assert status == 0, told
    assert installs(log)


def test_a_broken_venv_is_made_anew(machine: Machine) -> None:
    machine.has("libfluidsynth3")
    (machine.tree / ".venv" / "bin").mkdir(parents=True)
    (machine.tree / ".venv" / "bin" / "python").symlink_to("/nonexistent/python3.10")
    status, told, log = machine.setup()
    assert status == 0, told
    assert "python -m venv --clear .venv" in log


def test_libraries_of_opencv_are_named_or_installed(machine: Machine) -> None:
    for package in OPENCV:
        (machine.root / package).unlink()
    status, told, _ = machine.setup()
    assert status == 0, told
    assert "sudo apt-get install -y libgl1" in told and "not read" in told
    (machine.tree / ".venv" / "emsync-app.installed").unlink()
    root(machine)
    status, told, log = machine.setup()
    assert status == 0, told
    assert "not read" not in told
    assert [line.split()[-1] for line in log if " install " in line and "lib" in line][-2:] == [
        *OPENCV
    ]


def test_weights_are_fetched_once_and_only_for_the_app(machine: Machine) -> None:
    assert PULL not in machine.setup("tests")[2]
    status, told, log = machine.setup()
    assert (status, log[-1]) == (0, PULL), told
    assert PULL not in machine.setup()[2]


@pytest.mark.parametrize("variable", [("WEIGHTS", "no"), ("EMSYNC_OFFLINE", "1")])
def test_weights_are_not_fetched_against_ones_will(
    machine: Machine, variable: tuple[str, str]
) -> None:
    assert PULL not in machine.setup(**dict([variable]))[2]
    assert PULL in machine.setup()[2]


def test_weights_that_cannot_be_had_stop_nothing(machine: Machine) -> None:
    (machine.root / "pull").write_text("130")  # Ctrl-C
    status, told, _ = machine.setup()
    assert status == 0 and "weights pull standard" in told
    (machine.root / "pull").write_text("1")
    status, told, log = machine.setup()
    assert status == 0 and PULL in log and "without what is missing" in told
    assert PULL not in machine.setup()[2]
