"""Which adapter speaks where: by place, changed while it runs, undone, and never a reason for silence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.checks import check_base, check_files
from adapters.manifest import WEIGHTS_FILE, AdapterError
from adapters.registry import AdapterRegistry, InstalledAdapter
from bot.journal import Journal, journal_url
from bot.places import PlaceError, name_place, parse_place, wider_places
from bot.voices import VoiceRefusedError, Voices
from connectors.conversation import Place

MakeVoice = Callable[..., Path]

TERMINAL = Place("terminal", "terminal")
HELP = Place("slack", "C1", workspace="T1")
SALES = Place("slack", "C2", workspace="T1")
ELSEWHERE = Place("slack", "C1", workspace="T2")


@dataclass
class Team:
    """The adapters of a home and who chooses among them."""

    home: Path
    base_sha256: str
    make_voice: MakeVoice
    opened: list[Journal] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    @property
    def registry(self) -> AdapterRegistry:
        return AdapterRegistry(self.home / "adapters", self.home / "shipped")

    def install(self, reference: str, passed: bool | None = True, **fields: object) -> Path:
        return self.make_voice(self.home / "adapters", reference, passed, **fields)

    def ship(self, reference: str, passed: bool | None = True) -> Path:
        return self.make_voice(self.home / "shipped", reference, passed)

    def voices(self, default: str = "base") -> Voices:
        """The voices as another process would open them."""
        self.opened.append(Journal(journal_url(None, self.home / "journal.sqlite")))
        return Voices(self.registry, self.opened[-1], default, self.check, self.said.append)

    def check(self, adapter: InstalledAdapter) -> None:
        self.checked.append(adapter.manifest.reference)
        check_base(check_files(adapter.folder), "SmolLM2", self.base_sha256)


@pytest.fixture
def team(tmp_path: Path, base_sha256: str, make_voice: MakeVoice) -> Iterator[Team]:
    made = Team(tmp_path, base_sha256, make_voice)
    yield made
    for journal in made.opened:
        journal.close()


# Places


@pytest.mark.parametrize(
    "text", ["default", "terminal", "slack", "slack:T123", "slack:T123/C456", "discord:81384788/12"]
)
def test_a_place_is_written_by_platform_workspace_and_channel(text: str) -> None:
    assert parse_place(text) == text


@pytest.mark.parametrize("text", ["", "slack:", "slack:T1/", "slack:T1/C1/x", "slack T1", "Slack:T1", "a\nb"])
def test_what_is_no_place_is_answered_with_how_one_is_written(text: str) -> None:
    with pytest.raises(PlaceError, match="slack:WORKSPACE/CHANNEL"):
        parse_place(text)


def test_a_misspelt_platform_is_answered_with_the_nearest() -> None:
    with pytest.raises(PlaceError, match="did you mean 'discord'"):
        parse_place("discrod:1")


def test_a_place_lies_in_its_workspace_its_platform_and_everywhere() -> None:
    assert wider_places("slack:T1/C1") == ("slack:T1/C1", "slack:T1", "slack", "default")
    assert wider_places("terminal") == ("terminal", "default")
    assert wider_places("default") == ("default",)


def test_a_place_whose_workspace_is_unknown_is_its_platform() -> None:
    assert name_place(Place("slack", "C1")) == "slack"
    assert name_place(HELP) == "slack:T1/C1"


# Who speaks where


def test_the_most_specific_choice_wins(team: Team) -> None:
    for reference in ("warm@1", "formal@1", "brisk@1"):
        team.install(reference)
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    voices.activate("formal@1", "slack:T1", "alice")
    voices.activate("brisk@1", "slack:T1/C1", "alice")
    heard = [voices.adapter_at(place) for place in (HELP, SALES, ELSEWHERE, TERMINAL)]
    assert heard == ["brisk@1", "formal@1", "warm@1", "warm@1"]


def test_a_choice_is_an_exact_version_that_a_newer_one_does_not_replace(team: Team) -> None:
    team.install("warm@1")
    voices = team.voices()
    voices.activate("warm", "default", "alice")
    team.install("warm@2")
    assert voices.adapter_at(TERMINAL) == "warm@1"


def test_another_process_hears_a_change_at_its_next_question(team: Team) -> None:
    team.install("warm@1")
    running, other = team.voices(), team.voices()
    before = running.adapter_at(HELP)
    other.activate("warm@1", "slack:T1/C1", "alice")
    assert (before, running.adapter_at(HELP)) == ("base", "warm@1")


def test_the_untouched_base_can_be_chosen_for_a_place(team: Team) -> None:
    team.install("warm@1")
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    voices.activate("base", "terminal", "alice")
    assert (voices.adapter_at(TERMINAL), voices.adapter_at(HELP)) == ("base", "warm@1")


def test_every_change_is_in_the_journal_with_who_made_it(team: Team) -> None:
    adapter = team.registry
    team.install("warm@1")
    voices = team.voices()
    voices.activate("warm@1", "slack:T1", "terminal:alice")
    voices.rollback("slack:T1", "slack:T1/U7")
    undone, chosen = team.opened[0].recent(["voice"], 10)
    assert (chosen.who, chosen.subject, chosen.details["adapter"]) == ("terminal:alice", "slack:T1", "warm@1")
    assert chosen.details["hash"] == adapter.resolve("warm@1").manifest.hash
    assert (undone.who, undone.details["adapter"]) == ("slack:T1/U7", "")
    assert undone.details["undoes"] == chosen.id


def test_choosing_what_is_chosen_changes_nothing(team: Team) -> None:
    team.install("warm@1")
    voices = team.voices()
    first = voices.activate("warm@1", "default", "alice")
    again = voices.activate("warm@1", "default", "alice")
    assert (first.changed, again.changed) == (True, False)
    assert len(team.opened[0].recent(["voice"], 10)) == 1


# What the settings say where nothing is chosen


def test_by_itself_grounded_speaks_where_it_is_installed(team: Team) -> None:
    voices = team.voices("auto")
    before = voices.adapter_at(TERMINAL)
    team.ship("grounded@1")
    assert (before, voices.adapter_at(TERMINAL)) == ("base", "grounded@1")
    assert team.said == []


def test_by_itself_a_grounded_that_failed_does_not_speak(team: Team) -> None:
    team.ship("grounded@1", passed=True)
    team.install("grounded@2", passed=False)
    assert team.voices("auto").adapter_at(TERMINAL) == "grounded@1"


def test_by_itself_the_base_speaks_when_every_grounded_failed(team: Team) -> None:
    team.ship("grounded@1", passed=False)
    assert team.voices("auto").adapter_at(TERMINAL) == "base"


def test_a_name_in_the_settings_means_its_newest_version_that_passed(team: Team) -> None:
    team.install("warm@1", passed=True)
    team.install("warm@2", passed=None)
    team.install("warm@3", passed=False)
    assert team.voices("warm").adapter_at(TERMINAL) == "warm@1"


def test_a_version_in_the_settings_is_taken_as_it_is(team: Team) -> None:
    team.install("warm@1", passed=True)
    team.install("warm@2", passed=False)
    assert team.voices("warm@2").adapter_at(TERMINAL) == "warm@2"


# The gate


def test_an_adapter_that_failed_is_refused_with_the_reasons(team: Team) -> None:
    team.install("warm@1", passed=False, reasons=("answer_match 0.61 is under 0.78", "style 0.8"))
    voices = team.voices()
    with pytest.raises(VoiceRefusedError, match=r"warm@1 failed .*answer_match 0\.61 is under 0\.78; style"):
        voices.activate("warm@1", "default", "alice")
    assert voices.adapter_at(TERMINAL) == "base"
    assert team.opened[0].recent(["voice"], 10) == ()


def test_an_adapter_that_was_never_measured_is_refused_with_what_to_do(team: Team) -> None:
    team.install("warm@1", passed=None)
    with pytest.raises(VoiceRefusedError, match="run `lorebot adapters evaluate warm@1` first"):
        team.voices().activate("warm@1", "default", "alice")


@pytest.mark.parametrize(
    ("passed", "overruled"), [(False, ["style is 0.4"]), (None, ["it was never evaluated"]), (True, [])]
)
def test_what_was_overruled_is_journalled_with_the_reasons(
    team: Team, passed: bool | None, overruled: list[str]
) -> None:
    team.install("warm@1", passed=passed, reasons=() if passed else ("style is 0.4",))
    voices = team.voices()
    change = voices.activate_in_spite_of_verdict("warm@1", "default", "alice")
    (entry,) = team.opened[0].recent(["voice"], 10)
    assert entry.details["overruled"] == list(change.overruled) == overruled
    assert voices.adapter_at(TERMINAL) == "warm@1"


def test_a_damaged_adapter_is_refused_even_by_force_and_the_active_one_stays(team: Team) -> None:
    team.install("warm@1")
    (team.install("formal@1") / WEIGHTS_FILE).write_bytes(b"cut sh")
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    with pytest.raises(AdapterError, match="is not the file its manifest describes"):
        voices.activate_in_spite_of_verdict("formal@1", "default", "alice")
    assert voices.adapter_at(TERMINAL) == "warm@1"


def test_an_adapter_of_another_base_is_refused(team: Team) -> None:
    team.install("warm@1", base_sha256="0" * 64)
    with pytest.raises(AdapterError, match="whose weights are not those of SmolLM2"):
        team.voices().activate("warm@1", "default", "alice")


# Rollback


def test_a_rollback_restores_what_spoke_before(team: Team) -> None:
    for reference in ("warm@1", "formal@1"):
        team.install(reference)
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    voices.activate("formal@1", "default", "alice")
    change = voices.rollback("default", "bob")
    assert (change.before, change.now, change.speaks) == ("formal@1", "warm@1", "warm@1")
    assert voices.adapter_at(TERMINAL) == "warm@1"


def test_repeated_rollbacks_walk_back_to_where_nothing_was_chosen(team: Team) -> None:
    for reference in ("warm@1", "formal@1"):
        team.install(reference)
    voices = team.voices()
    voices.activate("warm@1", "slack:T1", "alice")
    voices.activate("formal@1", "slack:T1", "alice")
    heard = []
    for _ in range(2):
        voices.rollback("slack:T1", "alice")
        heard.append(voices.adapter_at(HELP))
    assert heard == ["warm@1", "base"]
    with pytest.raises(VoiceRefusedError, match="No choice of a voice for slack:T1 is left to undo"):
        voices.rollback("slack:T1", "alice")


def test_after_a_rollback_a_new_choice_is_undone_first(team: Team) -> None:
    for reference in ("warm@1", "formal@1", "brisk@1"):
        team.install(reference)
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    voices.activate("formal@1", "default", "alice")
    voices.rollback("default", "alice")
    voices.activate("brisk@1", "default", "alice")
    assert [voices.rollback("default", "alice").now for _ in range(2)] == ["warm@1", ""]


def test_a_rollback_touches_no_other_place(team: Team) -> None:
    team.install("warm@1")
    voices = team.voices()
    voices.activate("warm@1", "slack:T1", "alice")
    voices.activate("warm@1", "default", "alice")
    voices.rollback("default", "alice")
    assert (voices.adapter_at(HELP), voices.adapter_at(TERMINAL)) == ("warm@1", "base")


def test_a_rollback_to_what_is_gone_is_refused_and_changes_nothing(team: Team) -> None:
    gone = team.install("warm@1")
    team.install("formal@1")
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    voices.activate("formal@1", "default", "alice")
    shutil.rmtree(gone)
    with pytest.raises(VoiceRefusedError, match=r"warm@1, which spoke in default before, cannot speak"):
        voices.rollback("default", "alice")
    assert voices.adapter_at(TERMINAL) == "formal@1"


# What cannot speak


def test_a_question_is_answered_though_the_chosen_adapter_is_gone(team: Team) -> None:
    team.install("warm@1")
    gone = team.install("formal@1")
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    voices.activate("formal@1", "slack:T1/C1", "alice")
    shutil.rmtree(gone)
    assert voices.adapter_at(HELP) == "warm@1"


@pytest.mark.parametrize("default", ["warm@1", "warm", "base", "auto", "missing"])
def test_the_base_speaks_when_nothing_else_can(team: Team, default: str) -> None:
    folder = team.install("warm@1")
    voices = team.voices(default)
    voices.activate("warm@1", "default", "alice")
    (folder / WEIGHTS_FILE).write_bytes(b"cut sh")
    assert voices.adapter_at(TERMINAL) == "base"


def test_what_cannot_speak_is_said_once(team: Team) -> None:
    gone = team.install("warm@1")
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    shutil.rmtree(gone)
    for place in (HELP, SALES, HELP):
        voices.adapter_at(place)
    assert team.said == ["There is no adapter 'warm'; none is installed. base speaks instead."]


def test_an_adapter_that_is_mended_speaks_again(team: Team) -> None:
    folder = team.install("warm@1")
    whole = (folder / WEIGHTS_FILE).read_bytes()
    voices = team.voices()
    voices.activate("warm@1", "default", "alice")
    (folder / WEIGHTS_FILE).write_bytes(b"cut sh")
    broken = voices.adapter_at(TERMINAL)
    (folder / WEIGHTS_FILE).write_bytes(whole)
    assert (broken, voices.adapter_at(TERMINAL)) == ("base", "warm@1")


def test_an_adapter_is_checked_once_while_its_files_stay_as_they_are(team: Team) -> None:
    team.install("warm@1")
    voices = team.voices("warm")
    for _ in range(5):
        voices.adapter_at(HELP)
    assert team.checked == ["warm@1"]


def test_the_settings_speak_while_the_journal_cannot_be_read(team: Team) -> None:
    team.install("warm@1")
    team.install("formal@1")
    voices = team.voices("formal")
    voices.activate("warm@1", "default", "alice")
    team.opened[0].close()
    (team.home / "journal.sqlite").write_bytes(b"not a database, " * 100)
    assert voices.adapter_at(HELP) == "formal@1"
    assert "journal.sqlite cannot be used" in team.said[0]


# The list


def test_the_list_tells_what_speaks_where_and_why_not_what_was_chosen(team: Team) -> None:
    team.install("warm@1")
    gone = team.install("formal@1")
    voices = team.voices("warm")
    voices.activate("formal@1", "slack:T1", "alice")
    shutil.rmtree(gone)
    everywhere, slack = voices.active()
    assert (everywhere.place, everywhere.chosen, everywhere.speaks, everywhere.problem) == (
        "default", "", "warm@1", "",
    )  # fmt: skip
    assert (slack.place, slack.chosen, slack.speaks, slack.who) == ("slack:T1", "formal@1", "warm@1", "alice")
    assert slack.problem.startswith("There is no adapter 'formal'")


def test_a_place_that_was_rolled_back_to_nothing_is_not_listed(team: Team) -> None:
    team.install("warm@1")
    voices = team.voices()
    voices.activate("warm@1", "slack:T1", "alice")
    voices.rollback("slack:T1", "alice")
    assert [voice.place for voice in voices.active()] == ["default"]
