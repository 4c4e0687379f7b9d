"""The local Discord, tested with the client that talks to the real one: discord.py."""

from __future__ import annotations

import asyncio
import io
import json
import random
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import discord
import pytest
from aiohttp import ClientConnectionError
from discord import app_commands, ui
from discord.ext import commands
from discord_platform import DiscordPlatform, discord_platform, threaded_discord_platform

INTENTS = discord.Intents(guilds=True, messages=True, message_content=True, reactions=True)
Interaction = discord.Interaction[Any]


class Bot(commands.AutoShardedBot):
    """A bot that waits neither for more guilds nor before it identifies again; `heard` is what it is told."""

    def __init__(self, intents: discord.Intents = INTENTS, **options: Any) -> None:
        super().__init__("!", intents=intents, guild_ready_timeout=0.02, **options)
        self.heard: list[discord.Message] = []
        self.resumes = 0
        self.set_up: Callable[[], Any] | None = None

    async def setup_hook(self) -> None:
        if self.set_up:
            await self.set_up()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return

    async def on_message(self, message: discord.Message, /) -> None:
        self.heard.append(message)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self.resumes += 1

    @property
    def texts(self) -> list[str]:
        return [message.content for message in self.heard if message.author != self.user]


@pytest.fixture
async def platform() -> AsyncIterator[DiscordPlatform]:
    async with discord_platform() as found:
        yield found


@asynccontextmanager
async def running(bot: Bot, platform: DiscordPlatform) -> AsyncIterator[Bot]:
    """Run a bot until the block ends."""
    task = asyncio.create_task(bot.start(platform.token))
    await platform.until(lambda: bot.is_ready() or task.done())
    if task.done():
        task.result()
    try:
        yield bot
    finally:
        await bot.close()
        with suppress(Exception):
            await task


@pytest.fixture
async def bot(platform: DiscordPlatform) -> AsyncIterator[Bot]:
    """A bot that is ready; the commands that a test gives it are synced by `synced`."""
    async with running(Bot(), platform) as found:
        yield found


async def synced(bot: Bot, *added: Any) -> None:
    """Register commands."""
    for command in added:
        bot.tree.add_command(command)
    await bot.tree.sync()


@app_commands.command()
async def ask(interaction: Interaction, question: str, private: bool = False) -> None:
    """Ask"""
    await interaction.response.defer(ephemeral=private, thinking=True)
    await interaction.edit_original_response(content=f"You asked: {question}")


async def test_a_client_logs_in_and_knows_its_guilds(platform: DiscordPlatform) -> None:
    beta = platform.add_guild("Beta")
    platform.channel("help")
    platform.channel("questions", kind="forum")
    staff = platform.role("staff")
    async with running(Bot(), platform) as bot:
        assert bot.user and str(bot.user.id) == platform.bot
        guild = bot.get_guild(int(platform.guild))
        assert guild and {str(each.id) for each in bot.guilds} == {platform.guild, beta}
        assert {type(each) for each in guild.channels} == {discord.TextChannel, discord.ForumChannel}
        assert guild.me.guild_permissions.send_messages and guild.get_role(int(staff))
        assert bot.application_flags.gateway_message_content


async def test_syncing_again_keeps_the_ids_of_the_commands(platform: DiscordPlatform, bot: Bot) -> None:
    await synced(bot, ask)
    first = platform.commands[""]
    await bot.tree.sync()
    assert list(first) == list(platform.commands[""])
    assert [scope for scope, _ in platform.syncs] == ["", ""]
    guild = discord.Object(int(platform.guild))
    bot.tree.copy_global_to(guild=guild)
    assert [each.name for each in await bot.tree.sync(guild=guild)] == ["ask"]
    assert [each.name for each in await bot.tree.fetch_commands()] == ["ask"]


@pytest.mark.parametrize("private", [False, True])
async def test_a_deferred_answer_is_seen_by_whom_it_is_for(
    platform: DiscordPlatform, bot: Bot, private: bool
) -> None:
    ada, bo, channel = platform.user("Ada"), platform.user("Bo"), platform.channel("help")
    await synced(bot, ask)
    used = await (await platform.slash(ada, channel, "ask", question="Where?", private=private)).answered()
    await platform.until(lambda: platform.message(used.original).words == "You asked: Where?")
    assert platform.message(used.original).ephemeral is private
    assert bool(platform.visible(channel, user=bo)) is not private
    assert used.seconds is not None and used.seconds < 3 and platform.response_quantile() == used.seconds


