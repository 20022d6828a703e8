"""Where the app may live: the Space, its weights and its GPU; Colab; a container."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emsync.emotion.features import zero_gpu
from emsync.weights import store as weights
from emsync.weights.hub_cache import adopt_hub_cache, hub_caches, hub_copies
from emsync.weights.registry import File, Weights
from emsync.weights.store import REGISTRY

REPOSITORY = Path(__file__).resolve().parents[1]
NAME, OWNER, COMMIT = "sentiment", "somebody/tiny", "c" * 40
LARGE, SMALL = b"large" * 1000, b'{"small": true}\n'


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def front_matter() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")  # gradio brings it
    return yaml.safe_load((REPOSITORY / "README.md").read_text().split("---\n")[1])


# What a Space preloads ---------------------------------------------------------------------------


class Hub:
    """As much of Hugging Face's Hub as `hf_hub_download` asks for."""

    def __init__(self, files: dict[str, tuple[bytes, str]]) -> None:
        """
        Args:
            files: content and ETag by path in the repository `OWNER`.
        """

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix(f"/{OWNER}/resolve/").split("/", 1)[1]
                content, etag = files[path]
                self.send_response(200)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{etag}"')
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function that lays a cache out as a Space's build does: by `huggingface_hub` itself."""
    library = pytest.importorskip("huggingface_hub")  # gradio brings it
    hub = Hub({"model.bin": (LARGE, sha256(LARGE)), "config.json": (SMALL, git_blob(SMALL))})

    def preload(revision: str, *paths: str) -> Path:
        cache = tmp_path_factory.mktemp("home") / "hub"
        for path in paths:
            library.hf_hub_download(
                OWNER, path, revision=revision, cache_dir=cache, endpoint=hub.url, token=False
            )
        return cache

    yield preload
    hub.server.shutdown()
    hub.server.server_close()


def register(monkeypatch: pytest.MonkeyPatch, revision: str, pin: str | None) -> None:
    """One set of weights of two files, of which the small one has no known SHA-256."""
    address = f"https://huggingface.co/{OWNER}/resolve/{revision}/"
    files = (
        File("model.bin", ("https://example.org/model.bin", f"{address}model.bin"), 5000, pin),
        File("config.json", (f"{address}config.json",)),
    )
    for name in list(REGISTRY):
        monkeypatch.delitem(REGISTRY, name)
    monkeypatch.setitem(REGISTRY, NAME, Weights(NAME, "Tiny", "a test", "page", "MIT", files))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the weights, on a machine that knows of no other cache and may not download."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EMSYNC_OFFLINE", "1")
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_what_a_space_preloaded_is_installed_without_a_download(
    revision: str, preloaded: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, revision, sha256(LARGE))
    monkeypatch.setenv("HF_HUB_CACHE", str(preloaded(revision, "model.bin", "config.json")))
    assert [(one.name, one.problem) for one in adopt_hub_cache()] == [(NAME, None)]
    assert (weights.find(NAME) / "model.bin").read_bytes() == LARGE
    assert not (place / NAME / "model.bin").is_symlink()
    assert {file.sha256 for file in weights.installed(NAME)} == {sha256(LARGE), sha256(SMALL)}
    assert adopt_hub_cache() == ()  # the second start finds them installed


def test_half_of_it_is_left_alone(
    preloaded: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, COMMIT, sha256(LARGE))
    monkeypatch.setenv("HF_HUB_CACHE", str(preloaded(COMMIT, "model.bin")))
    assert adopt_hub_cache() == ()
    assert not weights.status_of(NAME).installed


@pytest.mark.parametrize("damaged", ["model.bin", "config.json"])
def test_a_file_that_is_not_the_promised_one_is_refused(
    damaged: str, preloaded: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, COMMIT, sha256(LARGE))
    cache = preloaded(COMMIT, "model.bin", "config.json")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    path = next(cache.rglob(f"snapshots/{COMMIT}/{damaged}")).resolve()
    path.write_bytes(path.read_bytes().replace(b"l", b"L", 1))
    (one,) = adopt_hub_cache()
    assert one.problem and damaged in one.problem and "pull sentiment" in one.problem
    assert not weights.status_of(NAME).installed


