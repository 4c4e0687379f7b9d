"""Slack on 127.0.0.1: its Web API, Socket Mode, signed HTTP requests, and the people who use it.

`async with slack_platform() as platform` serves an empty workspace in the running event loop. A test sets up
people and channels, lets them act (`mention`, `slash`, `press`), orders what goes wrong (`fail`, `limit`,
`disconnect`) and looks at what a person would see (`message`, `visible`).

Sources: https://docs.slack.dev/reference/methods, /reference/block-kit and /apis/events-api. Where these say
nothing:

* A stream takes either `markdown_text` or `chunks`, as its first payload had it; the other is refused with
  `streaming_mode_mismatch`. A stream holds about 11,000 bytes (titles and text once, `details` and `output`
  twice); more is `msg_too_long`. `chat.update` of a running stream is `streaming_state_conflict`,
  `chat.delete` of it `cant_delete_message`. Developers measured these; none is documented.
* All blocks of a message together hold about 13,000 characters; more is `msg_blocks_too_long` (bolt-js issue
  2509).
* An ack counts on whichever connection it comes: the clients send it on the newest.
* Uncertain: whether a stopped or dead stream can always be rewritten by `chat.update` (some report
  `block_mismatch`; here it can), `thread_not_found` for a reply to a message that is gone,
  `invalid_arguments` for a stream without `thread_ts`, `invalid_chunks`, and the wording of every message in
  `response_metadata`.
"""

from __future__ import annotations

from .deliveries import Delivery
from .faults import Call
from .people import Said
from .platform import SlackPlatform, slack_platform, threaded_slack_platform
from .world import Shown, Team

__all__ = [
    "Call",
    "Delivery",
    "Said",
    "Shown",
    "SlackPlatform",
    "Team",
    "slack_platform",
    "threaded_slack_platform",
]