async def test_the_first_follow_up_takes_the_place_of_thinking(platform: DiscordPlatform, bot: Bot) -> None:
    @app_commands.command()
    async def think(interaction: Interaction) -> None:
        """Think"""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await interaction.followup.send("first")
        second = await interaction.followup.send("second", wait=True)
        await second.edit(content="changed")
        await interaction.delete_original_response()

    ada, channel = platform.user("Ada"), platform.channel("help")
    await synced(bot, think)
    used = await platform.slash(ada, channel, "think")
    await platform.until(lambda: used.original in platform.deleted)
    assert platform.deleted[used.original]["content"] == "first"
    (left,) = platform.visible(channel, user=ada)
    assert (left.words, left.ephemeral, left.edited) == ("changed", False, True)


@pytest.mark.parametrize(
    ("seconds", "code"), [(4.0, 10062), (0.0, 40060)], ids=["too late", "answered twice"]
)
async def test_a_response_is_refused_when_it_is(
    platform: DiscordPlatform, bot: Bot, seconds: float, code: int
) -> None:
    codes: list[int] = []

    @app_commands.command()
    async def slow(interaction: Interaction) -> None:
        """Slow"""
        platform.advance(seconds)
        try:
            await interaction.response.defer()
            interaction.response._response_type = None
            await interaction.response.defer()
        except discord.HTTPException as refused:
            codes.append(refused.code)

    await synced(bot, slow)
    used = await platform.slash(platform.user("Ada"), platform.channel("help"), "slow")
    await platform.until(lambda: codes)
    assert codes == [code]
    assert (used in platform.unanswered) is (code == 10062)


async def test_a_token_is_of_no_use_after_fifteen_minutes(platform: DiscordPlatform, bot: Bot) -> None:
    codes: list[int] = []

    @app_commands.command()
    async def slow(interaction: Interaction) -> None:
        """Slow"""
        await interaction.response.defer()
        platform.advance(901)
        try:
            await interaction.edit_original_response(content="late")
        except discord.HTTPException as refused:
            codes.append(refused.code)

    await synced(bot, slow)
    await platform.slash(platform.user("Ada"), platform.channel("help"), "slow")
    await platform.until(lambda: codes)
    assert codes == [50027]


async def test_a_thread_begins_with_its_starter(platform: DiscordPlatform, bot: Bot) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    said = await platform.mention(ada, channel, "Where?")
    await platform.until(lambda: bot.heard)
    thread = await bot.heard[0].create_thread(name="Where?")
    await thread.send("Here")
    await platform.say(ada, said, "And then?")
    await platform.until(lambda: "And then?" in bot.texts)
    assert str(thread.id) == said == platform.message(said).thread
    assert [each.words for each in platform.visible(said, user=ada)] == ["", "Here", "And then?"]
    assert bot.heard[1].type is discord.MessageType.thread_starter_message
    with pytest.raises(discord.HTTPException, match="160004"):
        await bot.heard[0].create_thread(name="again")


async def test_a_forum_post_is_a_thread_with_its_first_message(platform: DiscordPlatform, bot: Bot) -> None:
    ada = platform.user("Ada")
    forum = await platform.open_channel("questions", kind="forum")
    post = await platform.forum_post(ada, forum, "Parking", "Where?")
    await platform.until(lambda: bot.texts)
    (message,) = bot.heard
    assert isinstance(message.channel, discord.Thread) and message.channel.name == "Parking"
    assert str(message.id) == str(message.channel.id) == post
    assert str(message.channel.parent_id) == forum
    await message.reply("Row C", mention_author=False)
    (answer,) = platform.answers(post)
    assert (answer.reply_to, answer.pings) == (post, ())


async def test_a_direct_message_has_no_guild(platform: DiscordPlatform, bot: Bot) -> None:
    ada = platform.user("Ada", member=False)
    await platform.dm(ada, "secret")
    await platform.until(lambda: bot.heard)
    await bot.heard[0].channel.send("answer")
    assert bot.heard[0].guild is None
    assert [each.words for each in platform.visible(platform.dm_channel(ada), user=ada)] == [
        "secret",
        "answer",
    ]
    platform.closed_dms.add(ada)
    user = await bot.fetch_user(int(ada))
    with pytest.raises(discord.Forbidden, match="50007"):
        await user.send("again")