def test_another_revision_than_the_one_that_is_known_is_refused(
    preloaded: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, COMMIT, sha256(b"another"))
    monkeypatch.setenv("HF_HUB_CACHE", str(preloaded(COMMIT, "model.bin", "config.json")))
    assert [bool(one.problem) for one in adopt_hub_cache()] == [True]
    register(monkeypatch, "d" * 40, sha256(LARGE))
    assert adopt_hub_cache() == ()


def test_the_cache_is_looked_for_where_the_library_puts_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    ask = "from huggingface_hub.constants import HF_HUB_CACHE as place; print(place)"
    usual = tmp_path / "home" / ".cache" / "huggingface" / "hub"
    for variable in (None, "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        with monkeypatch.context() as patch:
            if variable:
                patch.setenv(variable, str(tmp_path / "elsewhere"))
            done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
            assert Path(done.stdout.strip()) == hub_caches()[0], done.stderr
            assert usual in hub_caches()  # where Spaces preload in any case


# The Space ---------------------------------------------------------------------------------------


def test_the_space_preloads_all_standard_weights_that_the_hub_has() -> None:
    wanted = []
    for name in weights.names_of("standard"):
        copies = [hub_copies(file) for file in REGISTRY[name].files]
        if all(copies):
            first = [files[0] for files in copies]
            (place,) = {(copy.repository, copy.revision) for copy in first}
            wanted.append(f"{place[0]} {','.join(copy.path for copy in first)} {place[1]}")
    assert front_matter()["preload_from_hub"] == wanted
    assert 3 < len(wanted) <= 10  # the Hub takes ten
    for line in wanted:
        assert re.fullmatch(r"[^ /]+/[^ /]+ [^ ]+ [0-9a-f]{40}", line)


def test_the_space_has_a_python_that_its_free_hardware_knows() -> None:
    assert front_matter()["python_version"] in ("3.10.13", "3.12.12")


def space(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "hosts" / "space.py"), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def committed() -> list[str]:
    listing = ["git", "-C", str(REPOSITORY), "ls-tree", "-r", "-z", "--name-only", "HEAD"]
    done = subprocess.run(listing, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this tree is not a git repository")
    return done.stdout.rstrip("\0").split("\0")


def test_a_dry_run_lists_what_is_committed_and_nothing_else() -> None:
    files = committed()
    done = space("me/emsync", "--dry-run", HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    listed = dict(re.findall(r"^ *[\d,]+ (\S+)( \(large-file storage\))?$", done.stdout, re.M))
    assert sorted(listed) == sorted(files)
    assert listed["weights/free-5m/model-01-of-01.safetensors"] and not listed["app.py"]
    assert "hf_secret" not in done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project with the upload script in it."""
    made = tmp_path / "tree"
    (made / "hosts").mkdir(parents=True)
    (made / "hosts" / "space.py").write_bytes((REPOSITORY / "hosts" / "space.py").read_bytes())
    (made / "app.py").write_text("print(1)\n")
    (made / "README.md").write_text("---\napp_file: app.py\nshort_description: Short\n---\n# It\n")
    commit(made)
    (made / "film.mp4").write_bytes(b"private")
    return made


def commit(tree: Path) -> None:
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)


def in_tree(tree: Path, *arguments: str, stand_in: str = "") -> tuple[int, str]:
    """Status and output of the script in `tree`, after the Python lines `stand_in`."""
    program = f"import sys; sys.path.insert(0, 'hosts'); import space\n{stand_in}\n"
    program += f"sys.exit(space.main({list(arguments)!r}))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=tree,
        env={**os.environ, "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "hf_secret" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# No settings\n", "does not begin with the settings"),
        ("---\napp_file: other.py\n---\n", "names other.py as the app"),
        (f"---\nshort_description: {'x' * 61}\n---\n", "60 characters"),
        (f"---\npreload_from_hub: {['a/b'] * 11}\n---\n", "10 lines"),
    ],
)
def test_what_the_hub_would_refuse_is_said_before(tree: Path, text: str, told: str) -> None:
    (tree / "README.md").write_text(text)
    assert told not in in_tree(tree, "me/it", "--dry-run")[1]  # only what is committed counts
    (tree / "film.mp4").unlink()
    commit(tree)
    status, output = in_tree(tree, "me/it", "--dry-run")
    assert status == 1 and told in output
    assert "no name of a Space" in in_tree(tree, "me", "--dry-run")[1]
    small = "space.MOST_BYTES = 10"
    assert "that a Space may hold" in in_tree(tree, "me/it", "--dry-run", stand_in=small)[1]


HUB = """
import huggingface_hub, pathlib
class Fake:
    def create_repo(self, name, **options): print("made", name, options["repo_type"])
    def upload_folder(self, repo_id, folder_path, **options):
        files = [path for path in pathlib.Path(folder_path).rglob("*") if path.is_file()]
        names = sorted(path.relative_to(folder_path).as_posix() for path in files)
        print("sent", repo_id, options["repo_type"], ",".join(names))
huggingface_hub.HfApi = Fake
"""


def test_the_upload_sends_the_commit(tree: Path) -> None:
    status, output = in_tree(tree, "me/it", stand_in=HUB)
    assert status == 0, output
    assert "made me/it space\nsent me/it space README.md,app.py,hosts/space.py\n" in output
    assert "1 files are changed or new" in output and "film" not in output
    assert "https://huggingface.co/spaces/me/it" in output
    assert "made" not in in_tree(tree, "me/it", "--update", stand_in=HUB)[1]


def test_an_upload_that_cannot_be_is_told_in_a_sentence(tree: Path) -> None:
    nobody = HUB + "huggingface_hub.get_token = lambda: None"
    assert in_tree(tree, "me/it", stand_in=nobody)[1].count("hf auth login") == 1
    status, output = in_tree(tree, "me/it")  # HF_HUB_OFFLINE: the real library, without a network
    assert status == 1 and "cannot be reached" in output and "Traceback" not in output


@pytest.mark.parametrize(("code", "told"), [(409, "add --update"), (403, "token may write")])
def test_a_refusal_of_the_hub_says_what_to_do(tree: Path, code: int, told: str) -> None:
    refusing = f"""
import http.server, threading, huggingface_hub
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response({code}); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"{{}}")
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
import huggingface_hub.constants; huggingface_hub.constants.HF_HUB_OFFLINE = False
made = huggingface_hub.HfApi
huggingface_hub.HfApi = lambda: made(endpoint="http://127.0.0.1:%d" % server.server_port)
"""
    status, output = in_tree(tree, "me/it", stand_in=refusing)
    assert status == 1 and told in output and "Traceback" not in output


# The borrowed GPU --------------------------------------------------------------------------------

SPACES = '''
"""What `spaces` does on ZeroGPU: a fork, through whose queues arguments and results are pickled."""
import multiprocessing, os, pickle

asked = []

def GPU(duration):
    def decorate(task):
        def call(*arguments):
            asked.append(duration(*arguments))
            if os.environ.get("QUOTA") == "used up":
                raise RuntimeError("You have exceeded your GPU quota")
            system = multiprocessing.get_context("fork")
            results, stop = system.SimpleQueue(), system.Event()
            words = pickle.dumps(arguments)
            def work():
                try:
                    steps = task(*pickle.loads(words))
                    for step in steps:
                        if stop.is_set():
                            steps.close()
                            break
                        results.put((step,))
                    results.put(())
                except Exception as problem:
                    results.put((problem,))
            process = system.Process(target=work, daemon=True)
            process.start()
            try:
                while got := results.get():
                    if isinstance(got[0], Exception):
                        raise RuntimeError("ZeroGPU worker error")
                    yield got[0]
            finally:
                stop.set()
                process.join()
        return call
    return decorate
'''

FILM = """
import json, os, sys, threading, time
import numpy as np
from emsync.emotion.features import zero_gpu
from emsync.emotion.features.report import FeatureReport
from emsync.emotion.features import panel
from emsync.errors import Cancelled
from emsync.film.footage import Footage, Still
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings

class Expert:
    weights = ()
    def __init__(self, modality):
        self.modality = self.title = modality
        self.device = None
    def expected_seconds(self, film_seconds, device):
        return {"cpu": 30.0, "cuda": 4.2}[device]
    def prepare(self, device):
        self.device = device
    def run(self, footage, settings, tell, cancel):
        tell(0.5)
        if os.environ.get("SLOW"):
            while True:
                cancel.check()
                time.sleep(0.02)
        if os.environ.get("BROKEN") and self.device == "cuda":
            1 / 0
        return FeatureReport(self.modality, "ran", str(os.getpid()), np.ones((2, 3)), (), 0.1,
                             self.device)
    def release(self):
        pass

panel.device_of = lambda wanted: {"auto": "wrong"}.get(wanted, wanted)
made = zero_gpu.ZeroGpuPanel(lambda: [Expert(name) for name in ("ocr", "clip", "beats")])
footage = Footage(10.0, ((0.0, 10.0),), (Still(0.0, b""),), np.zeros(16, np.float32))
cancel, told = CancelToken(), []
if os.environ.get("SLOW"):
    threading.Timer(1.0, cancel.cancel).start()
began = time.monotonic()
expected = made.expected_seconds(10.0, ExpertSettings())  # before it is learnt
try:
    reports = made.consult(footage, ExpertSettings(), lambda *step: told.append(step), cancel)
except Cancelled:
    reports = ()
import spaces
print(json.dumps({
    "reports": [(one.modality, one.device, one.detail == str(os.getpid())) for one in reports],
    "failed": [one.modality for one in reports if one.status == "failed"],
    "told": told, "asked": spaces.asked, "seconds": time.monotonic() - began,
    "expected": expected,
}))
"""


def on_zero_gpu(tmp_path: Path, **variables: str) -> dict[str, Any]:
    """What comes of a film on a stand-in for ZeroGPU."""
    (tmp_path / "spaces.py").write_text(SPACES)
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-B", "-c", FILM],
        env={**os.environ, "PYTHONPATH": path, "SPACES_ZERO_GPU": "true", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "log": done.stderr}


def test_the_experts_look_at_the_film_on_the_borrowed_gpu(tmp_path: Path) -> None:
    outcome = on_zero_gpu(tmp_path)
    assert outcome["reports"] == [
        ["ocr", "cpu", True],
        ["clip", "cuda", False],
        ["beats", "cuda", False],
    ]
    assert outcome["asked"] == [14]  # 2 × 4.2 s and the start: no more than it takes
    assert outcome["expected"] == pytest.approx(30 + 2 * 4.2 + zero_gpu.START_SECONDS)
    shares = [share for _, share in outcome["told"]]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] <= 1


def test_without_quota_the_film_is_read_on_the_cpu_and_says_so(tmp_path: Path) -> None:
    outcome = on_zero_gpu(tmp_path, QUOTA="used up")
    assert {device for _, device, _ in outcome["reports"]} == {"cpu"}
    assert len(outcome["reports"]) == 3
    assert "quota" in outcome["log"]


def test_an_expert_that_fails_on_the_gpu_does_not_fail_the_film(tmp_path: Path) -> None:
    outcome = on_zero_gpu(tmp_path, BROKEN="yes")
    assert [name for name, *_ in outcome["reports"]] == ["ocr", "clip", "beats"]
    assert outcome["failed"] == ["clip", "beats"]


def test_a_cancelled_film_gives_the_gpu_back(tmp_path: Path) -> None:
    outcome = on_zero_gpu(tmp_path, SLOW="yes")
    assert outcome["reports"] == []
    assert outcome["seconds"] < 3


def test_without_zero_gpu_the_panel_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert type(zero_gpu.standard_panel()).__name__ == "Panel"


# Colab -------------------------------------------------------------------------------------------


def cells() -> list[dict[str, Any]]:
    book = json.loads((REPOSITORY / "hosts" / "emsync.ipynb").read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    return book["cells"]


def test_the_notebook_is_one() -> None:
    seen = set()
    for cell in cells():
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
            assert cell["outputs"] == [] and cell["execution_count"] is None
        assert set(cell) == keys
        assert re.fullmatch(r"[\w-]{1,64}", cell["id"]) and cell["id"] not in seen
        assert all(isinstance(line, str) for line in cell["source"])
        seen.add(cell["id"])
    assert "".join(cells()[0]["source"]).startswith("# EMSYNC")


def run_notebook(program: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the code cells in order, as a kernel that was started in `folder`, after `program`."""
    code = ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]
    return subprocess.run(
        [sys.executable, "-c", "\n".join([program, *code])],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_the_notebook_scores_the_example_from_top_to_bottom(tmp_path: Path) -> None:
    from emsync.film.probe import probe

    done = run_notebook("", REPOSITORY / "hosts", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    (results,) = tmp_path.glob("emsync-*")
    assert str(results) in done.stdout and "landscapes.mp4, 52 s, is scored" in done.stdout
    assert {path.name for path in results.iterdir()} == {"scored.mp4", "music.mid", "report.json"}
    film = probe(results / "scored.mp4")
    assert film.duration == 52 and film.has_audio


COLAB = """
import subprocess, sys, types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
subprocess.run = lambda command, **options: print("RUN", *command)
"""


def test_on_colab_the_notebook_asks_where_to_fetch_emsync_from(tmp_path: Path) -> None:
    done = run_notebook(COLAB, tmp_path)
    assert done.returncode == 1 and "RUN" not in done.stdout
    assert "Write the address of a copy of EMSYNC into SOURCE" in done.stderr


# A container -------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """(word, rest) of every instruction of the Dockerfile, with continued lines joined."""
    lines = (REPOSITORY / "hosts" / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    logical = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in logical if line.strip()]


def test_the_image_takes_what_is_there_and_its_context_lets_through() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    taken = set()
    for word, rest in instructions():
        if word in ("COPY", "ADD"):
            *sources, _ = rest.split()
            for source in sources:
                assert (REPOSITORY / source).exists(), source
            taken |= set(sources)
    assert taken == let_through
    needed = ("emsync", "app.py", "weights", "examples", "requirements.txt", "packages.txt")
    assert set(needed) <= taken
    tracked = {name.split("/")[0] for name in committed()}
    assert taken <= tracked


def test_the_image_is_pinned_small_and_nobodys_root() -> None:
    found = instructions()
    (base,) = [rest for word, rest in found if word == "FROM"]
    match = re.fullmatch(r"python:(3\.\d+)-slim-(\w+)", base)
    assert match and tuple(map(int, match[1].split("."))) >= (3, 11)
    users = [rest for word, rest in found if word == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert max(n for n, (word, _) in enumerate(found) if word == "RUN") < max(
        n for n, (word, _) in enumerate(found) if word == "USER"
    )
    commands = [rest for word, rest in found if word == "RUN"]
    for command in commands:
        for part in re.split(r"&&", command):
            if "pip install" in part:
                assert "--no-cache-dir" in part
            if "apt-get install" in part:
                # Exactly the packages of the Space, and no name besides.
                wanted = "xargs -r -a packages.txt apt-get install -y --no-install-recommends"
                assert part.strip() == wanted
                assert "rm -rf /var/lib/apt/lists" in command
    (pip,) = [command for command in commands if "pip install" in command]
    assert "https://download.pytorch.org/whl/cpu" in pip.split("&&")[0]
    # Both from there: the torchvision of PyPI is linked with CUDA.
    assert pip.split("&&")[0].split()[-1] == "torchvision"
    assert pip.split("&&")[1].split()[-2:] == ["--requirement", "requirements.txt"]


def test_the_container_listens_keeps_weights_and_can_be_asked_how_it_is() -> None:
    found = dict(instructions())
    variables = dict(pair.split("=", 1) for pair in found["ENV"].split())
    assert variables["GRADIO_SERVER_NAME"] == "0.0.0.0"
    assert variables["GRADIO_SERVER_PORT"] == found["EXPOSE"] == "7860"
    assert variables["EMSYNC_WEIGHTS"] == found["VOLUME"] == "/weights"
    assert json.loads(found["CMD"]) == ["python", "app.py"]
    words = found["HEALTHCHECK"]
    python, option, program = json.loads(words[words.index("[") :])
    assert (python, option) == ("python", "-c")
    # Its program finds an app that is there, and fails where there is none.
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering())
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    here = program.replace("7860", str(server.server_address[1]))
    assert subprocess.run([sys.executable, option, here]).returncode == 0
    server.shutdown()
    server.server_close()
    assert subprocess.run([sys.executable, option, here], capture_output=True).returncode == 1


def answering() -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
