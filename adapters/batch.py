"""Answers written together: one run of the model reads the next tokens of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.base_model import LoadedBase
from adapters.decoding import FIRST_DRAFT, LONGEST_DRAFT, PREFILL_TOKENS, draft_from
from adapters.lora import LoadedAdapters
from adapters.openings import Openings
from adapters.row_attention import TextMemory, read_rows_apart

if TYPE_CHECKING:
    import torch

# Drafts of all answers in one run. More tokens than this make a run dearer than the drafts are worth.
DRAFTED_TOKENS = 24


class Row:
    """One answer in the making: its text so far, and how much of it the model has read.

    `opening` is how many of the prompt's tokens other prompts begin with, too.
    """

    def __init__(
        self, adapter: str, prompt: Sequence[int], opening: int, max_new_tokens: int, ends: frozenset[int]
    ) -> None:
        self.adapter = adapter
        self.text = list(prompt)
        self.opening = opening
        self.memory = TextMemory(len(prompt) + max_new_tokens)
        self.done = max_new_tokens < 1
        self._prompt = len(prompt)
        self._limit = len(prompt) + max_new_tokens
        self._ends = ends
        self._reach = FIRST_DRAFT

    @property
    def unread(self) -> int:
        """How many tokens of the prompt the model has not read."""
        return max(0, self._prompt - self.memory.length)

    def draft(self, longest: int) -> list[int]:
        """A guess at the tokens that come next."""
        length = min(self._reach, longest, self._limit - len(self.text) - 1)
        return draft_from(self.text, length) if length > 0 else []

    def accept(self, draft: Sequence[int], following: Sequence[int]) -> list[int]:
        """Take `following[0]`, and each next one as long as the draft before it was right.

        Gives the tokens that are new in the answer, and sets `done` at its end.
        """
        if self.done:
            return []
        right = next((place for place, token in enumerate(draft) if token != following[place]), len(draft))
        if draft:
            self._reach = min(self._reach + 2, LONGEST_DRAFT) if right == len(draft) else right + 1
        new: list[int] = []
        for token in following[: right + 1]:
            self.done = token in self._ends
            if self.done:
                break
            new.append(token)
        self.text += new
        self.done = self.done or len(self.text) >= self._limit
        return new


class Batch:
    """Greedy decoding of any number of rows through their own adapters, each as if it were alone.

    There is no padding: the rows' tokens stand one after the other in one run, and each attends to its own
    text only. Rows may come and go between any two runs (iteration-level scheduling, Yu et al. 2022, Orca,
    https://www.usenix.org/conference/osdi22/presentation/yu). Prompts are read one by one, so that they are
    read in company exactly as alone. Answers are read ahead with `draft_from`.
    """

    def __init__(self, base: LoadedBase, adapters: LoadedAdapters, openings: Openings) -> None:
        self._adapters = adapters
        self._openings = openings
        read_rows_apart(base.model)

    def read_prompt(self, row: Row) -> list[int]:
        """Read the next piece of a row's prompt; at its end, give the answer's first token."""
        if not row.memory.length:
            self._openings.recall(row)
        start = row.memory.length
        end = min(start + PREFILL_TOKENS, len(row.text))
        if start < row.opening:
            end = min(end, row.opening)
        following = self._run([(row, row.text[start:end])], logits=1)
        row.memory.keep(end - start)
        if end == row.opening:
            self._openings.remember(row)
        return row.accept((), following) if end == len(row.text) else []

    def step(self, rows: Sequence[Row]) -> list[list[int]]:
        """Give each row's next tokens, at least one, or none at its end."""
        order = sorted(range(len(rows)), key=lambda place: rows[place].adapter)
        longest = max(1, (DRAFTED_TOKENS - len(rows)) // len(rows))
        drafts = [row.draft(longest) for row in rows]
        following = self._run([(rows[place], [rows[place].text[-1], *drafts[place]]) for place in order])
        new: list[list[int]] = [[] for _ in rows]
        start = 0
        for place in order:
            row, draft = rows[place], drafts[place]
            before = len(row.text)
            new[place] = row.accept(draft, following[start : start + len(draft) + 1])
            row.memory.keep(len(row.text) - before)
            start += len(draft) + 1
        return new

    def _run(self, parts: Sequence[tuple[Row, Sequence[int]]], logits: int = 0) -> list[int]:
        """Read tokens of each row, and say what should follow the last `logits` of all, or 0 for each."""
        import torch

        tokens = [token for _, part in parts for token in part]
        places = [row.memory.length + offset for row, part in parts for offset in range(len(part))]
        spans = [(row.adapter, len(part)) for row, part in parts]
        with self._adapters.speaking(spans) as model, torch.inference_mode():
            output: torch.Tensor = model(
                input_ids=torch.tensor([tokens]),
                position_ids=torch.tensor([places]),
                use_cache=False,
                logits_to_keep=logits,
                rows=[(row.memory, len(part)) for row, part in parts],
            ).logits
            following: list[int] = output[0].argmax(dim=-1).tolist()
            return following