async def test_a_context_menu_carries_its_message(platform: DiscordPlatform, bot: Bot) -> None:
    @app_commands.context_menu(name="Answer this")
    async def answer_this(interaction: Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{message.author.name}: {message.content}", ephemeral=True)

    ada, channel = platform.user("Ada"), platform.channel("help")
    await synced(bot, answer_this)
    said = await platform.say(ada, channel, "Where?")
    used = await (await platform.context_menu(ada, channel, "Answer this", said)).answered()
    assert platform.message(used.original).words == "ada: Where?"


class Vote(ui.DynamicItem[ui.Button[Any]], template=r"vote:(?P<id>\d+)"):
    """A button that works after a restart."""

    def __init__(self, number: int) -> None:
        super().__init__(ui.Button(label="Good", custom_id=f"vote:{number}"))
        self.number = number

    @classmethod
    async def from_custom_id(cls, interaction: Interaction, item: Any, match: Any, /) -> Vote:
        return cls(int(match["id"]))

    async def callback(self, interaction: Interaction) -> None:
        await interaction.response.edit_message(content=f"voted {self.number}", view=None)


async def test_a_button_works_after_a_restart(platform: DiscordPlatform) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    async with running(Bot(), platform) as bot:
        view = ui.View(timeout=None).add_item(Vote(7))
        posted = await bot.get_channel(int(channel)).send("answer", view=view)  # type: ignore[union-attr]
    async with running(Bot(), platform) as bot:
        bot.add_dynamic_items(Vote)
        pressed = await (await platform.press(ada, channel, str(posted.id), "Good")).answered()
        assert pressed.response == 7
        assert (shown := platform.message(str(posted.id))).words == "voted 7" and not shown.buttons
        with pytest.raises(AssertionError, match="Good"):
            await platform.press(ada, channel, str(posted.id), "Good")


class Better(ui.Modal, title="Better"):
    """A modal with a labelled text."""

    answer: ui.Label[Any] = ui.Label(
        text="Answer", component=ui.TextInput(custom_id="answer", max_length=100)
    )

    async def on_submit(self, interaction: Interaction) -> None:
        given = self.answer.component
        assert isinstance(given, ui.TextInput)
        await interaction.response.send_message(f"Noted: {given.value}", ephemeral=True)


async def test_a_modal_is_opened_and_sent(platform: DiscordPlatform, bot: Bot) -> None:
    @app_commands.command()
    async def better(interaction: Interaction) -> None:
        """Better"""
        await interaction.response.send_modal(Better())

    ada, channel = platform.user("Ada"), platform.channel("help")
    await synced(bot, better)
    opened = await (await platform.slash(ada, channel, "better")).answered()
    with pytest.raises(AssertionError, match="required"):
        await platform.submit_modal(opened, {})
    sent = await (await platform.submit_modal(opened, {"Answer": "Row D"})).answered()
    assert platform.message(sent.original).words == "Noted: Row D"


async def test_autocomplete_offers_choices(platform: DiscordPlatform, bot: Bot) -> None:
    group = app_commands.Group(name="lorebot", description="Run it")
    adapter = app_commands.Group(name="adapter", description="Voices", parent=group)

    @adapter.command()
    async def use(interaction: Interaction, name: str) -> None:
        """Use"""
        await interaction.response.send_message(f"Using {name}")

    @use.autocomplete("name")
    async def offer(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=n, value=n) for n in ("anna", "bert") if n.startswith(typed)]

    ada, channel = platform.user("Ada"), platform.channel("help")
    await synced(bot, group)
    typed = await (await platform.autocomplete(ada, channel, "lorebot adapter use", "name", "an")).answered()
    assert typed.choices == [{"name": "anna", "value": "anna"}]
    used = await (await platform.slash(ada, channel, "lorebot adapter use", name="anna")).answered()
    assert platform.message(used.original).words == "Using anna"


