"""A damaged repository is refused in a sentence, and never read in part as if it were whole."""

import os
import subprocess

import pytest

from counterfault.sources.errors import SourceError
from counterfault.sources.git import GitSource

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Dev"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "dev@example.org"),
}


def git(path, *arguments):
    done = subprocess.run(["git", "-C", path, *arguments], env=ENVIRONMENT, capture_output=True, check=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-b", "main")
    for number in range(3):
        (tmp_path / "cart.py").write_text(f"{number}\n")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", f"Work {number}")
    return tmp_path


def damage(path, sha):
    file = path / ".git" / "objects" / sha[:2] / sha[2:]
    file.chmod(0o600)
    file.write_bytes(b"rubbish")


def message_for(path):
    with pytest.raises(SourceError) as caught:
        GitSource(path, salt="pepper").read()
    return str(caught.value)


def test_a_damaged_commit(repository):
    sha = git(repository, "rev-parse", "HEAD~1")
    damage(repository, sha)
    found = message_for(repository)
    assert found.startswith(f"{repository}: git cannot read the history to its end (")
    assert found.endswith("); check the repository with `git fsck`, or clone it again")


def test_a_damaged_file(repository):
    damage(repository, git(repository, "rev-parse", "HEAD~1:cart.py"))
    assert message_for(repository) == (
        f"{repository}: git cannot read some of the files that changes altered, though none is missing; check the "
        f"repository with `git fsck`, or clone it again"
    )
