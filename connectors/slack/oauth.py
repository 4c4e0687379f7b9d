"""Several workspaces: they install the app themselves, and what they grant is kept in a database.

https://docs.slack.dev/authentication/installing-with-oauth
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization.async_authorize import AsyncInstallationStoreAuthorize
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy import Engine, MetaData, String, Table, create_engine

from connectors.log import Log
from connectors.slack.manifest import INSTALL_PATH, REDIRECT_PATH, SCOPES
from connectors.slack.sealing import HOW_TO_MAKE_ONE, KEY_VARIABLE, SECRETS, Sealing, SealingError
from connectors.slack.workspace import Workspace, forwarding_logger, web_client

STATE_SECONDS = 600
_KNOWN_SECONDS = 60.0
_SEALED_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The app's own credentials, and where Slack sends people back to (None: as the app's page says).

    `token_keys` are those by which tokens are encrypted that workspaces grant, see `Sealing`.
    """

    id: str
    secret: str = field(repr=False)
    redirect_url: str | None = None
    token_keys: str = field(default="", repr=False)


class _WideStore(SQLAlchemyInstallationStore):
    """slack_sdk's store, in whose columns an encrypted token has room."""

    @classmethod
    def build_installations_table(cls, metadata: MetaData, table_name: str) -> Table:
        return _widened(super().build_installations_table(metadata, table_name))

    @classmethod
    def build_bots_table(cls, metadata: MetaData, table_name: str) -> Table:
        return _widened(super().build_bots_table(metadata, table_name))


def _widened(table: Table) -> Table:
    for name in SECRETS:
        if name in table.c:
            table.c[name].type = String(_SEALED_LENGTH)
    return table


class InstallationStore(AsyncInstallationStore):
    """slack_sdk's store of installations in threads: the journal's databases have no asynchronous driver."""

    def __init__(self, client_id: str, engine: Engine, sealing: Sealing, logger: logging.Logger) -> None:
        self._sealing = sealing
        self._store = _WideStore(client_id, engine, logger=logger)
        self._store.create_tables()  # type: ignore[no-untyped-call]

    @property
    def logger(self) -> logging.Logger:
        return self._store.logger

    async def async_save(self, installation: Installation) -> None:
        await asyncio.to_thread(self._store.save, self._sealing.sealed(installation))

    async def async_save_bot(self, bot: Bot) -> None:
        await asyncio.to_thread(self._store.save_bot, self._sealing.sealed(bot))

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        found = await asyncio.to_thread(
            self._store.find_bot,
            enterprise_id=enterprise_id,
            team_id=team_id,
            is_enterprise_install=is_enterprise_install,
        )
        return found and self._sealing.opened(found)

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        found = await asyncio.to_thread(
            self._store.find_installation,
            enterprise_id=enterprise_id,
            team_id=team_id,
            user_id=user_id,
            is_enterprise_install=is_enterprise_install,
        )
        return found and self._sealing.opened(found)

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await asyncio.to_thread(self._store.delete_bot, enterprise_id=enterprise_id, team_id=team_id)

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        await asyncio.to_thread(
            self._store.delete_installation, enterprise_id=enterprise_id, team_id=team_id, user_id=user_id
        )


class StateStore(AsyncOAuthStateStore):
    """slack_sdk's store of installations under way, in threads."""

    def __init__(self, engine: Engine, logger: logging.Logger) -> None:
        self._store = SQLAlchemyOAuthStateStore(STATE_SECONDS, engine, logger)
        self._store.create_tables()  # type: ignore[no-untyped-call]

    @property
    def logger(self) -> logging.Logger:
        return self._store.logger

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        return await asyncio.to_thread(self._store.issue)

    async def async_consume(self, state: str) -> bool:
        return await asyncio.to_thread(self._store.consume, state)


class InstalledWorkspaces:
    """The workspaces that have installed the app."""

    def __init__(
        self,
        store: InstallationStore,
        api_url: str,
        session: ClientSession,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._api_url = api_url
        self._session = session
        self._log = log
        self._clock = clock
        self._known: dict[tuple[str, str | None], tuple[float, Workspace]] = {}

    async def find(self, team: str, enterprise: str | None) -> Workspace | None:
        """The workspace, as it was installed a minute ago or later."""
        until, known = self._known.get((team, enterprise), (0.0, None))
        if known is not None and self._clock() < until:
            return known
        bot = await self._store.async_find_bot(enterprise_id=enterprise, team_id=team)
        if bot is None or not bot.bot_token:
            self._known.pop((team, enterprise), None)
            return None
        client = web_client(bot.bot_token, self._api_url, self._session, self._log)
        found = Workspace(client, team, str(bot.bot_user_id), str(bot.bot_id or ""))
        self._known[(team, enterprise)] = self._clock() + _KNOWN_SECONDS, found
        return found


def open_store(credentials: OAuthClient, database_url: str, log: Log) -> tuple[InstallationStore, StateStore]:
    """The stores in a database; its tables are made. Raises `SealingError`, and what SQLAlchemy raises.

    What lies in a database server is read by more programs than a file in the home: there a key is needed.
    """
    # After a restart of Postgres no event is lost to a stale connection, and no token is in what is logged.
    engine = create_engine(database_url, pool_pre_ping=True, hide_parameters=True)
    logger = forwarding_logger(log)
    if engine.dialect.name != "sqlite" and not credentials.token_keys:
        raise SealingError(
            f"The tokens that workspaces grant would lie in {engine.url.host} in the clear: set "
            f"{KEY_VARIABLE} to a key, the same in every process; {HOW_TO_MAKE_ONE}."
        )
    sealing = Sealing(credentials.token_keys)
    return InstallationStore(credentials.id, engine, sealing, logger), StateStore(engine, logger)


def oauth_app(
    credentials: OAuthClient,
    signing_secret: str,
    stores: tuple[InstallationStore, StateStore],
    api_url: str,
    session: ClientSession,
    log: Log,
) -> AsyncApp:
    """An app that workspaces install at `/slack/install`, and that forgets those that remove it."""
    installations, states = stores
    client, logger = web_client(None, api_url, session, log), forwarding_logger(log, logging.ERROR)
    settings = AsyncOAuthSettings(
        client_id=credentials.id,
        client_secret=credentials.secret,
        scopes=sorted(SCOPES),
        redirect_uri=credentials.redirect_url,
        install_path=INSTALL_PATH,
        redirect_uri_path=REDIRECT_PATH,
        installation_store=installations,
        installation_store_bot_only=True,
        state_store=states,
        state_expiration_seconds=STATE_SECONDS,
        logger=logger,
    )
    # Bolt would else ask Slack who the bot is at every event.
    settings.authorize = AsyncInstallationStoreAuthorize(
        logger=logger,
        installation_store=installations,
        client_id=credentials.id,
        client_secret=credentials.secret,
        bot_only=True,
        cache_enabled=True,
        client=client,
    )
    app = AsyncApp(
        logger=logger,
        client=client,
        signing_secret=signing_secret,
        oauth_settings=settings,
        process_before_response=True,
    )
    app.enable_token_revocation_listeners()
    return app