async def test_a_command_is_offered_to_whom_its_permissions_allow(
    platform: DiscordPlatform, bot: Bot
) -> None:
    group = app_commands.Group(
        name="lorebot",
        description="Run it",
        default_permissions=discord.Permissions(manage_guild=True),
        guild_only=True,
    )

    @group.command()
    async def status(interaction: Interaction) -> None:
        """Status"""
        await interaction.response.send_message("fine")

    await synced(bot, group)
    ada, bo = platform.user("Ada", admin=True), platform.user("Bo")
    channel = platform.channel("help")
    await (await platform.slash(ada, channel, "lorebot status")).answered()
    with pytest.raises(AssertionError, match="not offered"):
        await platform.slash(bo, channel, "lorebot status")
    with pytest.raises(AssertionError, match="not offered"):
        await platform.slash(ada, platform.dm_channel(ada), "lorebot status")
    platform.permit("lorebot", bo, kind=2)
    await (await platform.slash(bo, channel, "lorebot status")).answered()


async def test_files_go_up_and_come_down(platform: DiscordPlatform, bot: Bot) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    await platform.say(ada, channel, "see", files=[platform.file("plan.txt", b"row C")])
    await platform.until(lambda: bot.heard)
    (attached,) = bot.heard[0].attachments
    assert (attached.filename, await attached.read()) == ("plan.txt", b"row C")
    await bot.heard[0].reply("back", file=discord.File(io.BytesIO(b"row D"), "answer.txt"))
    (answer,) = platform.answers(channel)
    assert platform.contents[answer.attachments[0]["id"]] == b"row D"
    assert platform.called("POST /channels/*/messages")[0].files == ("answer.txt",)
    platform.fail("GET /attachments/*", status=403)
    with pytest.raises(discord.HTTPException):
        await attached.read()


def layout(*texts: str) -> ui.LayoutView:
    """A layout of texts."""
    view = ui.LayoutView(timeout=None)
    for text in texts:
        view.add_item(ui.TextDisplay(text))
    return view


async def test_a_layout_is_seen_with_its_texts_and_buttons(platform: DiscordPlatform, bot: Bot) -> None:
    view = layout("Row C <https://a.example>")
    row: ui.ActionRow[Any] = ui.ActionRow()
    row.add_item(ui.Button(label="Good", custom_id="good")).add_item(
        ui.Button(label="Open", url="https://b.example")
    )
    box: ui.Container[Any] = ui.Container(
        ui.Section("Handbook", accessory=ui.Button(label="Show", custom_id="show"))
    )
    view.add_item(box).add_item(row)
    channel = platform.channel("help")
    await (await bot.fetch_channel(int(channel))).send(view=view)  # type: ignore[union-attr]
    (shown,) = platform.visible(channel)
    assert shown.words == "Row C <https://a.example>\nHandbook"
    assert shown.labels == ["Show", "Good", "Open"]
    assert shown.links == ["https://a.example", "https://b.example"] and not shown.unfurled


REFUSED: dict[str, Callable[[discord.abc.Messageable], Any]] = {
    "2000": lambda to: to.send("x" * 2_001),
    "Cannot send an empty": lambda to: to.send(""),
    "4000 characters": lambda to: to.send(view=layout("x" * 2_001, "x" * 2_000)),
    "custom_id": lambda to: to.send(view=ui.View().add_item(_long_id())),
    "6000 characters": lambda to: to.send(embeds=[discord.Embed(description="x" * 3_001)] * 2),
}


def _long_id() -> ui.Button[Any]:
    button: ui.Button[Any] = ui.Button(label="x", custom_id="x")
    button._underlying.custom_id = "x" * 101
    return button


@pytest.mark.parametrize("why", REFUSED)
async def test_a_message_beyond_the_limits_is_refused(platform: DiscordPlatform, bot: Bot, why: str) -> None:
    channel = await bot.fetch_channel(int(platform.channel("help")))
    with pytest.raises(discord.HTTPException, match=why):
        await REFUSED[why](channel)  # type: ignore[arg-type]
    assert not platform.answers(str(channel.id))


async def test_a_layout_does_not_take_content(platform: DiscordPlatform, bot: Bot) -> None:
    channel = await bot.fetch_channel(int(platform.channel("help")))
    assert isinstance(channel, discord.TextChannel)
    sent = await channel.send(view=layout("hello"))
    with pytest.raises(discord.HTTPException, match="do not go together"):
        await bot.http.edit_message(
            channel.id, sent.id, params=discord.http.handle_message_parameters("text")
        )
    await sent.edit(view=layout("changed"))
    assert platform.message(str(sent.id)).words == "changed"


