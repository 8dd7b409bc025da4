"""What may be shared and how: in the clear on loopback alone, secrets by reference, nothing by default."""

from pathlib import Path

import pytest
import yaml

from custodes.config import load_site_yaml
from custodes.config.centre import load_centre_yaml
from custodes.errors import ConfigError

CENTRE = {"centre": ["a key"], "share": ["health"]}


def site(folder: Path, **nats: object) -> Path:
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"federation": {"nats": nats, **CENTRE}}))
    return path


def test_site_when_nothing_is_said_tells_nobody(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("name: x\n")
    assert load_site_yaml(tmp_path / "site.yaml").federation is None


def test_files_when_relative_lie_beside_the_configuration(tmp_path: Path) -> None:
    loaded = load_site_yaml(site(tmp_path, url="tls://nats.example:4222", ca_file="ca.pem"))
    assert loaded.federation is not None and loaded.federation.nats.ca_file == tmp_path.resolve() / "ca.pem"


@pytest.mark.parametrize(
    ("nats", "word"),
    [
        ({"url": "nats://nats.example:4222"}, "tls://"),
        ({"url": "tls://user:word@nats.example"}, "url"),
        ({"url": "nats://127.0.0.1:4222", "password": "of mine"}, "password"),
        ({"url": "tls://a:1", "cert_file": "c.pem"}, "belong together"),
    ],
)
def test_site_when_it_would_tell_in_the_clear_or_holds_a_secret_is_refused(
    tmp_path: Path, nats: dict[str, object], word: str
) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        load_site_yaml(site(tmp_path, **nats))
    assert "of mine" not in str(caught.value)


@pytest.mark.parametrize("share", [[], ["pictures"], ["faces"]])
def test_site_when_it_shares_nothing_or_what_is_none_of_it_is_refused(tmp_path: Path, share: list[str]) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump({"federation": {"nats": {"url": "tls://a:1"}, "centre": ["k"], "share": share}}))
    with pytest.raises(ConfigError, match="share"):
        load_site_yaml(path)


def test_centre_when_a_site_is_named_twice_or_a_word_is_unknown_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "centre.yaml"
    one = {"id": "a", "key": "k", "name": "A", "log": "a.log"}
    path.write_text(yaml.safe_dump({"nats": {"url": "nats://localhost:4222"}, "sites": [one]}))
    assert load_centre_yaml(path).sites[0].log == tmp_path.resolve() / "a.log"
    for sites in ([one, one], [{**one, "show": "cameras"}], [{**one, "id": "a.b"}]):
        path.write_text(yaml.safe_dump({"nats": {"url": "nats://localhost:4222"}, "sites": sites}))
        with pytest.raises(ConfigError, match=r"centre\.yaml"):
            load_centre_yaml(path)
