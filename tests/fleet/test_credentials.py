"""Passwords are compared here, named never, tried nowhere."""

import hashlib
import json
from dataclasses import replace

import pytest

from custodes.cli.main import run
from custodes.config import Assignment, SiteIdentity, SitePaths, write_assignment, write_identity
from custodes.fleet.credentials import credential_faults, read_leaked
from custodes.testing.catalog import make_spec
from custodes.testing.tcp import tcp_server
from custodes.units import Ns


@pytest.mark.parametrize(
    ("user", "password", "faults"),
    [
        ("admin", "12345", ("default", "short")),
        ("Admin", "password", ("default",)),
        ("viewer", "12345", ("short",)),
        ("viewer", "a long one of its own", ()),
        ("viewer", "leaked-and-long", ("leaked",)),
        ("viewer", "", ("short",)),
    ],
)
def test_faults_of_one_password(user, password, faults):
    leaked = frozenset({hashlib.sha1(b"leaked-and-long").hexdigest().upper()})
    assert credential_faults({"gate": (user, password)}, leaked)["gate"] == faults


def test_a_password_of_two_cameras_is_a_fault_of_both():
    same = ("viewer", "twice the same one")
    found = credential_faults({"gate": same, "yard": same, "door": ("viewer", "another password")})
    assert found == {"gate": ("reused",), "yard": ("reused",), "door": ()}


def test_leaked_passwords_come_in_the_clear_or_as_published_digests():
    digest = hashlib.sha1(b"one").hexdigest()
    assert read_leaked(f"{digest}:42\ntwo\n\n") == read_leaked(f"one\n{hashlib.sha1(b'two').hexdigest().upper()}")


def test_audit_compares_and_stores_the_faults_alone(tmp_path, monkeypatch, capsys):
    paths = SitePaths(tmp_path)
    write_identity(paths.identity, SiteIdentity(site_id="ab" * 8, name="Site", created_ns=Ns(1)))
    monkeypatch.setenv("CAM_GATE", "888888")
    said: list[bytes] = []
    with tcp_server(lambda sock: said.append(sock.recv(65_536))) as port:
        spec = replace(
            make_spec("gate"), url=f"rtsp://127.0.0.1:{port}/x", username="admin", password_ref="env:CAM_GATE"
        )
        write_assignment(paths.assignment, Assignment(version=1, cameras=(spec,)))
        assert run(["fleet", "audit", "--data", str(tmp_path), "--pace", "0", "--credentials"]) == 0
    capsys.readouterr()
    assert said
    assert all(b"888888" not in one and b"uthorization" not in one for one in said)
    stored = (tmp_path / "fleet/observations.json").read_text()
    assert "888888" not in stored
    assert json.loads(stored)[0]["credential_faults"] == ["default", "short"]
    assert run(["fleet", "report", "--data", str(tmp_path)]) == 0
    assert "password-default" in capsys.readouterr().out
