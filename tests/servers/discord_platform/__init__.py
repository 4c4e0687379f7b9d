"""Discord on 127.0.0.1: its REST API, its gateway, and the people who use it.

`async with discord_platform() as platform` serves a guild in the running event loop and points discord.py at
it. A test sets up people and channels, lets them act (`mention`, `slash`, `press`), orders what goes wrong
(`fail`, `limit`, `gateway.cut`) and looks at what a person would see (`message`, `visible`).

Sources: https://docs.discord.com/developers/reference, /events/gateway, /components/reference and
/interactions/receiving-and-responding. Where these say nothing:

* The first follow-up to a deferred interaction takes the place of "the bot is thinking", and is as private as
  that was.
* The gateway does not tell of messages that one person alone sees.
* Uncertain: who is the author of the message that repeats a thread's starter in it (here the starter's), and
  the wording below `errors` of a refused form.
"""

from __future__ import annotations

from .calls import Call
from .interactions import Interaction
from .platform import DiscordPlatform, discord_platform, threaded_discord_platform
from .showing import Shown
from .world import overwrite

__all__ = [
    "Call",
    "DiscordPlatform",
    "Interaction",
    "Shown",
    "discord_platform",
    "overwrite",
    "threaded_discord_platform",
]