async def test_what_pings_and_what_is_unfurled_is_seen(platform: DiscordPlatform, bot: Bot) -> None:
    ada, staff = platform.user("Ada"), platform.role("staff", mentionable=True)
    channel = await bot.fetch_channel(int(platform.channel("help")))
    assert isinstance(channel, discord.TextChannel)
    text = f"<@{ada}> <@&{staff}> @everyone https://a.example <https://b.example>"
    loud = await channel.send(text)
    quiet = await channel.send(text, allowed_mentions=discord.AllowedMentions.none(), suppress_embeds=True)
    assert platform.message(str(loud.id)).pings == (ada, staff)
    assert platform.message(str(loud.id)).unfurled == ["https://a.example"]
    assert (platform.message(str(quiet.id)).pings, platform.message(str(quiet.id)).unfurled) == ((), [])


@pytest.mark.parametrize("is_global", [False, True])
async def test_a_limited_call_is_repeated_in_time(
    platform: DiscordPlatform, bot: Bot, is_global: bool
) -> None:
    channel = await bot.fetch_channel(int(platform.channel("help")))
    platform.limit("POST /channels/*/messages", 0.2, is_global=is_global)
    await channel.send("hello")  # type: ignore[union-attr]
    refused, taken = platform.called("POST /channels/*/messages")
    assert (refused.status, taken.status) == (429, 200)
    assert taken.at - refused.answered >= 0.19


async def test_a_client_heeds_the_bucket_headers(platform: DiscordPlatform, bot: Bot) -> None:
    channel = await bot.fetch_channel(int(platform.channel("help")))
    platform.ration("POST /channels/*/messages", calls=2, seconds=0.3)
    for number in range(5):
        await channel.send(f"{number}")  # type: ignore[union-attr]
    posts = platform.called("POST /channels/*/messages")
    assert [call.status for call in posts] == [200] * 5
    assert posts[-1].at - posts[0].at >= 0.6


async def test_calls_fail_by_order(platform: DiscordPlatform, bot: Bot) -> None:
    channel = await bot.fetch_channel(int(platform.channel("help")))
    assert isinstance(channel, discord.TextChannel)
    platform.fail("POST /channels/*/messages", 50013, skip=1)
    await channel.send("well")
    with pytest.raises(discord.Forbidden, match="50013"):
        await channel.send("refused")
    platform.fail("POST /channels/*", status=503)
    with pytest.raises(discord.DiscordServerError):
        await channel.send("broken")
    platform.lose("POST /channels/*", "before")
    with pytest.raises(ClientConnectionError):
        await channel.send("lost")
    platform.lose("POST /channels/*", "after")
    with pytest.raises(ClientConnectionError):
        await channel.send("done", nonce="n1")
    await channel.send("done", nonce="n1")
    assert [each.words for each in platform.answers(str(channel.id))] == ["well", "done"]


async def test_what_a_bot_may_not_do_is_refused(platform: DiscordPlatform, bot: Bot) -> None:
    ada = platform.user("Ada")
    hidden = platform.channel("hidden", private=True, bot=False, users=[ada])
    with pytest.raises(discord.Forbidden, match="50001"):
        await bot.fetch_channel(int(hidden))
    await platform.say(ada, hidden, "unheard")
    shown = platform.channel("help")
    said = await platform.say(ada, shown, "heard")
    await platform.until(lambda: bot.heard)
    assert bot.texts == ["heard"]
    channel = await bot.fetch_channel(int(shown))
    message = await channel.fetch_message(int(said))  # type: ignore[union-attr]
    with pytest.raises(discord.Forbidden, match="50013"):
        await message.delete()
    with pytest.raises(discord.NotFound, match="10008"):
        await channel.fetch_message(1)  # type: ignore[union-attr]


async def test_people_see_what_roles_and_threads_let_them(platform: DiscordPlatform) -> None:
    ada, bo = platform.user("Ada"), platform.user("Bo")
    admin, stranger = platform.user("Cy", admin=True), platform.user("Di", member=False)
    staff = platform.role("staff", [ada])
    private = platform.channel("staff", private=True, roles=[staff])
    secret = platform.thread(platform.channel("help"), bo, "secret", private=True)
    everyone = (ada, bo, admin, stranger, platform.bot)
    assert [platform.may(each, private) for each in everyone] == [True, False, True, False, True]
    assert [platform.may(each, secret) for each in everyone] == [False, True, True, False, False]


