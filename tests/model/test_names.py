"""Installed models are found by name: those of the package, then those in the user's own folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import jundscan
from jundscan.errors import ModelError
from jundscan.model.load import DEFAULT_MODEL, default_model_path, find_model, installed_models
from tests.conftest import Run


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, with a copy of the default model under the name ``mine``."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "jundscan" / "models"
    (folder / "mine").mkdir(parents=True)
    shutil.copy(default_model_path(), folder / "mine")
    return folder


def test_a_name_is_a_model_of_the_package_or_of_the_user(own: Path) -> None:
    assert find_model(Path("mine")) == own / "mine"
    assert jundscan.load_model("mine", "cpu").path == own / "mine" / "model.onnx"
    assert jundscan.load_model(DEFAULT_MODEL, "cpu").path == default_model_path()


def test_a_path_that_exists_comes_before_a_name(own: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert find_model(Path("mine")) == Path("mine")
    assert find_model(tmp_path / "elsewhere") == tmp_path / "elsewhere"
    assert find_model(Path("mine.onnx")) == Path("mine.onnx")


def test_a_model_of_the_package_comes_before_the_users_own(own: Path) -> None:
    (own / "mine").rename(own / DEFAULT_MODEL)
    assert installed_models()[DEFAULT_MODEL] == default_model_path().parent


def test_a_folder_in_the_home_holds_models_without_the_variable(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = own.parents[2] / "home"
    (home / ".local" / "share").mkdir(parents=True)
    own.parent.rename(home / ".local" / "share" / "jundscan")
    monkeypatch.setenv("HOME", str(home))
    for value in ("", "data"):  # the specification ignores a path that is not absolute
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert find_model(Path("mine")) == home / ".local" / "share" / "jundscan" / "models" / "mine"


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(
    own: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["scan", "genome.fa"], ["evaluate", "shards"], ["info"], ["doctor"]):
        ran = run(*arguments, "--model", "yours")
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert ran.err.startswith("jundscan: yours: no such file or folder, and no installed model of this name. ")
        assert f"{DEFAULT_MODEL}, " in ran.err
        assert ran.err.endswith("mine\n")
    monkeypatch.setattr("jundscan.model.load.model_folders", lambda: iter([]))
    with pytest.raises(ModelError, match="Installed: none"):
        jundscan.load_model("yours", "cpu")


def test_commands_take_a_name(own: Path, run: Run) -> None:
    assert str(own / "mine" / "model.onnx") in run("info", "--model", "mine", "--json", "-").out
    (own / "mine" / "model.onnx").write_bytes(b"")
    assert run("info", "--model", "mine").err.startswith(f"jundscan: {own / 'mine' / 'model.onnx'}: ")


def test_no_output_replaces_a_model_that_is_named(own: Path, run: Run) -> None:
    file = own / "mine" / "model.onnx"
    ran = run("info", "--model", "mine", "--json", file, "--force")
    assert ran.code == 2
    assert file.read_bytes() == default_model_path().read_bytes()


def test_info_lists_installed_models(own: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    (own / "broken").mkdir()
    (own / "broken" / "model.onnx").write_bytes(b"no model")
    ran = run("info", "--list")
    assert ran.code == 0
    assert str(own / "broken" / "model.onnx") in ran.err
    head, *rows = [line.split() for line in ran.out.splitlines()]
    assert head == ["name", "version", "factor", "folder"]
    version = jundscan.load_model(device="cpu").metadata.version
    assert [DEFAULT_MODEL, version, "JUND", str(default_model_path().parent)] in rows
    assert ["mine", version, "JUND", str(own / "mine")] in rows
    assert {row[0] for row in rows} == set(installed_models()) - {"broken"}
    for other in (["--model", "mine"], ["--json", "-"]):
        assert run("info", "--list", *other).code == 2
