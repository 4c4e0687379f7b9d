"""What Slack's errors mean for the person who installed the app, and how to mend them."""

from __future__ import annotations

from slack_sdk.errors import SlackApiError

from connectors.slack.manifest import SOCKET_SCOPE

_MEND = {
    "invalid_auth": "the token is not valid: copy it anew from the app's page 'OAuth & Permissions'",
    "not_authed": "no token was sent: set SLACK_BOT_TOKEN",
    "token_revoked": "the token was revoked: install the app again and set the new SLACK_BOT_TOKEN",
    "token_expired": "the token has expired: install the app again and set the new SLACK_BOT_TOKEN",
    "account_inactive": "the app was removed from the workspace: install it again",
    "app_uninstalled": "the app was removed from the workspace: install it again",
    "team_access_not_granted": "the app is not granted to this workspace: an admin must approve it",
    "org_login_required": "the workspace is being migrated: try again later",
}
_MEND_SOCKET = {
    "missing_scope": f"the token lacks the scope {SOCKET_SCOPE}: make another under 'Basic Information' > "
    "'App-Level Tokens'",
    "not_allowed_token_type": "SLACK_APP_TOKEN is no app-level token: one starts with xapp-",
    "invalid_auth": "SLACK_APP_TOKEN is not valid: copy it from 'Basic Information' > 'App-Level Tokens'",
    "token_revoked": "SLACK_APP_TOKEN was revoked: make one under 'Basic Information' > 'App-Level Tokens'",
    "socket_mode_not_enabled": "Socket Mode is off: switch it on under 'Socket Mode'",
}
_OPENS_SOCKET = "apps.connections.open"
# The bot cannot write where it is no member, nor where nobody can.
_SHUT_OUT = frozenset(
    {"not_in_channel", "channel_not_found", "user_not_in_channel", "is_archived", "restricted_action"}
)
# With these, no call will succeed until somebody mends the installation.
_FATAL = frozenset(_MEND) - {"org_login_required"}


def explain(error: BaseException) -> str:
    """An error in one line, with the fix where there is one."""
    if not isinstance(error, SlackApiError):
        return f"{type(error).__name__}: {error}"
    code = error_code(error)
    method = str(getattr(error.response, "api_url", "")).rsplit("/", 1)[-1]
    where = f"{method}: " if method else ""
    if method == _OPENS_SOCKET and code in _MEND_SOCKET:
        return f"{where}{_MEND_SOCKET[code]}"
    if code == "missing_scope":
        needed, granted = error.response.get("needed"), error.response.get("provided")
        return (
            f"{where}the app lacks the scope {needed} (it has {granted or 'none'}): add it under "
            "'OAuth & Permissions' > 'Scopes' and install the app again"
        )
    return f"{where}{_MEND.get(code, code)}"


def error_code(error: SlackApiError) -> str:
    """The code of an error as Slack's documentation lists it."""
    response = error.response
    return str(response.get("error") or "unknown_error") if hasattr(response, "get") else "unknown_error"


def is_fatal(error: BaseException) -> bool:
    """Whether the bot can do nothing with its token any more."""
    return isinstance(error, SlackApiError) and error_code(error) in _FATAL


def is_shut_out(error: BaseException) -> bool:
    """Whether the bot may not write, or show somebody something, in a channel."""
    return isinstance(error, SlackApiError) and error_code(error) in _SHUT_OUT
