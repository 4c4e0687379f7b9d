"""`lorebot discord`: setting the bot up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bot.checked_output import show_findings
from bot.command import FAILED, console

discord_app = typer.Typer(help="Set up the Discord bot.", no_args_is_help=True)

ConfigOption = Annotated[Path | None, typer.Option(help="Settings file; ./lorebot.toml by default.")]


@discord_app.command("invite")
def invite(
    application: Annotated[
        str | None, typer.Option(help="The application's id; without it, Discord is asked with the token.")
    ] = None,
) -> None:
    """Print the link that adds the bot to a server with exactly the permissions that it needs."""
    import asyncio
    import sys

    import discord

    from bot.logs import open_log
    from connectors.discord.check import invite, invite_link
    from connectors.discord.complaints import explain, refusal

    if application is not None:
        if not application.isdecimal():
            raise typer.BadParameter("an application's id is a number", param_hint="--application")
        print(invite_link(application))
        return
    token = os.environ.get("DISCORD_TOKEN", "").strip()
    if not token:
        raise typer.BadParameter("set DISCORD_TOKEN, or give the id", param_hint="--application")
    try:
        print(asyncio.run(invite(token, _api_url(), open_log(sys.stderr, "error"))))
    except discord.DiscordException as error:
        line = f"lorebot: {refusal(error) or explain(error)}"
        console().print(line, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from None


@discord_app.command("check")
def check(config: ConfigOption = None) -> None:
    """Try the token in the environment on Discord, and name what is missing and how to mend it."""
    import asyncio
    import sys

    from bot.logs import open_log
    from bot.settings import load_settings_or_defaults
    from connectors.discord.check import check

    settings = load_settings_or_defaults(config).discord
    token, log = os.environ.get("DISCORD_TOKEN", "").strip(), open_log(sys.stderr, "error")
    show_findings(asyncio.run(check(token, _api_url(), settings.guilds, settings.message_content, log)))


def _api_url() -> str:
    from connectors.discord.app import API_URL

    return os.environ.get("DISCORD_API_URL") or API_URL
