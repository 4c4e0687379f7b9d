"""Adapters of llama.cpp's server: loaded at its start, chosen by each request."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from adapters.manifest import AdapterError
from adapters.registry import InstalledAdapter
from adapters.remote.endpoint import Endpoint, open_client
from adapters.remote.publishing import Served


class LlamaCppVoices:
    """The adapters that `llama-server --lora-init-without-apply --lora voice-….gguf` was started with.

    A request names the strength of each ("lora" in
    https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md).
    What it has computed for a prompt is not reused, for another adapter may have computed it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def base(self) -> Served:
        """See `Publisher.base`: every adapter is named with no strength."""
        return self._speaking(await self._loaded(), None)

    async def publish(self, adapter: InstalledAdapter, name: str) -> Served:
        """See `Publisher.publish`: finds the adapter among those that the server was started with."""
        loaded = await self._loaded()
        if name not in loaded:
            raise AdapterError(
                f"{self._endpoint.root} has no adapter {name}: convert {adapter.folder} to {name}.gguf with "
                "llama.cpp's convert_lora_to_gguf.py and start the server with it as --lora."
            )
        return self._speaking(loaded, name)

    async def withdraw(self, name: str) -> None:
        """See `Publisher.withdraw`: the server keeps what it was started with."""

    def _speaking(self, loaded: dict[str, int], name: str | None) -> Served:
        strengths = [
            {"id": number, "scale": float(known == name)} for known, number in sorted(loaded.items())
        ]
        return Served(self._endpoint.model, {"lora": strengths, "cache_prompt": False})

    async def _loaded(self) -> dict[str, int]:
        """The number of each adapter by the name of its file."""
        import httpx

        url = f"{self._endpoint.root}/lora-adapters"
        seconds = self._endpoint.timeouts.connect
        try:
            async with await open_client(seconds, self._endpoint.headers) as client:
                response = await client.get(url)
                response.raise_for_status()
                entries: Any = response.json()
            return {PurePosixPath(str(entry["path"])).stem: int(entry["id"]) for entry in entries}
        except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
            reason = self._endpoint.one_line(str(error))
            raise AdapterError(
                f"{url} lists no adapters ({reason}); is this llama.cpp's server, and newer than 2024?"
            ) from error
