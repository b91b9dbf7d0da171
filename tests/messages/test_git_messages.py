"""A repository that cannot be read says in one sentence what is wrong and what to do."""

import os
import subprocess
from datetime import UTC, datetime

import pytest

from counterfault.sources.errors import SourceError
from counterfault.sources.git import GitSource


def git(*arguments):
    people = ("-c", "user.name=Dev", "-c", "user.email=dev@example.org", "-c", "init.defaultBranch=main")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = kept | {"GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *people, *map(str, arguments)], check=True, capture_output=True, env=environment)


@pytest.fixture
def repository(tmp_path):
    path = tmp_path / "shop"
    git("init", path)
    for number in range(3):
        (path / "cart.py").write_text(f"{number}\n")
        git("-C", path, "add", ".")
        git("-C", path, "commit", "-m", f"Work {number}")
    return path


def message_for(path, **settings):
    with pytest.raises(SourceError) as caught:
        GitSource(path, **{"salt": "pepper", **settings}).read()
    return str(caught.value)


def test_a_path_that_does_not_exist(tmp_path):
    path = tmp_path / "nowhere"
    assert message_for(path) == f"{path}: there is no such path; name the folder of a git repository, or its .git"


def test_a_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    assert message_for(path) == f"{path}: this is a file; name the folder of a git repository, or its .git"


def test_a_folder_that_is_no_repository(tmp_path):
    assert message_for(tmp_path) == (
        f"{tmp_path}: this is not a git repository; name the folder of a clone, its .git, or a bare repository"
    )


def test_an_empty_repository(tmp_path):
    git("init", tmp_path)
    assert message_for(tmp_path) == f"{tmp_path}: this repository is empty: it has no commits"


def test_a_revision_that_is_not_there(repository):
    assert message_for(repository, revision="release") == (
        f"{repository}: 'release' names no commit here; name a branch, tag or commit of this repository"
    )


def test_a_revision_that_looks_like_an_option(repository):
    assert message_for(repository, revision="--all") == (
        f"{repository}: '--all' names no commit here; name a branch, tag or commit of this repository"
    )


def test_a_head_that_points_to_a_branch_without_commits(repository):
    git("-C", repository, "symbolic-ref", "HEAD", "refs/heads/unborn")
    assert message_for(repository) == (
        f"{repository}: 'HEAD' names no commit here; name a branch, tag or commit of this repository"
    )


def test_a_shallow_clone(repository, tmp_path):
    shallow = tmp_path / "shallow"
    git("clone", "--depth=1", f"file://{repository}", shallow)
    assert message_for(shallow) == (
        f"{shallow}: this is a shallow clone, whose history is cut off; author tenure, the first AI label and reverts "
        f"would be wrong; fetch the rest with `git fetch --unshallow` and run again"
    )


def test_a_clone_without_the_listings_of_folders(repository, tmp_path):
    git("-C", repository, "config", "uploadpack.allowFilter", "true")
    treeless = tmp_path / "treeless.git"
    git("clone", "--bare", "--filter=tree:0", f"file://{repository}", treeless)
    begin, end = (
        f"{treeless}: this clone lacks the listings of folders (",
        ("), so no file of a change can be named; clone it again without --filter, or with --filter=blob:none"),
    )
    found = message_for(treeless)
    assert (found[: len(begin)], found[-len(end) :]) == (begin, end)  # git's own words stand between


def test_git_that_is_not_installed(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert message_for(repository) == (
        f"{repository}: reading a repository needs git, which is not on the PATH; install git"
    )


def test_somebody_elses_repository(repository, monkeypatch):
    # git's own tests use this variable to act as if the owner were another.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr("counterfault.sources.git_commands._KEPT_VARIABLES", ("GIT_TEST_",))
    monkeypatch.setenv("HOME", str(repository))
    assert message_for(repository) == (
        f"{repository}: git refuses to read it because it belongs to another user; if you trust it, run "
        f"`git config --global --add safe.directory {repository}`"
    )


def test_a_period_without_commits(repository):
    assert message_for(repository, since=datetime(2199, 1, 1, tzinfo=UTC)) == (
        f"{repository}: no commit since 2199-01-01; choose an earlier day"
    )


def test_a_period_that_begins_at_a_time_without_a_zone(repository):
    naive = datetime.fromisoformat("2026-01-01")
    assert message_for(repository, since=naive) == (
        "since is 2026-01-01T00:00:00, a time without a zone; add one, such as +00:00"
    )


def test_a_service_of_no_folders(repository):
    assert message_for(repository, service_depth=0) == "service_depth is 0; a service needs at least one folder"


def test_an_empty_salt(repository):
    assert message_for(repository, salt="") == (
        "the salt is empty, and pseudonyms without one can be undone; give installation_salt()"
    )
