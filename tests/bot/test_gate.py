"""An adapter is measured on what it was not trained on, and speaks only when that went well."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from adapters.base_model import PreparedBase, prepare_base
from adapters.dataset import read_examples, split
from adapters.files import sha256_file
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterError, AdapterManifest, write_manifest
from adapters.style import Terms
from adapters.verdict import REPORT_FILE, Verdict
from bot.assembly import Assembly
from bot.evaluation import EvaluationError, QuestionRow
from bot.gate import EvaluationCancelledError, EvaluationProgress, evaluate_adapter, read_set
from bot.settings import load_settings
from bot.voice_measurement import EvaluationSet

Lorebot = Callable[..., Any]
WARM = Path(__file__).parents[2] / "examples" / "voices" / "warm.jsonl"
SMALL = 120


def trained(folder: Path, base: PreparedBase, version: str, parent: str | None = None) -> Path:
    """The folder of an adapter of rank 1 with weights of chance on every layer's queries."""
    import numpy as np
    from safetensors.numpy import save_file

    config = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    size, layers = config["hidden_size"], config["num_hidden_layers"]
    chance = np.random.default_rng(int(version))
    tensors = {}
    for number in range(layers):
        layer = f"base_model.model.model.layers.{number}.self_attn.q_proj"
        tensors[f"{layer}.lora_A.weight"] = chance.normal(size=(1, size)).astype(np.float32)
        tensors[f"{layer}.lora_B.weight"] = chance.normal(size=(size, 1)).astype(np.float32)
    folder.mkdir(parents=True)
    save_file(tensors, folder / WEIGHTS_FILE)
    settings = {"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["q_proj"]}
    (folder / CONFIG_FILE).write_text(json.dumps(settings), encoding="utf-8")
    manifest = AdapterManifest(
        name="brand",
        version=version,
        weights_sha256=sha256_file(folder / WEIGHTS_FILE),
        config_sha256=sha256_file(folder / CONFIG_FILE),
        base_model=base.name,
        base_sha256=base.weights_sha256,
        chat_template_sha256=base.chat_template_sha256,
        created_at=datetime(2026, 1, int(version), tzinfo=UTC),
        created_by="test",
        parent=parent,
    )
    write_manifest(folder, manifest)
    return folder


def with_two_adapters(assembly: Assembly, folder: Path) -> None:
    """Install brand@1, and brand@2 that names it as its parent."""
    base = prepare_base(assembly.base_location, assembly.layout.models)
    assembly.registry.install(trained(folder / "1", base, "1"), "brand", base)
    assembly.registry.install(trained(folder / "2", base, "2", parent="brand@1"), "brand", base)


@pytest.fixture(scope="module")
def assembly(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembly]:
    folder = tmp_path_factory.mktemp("gate")
    config = folder / "lorebot.toml"
    config.write_text(
        f'home = "home"\n[models]\ngeneration = "{tiny_model}"\n'
        '[generation]\nadapter = "base"\ndtype = "float32"\nthreads = 1\n',
        encoding="utf-8",
    )
    assembly = Assembly(load_settings(config), lambda line: None)
    with_two_adapters(assembly, folder)
    yield assembly
    asyncio.run(assembly.close())


@pytest.fixture(scope="module")
def small_set() -> EvaluationSet:
    return EvaluationSet(read_examples(WARM)[:SMALL], terms=Terms(require=("antimacassar",)))


def evaluated(assembly: Assembly, reference: str, measured_on: EvaluationSet, **options: Any) -> Verdict:
    adapter = assembly.registry.resolve(reference)
    chosen = {"rows": 8, "report": lambda progress: None, "cancelled": threading.Event(), **options}
    return evaluate_adapter(assembly, adapter, measured_on, **chosen)


@pytest.fixture(scope="module")
def steps() -> list[EvaluationProgress]:
    return []


@pytest.fixture(scope="module")
def verdict(assembly: Assembly, small_set: EvaluationSet, steps: list[EvaluationProgress]) -> Verdict:
    return evaluated(assembly, "brand@2", small_set, report=steps.append, measured_by="alice")


@pytest.mark.slow
def test_an_adapter_of_chance_fails_and_every_reason_names_figure_and_bound(verdict: Verdict) -> None:
    assert not verdict.passed
    assert any(reason.startswith("a classifier of style tells") for reason in verdict.reasons)
    assert "it never says what is required: antimacassar" in verdict.reasons
    assert all(any(character.isdigit() for character in r) for r in verdict.reasons if "required" not in r)


@pytest.mark.slow
def test_it_is_measured_beside_its_parent_the_base_and_five_examples(verdict: Verdict) -> None:
    assert verdict.parent == "brand@1"
    assert list(verdict.figures["log_probability"]) == ["adapter", "parent", "base", "five examples"]


@pytest.mark.slow
def test_only_examples_that_were_held_out_are_measured(
    verdict: Verdict, assembly: Assembly, small_set: EvaluationSet
) -> None:
    page = (assembly.registry.resolve("brand@2").folder / REPORT_FILE).read_text(encoding="utf-8")
    parts = split(small_set.examples)

    shown = {example.line for example in small_set.examples if f"<h3>{escape(example.question)}</h3>" in page}

    assert len(shown) == verdict.figures["rows"] == 8
    assert shown <= {example.line for example in parts.held_out}


@pytest.mark.slow
def test_what_a_voice_leaves_to_its_skill_is_not_measured_of_it(verdict: Verdict) -> None:
    assert "declines" not in verdict.figures["truth"]


@pytest.mark.slow
def test_the_registry_finds_the_verdict(verdict: Verdict, assembly: Assembly) -> None:
    assert assembly.registry.verdict(assembly.registry.resolve("brand@2")) == verdict
    assert verdict.measured_by == "alice"


@pytest.mark.slow
def test_progress_is_told_to_the_end_of_every_stage(
    verdict: Verdict, steps: list[EvaluationProgress]
) -> None:
    last = {step.stage: step for step in steps}

    assert {(name, step.done == step.total) for name, step in last.items()} == {
        ("Likelihood", True),
        ("Replies", True),
        ("Replies to learn manners from", True),
    }


@pytest.mark.slow
def test_a_skill_without_a_parent_is_compared_with_the_base_and_needs_no_style(
    assembly: Assembly, small_set: EvaluationSet
) -> None:
    found = evaluated(assembly, "brand@1", small_set, rows=2)

    assert found.parent is None
    assert found.figures["style"] is None
    assert list(found.figures["log_probability"]) == ["adapter", "base"]


@pytest.mark.slow
def test_a_stopped_evaluation_leaves_what_was_known_before(
    verdict: Verdict, assembly: Assembly, small_set: EvaluationSet
) -> None:
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(EvaluationCancelledError):
        evaluated(assembly, "brand@2", small_set, cancelled=cancelled)

    assert assembly.registry.verdict(assembly.registry.resolve("brand@2")) == verdict


@pytest.mark.slow
def test_the_engine_is_not_asked_what_was_trained(
    assembly: Assembly, small_set: EvaluationSet, own_documents: Path
) -> None:
    learned = small_set.examples[0].question
    asked = replace(
        small_set,
        questions=(QuestionRow(id="1", question=f" {learned.upper()}"),),
        docs=own_documents / "documents",
    )

    with pytest.raises(EvaluationError, match="trained on every one"):
        evaluated(assembly, "brand@1", asked, rows=2)


@pytest.mark.slow
def test_the_whole_engine_is_asked_through_both_adapters(
    assembly: Assembly, small_set: EvaluationSet, own_documents: Path
) -> None:
    rows = (
        QuestionRow(
            id="1", question="Where do visitors park?", relevant=("parking.md",), answers=("bay 14",)
        ),
        QuestionRow(id="2", question="Who won the regatta in Oslo?", answerable=False),
    )
    asked = replace(small_set, questions=rows, docs=own_documents / "documents")

    found = evaluated(assembly, "brand@2", asked, rows=2)

    assert found.figures["engine"]["adapter"]["questions"] == 2
    assert found.figures["truth"]["engine: answer matches"]["questions"] == 1


def test_a_parent_that_is_not_installed_is_named(assembly: Assembly, small_set: EvaluationSet) -> None:
    with pytest.raises(AdapterError, match="no adapter 'absent'"):
        evaluated(assembly, "brand@2", small_set, against="absent@1")


def test_too_few_examples_cannot_be_measured(assembly: Assembly, small_set: EvaluationSet) -> None:
    few = replace(small_set, examples=small_set.examples[:1])

    with pytest.raises(EvaluationError, match="of 1 examples are held out"):
        evaluated(assembly, "brand@1", few)


def test_questions_need_their_documents() -> None:
    with pytest.raises(EvaluationError, match="--docs"):
        read_set(WARM, questions=WARM)


@pytest.mark.slow
def test_the_command_ends_with_1_for_a_voice_that_may_not_speak(lorebot: Lorebot, office: Path) -> None:
    with (office / "lorebot.toml").open("a", encoding="utf-8") as config:
        config.write('[generation]\nadapter = "base"\nthreads = 1\n')
    with_two_adapters(Assembly(load_settings(office / "lorebot.toml"), lambda line: None), office / "new")

    done = lorebot("adapters", "evaluate", "brand@2", "--examples", WARM, "--limit", "2")

    assert done.code == 1, done.err
    assert "must not speak yet" in done.out
    assert lorebot("adapters", "use", "brand@2").code == 1


@pytest.mark.slow
def test_two_adapters_answer_the_same_questions_side_by_side(lorebot: Lorebot, office: Path) -> None:
    with (office / "lorebot.toml").open("a", encoding="utf-8") as config:
        config.write('[generation]\nadapter = "base"\nthreads = 1\n')
    with_two_adapters(Assembly(load_settings(office / "lorebot.toml"), lambda line: None), office / "new")
    lorebot("sync")

    done = lorebot("adapters", "compare", "brand@1", "base", "--ask", "Where do visitors park?", "--json")

    compared = json.loads(done.out)
    assert compared["names"] == ["brand@1", "base"]
    assert [len(row["answers"]) for row in compared["rows"]] == [2]
    assert "bay 14" in compared["rows"][0]["answers"][1]