async def test_a_mention_brings_the_bot_into_a_private_thread(platform: DiscordPlatform, bot: Bot) -> None:
    ada = platform.user("Ada")
    channel = await platform.open_channel("help")
    thread = await platform.open_thread(ada, channel, "secret", private=True)
    await platform.say(ada, thread, "unheard")
    await platform.mention(ada, thread, "Where?")
    await platform.until(lambda: bot.texts)
    assert isinstance(bot.heard[0].channel, discord.Thread) and "unheard" not in bot.texts
    assert {str(each.id) for each in await bot.heard[0].channel.fetch_members()} == {ada, platform.bot}


async def test_content_is_hidden_without_the_intent(platform: DiscordPlatform) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    async with running(Bot(discord.Intents(guilds=True, messages=True)), platform) as bot:
        await platform.say(ada, channel, "hidden")
        await platform.mention(ada, channel, "mentioned")
        await platform.dm(ada, "direct")
        await platform.until(lambda: len(bot.heard) == 3)
        assert bot.texts == ["", f"<@{platform.bot}> mentioned", "direct"]


async def test_an_intent_that_is_not_granted_ends_the_client(platform: DiscordPlatform) -> None:
    platform.privileged.discard("message_content")
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with running(Bot(), platform):
            pass


async def test_a_revoked_token_ends_the_client(platform: DiscordPlatform) -> None:
    bot = Bot()
    task = asyncio.create_task(bot.start(platform.token))
    await platform.connected()
    platform.revoke()
    platform.gateway.cut()
    with pytest.raises(discord.ConnectionClosed) as closed:
        await task
    assert closed.value.code == 4004
    with pytest.raises(discord.LoginFailure):
        await Bot().login(platform.token)


BREAKS: dict[str, Callable[[DiscordPlatform], Any]] = {
    "op 7": lambda platform: platform.gateway.reconnect(),
    "op 9 resumable": lambda platform: platform.gateway.invalidate(resumable=True),
    "a cut": lambda platform: platform.gateway.cut(),
    "close 4000": lambda platform: asyncio.ensure_future(platform.gateway.close_all(4000)),
}


@pytest.mark.parametrize("how", BREAKS)
async def test_what_was_missed_is_replayed_after(platform: DiscordPlatform, bot: Bot, how: str) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    BREAKS[how](platform)
    await platform.until(lambda: not platform.gateway.open)
    await platform.say(ada, channel, "missed")
    await platform.until(lambda: bot.texts and bot.resumes)
    await platform.say(ada, channel, "after")
    await platform.until(lambda: len(bot.texts) == 2)
    assert bot.texts == ["missed", "after"]
    assert len(platform.gateway.resumed) == 1 == len(platform.gateway.identified)


async def test_an_invalid_session_is_begun_anew(platform: DiscordPlatform, bot: Bot) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    platform.gateway.invalidate()
    await platform.until(lambda: len(platform.gateway.identified) == 2 and platform.gateway.open)
    await platform.say(ada, channel, "after")
    await platform.until(lambda: bot.texts)
    assert bot.texts == ["after"] and not platform.gateway.resumed


async def test_a_malformed_dispatch_ends_the_client(platform: DiscordPlatform) -> None:
    task = asyncio.create_task(Bot().start(platform.token))
    await platform.connected()
    platform.gateway.malformed("MESSAGE_CREATE", {"content": 1})
    with pytest.raises(KeyError):
        await task


async def test_late_heartbeats_are_measured(platform: DiscordPlatform) -> None:
    platform.gateway.interval = 0.2
    async with running(Bot(), platform):
        connection = platform.gateway.open[0]
        await platform.until(lambda: len(connection.beats) >= 4)
        time.sleep(0.6)
        count = len(connection.beats)
        await platform.until(lambda: len(connection.beats) > count)
        assert 0.3 < max(platform.gateway.lateness()) < 10


async def test_every_shard_hears_of_its_own_guilds(platform: DiscordPlatform) -> None:
    platform.shards = 2
    while len({int(guild) >> 22 & 1 for guild in platform.guilds}) < 2:
        platform.add_guild("More")
    ada = platform.user("Ada")
    async with running(Bot(), platform) as bot:
        assert bot.shard_count == 2 and len(platform.gateway.identified) == 2
        for guild in platform.guilds:
            if ada not in platform.members[guild]:
                platform.join(ada, guild=guild)
            await platform.say(ada, platform.channel("help", guild=guild), guild)
        await platform.until(lambda: len(bot.texts) == len(platform.guilds))
        assert sorted(bot.texts) == sorted(platform.guilds)


