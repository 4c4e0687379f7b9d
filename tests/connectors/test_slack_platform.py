"""The local Slack, tested with the clients that talk to the real one: slack-bolt and slack_sdk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_platform import SlackPlatform, slack_platform, threaded_slack_platform
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient


@pytest.fixture
async def platform() -> AsyncIterator[SlackPlatform]:
    async with slack_platform() as found:
        yield found


@pytest.fixture
def client(platform: SlackPlatform) -> AsyncWebClient:
    return AsyncWebClient(token=platform.team.token, base_url=platform.api_url)


@asynccontextmanager
async def connected(app: AsyncApp, platform: SlackPlatform, ping: float = 0.2) -> AsyncIterator[AsyncApp]:
    """Connect an app over Socket Mode; the short ping lets it notice a cut connection soon."""
    before = len(platform.socket.open)
    handler = AsyncSocketModeHandler(app, platform.app_token, ping_interval=ping)
    await handler.connect_async()
    await platform.connected(before + 1)
    try:
        yield app
    finally:
        await handler.close_async()


@pytest.fixture
async def app(platform: SlackPlatform, client: AsyncWebClient) -> AsyncIterator[AsyncApp]:
    async with connected(AsyncApp(client=client), platform) as found:
        yield found


async def test_a_mention_raises_two_events_with_the_same_ts_and_is_answered_in_its_thread(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    heard: list[tuple[str, str]] = []

    @app.event("app_mention")
    async def answer(event: dict[str, Any], say: Any) -> None:
        heard.append(("app_mention", event["ts"]))
        await say("yes", thread_ts=event["ts"])

    @app.event("message")
    async def listen(event: dict[str, Any]) -> None:
        heard.append(("message", event["ts"]))

    ada = platform.user("Ada")
    channel = platform.channel("help", [ada])
    said = await platform.mention(ada, channel, "hi")
    await said.acked()
    await platform.until(lambda: platform.answers(channel, said.ts))
    assert sorted(heard) == [("app_mention", said.ts), ("message", said.ts)]
    assert [answer.text for answer in platform.answers(channel, said.ts)] == ["yes"]
    assert platform.first_sign(channel, said.ts) > 0
    assert 0 < platform.ack_quantile() < 3


async def test_an_event_without_ack_comes_again_with_the_same_id_and_the_next_attempt(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    seen: list[tuple[str, Any]] = []

    @app.event("message")
    async def listen(body: dict[str, Any], request: Any) -> None:
        seen.append((body["event_id"], request.headers.get("x-slack-retry-num")))

    platform.deliveries.ack_timeout = 0.1
    platform.ignore_acks(1)
    ada = platform.user("Ada")
    said = await platform.dm(ada, "hi")
    await platform.until(lambda: len(seen) == 2)
    await said.acked()
    await platform.redeliver(said.deliveries[0])
    await platform.until(lambda: len(seen) == 3)
    assert len({event_id for event_id, _ in seen}) == 1
    assert [number for _, number in seen] == [["0"], ["1"], ["2"]]


async def test_a_stream_is_seen_growing_and_takes_nothing_after_its_death(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    ada = platform.user("Ada")
    channel = platform.channel("help", [ada])
    root = platform.put(channel, ada, "hi")["ts"]
    who = {"recipient_team_id": platform.team.id, "recipient_user_id": ada}
    stream = await client.chat_stream(channel=channel, thread_ts=root, buffer_size=1, **who)
    task = {"type": "task_update", "id": "t1", "title": "Search", "status": "in_progress", "details": "one "}
    await stream.append(chunks=[task])
    await stream.append(markdown_text="Half of ")
    await stream.append(chunks=[task | {"status": "complete", "details": "two"}])
    shown = platform.message(channel, stream.ts)
    assert (shown.text, shown.stream) == ("Half of ", "streaming")
    assert [(card["status"], card["details"]) for card in shown.tasks] == [("complete", "one two")]
    with pytest.raises(SlackApiError, match="streaming_state_conflict"):
        await client.chat_update(channel=channel, ts=stream.ts, text="whole")
    platform.end_stream(channel, stream.ts)
    with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
        await stream.append(markdown_text="the answer")
    await client.chat_update(channel=channel, ts=stream.ts, text="Half of the answer")
    assert platform.message(channel, stream.ts).words == "Half of the answer"


async def test_a_stream_takes_one_kind_of_content_and_as_much_as_the_real_one(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    ada = platform.user("Ada")
    channel = platform.im(ada)
    root = platform.put(channel, ada, "hi")["ts"]
    started = await client.chat_startStream(channel=channel, thread_ts=root, markdown_text="a")
    ts = str(started["ts"])
    with pytest.raises(SlackApiError, match="streaming_mode_mismatch"):
        await client.chat_appendStream(
            channel=channel, ts=ts, chunks=[{"type": "markdown_text", "text": "b"}]
        )
    with pytest.raises(SlackApiError, match="msg_too_long"):
        await client.chat_appendStream(channel=channel, ts=ts, markdown_text="b" * 11_500)
    with pytest.raises(SlackApiError, match="missing_recipient_team_id"):
        public = platform.channel("help", [ada])
        await client.chat_startStream(channel=public, thread_ts=platform.put(public, ada, "hi")["ts"])
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Sources"}}]
    await client.chat_stopStream(channel=channel, ts=ts, blocks=blocks)
    assert platform.message(channel, ts).words == "a\nSources"


async def test_tokens_and_scopes_are_checked(platform: SlackPlatform, client: AsyncWebClient) -> None:
    stranger = AsyncWebClient(token="xoxb-wrong", base_url=platform.api_url)
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await stranger.auth_test()
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.apps_connections_open(app_token=platform.team.token)
    platform.team.scopes.discard("users:read")
    with pytest.raises(SlackApiError, match="missing_scope") as refused:
        await client.users_info(user=platform.team.bot_user)
    assert refused.value.response["needed"] == "users:read"
    assert "chat:write" in refused.value.response["provided"]
    tested = await client.auth_test()
    assert tested["user_id"] == platform.team.bot_user
    assert "chat:write" in tested.headers["x-oauth-scopes"]
    await client.auth_revoke()
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()


async def test_every_encoding_is_understood(platform: SlackPlatform, client: AsyncWebClient) -> None:
    ada = platform.user("Ada", "admin")
    group = platform.group("support", [ada])
    channel = platform.channel("help", [ada], is_ext_shared=True)
    root = (await client.chat_postMessage(channel=channel, text="root"))["ts"]
    reply = await client.chat_postMessage(channel=channel, text="reply", thread_ts=root)
    await client.reactions_add(channel=channel, timestamp=root, name="eyes")
    replies = await client.conversations_replies(channel=channel, ts=root)
    assert [message["text"] for message in replies["messages"]] == ["root", "reply"]
    assert replies["messages"][0]["reactions"][0]["name"] == "eyes"
    assert len((await client.conversations_history(channel=channel))["messages"]) == 1
    assert (await client.conversations_info(channel=channel))["channel"]["is_ext_shared"]
    assert ada in (await client.conversations_members(channel=channel))["members"]
    assert (await client.users_info(user=ada))["user"]["is_admin"]
    assert (await client.usergroups_list(include_users=True))["usergroups"][0]["users"] == [ada]
    assert (await client.usergroups_list())["usergroups"][0]["id"] == group
    assert (await client.bots_info(bot=platform.team.bot_id))["bot"]["user_id"] == platform.team.bot_user
    private = (await client.conversations_open(users=ada))["channel"]["id"]
    assert private == platform.im(ada)
    listed = await client.conversations_list(types="public_channel,im")
    assert {found["id"] for found in listed["channels"]} == {channel, private}
    await client.chat_delete(channel=channel, ts=reply["ts"])
    assert [message.text for message in platform.visible(channel, root)] == ["root"]
    assert {call.encoding for call in platform.calls} == {"json", "query"}


DIVIDER = {"type": "divider"}
LONG = {"type": "markdown", "text": "x" * 6_001}


def section(characters: int) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x" * characters}}


def feedback(value: str) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "Good"}
    sides = {
        f"{side}_button": {"text": text, "value": f"{side}:{value}"} for side in ("positive", "negative")
    }
    element = {"type": "feedback_buttons", "action_id": "feedback", **sides}
    return {"type": "context_actions", "block_id": "f", "elements": [element]}


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([DIVIDER] * 51, "invalid_blocks"),
        ([section(3_001)], "invalid_blocks"),
        ([LONG, LONG], "invalid_blocks"),
        ([DIVIDER | {"block_id": "b" * 256}], "invalid_blocks"),
        ([LONG, section(3_000), section(3_000), section(3_000)], "msg_blocks_too_long"),
        ([{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}], "invalid_blocks"),
        ([{"type": "actions", "elements": [{"type": "feedback_buttons"}]}], "invalid_blocks"),
        ([DIVIDER | {"block_id": "a"}] * 2, "invalid_blocks"),
        ([feedback("v" * 2_001)], "invalid_blocks"),
    ],
)
async def test_blocks_beyond_the_limits_are_refused_with_the_place(
    platform: SlackPlatform, client: AsyncWebClient, blocks: list[dict[str, Any]], error: str
) -> None:
    with pytest.raises(SlackApiError, match=error) as refused:
        await client.chat_postMessage(channel=platform.channel("help"), text="x", blocks=blocks)
    assert refused.value.response["response_metadata"]["messages"]


async def test_calls_go_wrong_by_order_and_in_order(platform: SlackPlatform, client: AsyncWebClient) -> None:
    channel = platform.channel("help")
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    platform.limit("chat.postMessage", seconds=1)
    await client.chat_postMessage(channel=channel, text="after a second")
    first, second = platform.called("chat.postMessage")
    assert (first.status, second.status) == (429, 200)
    assert second.at - first.at >= 1
    platform.fail("chat.*", "internal_error", skip=1)
    platform.fail("chat.*", status=503)
    await client.chat_postMessage(channel=channel, text="goes well")
    with pytest.raises(SlackApiError, match="internal_error"):
        await client.chat_postMessage(channel=channel, text="is refused")
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=channel, text="meets a page")
    bare = AsyncWebClient(token=platform.team.token, base_url=platform.api_url, retry_handlers=[])
    platform.lose("chat.postMessage", "after")
    with pytest.raises(ClientConnectionError):
        await bare.chat_postMessage(channel=channel, text="done, and nobody knows")
    assert [said.text for said in platform.visible(channel)] == [
        "after a second", "goes well", "done, and nobody knows"
    ]  # fmt: skip


async def test_more_calls_than_a_ration_are_sent_back_until_its_time_is_over(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    platform.ration("auth.test", calls=2, seconds=1)
    for _ in range(3):
        await client.auth_test()
    assert [call.status for call in platform.called("auth.test")] == [200, 200, 429, 200]


async def test_whom_a_message_pings_and_where_it_links_is_seen(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    channel = platform.channel("help")
    block = {
        "type": "markdown",
        "text": "<!channel> ask <@U1> at [here](https://example.com/a) <!subteam^S1>",
    }
    ts = (await client.chat_postMessage(channel=channel, text="-", blocks=[block]))["ts"]
    shown = platform.message(channel, ts)
    assert shown.pings == ["<!channel>", "<@U1>", "<!subteam^S1>"]
    assert shown.links == ["https://example.com/a"]


async def test_a_command_is_acknowledged_answered_and_shown_to_its_user_alone(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    @app.command("/lorebot")
    async def command(ack: Any, respond: Any, command: dict[str, Any]) -> None:
        await ack(f"heard {command['text']}")
        await respond("later")
        await respond("for all", response_type="in_channel")

    ada, bo = platform.user("Ada"), platform.user("Bo")
    channel = platform.channel("help", [ada, bo])
    delivery = await platform.slash(ada, channel, "help")
    await delivery.done.wait()
    await platform.until(lambda: len(platform.visible(channel, user=ada)) == 3)
    assert {shown.text for shown in platform.visible(channel, user=ada)} == {"heard help", "later", "for all"}
    assert [shown.text for shown in platform.visible(channel, user=bo)] == ["for all"]


async def test_a_feedback_button_opens_a_modal_whose_submission_is_first_refused_then_taken(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    given: list[dict[str, Any]] = []
    words = {"type": "plain_text", "text": "Better"}
    better = {"type": "plain_text_input", "action_id": "better", "multiline": True}
    modal = {"type": "modal", "callback_id": "why", "title": words, "submit": words, "blocks": []}
    modal["blocks"] = [{"type": "input", "block_id": "b", "label": words, "element": better}]

    @app.action("feedback")
    async def pressed(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        given.append(body["actions"][0])
        await client.views_open(trigger_id=body["trigger_id"], view=modal)

    @app.view("why")
    async def why(ack: Any, view: dict[str, Any]) -> None:
        said = view["state"]["values"]["b"]["better"]["value"]
        given.append(said)
        await (ack() if said == "good" else ack(response_action="errors", errors={"b": "say more"}))

    ada = platform.user("Ada")
    channel = platform.channel("help", [ada])
    blocks = [feedback("answer-1")]
    answer = await app.client.chat_postMessage(channel=channel, text="answer", blocks=blocks)
    await platform.press(ada, channel, answer["ts"], "feedback", "negative")
    await platform.until(lambda: platform.modal(ada))
    view = platform.modal(ada)["id"]
    await (await platform.submit_view(ada, view, {"better": "bad"})).done.wait()
    assert platform.modal(ada)["errors"] == {"b": "say more"}
    await (await platform.submit_view(ada, view, {"better": "good"})).done.wait()
    assert platform.modal(ada) is None
    assert [given[0]["value"], *given[1:]] == ["negative:answer-1", "bad", "good"]
    with pytest.raises(AssertionError, match="nothing with action_id"):
        await platform.press(ada, channel, answer["ts"], "other")


async def test_shortcut_reaction_home_edit_and_deletion_reach_the_app(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    heard: list[str] = []

    @app.shortcut("answer_this")
    async def shortcut(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        heard.append(f"shortcut {body['message']['text']}")

    @app.event("app_home_opened")
    async def home(event: dict[str, Any], client: AsyncWebClient) -> None:
        heard.append(f"home {event['tab']}")
        view = {"type": "home", "blocks": [{"type": "markdown", "text": "Welcome"}]}
        await client.views_publish(user_id=event["user"], view=view)

    @app.event("reaction_added")
    async def reaction(event: dict[str, Any]) -> None:
        heard.append(f"reaction {event['reaction']}")

    @app.event("message")
    async def message(event: dict[str, Any]) -> None:
        heard.append(f"message {event.get('subtype', event.get('channel_type'))}")

    ada = platform.user("Ada")
    channel = platform.channel("help", [ada], private=True)
    said = await platform.say(ada, channel, "words")
    await platform.shortcut(ada, channel, said.ts, "answer_this")
    await platform.react(ada, channel, said.ts, "question")
    await platform.app_home_opened(ada)
    await platform.edit(channel, said.ts, "other words")
    await platform.delete(channel, said.ts)
    await platform.agent_message(ada, "hello", viewing=channel)
    await platform.until(lambda: len(heard) == 7 and platform.home(ada))
    assert sorted(heard) == [
        "home home", "message group", "message im", "message message_changed", "message message_deleted",
        "reaction question", "shortcut words",
    ]  # fmt: skip


async def test_a_file_needs_the_token(platform: SlackPlatform, client: AsyncWebClient) -> None:
    ada = platform.user("Ada")
    file = platform.file("notes.txt", b"the notes", user=ada)
    said = await platform.mention(ada, platform.channel("help", [ada]), "read", files=[file])
    url = said.deliveries[0].event["files"][0]["url_private_download"]
    async with ClientSession() as session:
        async with session.get(url) as page:
            assert page.content_type == "text/html"
        async with session.get(url, headers={"Authorization": f"Bearer {client.token}"}) as found:
            assert await found.read() == b"the notes"
    assert (await client.files_info(file=file))["file"]["name"] == "notes.txt"


async def test_events_wait_while_nobody_is_connected_and_commands_fail(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    heard: list[str] = []
    ada = platform.user("Ada")
    await platform.dm(ada, "waiting")
    assert (await platform.slash(ada, platform.im(ada), "help")).failed == "dispatch_failed"
    app = AsyncApp(client=client)

    @app.event("message")
    async def listen(event: dict[str, Any]) -> None:
        heard.append(event["text"])

    async with connected(app, platform):
        await platform.until(lambda: heard == ["waiting"])


async def test_connections_share_the_events_and_come_back_when_sent_away_or_cut(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    heard: list[str] = []
    platform.deliveries.ack_timeout = 0.3

    def listening() -> AsyncApp:
        app = AsyncApp(client=client)

        @app.event("message")
        async def listen(event: dict[str, Any]) -> None:
            heard.append(event["text"])

        return app

    ada = platform.user("Ada")
    async with connected(listening(), platform), connected(listening(), platform):
        for number in range(4):
            await platform.dm(ada, f"first {number}")
        await platform.settled()
        assert {delivery.connection for delivery in platform.acks} == {1, 2}
        await platform.disconnect()
        await platform.dm(ada, "second")
        await platform.connected(2)
        platform.cut()
        await platform.dm(ada, "third")
        await platform.connected(2)
        await platform.settled()
    assert sorted(set(heard)) == ["first 0", "first 1", "first 2", "first 3", "second", "third"]


async def test_own_messages_and_those_of_other_bots_are_told_as_slack_tells_them(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    heard: list[dict[str, Any]] = []

    @app.event("message")
    async def listen(event: dict[str, Any]) -> None:
        heard.append(event)

    channel = platform.channel("help")
    await app.client.chat_postMessage(channel=channel, text="mine")
    await platform.say(platform.user("Robo", "bot"), channel, "theirs")
    await platform.settled()
    told = [delivery.event for delivery in platform.acks]
    assert {event["text"] for event in told} == {"mine", "theirs"}
    assert all(event["bot_id"] for event in told)
    assert [event["subtype"] for event in heard] == ["bot_message"]


async def test_over_http_requests_are_signed_and_flawed_ones_refused(
    platform: SlackPlatform, client: AsyncWebClient
) -> None:
    heard: list[str] = []
    app = AsyncApp(client=client, signing_secret=platform.signing_secret)

    @app.event("message")
    async def listen(event: dict[str, Any]) -> None:
        heard.append(event["text"])

    @app.command("/lorebot")
    async def command(ack: Any) -> None:
        await ack("heard")

    runner = web.AppRunner(app.web_app("/slack/events"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    platform.serve_over_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    ada = platform.user("Ada")
    said = await platform.dm(ada, "hi")
    delivery = await platform.slash(ada, platform.im(ada), "help")
    await platform.settled()
    assert delivery.payload == {"text": "heard"}
    for flaw in ("forged", "stale", "unsigned"):
        assert (await platform.post_signed("events_api", said.deliveries[0].body, flaw))[0] == 401
    assert (await platform.post_signed("events_api", said.deliveries[0].body))[0] == 200
    await platform.until(lambda: heard == ["hi", "hi"])
    await runner.cleanup()


async def test_a_code_buys_the_token_of_its_workspace_once(platform: SlackPlatform) -> None:
    platform.install("T0002", "Beta")
    code = platform.authorize("T0002")
    secrets = {"client_id": platform.client_id, "client_secret": platform.client_secret}
    bought = await AsyncWebClient(base_url=platform.api_url).oauth_v2_access(**secrets, code=code)
    assert bought["team"]["id"] == "T0002"
    beta = AsyncWebClient(token=bought["access_token"], base_url=platform.api_url)
    assert (await beta.auth_test())["team"] == "Beta"
    with pytest.raises(SlackApiError, match="invalid_code"):
        await AsyncWebClient(base_url=platform.api_url).oauth_v2_access(**secrets, code=code)
    bo = platform.user("Bo", team_id="T0002")
    channel = platform.channel("beta", [bo], context_team_id="T0002")
    assert (await beta.chat_postMessage(channel=channel, text="hello"))["ok"]
    said = await platform.mention(bo, channel, "hi")
    assert {delivery.body["team_id"] for delivery in said.deliveries} == {"T0002"}


async def test_hundreds_of_events_delivered_three_times_are_cheap(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    heard: list[str] = []

    @app.event("message")
    async def listen(event: dict[str, Any]) -> None:
        heard.append(event["ts"])

    ada = platform.user("Ada")
    await (await platform.dm(ada, "Bolt asks auth.test until it knows")).acked()
    all_said = [await platform.dm(ada, f"{number}") for number in range(300)]
    for _ in range(2):
        for said in all_said:
            await platform.redeliver(said.deliveries[0])
    await platform.until(lambda: len(heard) == 901)
    assert len(platform.acks) == len(set(heard)) == 301


async def test_nothing_is_lost_while_connections_break_at_random(
    platform: SlackPlatform, app: AsyncApp
) -> None:
    heard: set[str] = set()
    platform.deliveries.ack_timeout, platform.deliveries.pauses = 0.3, (0.0,) * 1_000

    @app.event("message")
    async def listen(event: dict[str, Any]) -> None:
        heard.add(event["text"])

    ada = platform.user("Ada")
    async with platform.unrest(random.Random(1), 0.1):
        for number in range(300):
            await platform.dm(ada, f"{number}")
            await asyncio.sleep(0.005)
    await platform.settled()
    assert heard == {f"{number}" for number in range(300)}
    assert platform.socket.opened > 3


def test_blocking_clients_find_it_in_a_thread() -> None:
    with threaded_slack_platform() as slack:
        client = WebClient(token=slack.platform.team.token, base_url=slack.platform.api_url)
        channel = slack.platform.channel("help")
        client.chat_postMessage(channel=channel, text="hello")
        assert [said.text for said in slack.platform.visible(channel)] == ["hello"]
