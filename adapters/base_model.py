"""The base model on disk and in memory: found, identified, converted once and loaded."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from adapters.chat import ChatTokenizer
from adapters.files import flush_files, replace_file, sha256_file
from adapters.generation import GenerationError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16", "int8"]


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """Where a causal language model lies: a transformers folder, or one GGUF file in a folder."""

    folder: Path
    gguf_file: str | None
    name: str


@dataclass(frozen=True, slots=True)
class PreparedBase:
    """A base model as a transformers folder, with the identity that adapters are bound to.

    `weights_sha256` is the hash of the GGUF file, or of a folder's weights and tokenizer together;
    `cache` holds what is remembered about the model on this machine.
    """

    name: str
    folder: Path
    cache: Path
    weights_sha256: str
    chat_template_sha256: str
    context_length: int


@dataclass(frozen=True, slots=True)
class LoadedBase:
    """A base model in memory, which computes in `dtype`. Only one thread may use `model`."""

    prepared: PreparedBase
    tokenizer: ChatTokenizer
    model: Any
    dtype: torch.dtype


def prepare_base(location: ModelLocation, cache_folder: Path) -> PreparedBase:
    """Make sure that the model lies ready as safetensors, and say which model it is.

    A GGUF file is converted once (seconds) into `cache_folder`; other processes wait for that. Raises
    `GenerationError` when the location holds no usable chat model.
    """
    cache_folder.mkdir(parents=True, exist_ok=True)
    sources = _sources(location)
    with FileLock(cache_folder / ".lock"):
        digest = _digest(sources, cache_folder)
        cache = cache_folder / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', location.name)}-{digest[:12]}"
        if not cache.is_dir():
            partial = Path(tempfile.mkdtemp(dir=cache_folder, prefix=".partial-"))
            try:
                if location.gguf_file is not None:
                    _convert_gguf(location, location.gguf_file, partial)
                flush_files(partial)
                partial.rename(cache)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
    folder = location.folder if location.gguf_file is None else cache
    template = ChatTokenizer.from_folder(folder).template
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return PreparedBase(
        name=location.name,
        folder=folder,
        cache=cache,
        weights_sha256=digest,
        chat_template_sha256=hashlib.sha256(template.encode()).hexdigest(),
        context_length=int(config.get("max_position_embeddings") or 2048),
    )


def base_digest(location: ModelLocation, cache_folder: Path) -> str:
    """`PreparedBase.weights_sha256` of a model, without making it ready. Raises `GenerationError`."""
    cache_folder.mkdir(parents=True, exist_ok=True)
    return _digest(_sources(location), cache_folder)


def load_base(
    location: ModelLocation, cache_folder: Path, dtype: Precision = "auto", threads: int | None = None
) -> LoadedBase:
    """Load the base model for inference on the CPU, in `dtype` or in what suits the processor.

    "int8" is for the weights of linear layers (see `adapters.int8`); all else is float32 then.
    Sets the process's number of torch threads when `threads` is given. Raises `GenerationError`.
    """
    import torch

    from adapters.precision import quicker_precision

    prepared = prepare_base(location, cache_folder)
    if threads is not None:
        torch.set_num_threads(threads)
    if dtype == "auto":
        dtype = quicker_precision()
    chosen = torch.float32 if dtype == "int8" else getattr(torch, dtype)
    model = load_weights(prepared, chosen)
    if dtype == "int8":
        from adapters.int8 import quantise_linear_layers

        quantise_linear_layers(model)
    return LoadedBase(
        prepared=prepared,
        tokenizer=ChatTokenizer.from_folder(prepared.folder),
        model=model,
        dtype=chosen,
    )


def load_weights(prepared: PreparedBase, dtype: torch.dtype) -> Any:
    """The transformers model of a prepared base, in evaluation mode."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            prepared.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError) as error:
        raise GenerationError(f"The model in {prepared.folder} cannot be loaded: {error}") from error
    return model.eval().requires_grad_(False)


def _sources(location: ModelLocation) -> list[Path]:
    """The files that make the model what it is."""
    folder = location.folder
    if location.gguf_file is not None:
        path = folder / location.gguf_file
        if not path.is_file():
            raise GenerationError(f"There is no model file {path}; check the model's name in the settings.")
        return [path]
    if not (folder / "config.json").is_file():
        raise GenerationError(f"{folder} holds no config.json; name a transformers model's folder.")
    if (folder / "adapter_config.json").exists():
        raise GenerationError(f"{folder} holds an adapter, not a base model; name the base model's folder.")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise GenerationError(
            f"{folder} holds no safetensors weights; other formats can run code when they are read. "
            "Save the model with save_pretrained(safe_serialization=True)."
        )
    return [*weights, folder / "tokenizer.json"]


def _digest(sources: list[Path], cache_folder: Path) -> str:
    """The hash of the files' content, remembered by path, size and time, for large files take long."""
    marks: list[tuple[str, int, int]] = []
    for path in sources:
        if not path.is_file():
            raise GenerationError(f"{path} is missing; the model's folder is not complete.")
        state = path.stat()
        marks.append((str(path.resolve()), state.st_size, state.st_mtime_ns))
    key = hashlib.sha256(json.dumps(marks).encode()).hexdigest()
    memory = cache_folder / f"hash-{key[:16]}"
    if memory.is_file():
        return memory.read_text(encoding="ascii")
    hashes = [sha256_file(path) for path in sources]
    named = "".join(f"{digest}  {path.name}\n" for digest, path in zip(hashes, sources, strict=True))
    digest = hashes[0] if len(hashes) == 1 else hashlib.sha256(named.encode()).hexdigest()
    replace_file(memory, digest)
    return digest


def _convert_gguf(location: ModelLocation, gguf_file: str, folder: Path) -> None:
    """Write a GGUF model as a transformers folder with float32 safetensors."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(location.folder, gguf_file=gguf_file, local_files_only=True)
        # The conversion draws a bar of its own, whatever transformers is told.
        with contextlib.redirect_stderr(io.StringIO()):
            model = AutoModelForCausalLM.from_pretrained(
                location.folder, gguf_file=gguf_file, local_files_only=True, dtype=torch.float32
            )
    except (OSError, ValueError, KeyError) as error:
        raise GenerationError(f"{location.folder / gguf_file} cannot be converted: {error}") from error
    if not tokenizer.chat_template:
        raise GenerationError(
            f"{location.folder / gguf_file} holds no chat template; use a chat model's file."
        )
    _split_digits(tokenizer, location.folder / gguf_file)
    # The weights are float32 by now; only the mark of the quantized file keeps transformers from saving them.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _split_digits(tokenizer: Any, gguf_path: Path) -> None:
    """Give SmolLM's tokenizer back its rule that each digit stands alone.

    transformers reads a GGUF's `gpt2` tokenizer without its `tokenizer.ggml.pre`, so that two line breaks
    before a number would become tokens which the model has not seen in training.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    field = GGUFReader(gguf_path).get_field("tokenizer.ggml.pre")
    if field is None or field.contents() != "smollm":
        return
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
