"""`lorebot slack`: setting the app up."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bot.checked_output import show_findings

slack_app = typer.Typer(help="Set up the Slack app.", no_args_is_help=True)


@slack_app.command("manifest")
def manifest(
    url: Annotated[
        str | None, typer.Option(help="Your public address, for HTTP and OAuth instead of Socket Mode.")
    ] = None,
) -> None:
    """Print the app's manifest: paste it at https://api.slack.com/apps > Create New App > From a manifest."""
    from connectors.slack.manifest import manifest, printed

    if url is not None and not url.startswith("https://"):
        raise typer.BadParameter("Slack calls https addresses alone; give https://…", param_hint="--url")
    print(printed(manifest(public_url=url)))


@slack_app.command("check")
def check() -> None:
    """Try the tokens in the environment on Slack, and name what is missing and how to mend it."""
    import asyncio
    import sys

    from bot.logs import open_log
    from connectors.slack.check import check
    from connectors.slack.workspace import API_URL

    log = open_log(sys.stderr, "error")
    api_url = os.environ.get("SLACK_API_URL") or API_URL
    show_findings(asyncio.run(check(os.environ, api_url, log)))