async def test_members_are_asked_for_over_both_ways(platform: DiscordPlatform, bot: Bot) -> None:
    staff = platform.role("staff")
    ada = platform.user("Ada", roles=[staff], pending=True)
    guild = bot.get_guild(int(platform.guild))
    assert guild and guild.get_member(int(ada)) is None
    fetched = await guild.fetch_member(int(ada))
    assert fetched.pending and str(fetched._roles[0]) == staff
    (found,) = await guild.query_members(user_ids=[int(ada)])
    assert str(found.id) == ada
    with pytest.raises(discord.NotFound, match="10007"):
        await guild.fetch_member(int(platform.user("Bo", member=False)))


async def test_members_come_in_chunks_with_the_intent(platform: DiscordPlatform) -> None:
    ada = platform.user("Ada")
    intents = discord.Intents(guilds=True, members=True)
    async with running(Bot(intents), platform) as bot:
        guild = bot.get_guild(int(platform.guild))
        assert guild and guild.get_member(int(ada))
        staff = platform.role("staff")
        await platform.set_roles(ada, [staff])
        await platform.until(lambda: guild.get_member(int(ada))._roles)  # type: ignore[union-attr]


async def test_edits_reactions_and_deletions_are_told(platform: DiscordPlatform, bot: Bot) -> None:
    told: list[Any] = []
    bot.on_message_edit = lambda before, after: _note(told, after.content)  # type: ignore[attr-defined]
    bot.on_raw_reaction_add = lambda event: _note(told, event.emoji.name)  # type: ignore[attr-defined]
    bot.on_raw_message_delete = lambda event: _note(told, event.message_id)  # type: ignore[attr-defined]
    ada, channel = platform.user("Ada"), platform.channel("help")
    said = await platform.say(ada, channel, "first")
    await platform.edit(channel, said, "second")
    await platform.react(ada, channel, said, "👍")
    await platform.delete(channel, said)
    await platform.until(lambda: len(told) == 3)
    assert told == ["second", "👍", int(said)]


async def _note(told: list[Any], what: Any) -> None:
    told.append(what)


async def test_the_first_sign_is_what_a_person_sees_first(platform: DiscordPlatform, bot: Bot) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    said = await platform.mention(ada, channel, "Where?")
    assert platform.first_sign(said, channel) is None
    await platform.until(lambda: bot.heard)
    async with bot.heard[0].channel.typing():
        await bot.heard[0].reply("Row C")
    sign = platform.first_sign(said, channel)
    assert sign is not None and 0 < sign <= platform.typing[0][1] - platform.said_at[said]


async def test_nothing_is_lost_while_connections_break_at_random(platform: DiscordPlatform, bot: Bot) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    async with platform.unrest(random.Random(1), 0.1):
        for number in range(300):
            await platform.say(ada, channel, f"{number}")
            await asyncio.sleep(0.005)
    await platform.until(lambda: len(set(bot.texts)) == 300)
    assert bot.texts == [f"{number}" for number in range(300)]
    assert len(platform.gateway.resumed) > 3


async def test_two_clients_with_one_token_both_hear(platform: DiscordPlatform, bot: Bot) -> None:
    ada, channel = platform.user("Ada"), platform.channel("help")
    async with running(Bot(), platform) as second:
        await platform.say(ada, channel, "hello")
        await platform.until(lambda: bot.texts and second.texts)
        assert bot.texts == second.texts == ["hello"]


async def test_the_bot_is_invited_while_it_runs(platform: DiscordPlatform, bot: Bot) -> None:
    joined: list[str] = []
    bot.on_guild_join = lambda guild: _note(joined, guild.name)  # type: ignore[attr-defined]
    await platform.invite("Beta")
    await platform.until(lambda: joined)
    assert joined == ["Beta"]


def test_blocking_clients_find_it_in_a_thread() -> None:
    with threaded_discord_platform() as discord_there:
        channel = discord_there.platform.channel("help")
        request = urllib.request.Request(
            f"{discord_there.platform.api_url}/channels/{channel}",
            headers={"Authorization": f"Bot {discord_there.platform.token}"},
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["name"] == "help"
