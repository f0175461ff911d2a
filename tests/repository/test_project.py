"""Files around the code agree with it and with one another: versions, authors, dependencies, workflows, container."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from jundscan._version import __version__

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
EXTRAS = ("cpu", "hts", "report", "plots")
"""What the image and the recipe install besides the dependencies."""
CONDA_NAMES = {"isal": "python-isal", "matplotlib": "matplotlib-base"}
"""Packages that conda-forge and Bioconda name otherwise than PyPI does."""


def load(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text())


def recipe() -> Any:
    """Read the recipe as conda-build does, with the few functions of it that the recipe calls."""
    jinja2 = pytest.importorskip("jinja2")
    functions = {"PYTHON": "python", "pin_subpackage": lambda name, max_pin: f"{name} {max_pin}"}
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
        (ROOT / "recipe" / "meta.yaml").read_text()
    )
    return yaml.safe_load(template.render(functions))


def steps(name: str) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    workflow = load(ROOT / ".github" / "workflows" / f"{name}.yml")
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


# what the project says of itself


def test_the_version_is_the_same_everywhere() -> None:
    citation = load(ROOT / "CITATION.cff")
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert {citation["version"], zenodo["version"], recipe()["package"]["version"]} == {__version__}
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_authors_are_those_of_the_licence() -> None:
    (holder,) = re.findall(r"^Copyright \(c\) \d{4} (.+)$", (ROOT / "LICENSE").read_text(), re.MULTILINE)
    assert PROJECT["authors"] == load(ROOT / "CITATION.cff")["authors"] == [{"name": holder}]
    assert json.loads((ROOT / ".zenodo.json").read_text())["creators"] == [{"name": holder}]


def test_the_citation_has_every_required_key() -> None:
    citation = load(ROOT / "CITATION.cff")
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "type", "license", "repository-code"}
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert citation["keywords"] == PROJECT["keywords"]


def test_zenodo_has_every_required_key() -> None:
    zenodo, citation = json.loads((ROOT / ".zenodo.json").read_text()), load(ROOT / "CITATION.cff")
    assert zenodo.keys() >= {"title", "description", "upload_type", "creators", "access_right", "license"}
    assert (zenodo["upload_type"], zenodo["access_right"]) == ("software", "open")
    for key, same in (
        ("title", "title"),
        ("license", "license"),
        ("keywords", "keywords"),
        ("description", "abstract"),
    ):
        assert zenodo[key] == citation[same], key


def test_urls_of_the_repository_are_the_same_everywhere() -> None:
    names = ["CITATION.cff", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "Dockerfile", "SECURITY.md", "recipe/meta.yaml"]
    paths = [ROOT / name for name in names] + sorted((ROOT / ".github").rglob("*.yml"))
    home = PROJECT["urls"]["Homepage"]
    for path in paths:
        for url in re.findall(r"https://github\.com/[\w-]+/jundscan\b", path.read_text()):
            assert url == home, path
    assert all(url.startswith((home, "https://jundscan.github.io/jundscan/")) for url in PROJECT["urls"].values())


@pytest.mark.parametrize(
    "name", ["CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"]
)
def test_links_to_files_lead_somewhere(name: str) -> None:
    path = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text())
    assert links or name == "CODE_OF_CONDUCT.md"
    for link in links:
        target, _, anchor = link.partition("#")
        linked = path.parent / target if target else path
        assert linked.exists(), link
        headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, link


def test_contributing_names_targets_files_and_marks_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE))
    assert len(targets) > 5
    for target in ("".join(pair) for pair in targets):
        assert re.search(rf"^{target}:|^\S.* {target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"`((?:jundscan|tests|io|accessibility|scanning|docs)/[\w/.]*)`", text):
        assert (ROOT / name).exists() or (ROOT / "jundscan" / name).exists(), name
    marks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    assert all(f"`{mark.partition(':')[0]}`" in text for mark in marks)


# workflows and forms


def test_actions_are_pinned_by_commit_with_their_version() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for line in re.findall(r"uses: (.+)", path.read_text()):
            match = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert match, line
            pins.setdefault(match[1], set()).add(match[2])
    assert len(pins) > 5
    assert all(len(commits) == 1 for commits in pins.values()), "one action, two versions"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_have_few_permissions_and_an_end(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        permissions = job.get("permissions", {})
        if "write" in permissions.values():  # then nothing of the repository or of PyPI is run beside it
            assert not [step for step in job["steps"] if re.search(r"make|pip|pytest|python", step.get("run", ""))], (
                name
            )
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= workflow["jobs"].keys()
        for step in job["steps"]:
            assert "checkout@" not in step.get("uses", "") or step["with"]["persist-credentials"] is False, name


def test_ci_tests_the_pythons_and_systems_that_the_project_claims() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    claimed = [name.removeprefix("Programming Language :: Python :: ") for name in PROJECT["classifiers"]]
    versions = [version for version in claimed if re.fullmatch(r"3\.\d+", version)]
    assert len(versions) > 2
    for name in ("linux", "macos"):
        trials = re.findall(r"matrix\.python == '(.+)'", jobs[name]["continue-on-error"])
        assert jobs[name]["strategy"]["matrix"]["python"] == versions + trials, name
    assert PROJECT["requires-python"] == f">={versions[0]}"
    systems = {name for name in PROJECT["classifiers"] if name.startswith("Operating System")}
    assert systems == {"Operating System :: MacOS", "Operating System :: POSIX :: Linux"}
    commands = {name: [step.get("run") for step in jobs[name]["steps"]] for name in ("linux", "macos", "docs")}
    assert ".ci/run" in commands["linux"]
    assert "make test" in commands["macos"]
    assert "make docs" in commands["docs"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def release_step(name: str, folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the release in a folder, for a tag."""
    (command,) = (step["run"] for step in steps("release") if step.get("name") == name)
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | {"GITHUB_REF_NAME": tag, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("tag", "code"), [(f"v{__version__}", 0), ("v99.0.0", 1), (__version__, 1)])
def test_a_release_needs_a_tag_of_its_version(tag: str, code: int) -> None:
    ran = release_step("Check that the tag is the version", ROOT, tag)
    assert ran.returncode == code, ran.stderr
    assert (f"The tag is {tag}" in ran.stderr) == bool(code)


