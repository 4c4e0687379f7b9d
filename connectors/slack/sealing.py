"""Tokens that workspaces grant are encrypted before they are kept, where there is a key for that."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation

KEY_VARIABLE = "LOREBOT_TOKEN_KEY"
HOW_TO_MAKE_ONE = (
    "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'` makes one"
)

# What of an installation lets somebody speak in a workspace, or to one.
SECRETS = ("bot_token", "bot_refresh_token", "user_token", "user_refresh_token", "incoming_webhook_url")

_SEALED = "fernet:"

Granted = TypeVar("Granted", Bot, Installation)


class SealingError(Exception):
    """Tokens cannot be encrypted or read; the message is one line with the fix."""


class Sealing:
    """Encrypts by Fernet (https://github.com/fernet/spec): AES-128-CBC, authenticated by HMAC-SHA256."""

    def __init__(self, keys: str) -> None:
        """`keys` are one or more, with commas between them: the first encrypts, all decrypt; "" is none.

        Raises `SealingError` when one of them is no key.
        """
        try:
            made = [Fernet(key.strip()) for key in keys.split(",") if key.strip()]
        except ValueError as error:
            raise SealingError(f"{KEY_VARIABLE} holds no key for tokens; {HOW_TO_MAKE_ONE}.") from error
        self._fernet = MultiFernet(made) if made else None

    def sealed(self, granted: Granted) -> Granted:
        """A copy with its secrets encrypted; the same where there is no key."""
        return granted if self._fernet is None else _with_secrets(granted, self._seal)

    def opened(self, granted: Granted) -> Granted:
        """A copy with its secrets in the clear, also those that were kept before there was a key.

        Raises `SealingError` for secrets that none of the keys has encrypted.
        """
        return _with_secrets(granted, self._open)

    def _seal(self, secret: str) -> str:
        assert self._fernet is not None  # asked before
        return _SEALED + self._fernet.encrypt(secret.encode()).decode()

    def _open(self, kept: str) -> str:
        if not kept.startswith(_SEALED):
            return kept
        try:
            if self._fernet is None:
                raise InvalidToken
            return self._fernet.decrypt(kept.removeprefix(_SEALED)).decode()
        except InvalidToken:
            raise SealingError(
                f"The tokens that workspaces granted are encrypted, and {KEY_VARIABLE} is not their "
                "key: put the right one back, or have the workspaces install the app again."
            ) from None


def _with_secrets(granted: Granted, change: Callable[[str], str]) -> Granted:
    changed = copy.copy(granted)
    for name in SECRETS:
        secret = getattr(changed, name, None)
        if secret:
            setattr(changed, name, change(secret))
    return changed
