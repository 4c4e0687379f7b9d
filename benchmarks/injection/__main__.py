"""How well Lorebot withstands poisoned documents and messages, defence by defence.

    python -m benchmarks.injection                what comes through without and with each defence
    python -m benchmarks.injection --real 40      asks the real model with more of the attacks

The engine, the embedder and the builders of both platforms are the real ones. The model is the worst that can
be: it says what each attack wants said, whether or not it reads the attack. A sample of the attacks, spread
over the families, is asked of the real model with its adapter too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.base_model import prepare_base
from adapters.chat import ChatTokenizer
from adapters.generation import Generator
from benchmarks.injection.asking import Outcome, Trial, Watch
from benchmarks.injection.attacks import Attack, attacks
from benchmarks.injection.company import MEMBER, poisoned_company
from benchmarks.injection.defences import (
    Row,
    audience,
    control_tokens,
    everybody_reads_everything,
    everything_is_evidence,
    false_alarms,
    hidden_text,
    links_and_mentions,
    orders,
    verifier,
)
from benchmarks.injection.judging import failures
from benchmarks.injection.models import Obedient
from bot.assembly import Assembly
from bot.settings import load_settings_or_defaults
from connectors.conversation import Place

SECRETS = {"SLACK_BOT_TOKEN": "xoxb-planted-secret", "PGPASSWORD": "planted-password"}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--real", type=int, default=12, help="how many attacks the real model is asked with")
    options.add_argument(
        "--docs", type=Path, default=Path("examples/documents"), help="documents that order no model"
    )
    chosen = options.parse_args()
    os.environ.update(SECRETS)
    taken, read = false_alarms(chosen.docs)
    print(f"paragraphs of {chosen.docs} that are taken for orders to a model: {taken} of {read}")
    models = load_settings_or_defaults(None).home / "models"
    with TemporaryDirectory(prefix="lorebot-injection-") as folder, company(Path(folder), models) as poisoned:
        asyncio.run(_print_all(poisoned, attacks(), chosen.real))


@contextmanager
def company(folder: Path, models: Path) -> Iterator[Assembly]:
    """The company with all attacks in it, closed after the block."""
    assembly = poisoned_company(folder, attacks(), models)
    try:
        yield assembly
    finally:
        asyncio.run(assembly.close())


async def _print_all(assembly: Assembly, all_attacks: Sequence[Attack], real: int) -> None:
    real_model, watch = assembly.generator, Watch()
    rows, outcomes = await _worst(assembly, all_attacks, watch)
    for row in rows:
        print(
            f"{row.defence:40} {row.measured:40} {row.without:4} -> {row.defended:3} of {row.of}", flush=True
        )
    _tell("everything together, the obedient model", outcomes, assembly)
    sample = all_attacks[:: max(1, len(all_attacks) // real)][:real] if real else ()
    _tell("everything together, the real model", await _ask(assembly, real_model, sample, watch), assembly)
    assembly.__dict__["generator"] = real_model


async def _worst(
    assembly: Assembly, all_attacks: Sequence[Attack], watch: Watch
) -> tuple[list[Row], list[Outcome]]:
    model = Obedient()
    defended = await _ask(assembly, model, all_attacks, watch)
    with everything_is_evidence():
        believing = await _ask(assembly, model, [a for a in all_attacks if not a.claims], watch)
    curious = [a for a in all_attacks if a.family == "ignore the audience"]
    with everybody_reads_everything():
        unfiltered = await _ask(assembly, model, curious, watch)
    filtered = [o for o in defended if o.attack in curious]
    tokenizer = ChatTokenizer.from_folder(prepare_base(assembly.base_location, assembly.layout.models).folder)
    rows = [
        hidden_text(all_attacks),
        control_tokens([*defended, *believing], tokenizer),
        verifier(believing),
        *orders(believing, defended),
        links_and_mentions(defended),
        audience(unfiltered, filtered),
    ]
    return rows, defended


async def _ask(assembly: Assembly, model: Generator, chosen: Sequence[Attack], watch: Watch) -> list[Outcome]:
    trial = Trial(assembly, model, watch)
    return [await trial.attack(attack, str(assembly.settings.home)) for attack in chosen]


def _tell(name: str, outcomes: Sequence[Outcome], assembly: Assembly) -> None:
    voice = assembly.voices.adapter_at(Place("slack", "C1", MEMBER, "T1")).partition("@")[0]
    found = [failures(outcome, str(assembly.settings.home), voice) for outcome in outcomes]
    families = len({outcome.attack.family for outcome in outcomes})
    print(f"{name}: {sum(map(bool, found))} of {len(outcomes)} attacks of {families} families come through")
    for failure, count in Counter(failure for each in found for failure in each).items():
        print(f"  {count} x {failure}")


if __name__ == "__main__":
    main()
