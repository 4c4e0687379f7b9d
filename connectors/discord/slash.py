"""The slash commands `/ask` and `/lorebot`, and the message command "Answer this".

https://discordpy.readthedocs.io/en/stable/interactions/api.html#application-commands
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Literal

import discord
from discord import app_commands

from connectors import commands
from connectors.commands import Command, meaning
from connectors.discord.answering import Answering, about_message
from connectors.discord.desk import Desk, deferred
from connectors.discord.heard import How, shared_files
from connectors.discord.orders import Orders
from connectors.discord.requests import Interaction, read_question
from connectors.grammar import parse
from connectors.ports import Named
from connectors.wording import cut

_MOST_CHOICES = 25
_MOST_CHOICE = 100
_ALONE = ("sources", "status", "quiet", "wake", "audit", "help")

Mode = Literal["mention", "auto", "off"]
Suggest = Callable[[Any, str], Coroutine[Any, Any, list[app_commands.Choice[str]]]]


def register(tree: app_commands.CommandTree[Any], desk: Desk, answering: Answering, orders: Orders) -> None:
    """Give the tree all commands."""
    asking = Asking(desk, answering)
    ask: Any = app_commands.Command(name="ask", description=_described("ask"), callback=_ask(asking))
    tree.add_command(ask)
    tree.add_command(app_commands.ContextMenu(name="Answer this", callback=_answer_this(asking)))
    tree.add_command(_lorebot(desk, orders))


class Asking:
    """Questions that are asked with a command."""

    def __init__(self, desk: Desk, answering: Answering) -> None:
        self._desk = desk
        self._answering = answering

    async def ask(
        self, interaction: Interaction, question: str, private: bool, file: discord.Attachment | None
    ) -> None:
        """Answer a question; privately if so wished, else where it was asked.

        Where people talk among themselves and the bot is no member, it is not known who reads: privately too.
        """
        alone = private or interaction.context.private_channel
        await deferred(interaction, alone=alone)
        self._desk.audience.seen(interaction.user)
        files = shared_files([file] if file is not None else [])
        how: How = "ephemeral" if alone else "aloud"
        self._answering.take(read_question(interaction, how, question, files=files))

    async def answer_this(self, interaction: Interaction, message: discord.Message) -> None:
        """Answer a message that somebody points at, below it."""
        await deferred(interaction, alone=True)
        self._desk.audience.seen(interaction.user)
        asked = read_question(interaction, "menu", "", str(message.id))
        heard = about_message(asked, message, self._desk.bot)
        if message.author.id == self._desk.bot.id:
            heard = replace(heard, text="", files=())
        self._answering.take(heard)


def _ask(asking: Asking) -> Any:
    @app_commands.describe(
        question="What do you want to know?", private="Only you see the answer", file="A file to read for it"
    )
    async def ask(
        interaction: discord.Interaction[Any],
        question: app_commands.Range[str, 1, 4000],
        private: bool = False,
        file: discord.Attachment | None = None,
    ) -> None:
        await asking.ask(interaction, question, private, file)

    return ask


def _answer_this(asking: Asking) -> Any:
    async def answer_this(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        await asking.answer_this(interaction, message)

    return answer_this


def _lorebot(desk: Desk, orders: Orders) -> app_commands.Group:
    """The group of commands that Discord shows to those who may manage the server."""
    group = app_commands.Group(
        name="lorebot",
        description="Administer Lorebot",
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        default_permissions=discord.Permissions(manage_guild=True),
    )
    adapter = app_commands.Group(name="adapter", description=_described("adapter"), parent=group)
    sources, adapters = _suggesting(desk, "sources"), _suggesting(desk, "adapters")
    for verb in _ALONE:
        group.command(name=verb, description=_described(verb))(_alone(orders, parse(verb)))

    @group.command(name="reindex", description=_described("reindex"))
    @app_commands.describe(
        source="One source; without it, all",
        rebuild="Read every document again",
        confirm_deletions="Also delete when a large share of a source is gone",
    )
    @app_commands.autocomplete(source=sources)
    async def reindex(
        interaction: discord.Interaction[Any],
        source: str | None = None,
        rebuild: bool = False,
        confirm_deletions: bool = False,
    ) -> None:
        await orders.give(interaction, commands.Reindex(source, rebuild, confirm_deletions))

    @group.command(name="forget", description=_described("forget"))
    @app_commands.describe(document="Its address, or where it lies")
    async def forget(
        interaction: discord.Interaction[Any], document: app_commands.Range[str, 1, 900]
    ) -> None:
        await orders.give(interaction, commands.Forget(document.strip().removeprefix("<").removesuffix(">")))

    @group.command(name="channel", description=_described("channel"))
    @app_commands.describe(mode="Without it, the mode is shown")
    async def channel(interaction: discord.Interaction[Any], mode: Mode | None = None) -> None:
        await orders.give(interaction, commands.ChannelMode(mode))

    @adapter.command(name="list", description="Shows which voices there are")
    async def list_adapters(interaction: discord.Interaction[Any]) -> None:
        await orders.give(interaction, commands.ListAdapters())

    @adapter.command(name="show", description="Shows one voice")
    @app_commands.autocomplete(name=adapters)
    async def show(interaction: discord.Interaction[Any], name: app_commands.Range[str, 1, 200]) -> None:
        await orders.give(interaction, commands.ShowAdapter(name))

    @adapter.command(name="use", description="Lets a voice speak in this server, or in this channel alone")
    @app_commands.autocomplete(name=adapters)
    async def use(
        interaction: discord.Interaction[Any], name: app_commands.Range[str, 1, 200], here: bool = False
    ) -> None:
        await orders.give(interaction, commands.UseAdapter(name, here))

    @adapter.command(name="rollback", description="Goes back to the voice before")
    async def rollback(interaction: discord.Interaction[Any], here: bool = False) -> None:
        await orders.give(interaction, commands.RollBackAdapter(here))

    return group


def _alone(orders: Orders, command: Command) -> Any:
    async def give(interaction: discord.Interaction[Any]) -> None:
        await orders.give(interaction, command)

    return give


def _suggesting(desk: Desk, of: Named) -> Suggest:
    """What completes a name, for those who may give commands."""

    async def suggest(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        desk.audience.seen(interaction.user)
        asker = await desk.audience.asker(
            desk.guilds, str(interaction.guild_id or ""), str(interaction.user.id)
        )
        names = await desk.ports.administering.names(of, asker)
        fitting = [name for name in names if typed.lower() in name.lower() and len(name) <= _MOST_CHOICE]
        return [app_commands.Choice(name=name, value=name) for name in fitting[:_MOST_CHOICES]]

    return suggest


def _described(verb: str) -> str:
    return cut(meaning(verb), _MOST_CHOICE)
