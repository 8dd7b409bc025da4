"""Which processes a site starts, by how many servers it has and whether this machine leads."""

from pathlib import Path

import pytest

from custodes.app.supervisor import process_specs
from custodes.config import SiteConfig, SitePaths


@pytest.mark.parametrize(
    ("server", "servers", "is_whole"),
    [
        ({}, {"server": "server-control"}, True),
        ({"processes": 2}, {"server": "server-jobs", "server-2": "server-2-jobs"}, True),
        ({"leads": False}, {"server": "server-jobs"}, False),
    ],
    ids=["one", "several", "of a second machine"],
)
def test_site_starts_its_servers_and_a_second_machine_nothing_else_but_view_jobs(
    tmp_path: Path, server: dict[str, object], servers: dict[str, str], is_whole: bool
) -> None:
    tree = {"data_dir": tmp_path, "server": server, "catalog": {"host": "db.example"}}
    specs = process_specs(SiteConfig.model_validate(tree), SitePaths(tmp_path))
    assert {one.name: one.ready_socket.stem for one in specs if one.kind == "server" and one.ready_socket} == servers
    others = {one.kind for one in specs} - {"server"}
    assert others == ({"warden", "forker", "recorder", "analyser", "matcher"} if is_whole else {"forker"})
