"""The page's list of experts and its button to install them."""

import time
from pathlib import Path

import pytest

from emsync.emotion.features.panel import Panel, standard_experts
from emsync.errors import EmsyncError
from emsync.interface import experts
from emsync.interface.experts import Installation, may_install, table, to_install
from emsync.weights import store as weights


def test_every_expert_is_listed_with_its_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    panel = Panel(standard_experts())
    listing = table(panel, "cpu")
    for expert in panel.experts:
        assert f">{expert.title}<" in listing
        assert f"{round(expert.expected_seconds(60, 'cpu'))} s" in listing
    assert "not installed" in listing and ">installed<" not in listing
    assert to_install() > 1e9
    (tmp_path / "tiny.pt").write_bytes(b"anything")
    weights.add("whisper-tiny", tmp_path / "tiny.pt", other=True)
    assert table(panel, "cpu").count(">installed<") == 1  # any size of Whisper will do


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("SPACE_ID", "me/emsync", "Space"),
        ("EMSYNC_OFFLINE", "1", "OFF"),
        ("GRADIO_SERVER_NAME", "0.0.0.0", "whoever runs it"),
    ],
)
def test_nobody_installs_where_it_is_not_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str
) -> None:
    monkeypatch.delenv("EMSYNC_OFFLINE", raising=False)
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    assert may_install() is None
    monkeypatch.setenv(name, value)
    refusal = may_install()
    assert refusal is not None and word in refusal
    with pytest.raises(EmsyncError, match=word):
        Installation().start()


def test_a_host_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile of one model whose host nobody runs."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("EMSYNC_OFFLINE", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr("emsync.weights.download.PAUSE", 0.1)  # before another attempt
    monkeypatch.setattr(experts, "PROFILE", "ocr-detection")
    installation = Installation()
    installation.start()
    end = time.monotonic() + 60
    while installation.running and time.monotonic() < end:
        time.sleep(0.1)
    assert not installation.running
    assert "ocr-detection" in installation.words
    assert not weights.status_of("ocr-detection").installed
