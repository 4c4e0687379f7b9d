"""How the things that a person can press are named, in the blocks and in the listeners."""

from __future__ import annotations

FEEDBACK = "lorebot_feedback"
SHOW_PASSAGES = "lorebot_passages"
ASK_PERSON = "lorebot_person"
SHARE = "lorebot_share"
CANCEL = "lorebot_cancel"
# With the suggestion's number behind it; the button's value is the question.
SUGGESTION = "lorebot_suggestion"

JUDGE = "lorebot_judge"
CONFIRM = "lorebot_confirm"
ANSWER_THIS = "lorebot_answer_this"
