"""Admins see the voices, choose one for a place, take it back, and exchange them as folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.base_model import ModelLocation, prepare_base
from adapters.files import sha256_file
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterManifest, write_manifest
from adapters.verdict import REPORT_FILE, Verdict, write_verdict
from bot.models import locate_model
from bot.settings import ModelSettings

Lorebot = Callable[..., Any]
MakeVoice = Callable[..., Path]


@pytest.fixture
def home(office: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A team's adapters, without those that ship; where nothing is chosen, the base speaks."""
    with (office / "lorebot.toml").open("a", encoding="utf-8") as config:
        config.write('[generation]\nadapter = "base"\n')
    monkeypatch.setattr("adapters.registry.SHIPPED", office / "shipped")
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    return office / "home" / "adapters"


def in_json(lorebot: Lorebot, *arguments: str | Path) -> dict[str, Any]:
    done = lorebot(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def speaking(lorebot: Lorebot) -> dict[str, str]:
    """What speaks in each place."""
    return {voice["place"]: voice["speaks"] for voice in in_json(lorebot, "adapters", "list")["voices"]}


def trained(folder: Path, models: Path, strength: float = 0.5) -> Path:
    """A LoRA of rank 1 on the default base model, as training would leave it."""
    import numpy as np
    from safetensors.numpy import save_file

    model = locate_model("models.generation", ModelSettings().generation)
    base = prepare_base(ModelLocation(model.path.parent, model.path.name, model.name), models)
    folder.mkdir()
    chance = np.random.default_rng(1)
    layers = [f"base_model.model.model.layers.{number}.self_attn.q_proj" for number in range(30)]
    tensors = {f"{layer}.lora_A.weight": chance.normal(size=(1, 576)) for layer in layers}
    tensors |= {f"{layer}.lora_B.weight": chance.normal(size=(576, 1)) * strength for layer in layers}
    save_file({name: tensor.astype(np.float32) for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
    config = {"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["q_proj"]}
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    manifest = AdapterManifest(
        name="brand",
        version="1",
        weights_sha256=sha256_file(folder / WEIGHTS_FILE),
        config_sha256=sha256_file(folder / CONFIG_FILE),
        base_model=base.name,
        base_sha256=base.weights_sha256,
        chat_template_sha256=base.chat_template_sha256,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="test",
    )
    write_manifest(folder, manifest)
    return folder


# Looking


def test_an_empty_home_says_that_the_base_speaks(lorebot: Lorebot, home: Path) -> None:
    assert lorebot("adapters", "list").out == "No adapter is installed; the base model speaks.\n"


def test_the_list_tells_verdict_size_parent_and_where_each_speaks(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice
) -> None:
    make_voice(home, "warm@1", parent="grounded@7")
    make_voice(home, "warm@2", passed=None)
    make_voice(home, "formal@1", passed=False, reasons=("style 0.4",))
    lorebot("adapters", "use", "warm@1", "--place", "slack:T1/C2")
    listed = in_json(lorebot, "adapters", "list")["adapters"]
    assert [(one["reference"], one["standing"], one["places"], one["parent"]) for one in listed] == [
        ("formal@1", "failed", [], ""),
        ("warm@1", "passed", ["slack:T1/C2"], "grounded@7"),
        ("warm@2", "not measured", [], ""),
    ]
    assert listed[1]["size"] == len("warm@1")


def test_the_list_fits_eighty_columns(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    make_voice(home, "warm@20261121-1530", parent="grounded@20261120-0800")
    make_voice(home, "a-voice-with-quite-a-long-name@20261121-1530", passed=None)
    lorebot("adapters", "use", "warm", "--place", "slack:T0123456789/C0123456789")
    printed = lorebot("adapters", "list").out
    assert max(map(len, printed.splitlines())) <= 80
    assert "".join(printed.split()).count("…") == 0


def test_a_voice_card_tells_origin_and_figures(lorebot: Lorebot, home: Path, make_voice: MakeVoice) -> None:
    folder = make_voice(
        home, "warm@1", parent="grounded@7", data_rows=300, data_licence="CC-BY-4.0", seed=7, notes="Spring."
    )
    card = in_json(lorebot, "adapters", "show", "warm")
    figures = {"truth": {"answer_match": 0.81, "parent": 0.82}, "words": 34}
    verdict = Verdict(
        adapter_hash=card["hash"],
        passed=False,
        reasons=("style 0.40 is under 0.95",),
        figures=figures,
        measured_at=datetime.now(UTC),
        measured_by="alice",
    )
    write_verdict(folder, verdict)
    (folder / REPORT_FILE).write_text("<html>", encoding="utf-8")
    shown = " ".join(lorebot("adapters", "show", "warm").out.split())
    assert "failed, measured just now by alice" in shown
    assert "style 0.40 is under 0.95" in shown
    assert "truth › answer match 0.810" in shown
    assert "Trained 1 January 2026 by test on 300 examples, seed 7 Data CC-BY-4.0" in shown
    card = in_json(lorebot, "adapters", "show", "warm@1")
    assert (card["verdict"]["figures"], card["manifest"]["parent"]) == (figures, "grounded@7")
    assert card["report"] == str(folder / REPORT_FILE)


def test_what_a_voice_card_says_does_not_steer_the_terminal(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice
) -> None:
    make_voice(home, "warm@1", notes="\x1b[31mred\x1b[0m [bold]loud[/bold]", created_by="[red]eve")
    shown = lorebot("adapters", "show", "warm").out
    assert "\x1b" not in shown
    assert "[bold]loud[/bold]" in shown


@pytest.mark.parametrize(
    "arguments", [("show", "wram"), ("use", "wram"), ("remove", "wram@1"), ("export", "wram", "out")]
)
def test_an_unknown_adapter_is_answered_with_the_nearest(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice, arguments: tuple[str, ...]
) -> None:
    make_voice(home, "warm@1")
    done = lorebot("adapters", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err == "lorebot: There is no adapter 'wram'; did you mean 'warm'?\n"


# Choosing


def test_use_and_rollback_change_who_speaks(lorebot: Lorebot, home: Path, make_voice: MakeVoice) -> None:
    make_voice(home, "warm@1")
    used = lorebot("adapters", "use", "warm")
    during = speaking(lorebot)
    back = lorebot("adapters", "rollback")
    assert "warm@1 speaks from the next question on. `lorebot adapters rollback` undoes that." in used.out
    assert (during, speaking(lorebot)) == ({"default": "warm@1"}, {"default": "base"})
    assert "warm@1 is taken back: base speaks, as before." in back.out


def test_a_choice_for_everywhere_names_the_places_that_keep_their_own(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice
) -> None:
    make_voice(home, "warm@1")
    lorebot("adapters", "use", "base", "--place", "slack:T1/C2")
    assert "slack:T1/C2 keeps its own voice, base" in lorebot("adapters", "use", "warm").out
    assert speaking(lorebot) == {"default": "warm@1", "slack:T1/C2": "base"}


@pytest.mark.parametrize("passed", [False, None])
def test_what_may_not_speak_is_refused_unless_forced(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice, passed: bool | None
) -> None:
    make_voice(home, "warm@1", passed=passed, reasons=() if passed is None else ("style 0.4 is under 0.95",))
    refused = lorebot("adapters", "use", "warm")
    before = speaking(lorebot)
    forced = lorebot("adapters", "use", "warm", "--force")
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "--force, which is journalled" in refused.err
    assert (before, speaking(lorebot)) == ({"default": "base"}, {"default": "warm@1"})
    assert "overruled" in forced.out


def test_a_place_that_cannot_be_is_refused(lorebot: Lorebot, home: Path) -> None:
    done = lorebot("adapters", "use", "base", "--place", "slcak:T1")
    assert (done.code, done.err) == (
        2,
        "lorebot: 'slcak:T1' begins with no platform; did you mean 'slack'?\n",
    )


def test_the_history_tells_who_changed_what_the_last_first(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice
) -> None:
    make_voice(home, "warm@1", passed=None)
    lorebot("adapters", "use", "warm", "--force", "--place", "slack:T1")
    lorebot("adapters", "rollback", "--place", "slack:T1")
    lorebot("adapters", "remove", "warm@1")
    removed, undone, chosen = in_json(lorebot, "adapters", "history")["entries"]
    assert {entry["who"] for entry in (removed, undone, chosen)} == {"terminal:alice"}
    assert (removed["subject"], removed["details"]["done"]) == ("warm@1", "removed")
    assert undone["details"]["undoes"] == chosen["id"]
    assert chosen["details"]["overruled"] == ["it was never evaluated"]
    lines = lorebot("adapters", "history", "--place", "slack:T1").out.splitlines()
    assert lines[0].endswith("slack:T1: warm@1 → no voice of its own (rollback)")
    assert lines[1].endswith("no voice of its own → warm@1 forced although it was never evaluated")


# What cannot speak any more


def test_status_and_doctor_tell_what_cannot_speak_and_answers_go_on(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice
) -> None:
    gone = make_voice(home, "warm@1")
    lorebot("sync")
    lorebot("adapters", "use", "warm")
    shutil.rmtree(gone)
    status, doctor = in_json(lorebot, "status"), lorebot("doctor")
    assert status["adapter"]["name"] == "base"
    assert status["voices"][0]["problem"].startswith("There is no adapter 'warm'")
    assert "cannot speak" in lorebot("status").out
    assert doctor.code == 1
    assert "voice of default: There is no adapter 'warm'" in doctor.out


def test_status_names_the_voices_of_places(lorebot: Lorebot, home: Path, make_voice: MakeVoice) -> None:
    make_voice(home, "warm@1")
    lorebot("adapters", "use", "warm", "--place", "slack:T1")
    status = in_json(lorebot, "status")
    assert [(voice["place"], voice["speaks"]) for voice in status["voices"]] == [
        ("default", "base"),
        ("slack:T1", "warm@1"),
    ]


# Removing


def test_what_speaks_anywhere_is_not_removed(lorebot: Lorebot, home: Path, make_voice: MakeVoice) -> None:
    folder = make_voice(home, "warm@1")
    lorebot("adapters", "use", "warm", "--place", "slack:T1")
    done = lorebot("adapters", "remove", "warm@1")
    assert done.code == 1
    assert "warm@1 speaks in slack:T1; choose another there first" in done.err
    assert folder.is_dir()


def test_a_removal_names_the_version(lorebot: Lorebot, home: Path, make_voice: MakeVoice) -> None:
    folder = make_voice(home, "warm@1")
    done = lorebot("adapters", "remove", "warm")
    assert done.err == "lorebot: Name the version to remove: warm@1.\n"
    assert folder.is_dir()


def test_a_version_that_speaks_nowhere_is_removed(
    lorebot: Lorebot, home: Path, make_voice: MakeVoice
) -> None:
    folder = make_voice(home, "warm@1")
    assert in_json(lorebot, "adapters", "remove", "warm@1")["done"] == "removed"
    assert not folder.exists()


# Exchange


@pytest.mark.slow
def test_an_adapter_travels_as_a_folder_and_is_not_measured_where_it_arrives(
    lorebot: Lorebot, home: Path, models: Path
) -> None:
    folder = trained(home.parent.parent / "trained", models)
    first = in_json(lorebot, "adapters", "import", folder, "--name", "warm")
    out = home.parent.parent / "out"
    in_json(lorebot, "adapters", "export", "warm", out)
    second = in_json(lorebot, "adapters", "import", out)
    assert [(change["done"], change["reference"]) for change in (first, second)] == [
        ("imported", "warm@1"),
        ("unchanged", "warm@1"),
    ]
    assert in_json(lorebot, "adapters", "show", "warm")["summary"]["standing"] == "not measured"
    (entry,) = in_json(lorebot, "adapters", "history")["entries"]
    assert (entry["subject"], entry["details"]["done"]) == ("warm@1", "imported")


@pytest.mark.slow
def test_an_adapter_without_any_effect_is_not_imported(lorebot: Lorebot, home: Path, models: Path) -> None:
    mute = trained(home.parent.parent / "mute", models, strength=1e-30)
    done = lorebot("adapters", "import", mute)
    assert done.code == 1
    assert "has no effect" in done.err
    assert in_json(lorebot, "adapters", "list")["adapters"] == []


@pytest.mark.parametrize("kind", ["missing", "plain"])
def test_a_folder_that_is_no_adapter_is_refused_in_one_line(
    lorebot: Lorebot, home: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "plain":
        (tmp_path / kind).mkdir()
    done = lorebot("adapters", "import", tmp_path / kind)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "needs its manifest" in done.err
