"""Chat messages to the tokens of a prompt, and back to text, without importing torch or transformers."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from adapters.generation import GenerationError, Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.decoders import DecodeStream


class ChatTokenizer:
    """The tokenizer of one model together with its chat template.

    The template is rendered as transformers does it
    (https://huggingface.co/docs/transformers/chat_templating), in Jinja's sandbox. Control tokens that
    stand in a message's content are broken up, so that no text can pose as the end of its own message.
    """

    def __init__(
        self, tokenizer: Tokenizer, template: str, special_tokens: dict[str, str], ends: set[int]
    ) -> None:
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        self._tokenizer = tokenizer
        self._template = environment.from_string(template)
        self._special_tokens = special_tokens
        added = tokenizer.get_added_tokens_decoder()
        control = {
            index: token.content
            for index, token in added.items()
            if index in ends
            or token.content in special_tokens.values()
            or (token.special and token.content in template)
        }
        self._control_texts = tuple(sorted(control.values(), key=len, reverse=True))
        self.template = template
        self.ends = frozenset(control) | frozenset(ends)

    @classmethod
    def from_folder(cls, folder: Path) -> ChatTokenizer:
        """Read `tokenizer.json`, the chat template and the special tokens of a model's folder.

        Raises `GenerationError` when one of them is missing.
        """
        from tokenizers import Tokenizer

        if not (folder / "tokenizer.json").is_file():
            raise GenerationError(f"{folder} holds no tokenizer.json; save the model's fast tokenizer there.")
        settings = _read_json(folder / "tokenizer_config.json")
        template = _template(folder, settings)
        if not template:
            raise GenerationError(f"{folder} holds no chat template; use a model that was tuned for chat.")
        special = {
            name: text
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
            if (text := _token_text(settings.get(name)))
        }
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ends: set[int] = set()
        for name in ("config.json", "generation_config.json"):
            value = _read_json(folder / name).get("eos_token_id")
            ends.update(value if isinstance(value, list) else [] if value is None else [value])
        eos = tokenizer.token_to_id(special["eos_token"]) if "eos_token" in special else None
        return cls(tokenizer, template, special, ends | ({eos} if eos is not None else set()))

    def encode(self, messages: tuple[Message, ...]) -> list[int]:
        """The prompt's tokens, up to and with the header of the assistant's turn.

        Raises `GenerationError` when the template refuses the messages.
        """
        from jinja2 import TemplateError

        turns = [{"role": message.role, "content": self._plain(message.content)} for message in messages]
        try:
            text = self._template.render(messages=turns, add_generation_prompt=True, **self._special_tokens)
        except TemplateError as error:
            raise GenerationError(f"The model's chat template refuses these messages: {error}") from error
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_reply(self, text: str) -> list[int]:
        """The tokens of an assistant's reply, with the mark that ends a turn."""
        ids: list[int] = self._tokenizer.encode(self._plain(text), add_special_tokens=False).ids
        return [*ids, self.turn_end]

    @cached_property
    def turn_end(self) -> int:
        """The token with which the template closes an assistant's turn."""
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
        text = self._template.render(messages=turns, add_generation_prompt=False, **self._special_tokens)
        closing = self._tokenizer.encode(text.rpartition("!")[2], add_special_tokens=False).ids
        return next((token for token in closing if token in self.ends), min(self.ends))

    @property
    def padding(self) -> int:
        """A token that fills rows of a batch up; attention masks hide it."""
        return self.turn_end

    def decoding(self) -> TokenDecoder:
        """A fresh decoder for the tokens of one answer."""
        from tokenizers.decoders import DecodeStream

        return TokenDecoder(self._tokenizer, DecodeStream(skip_special_tokens=False))

    def _plain(self, content: str) -> str:
        for token in self._control_texts:
            content = content.replace(token, f"{token[0]} {token[1:]}")
        return content


class TokenDecoder:
    """Tokens in, text out, one token at a time; bytes of an unfinished character wait for the rest."""

    def __init__(self, tokenizer: Tokenizer, stream: DecodeStream) -> None:
        self._tokenizer = tokenizer
        self._stream = stream

    def push(self, token: int) -> str:
        """The text that `token` completes; empty within a character."""
        return self._stream.step(self._tokenizer, token) or ""


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}


def _template(folder: Path, settings: dict[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    value = settings.get("chat_template")
    if isinstance(value, list):
        value = next((entry["template"] for entry in value if entry.get("name") == "default"), None)
    return value or ""


def _token_text(value: Any) -> str:
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)
