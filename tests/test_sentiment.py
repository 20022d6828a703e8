"""The sentiment of texts: RoBERTa as it is published, the list of words, the six emotions."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emsync.emotion.features.sentiment import MODEL, Sentiment, SentimentReader, emotions_of
from emsync.emotion.mapping import TABLE_6_1
from emsync.emotion.reading import EMOTIONS, checked_probabilities
from emsync.weights import store as weights

LABELS = ("negative", "neutral", "positive")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights are installed, and nothing can be fetched."""

    def refuse(*arguments: object, **others: object) -> None:
        raise AssertionError("a test wanted to go online")

    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def random_roberta(folder: Path, labels: tuple[str, ...] = LABELS, kind: str = "bin") -> Path:
    """A small RoBERTa of random weights that spells letter by letter, laid out as published."""
    from safetensors.torch import save_file
    from transformers import RobertaConfig, RobertaForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "\u0120", *letters, "<mask>"]  # 4: the space
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=768,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=514,
        type_vocab_size=1,
        initializer_range=0.2,  # so that texts come out apart
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = RobertaForSequenceClassification(config).state_dict()
    config.save_pretrained(folder)
    if kind == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(dict(state), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def reader_of(folder: Path) -> SentimentReader:
    weights.add("sentiment", folder, other=True)
    reader = SentimentReader()
    reader.prepare("cpu")
    return reader


def direct(folder: Path, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and vector as VEMOCLAP's authors compute them."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        output = AutoModelForSequenceClassification.from_pretrained(folder).eval()(
            **tokens, output_hidden_states=True
        )
    return output.logits[0].softmax(-1).numpy(), output.hidden_states[-1][0, 0].numpy()


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_roberta_loads_from_its_folder_and_gives_what_vemoclap_takes(
    tmp_path: Path, kind: str
) -> None:
    reader = reader_of(random_roberta(tmp_path / "source", kind=kind))
    assert reader.source == MODEL
    texts = ["I am so happy!", "They died.", "A table, which is much longer than the others here."]
    for text, found in zip(texts, reader.read(texts), strict=True):
        probabilities, vector = direct(tmp_path / "source", text)
        assert found.vector is not None and found.vector.dtype == np.float32
        assert found.vector.shape == (768,)
        np.testing.assert_allclose(found.vector, vector, atol=1e-4)
        np.testing.assert_allclose(found.probabilities, probabilities, atol=1e-5)


def test_labels_are_read_and_not_assumed(tmp_path: Path) -> None:
    turned = ("positive", "Negative", "neutral")
    reader = reader_of(random_roberta(tmp_path / "source", turned))
    positive, negative, neutral = direct(tmp_path / "source", "Good.")[0]
    (found,) = reader.read(["Good."])
    assert found.probabilities == pytest.approx((negative, neutral, positive), abs=1e-5)


def test_users_and_links_are_hidden_from_the_model(tmp_path: Path) -> None:
    reader = reader_of(random_roberta(tmp_path / "source"))
    named, plain = reader.read(["@bob see https://a.b/c me@home.org", "@user see http me@home.org"])
    assert named.probabilities == plain.probabilities


def test_a_long_text_is_the_mean_of_its_pieces_by_length(tmp_path: Path) -> None:
    reader = reader_of(random_roberta(tmp_path / "source"))
    first, second = "a" * 510, "b" * 170  # one token a letter, and two more about each piece
    (whole,) = reader.read([first + second])
    parts = reader.read([first, second])
    expected = np.average([p.probabilities for p in parts], axis=0, weights=[512, 172])
    assert whole.probabilities == pytest.approx(tuple(expected), abs=1e-5)
    vectors = [part.vector for part in parts if part.vector is not None]
    assert whole.vector is not None
    mean = np.average(vectors, axis=0, weights=[512, 172])
    np.testing.assert_allclose(whole.vector, mean, atol=1e-4)


def test_company_does_not_change_a_text(tmp_path: Path) -> None:
    reader = reader_of(random_roberta(tmp_path / "source"))
    texts = [f"number {n} " * (n % 7 + 1) for n in range(40)]
    for text, found in zip(texts, reader.read(texts), strict=True):
        assert reader.read([text])[0].probabilities == pytest.approx(found.probabilities, abs=1e-5)


def test_without_weights_a_word_list_reads_and_says_why() -> None:
    reader = SentimentReader()
    reader.prepare("cpu")
    assert reader.source.startswith("VADER word list, because: The weights sentiment are not inst")
    assert "weights pull sentiment" in reader.source
    glad, sad, neither = reader.read(
        ["I love this. What a wonderful day!", "They died in the war.", "The table is brown."]
    )
    assert glad.vector is None
    assert glad.probabilities[2] > 0.5 > glad.probabilities[0]
    assert sad.probabilities[0] > 0.5 > sad.probabilities[2]
    assert neither.probabilities == (0, 1, 0)
    (again,) = reader.read(["I love this. What a wonderful day! " * 30])
    assert again.probabilities == pytest.approx(glad.probabilities)


def test_roberta_is_taken_as_soon_as_it_is_there(tmp_path: Path) -> None:
    reader = SentimentReader()
    reader.prepare("cpu")
    weights.add("sentiment", random_roberta(tmp_path / "source"), other=True)
    reader.prepare("cpu")
    assert reader.source == MODEL
    reader.release()
    reader.prepare("cpu")
    assert len(reader.read(["Yes."])) == 1


@pytest.mark.parametrize("damage", ["cut off", "layer", "vocabulary", "labels", "config"])
def test_damaged_weights_are_named_and_the_word_list_reads(tmp_path: Path, damage: str) -> None:
    labels = ("LABEL_0", "LABEL_1", "LABEL_2") if damage == "labels" else LABELS
    folder = random_roberta(tmp_path / "source", labels)
    model = folder / "pytorch_model.bin"
    if damage == "cut off":
        model.write_bytes(model.read_bytes()[:40_000])
    elif damage == "layer":
        state = torch.load(model, weights_only=True)
        del state["classifier.out_proj.weight"]
        torch.save(state, model)
    elif damage == "vocabulary":
        (folder / "vocab.json").write_text('{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}')
    elif damage == "config":
        (folder / "config.json").write_text("{")
    reader = reader_of(folder)
    assert reader.source.startswith("VADER word list, because: The weights sentiment in ")
    assert "cannot be used (" in reader.source and "Install them again: " in reader.source
    assert reader.read(["Wonderful!"])[0].probabilities[2] > 0.5


def test_nothing_reads_as_nothing() -> None:
    reader = SentimentReader()
    reader.prepare("cpu")
    assert reader.read([]) == []
    with pytest.raises(ValueError, match="without words"):
        reader.read(["Yes.", "  "])


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda v: sum(v) > 0.01))
def test_a_sentiment_becomes_emotions_of_its_valence(shares: list[float]) -> None:
    negative, neutral, positive = (share / sum(shares) for share in shares)
    six = checked_probabilities(emotions_of(Sentiment(None, (negative, neutral, positive))))
    found = dict(zip(EMOTIONS, six, strict=True))
    pleasant = {c.emotion: c.valence_mean for c in TABLE_6_1 if c.valence_mean > 0}
    assert set(pleasant) == {"joy", "surprise"}
    assert sum(found[name] for name in pleasant) == pytest.approx(positive + neutral / 3)
    own = {name: found[name] - neutral / 6 for name in pleasant}
    assert own["joy"] * pleasant["surprise"] == pytest.approx(own["surprise"] * pleasant["joy"])
