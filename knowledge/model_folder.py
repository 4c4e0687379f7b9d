"""What a sentence-transformers model folder holds, read without running anything from it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from knowledge.documents import KnowledgeError


def is_mean_pooled_bert(model_folder: Path) -> bool:
    """Whether the model is a plain BERT whose token states are averaged, without prompts."""
    listed = modules(model_folder)
    kinds = [module["type"].rpartition(".")[2] for module in listed]
    if (
        kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        or listed[0]["path"]
    ):
        return False
    prompts = model_folder / "config_sentence_transformers.json"
    if prompts.is_file() and read_json(prompts).get("default_prompt_name"):
        return False
    pooling = read_json(model_folder / listed[1]["path"] / "config.json")
    chosen = {key for key, value in pooling.items() if key.startswith("pooling_mode") and value is True}
    means: bool = chosen == {"pooling_mode_mean_tokens"} or pooling.get("pooling_mode") == "mean"
    config = read_json(model_folder / "config.json")
    absolute: bool = config.get("position_embedding_type", "absolute") == "absolute"
    plain = (config.get("model_type"), config.get("hidden_act")) == ("bert", "gelu")
    return means and absolute and plain


def refuse_foreign_code(model_folder: Path) -> None:
    """Raise `KnowledgeError` when loading the model would run code from its folder or unpickle weights."""
    for module in modules(model_folder):
        # sentence-transformers imports a class of any other name from the model's own folder.
        if not module["type"].startswith("sentence_transformers."):
            raise KnowledgeError(
                f"{model_folder}/modules.json asks for {module['type']}, which would run foreign code; "
                "choose a model made of sentence_transformers modules only"
            )
        folder = model_folder / module["path"]
        if (folder / "pytorch_model.bin").exists() and not any(folder.glob("*.safetensors")):
            raise KnowledgeError(f"{folder} has pickled weights only; save the model with safetensors")


def modules(model_folder: Path) -> list[dict[str, Any]]:
    """The model's modules in order. Raises `KnowledgeError` when the folder or the list is not there."""
    if not model_folder.is_dir():
        raise KnowledgeError(f"The embedding model's folder {model_folder} does not exist; check the setting")
    listed: list[dict[str, Any]] = read_json(model_folder / "modules.json")
    return listed


def read_json(file: Path) -> Any:
    """A JSON file's content. Raises `KnowledgeError` when it is missing or broken."""
    try:
        return json.loads(present(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise KnowledgeError(f"{file} is not valid JSON ({error}); download the model again") from error


def present(file: Path) -> Path:
    """The file itself. Raises `KnowledgeError` when it is missing."""
    if not file.is_file():
        raise KnowledgeError(
            f"{file} is missing; the embedding model must be a complete sentence-transformers folder"
        )
    return file


def max_tokens(model_folder: Path, positions: int) -> int:
    """The longest text in tokens: what the model asks for, within its `positions`."""
    file = model_folder / "sentence_bert_config.json"
    asked = read_json(file).get("max_seq_length") if file.is_file() else None
    return min(asked or positions, positions)


def name_and_hash(folder: Path) -> str:
    """The model's name with the beginning of the hash of its weights and tokenizer."""
    config = read_json(folder / "config.json")
    name = Path(config.get("_name_or_path") or config["model_type"]).name
    digest = hashlib.sha256()
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise KnowledgeError(f"{folder} holds no *.safetensors weights; only those are read")
    for file in (*weights, present(folder / "tokenizer.json")):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"{name}-{digest.hexdigest()[:12]}"