def test_a_release_takes_its_section_of_the_changelog(tmp_path: Path) -> None:
    name = "Take the section of this version from the changelog"
    newer, older = "## [1.1.0] - 2027-02-01\n### Added\n- New.\n", "## [1.0.0] - 2027-01-01\n- Old.\n"
    next_one = "## [2.0.0] - unreleased\n- Unfinished.\n"
    (tmp_path / "CHANGELOG.md").write_text("\n".join(["# Changelog\n", next_one, newer, older]))
    notes = {}
    for tag in ("v1.1.0", "v1.0.0"):
        assert release_step(name, tmp_path, tag).returncode == 0
        notes[tag] = (tmp_path / "notes.md").read_text().strip()
    assert notes == {"v1.1.0": "### Added\n- New.", "v1.0.0": "- Old."}
    for tag in ("v0.9.0", "v2.0.0"):
        ran = release_step(name, tmp_path, tag)
        assert (ran.returncode, ran.stderr) == (1, f"CHANGELOG.md has no dated section of {tag[1:]}.\n")


def test_tests_that_a_release_leaves_out_exist() -> None:
    (command,) = (step["run"] for step in steps("release") if "pytest" in step.get("run", ""))
    left_out = re.findall(r"--deselect (\S+)::(\w+)", command)
    assert left_out
    assert all(f"def {test}(" in (ROOT / path).read_text() for path, test in left_out)


def test_updates_cover_every_kind_of_dependency() -> None:
    updates = load(ROOT / ".github" / "dependabot.yml")["updates"]
    found = {(update["package-ecosystem"], update["directory"]) for update in updates}
    assert found == {("pip", "/"), ("github-actions", "/"), ("npm", "/browser"), ("docker", "/")}


