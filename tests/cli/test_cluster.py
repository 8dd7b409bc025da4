"""`custodes cluster`: what is said before anything of Ray is started, and what only the right people can read."""

import pytest
from click.testing import CliRunner

from custodes.cli.cluster import cluster
from custodes.errors import CustodesError


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "cluster.token"
    path.touch(mode=0o600)
    path.write_text("s" * 64)
    return path


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["join", "head", "--address", "10.0.0.2"], "is no HEAD:PORT"),
        (["join", "127.0.0.1:1", "--address", "127.0.0.1"], "nobody listens at 127.0.0.1:1"),
        (["status", "head:"], "is no HEAD:PORT"),
        (["status", "127.0.0.1:1"], "nobody listens at 127.0.0.1:1"),
        (["drain", "127.0.0.1:1", "10.0.0.2"], "nobody listens at 127.0.0.1:1"),
        (["up", "--address", "127.0.0.1", "--label", "hall"], "is not KEY=VALUE"),
        (["up", "--address", "127.0.0.1", "--label", "a=b,c=d"], "is not KEY=VALUE"),
        (["up", "--address", "127.0.0.1", "--temp", "/tmp/" + "x" * 40], "at most 40 bytes"),
    ],
    ids=[
        "no port",
        "nobody to join",
        "empty port",
        "nobody to ask",
        "nobody to drain",
        "no value",
        "two in one",
        "long",
    ],
)
def test_what_cannot_work_is_said_by_name(token, arguments, what):
    result = CliRunner().invoke(cluster, [*arguments, "--token-file", str(token)])
    assert isinstance(result.exception, CustodesError)
    assert what in str(result.exception)


def test_a_token_that_others_can_read_is_refused(token):
    token.chmod(0o644)
    result = CliRunner().invoke(cluster, ["status", "127.0.0.1:1", "--token-file", str(token)])
    assert "can be read by others" in str(result.exception)


def test_a_token_that_is_not_there_is_named(tmp_path):
    result = CliRunner().invoke(cluster, ["status", "127.0.0.1:1", "--token-file", str(tmp_path / "none")])
    assert "`custodes cluster up` writes it" in str(result.exception)


def test_a_new_cluster_gets_a_secret_that_only_its_owner_reads(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr("os.execv", lambda path, argv: begun.append(argv))
    monkeypatch.setattr("os.environ", {})
    token = tmp_path / "new.token"
    result = CliRunner().invoke(cluster, ["up", "--address", "127.0.0.1", "--token-file", str(token), "--cpus", "0"])
    assert result.exception is None
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) == 64
    assert "cluster join 127.0.0.1:6379" in result.output
    assert token.read_text() not in result.output
    assert begun[0][begun[0].index("--num-cpus") + 1] == "0"
    assert "--disable-usage-stats" in begun[0]
