"""What listeners read from an interaction, whatever its kind."""

from __future__ import annotations

from typing import Any

import discord

from connectors.discord.heard import PLATFORM, Heard, How, Ticket
from connectors.downloading import SharedFile

Interaction = discord.Interaction[Any]


def read_ticket(interaction: Interaction) -> Ticket:
    """The person, in the place where it was done."""
    return Ticket(
        str(interaction.guild_id or ""),
        str(interaction.channel_id or ""),
        str(interaction.user.id),
        str(interaction.application_id),
        interaction.token,
        interaction.created_at.timestamp(),
    )


def read_parent(interaction: Interaction) -> str:
    """The channel of the thread in which it was done, else the channel itself."""
    parent = getattr(interaction.channel, "parent_id", None)
    return str(parent or interaction.channel_id or "")


def interaction_key(interaction: Interaction) -> str:
    """The key of its delivery."""
    return f"{PLATFORM}:interaction/{interaction.id}"


def read_question(
    interaction: Interaction, how: How, text: str, message: str = "", files: tuple[SharedFile, ...] = ()
) -> Heard:
    """A question that a person asks with a command, perhaps about a message."""
    ticket = read_ticket(interaction)
    return Heard(
        key=interaction_key(interaction),
        how=how,
        ticket=ticket,
        parent=read_parent(interaction),
        message=message,
        destination=ticket.channel,
        text=text,
        files=files,
    )
