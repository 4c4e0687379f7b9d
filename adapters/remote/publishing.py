"""Bringing an adapter to a server: a folder that it looks into, an endpoint that loads, or by hand."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from adapters.checks import check_files
from adapters.files import flush_files
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterError
from adapters.registry import InstalledAdapter
from adapters.remote.endpoint import Endpoint, one_line, open_client

_HASH_DIGITS = 32
_LOAD_SECONDS = 120.0


def voice_name(adapter_hash: str) -> str:
    """What a server knows an adapter by: `voice-` and the beginning of its hash."""
    return f"voice-{adapter_hash[:_HASH_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Served:
    """How a server is asked for a voice: by the name of a model, or by further fields of the request."""

    model: str
    extra: Mapping[str, object] = field(default_factory=dict)


class Publisher(Protocol):
    """Brings adapters to one kind of server and takes them off it."""

    async def base(self) -> Served:
        """How the untouched model is asked for."""
        ...

    async def publish(self, adapter: InstalledAdapter, name: str) -> Served:
        """Let the server know an adapter by this name; again is no harm. Raises `AdapterError`."""
        ...

    async def withdraw(self, name: str) -> None:
        """Take it off the server. Raises `AdapterError` or `OSError`."""
        ...


class NamedVoices:
    """Somebody else lets the server know the voices by their names.

    So with Ollama (a Modelfile's ADAPTER), TGI (LORA_ADAPTERS), and vLLM's `--lora-modules`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._model = endpoint.model

    async def base(self) -> Served:
        """See `Publisher.base`."""
        return Served(self._model)

    async def publish(self, adapter: InstalledAdapter, name: str) -> Served:
        """See `Publisher.publish`; what is not there is found by the probe."""
        return Served(name)

    async def withdraw(self, name: str) -> None:
        """See `Publisher.withdraw`."""


class ResolverFolder:
    """The folder that vLLM's filesystem resolver looks into when it is asked for a name it does not know.

    https://docs.vllm.ai/en/latest/features/lora.html: VLLM_PLUGINS=lora_filesystem_resolver,
    VLLM_LORA_RESOLVER_CACHE_DIR, VLLM_ALLOW_RUNTIME_LORA_UPDATING.
    """

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self._model = endpoint.model
        self._folder = folder

    async def base(self) -> Served:
        """See `Publisher.base`."""
        return Served(self._model)

    async def publish(self, adapter: InstalledAdapter, name: str) -> Served:
        """Copy the checked adapter into the folder, wholly or not at all."""
        await asyncio.to_thread(self._place, adapter, name)
        return Served(name)

    async def withdraw(self, name: str) -> None:
        """Remove the copy; the server drops what it has loaded when it needs the room."""
        await asyncio.to_thread(self._remove, name)

    def _place(self, adapter: InstalledAdapter, name: str) -> None:
        check_files(adapter.folder)
        target = self._folder / name
        if target.is_dir():
            return
        try:
            arriving = Path(tempfile.mkdtemp(dir=self._folder, prefix=".arriving-"))
        except OSError as error:
            raise AdapterError(
                f"{self._folder} cannot be written ({error.strerror}); publishing.folder names the folder in "
                "which the server looks for adapters."
            ) from error
        try:
            shutil.copyfile(adapter.folder / WEIGHTS_FILE, arriving / WEIGHTS_FILE)
            config = json.loads((adapter.folder / CONFIG_FILE).read_text(encoding="utf-8"))
            # The resolver takes an adapter only for the base that it names.
            config["base_model_name_or_path"] = self._model
            (arriving / CONFIG_FILE).write_text(json.dumps(config, indent=2), encoding="utf-8")
            flush_files(arriving)
            arriving.chmod(0o755)
            arriving.rename(target)
        except OSError:
            if not target.is_dir():  # else another process has placed it
                raise
        finally:
            shutil.rmtree(arriving, ignore_errors=True)

    def _remove(self, name: str) -> None:
        leaving = Path(tempfile.mkdtemp(dir=self._folder, prefix=".leaving-"))
        try:
            (self._folder / name).rename(leaving / name)
        except FileNotFoundError:
            pass  # another process has removed it
        finally:
            shutil.rmtree(leaving, ignore_errors=True)


class LoadEndpoint:
    """vLLM's endpoints that load and unload an adapter from a folder that the server sees.

    `url` is where they are reached, which must be a private address: who reaches them can load what he likes.
    `seen_as` is `folder` as the server sees it.
    """

    def __init__(self, endpoint: Endpoint, folder: Path, seen_as: str, url: str, key: str | None) -> None:
        self._placing = ResolverFolder(endpoint, folder)
        self._seen_as = seen_as.rstrip("/")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._key = key

    async def base(self) -> Served:
        """See `Publisher.base`."""
        return await self._placing.base()

    async def publish(self, adapter: InstalledAdapter, name: str) -> Served:
        """Copy the adapter to where the server sees it, and have it loaded."""
        served = await self._placing.publish(adapter, name)
        fields = {"lora_name": name, "lora_path": f"{self._seen_as}/{name}"}
        status, said = await self._post("load_lora_adapter", fields)
        if status != 200 and "already" not in said:
            raise AdapterError(f"{self._url} does not load {adapter.manifest.reference} ({status}: {said}).")
        return served

    async def withdraw(self, name: str) -> None:
        """Have it unloaded, and remove the copy."""
        status, said = await self._post("unload_lora_adapter", {"lora_name": name})
        await self._placing.withdraw(name)
        if status not in (200, 404):
            raise AdapterError(f"{self._url} does not unload {name} ({status}: {said}).")

    async def _post(self, path: str, fields: Mapping[str, str]) -> tuple[int, str]:
        import httpx

        await asyncio.to_thread(_refuse_public, self._url)
        try:
            async with await open_client(_LOAD_SECONDS, self._headers) as client:
                response = await client.post(f"{self._url}/{path}", json=fields)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AdapterError(f"publishing.load_url {self._url} cannot be reached: {error}.") from error
        return response.status_code, one_line(response.text, self._key)


def _refuse_public(url: str) -> None:
    """Raise `AdapterError` unless every address of a URL's host is a private one."""
    host = urlsplit(url).hostname or ""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise AdapterError(f"publishing.load_url {url} cannot be reached: {error}.") from error
    for address in found:
        if not ipaddress.ip_address(address.partition("%")[0]).is_private:
            raise AdapterError(
                f"publishing.load_url {url} is at the public address {address}: whoever reaches it can load "
                "what he likes; let it listen on loopback or in a private network alone."
            )