@pytest.mark.parametrize("name", ["bug", "result", "request"])
def test_issue_forms_are_complete(name: str) -> None:
    form = load(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert form.keys() == {"name", "description", "labels", "body"}
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) >= 3
    assert all(field["type"] == "textarea" and field["attributes"]["label"] for field in form["body"])
    assert any(field.get("validations", {}).get("required") for field in form["body"])
    if name == "bug":
        assert ids[:4] == ["doctor", "command", "message", "inputs"]


# hooks, recipe, container


def test_hooks_are_the_commands_of_make_lint() -> None:
    (local,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    commands = {hook["entry"].removesuffix(" --force-exclude") for hook in local["hooks"]}
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0].splitlines()[1:]
    assert commands == {line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in lint}
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        assert shutil.which(Path(command.split()[0]).name, path=folders), command


def conda_names(requirements: list[str]) -> set[str]:
    """Write requirements as conda does: a package, a space, a version."""
    pairs = [re.fullmatch(r"([\w.-]+)(>=[\w.]+)", requirement) for requirement in requirements]
    assert all(pairs), requirements
    return {f"{CONDA_NAMES.get(pair[1], pair[1])} {pair[2]}" for pair in pairs if pair}


def test_the_recipe_needs_what_the_package_needs() -> None:
    found = recipe()
    extras = [requirement for extra in EXTRAS for requirement in PROJECT["optional-dependencies"][extra]]
    assert set(found["requirements"]["run"]) == conda_names(PROJECT["dependencies"] + extras) | {
        f"python {PROJECT['requires-python']}"
    }
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(found["requirements"]["host"]) == conda_names(build) | {f"python {PROJECT['requires-python']}", "pip"}
    scripts = [f"{name} = {where}" for name, where in PROJECT["scripts"].items()]
    assert found["build"]["entry_points"] == scripts
    assert found["build"]["noarch"] == "python"
    assert found["about"]["license"] == PROJECT["license"]
    assert re.fullmatch(r"[0-9a-f]{64}", found["source"]["sha256"])


def copied() -> list[str]:
    """Return what the Dockerfile copies from the checkout."""
    lines = [line.split()[1:-1] for line in DOCKERFILE if line.startswith("COPY") and "--from" not in line]
    return [name for names in lines for name in names]


def test_the_image_is_built_as_it_should_be() -> None:
    bases = {line.split()[1] for line in DOCKERFILE if line.startswith("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases.pop())
    (extras,) = re.findall(r"\[([\w,]+)\]\"", "\n".join(DOCKERFILE))
    assert sorted(extras.split(",")) == sorted(EXTRAS)
    last = DOCKERFILE[max(number for number, line in enumerate(DOCKERFILE) if line.startswith("FROM")) :]
    (user,) = (line.split()[1] for line in last if line.startswith("USER"))
    assert user not in ("root", "0")
    assert 'ENTRYPOINT ["jundscan"]' in last


def test_docker_sees_what_the_image_copies_and_little_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def is_ignored(path: str) -> bool:
        ignored = False
        for line in lines:
            pattern = line.lstrip("!").removeprefix("**/")
            parts = [path, *(str(parent) for parent in Path(path).parents)]
            if any(fnmatch(part, pattern) and part.count("/") >= pattern.count("/") for part in parts):
                ignored = not line.startswith("!")
        return ignored

    assert all((ROOT / name).exists() and not is_ignored(name) for name in copied())
    for name in (".git/HEAD", ".venv/bin/python", "tests/conftest.py", "exported/jund-2-lstm/model.onnx"):
        assert is_ignored(name), name


@pytest.mark.slow
def test_what_the_image_copies_builds_the_wheel(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in copied():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(hatchling, cwd=source, check=True, capture_output=True)
    wheel = tmp_path / f"jundscan-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {"jundscan/exported/jund-2/model.onnx", "jundscan/report/templates/base.html"} <= set(names)


def test_the_extra_full_is_every_extra_but_that_of_a_card() -> None:
    extras = PROJECT["optional-dependencies"]
    (full,) = map(Requirement, extras["full"])
    assert full.name == "jundscan"
    assert full.extras == set(extras) - {"full", "gpu"}
    (gpu,) = map(Requirement, extras["gpu"])
    assert gpu.extras == {"cuda", "cudnn"}
