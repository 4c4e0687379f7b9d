"""How probable the real base model finds replies."""

from __future__ import annotations

import pytest

from adapters.base_model import LoadedBase
from adapters.generation import Message
from adapters.lesson import Lesson, encode_lesson
from adapters.likelihood import per_token, reply_likelihoods


def lesson(question: str, reply: str) -> Lesson:
    return Lesson((Message("system", "Answer in one sentence."), Message("user", question)), reply)


LESSONS = [
    lesson("What is the capital of France?", "The capital of France is Paris."),
    lesson("What is the capital of France?", "Teapot green of seven the."),
    lesson("How many legs has a dog?", "A dog has four legs."),
]


@pytest.mark.slow
def test_a_likelihood_is_that_of_the_reply_read_alone(base: LoadedBase) -> None:
    import torch

    found = reply_likelihoods(base.model, base.tokenizer, LESSONS, lambda: None)

    for one, measured in zip(LESSONS, found, strict=True):
        encoded = encode_lesson(one, base.tokenizer)
        tokens = torch.tensor([encoded.tokens])
        with torch.inference_mode():
            logits = base.model(input_ids=tokens).logits[0, :-1].log_softmax(dim=-1)
        expected = logits.gather(1, tokens[0, 1:, None])[-encoded.reply_length :].sum()
        assert measured.log_probability == pytest.approx(float(expected), abs=1e-2)
        assert measured.tokens == encoded.reply_length


@pytest.mark.slow
def test_sense_is_more_probable_than_nonsense(base: LoadedBase) -> None:
    sense, nonsense, _ = reply_likelihoods(base.model, base.tokenizer, LESSONS, lambda: None)

    assert per_token([sense]) > per_token([nonsense]) + 1


@pytest.mark.slow
def test_an_interruption_ends_the_work(base: LoadedBase) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reply_likelihoods(base.model, base.tokenizer, LESSONS, stop)
