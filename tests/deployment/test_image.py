"""The image: linted, built from little, and its steps run as far as they can be without an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from dockerfile import exec_form, instructions, is_ignored, stages

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
BUILD, *_, FINAL = stages(DOCKERFILE)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage copies of the files that `.dockerignore` lets through."""
    folder = tmp_path_factory.mktemp("src")
    for instruction in BUILD:
        if instruction.word == "COPY":
            *sources, target = instruction.rest.split()
            for source in sources:
                copy(source, folder / (source if target == "./" else target))
    return folder


def copy(source: str, target: Path) -> None:
    def left_out(folder: str, names: list[str]) -> set[str]:
        here = Path(folder).relative_to(ROOT)
        return {name for name in names if is_ignored(here / name, IGNORED)}

    assert not is_ignored(Path(source), IGNORED), f"{source} is copied, and .dockerignore keeps it out"
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=left_out)
    else:
        shutil.copy(ROOT / source, target)


def run_steps(folder: Path, arguments: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the build stage's RUN steps with programs that only say how they were called."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("pip", "python"):
        (programs / name).write_text('#!/bin/sh\necho "${0##*/} $*"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    steps = [instruction.rest for instruction in BUILD if instruction.word == "RUN"]
    script = "set -o errexit -o pipefail\n" + "\n".join(steps)
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **arguments}
    return subprocess.run(
        ["bash", "-c", script], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    linted = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (linted.returncode, linted.stdout) == (0, "")


def test_a_package_of_all_that_lorebot_needs_is_built_from_what_is_copied(
    context: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--no-index", "--wheel-dir", tmp_path, context], check=True)

    built = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "bot", "connectors", "knowledge", "adapters"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name for name in tracked.stdout.splitlines() if (ROOT / name).is_file()} <= built


@pytest.mark.parametrize(
    "secret", [".env", "lorebot.toml", ".git/config", ".lorebot/journal.sqlite", "tests/x.py"]
)
def test_nothing_private_is_sent_to_the_engine(secret: str) -> None:
    assert is_ignored(Path(secret), IGNORED)


@pytest.mark.parametrize(
    ("arguments", "torch"),
    [
        ({"VARIANT": "cpu"}, "--require-hashes --no-deps --requirement hashes/torch.txt"),
        ({"VARIANT": "cuda"}, "--require-hashes --no-deps --requirement hashes/torch.txt"),
        (
            {"VARIANT": "cpu", "TORCH_INDEX": "https://torch.example/cpu"},
            "--constraint requirements.lock --index-url https://torch.example/cpu torch",
        ),
    ],
)
def test_each_variant_takes_its_build_of_torch(tmp_path: Path, arguments: dict[str, str], torch: str) -> None:
    ran = run_steps(tmp_path, {"MODELS": "baked", **arguments})

    assert ran.returncode == 0
    assert f"pip install {torch}" in ran.stdout.splitlines()


@pytest.mark.parametrize(("models", "are_baked"), [("baked", True), ("mounted", False)])
def test_models_are_in_the_image_or_left_out(tmp_path: Path, models: str, are_baked: bool) -> None:
    ran = run_steps(tmp_path, {"VARIANT": "cpu", "MODELS": models})

    assert ran.returncode == 0
    assert ("hashes/models.txt" in ran.stdout) is are_baked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"VARIANT": "tpu"}, "VARIANT is cpu or cuda"),
        ({"VARIANT": "cuda", "TORCH_INDEX": "https://torch.example"}, "TORCH_INDEX is for cpu alone"),
        ({"VARIANT": "cpu", "MODELS": "none"}, "MODELS is baked or mounted"),
    ],
)
def test_arguments_that_mean_nothing_end_the_build(
    tmp_path: Path, arguments: dict[str, str], said: str
) -> None:
    ran = run_steps(tmp_path, {"MODELS": "baked", **arguments})

    assert ran.returncode == 1
    assert said in ran.stderr


def test_it_runs_as_nobody_in_particular() -> None:
    users = [instruction.rest for instruction in FINAL if instruction.word == "USER"]

    assert users == ["10001:10001"]


def test_its_health_is_asked_on_the_port_that_it_serves() -> None:
    settings = dict(re.findall(r"(LOREBOT_\w+)=(\S+)", " ".join(i.rest for i in FINAL if i.word == "ENV")))
    check = next(instruction.rest for instruction in FINAL if instruction.word == "HEALTHCHECK")
    exposed = next(instruction.rest for instruction in FINAL if instruction.word == "EXPOSE")

    assert settings["LOREBOT_SERVE__HEALTH_PORT"] == exposed
    assert exec_form(check)[:2] == ["python", "-c"]
    assert "LOREBOT_SERVE__HEALTH_PORT" in exec_form(check)[2]
    assert "/healthz" in exec_form(check)[2]


def test_its_labels_are_those_of_the_open_container_initiative_and_true() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    labels = dict(
        re.findall(
            r'org\.opencontainers\.image\.(\w+)="([^"]*)"', " ".join(i.rest for i in instructions(DOCKERFILE))
        )
    )
    version = next(i.rest for i in FINAL if i.word == "ARG" and i.rest.startswith("VERSION="))

    assert labels["licenses"] == project["license"]
    assert labels["description"] == project["description"]
    assert version == f"VERSION={project['version']}"
    assert {"title", "version", "revision"} <= set(labels)


def pinned(path: Path) -> dict[str, str]:
    """The packages of a list, by their names in normal form (PEP 503)."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize("name", ["requirements.txt", "torch.txt", "models.txt"])
def test_hashes_are_of_the_versions_in_the_lock(name: str) -> None:
    locked, hashed = pinned(ROOT / "requirements.lock"), pinned(ROOT / "hashes" / name)

    differing = {package for package, version in hashed.items() if locked.get(package, version) != version}
    assert not differing, "`make hashes` writes them anew"


def test_every_package_that_lorebot_names_has_a_hash() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[\[<>=; ]", requirement)[0] for requirement in project["dependencies"]]
    hashed = {
        package
        for name in ("requirements.txt", "torch.txt", "models.txt")
        for package in pinned(ROOT / "hashes" / name)
    }

    missing = {name for name in names if re.sub(r"[-_.]+", "-", name).lower() not in hashed}
    assert not missing, "`make hashes` writes them anew"


@pytest.mark.parametrize("name", ["requirements.txt", "torch.txt", "models.txt", "build.txt", "audit.txt"])
def test_lists_of_hashes_name_no_registry(name: str) -> None:
    text = (ROOT / "hashes" / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE)
