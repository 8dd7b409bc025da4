"""The Helm chart, rendered by Helm: valid objects that give nothing away, and configurations that custodes takes."""

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from custodes import __version__
from custodes.cli.main import COMMANDS
from custodes.config import SiteConfig
from custodes.config.centre import load_centre_yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/custodes"
KUBERNETES = ["1.25", "1.33"]
"""The oldest that the chart says, and a newer one."""

PEER: list[object] = [{"ipBlock": {"cidr": "192.0.2.8/32"}}]
KEY = "example+12345678+AQID"
SITE: dict[str, Any] = {"enabled": True, "secret": "custodes-site"}
CENTRE: dict[str, Any] = {
    "enabled": True,
    "secret": "custodes-centre",
    "sites": [{"id": "site-a", "key": KEY, "name": "Station"}],
    "nats": {"url": "tls://nats.example:4222", "peers": PEER},
}
FULL = {
    **SITE,
    "hosts": ["cctv.example"],
    "config": {"name": "Station", "server": {"proxies": ["10.0.0.0/8"]}, "tiers": {"slow_after_h": 12}},
    "storage": {"size": "2Ti", "className": "fast"},
    "postgres": {"host": "db.example", "peers": PEER, "caKey": "ca.pem"},
    "s3": {"endpoint": "https://s3.example", "bucket": "custodes", "peers": PEER},
    "nats": {
        "url": "tls://nats.example:4222",
        "user": "site-a",
        "centre": [KEY],
        "share": ["health", "cases"],
        "peers": PEER,
    },
    "network": {
        "cameras": {"cidrs": ["192.0.2.64/26"]},
        "visitors": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "egress": [{"to": PEER, "ports": [{"protocol": "TCP", "port": 25}]}],
    },
    "tolerations": [{"key": "cameras", "operator": "Exists"}],
}
VALUES: dict[str, dict[str, Any]] = {
    "site": {"site": SITE},
    "centre": {"centre": CENTRE},
    "all": {
        "image": {"digest": f"sha256:{'0' * 64}", "pullSecrets": [{"name": "registry"}]},
        "site": FULL,
        "centre": {**CENTRE, "hosts": ["centre.example"], "config": {"keep_days": 150}},
    },
}


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("helm", path=str(ROOT / ".venv/bin")) or shutil.which("helm")
    assert program, "Helm is not installed: .ci/helm"
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=120)


def render(folder: Path, values: dict[str, Any]) -> Sequence[dict[str, Any]]:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    done = helm("template", "town", str(CHART), "--values", str(path))
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one is not None]


@pytest.fixture(scope="module", params=VALUES)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sequence[dict[str, Any]]:
    return render(tmp_path_factory.mktemp("values"), VALUES[request.param])


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Sequence[dict[str, Any]]:
    return render(tmp_path_factory.mktemp("values"), VALUES["all"])


def of_kind(objects: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def named(objects: Sequence[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    return found


def test_chart_when_linted_strictly_is_good(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(VALUES["all"]))
    done = helm("lint", "--strict", str(CHART), "--values", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def test_objects_are_what_kubernetes_takes(rendered: Sequence[dict[str, Any]]) -> None:
    assert {one["kind"] for one in rendered} == {
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "NetworkPolicy",
        "StatefulSet",
    }
    for one, version in itertools.product(rendered, KUBERNETES):
        kubernetes_validate.validate(one, version, strict=True)


def test_pods_have_no_root_no_capability_and_nothing_writable_but_their_volume(
    rendered: Sequence[dict[str, Any]],
) -> None:
    for one in of_kind(rendered, "StatefulSet"):
        pod = one["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostAliases"} & set(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        volumes = {volume["name"]: set(volume) - {"name"} for volume in pod["volumes"]}
        assert volumes == {"config": {"configMap"}, "secrets": {"secret"}, "tmp": {"emptyDir"}}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert writable == {"data", "tmp"}
        for container in pod["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
            assert container["args"][0] in COMMANDS
        (claim,) = one["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
        kept = one["spec"]["persistentVolumeClaimRetentionPolicy"]
        assert set(kept.values()) == {"Retain"}, "recordings do not go with a release"


def test_each_pod_is_cut_off_from_everything_that_is_not_named(rendered: Sequence[dict[str, Any]]) -> None:
    for one in of_kind(rendered, "StatefulSet"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        policy = named(rendered, "NetworkPolicy", one["metadata"]["name"])["spec"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert all(rule.get("to") and rule["ports"] for rule in policy["egress"])
        assert all(rule.get("from") and rule["ports"] for rule in policy["ingress"])
        selected = named(rendered, "Service", one["metadata"]["name"])["spec"]["selector"]
        assert selected.items() <= labels.items() and selected == policy["podSelector"]["matchLabels"]


def test_ways_out_are_those_of_the_values(everything: Sequence[dict[str, Any]]) -> None:
    policy = named(everything, "NetworkPolicy", "town-site")["spec"]
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
    assert ports == [[53, 53], [554, 80, 443], [5432], [443], [4222], [25]]
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8600}]
    assert named(everything, "NetworkPolicy", "town-centre")["spec"]["ingress"] == []


def test_configuration_of_a_site_is_taken_by_custodes(everything: Sequence[dict[str, Any]]) -> None:
    config = SiteConfig.model_validate(
        yaml.safe_load(named(everything, "ConfigMap", "town-site")["data"]["site.yaml"])
    )
    assert (config.name, config.server.behind_tls, config.server.proxies) == ("Station", True, ("10.0.0.0/8",))
    assert config.catalog is not None and config.catalog.password == "file:/run/secrets/custodes/postgres-password"
    assert config.tiers.slow_after_h == 12 and config.tiers.offsite is not None
    assert config.federation is not None and config.federation.nats.user == "site-a"
    pod = named(everything, "StatefulSet", "town-site")["spec"]["template"]["spec"]
    (mounted,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "data"]
    assert config.data_dir.is_relative_to(mounted["mountPath"]) and config.data_dir != Path(mounted["mountPath"])


def test_configuration_of_a_centre_is_taken_by_custodes(everything: Sequence[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "centre.yaml"
    path.write_text(named(everything, "ConfigMap", "town-centre")["data"]["centre.yaml"])
    config = load_centre_yaml(path)
    assert [one.id for one in config.sites] == ["site-a"]
    assert config.keep_days == 150 and config.page is not None and config.page.hosts == ("centre.example",)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"site": {"enabled": True}}, "site.secret: name the Secret"),
        ({"site": {**SITE, "postgres": {"host": "db"}}}, "site.postgres.peers: say where it is"),
        ({"site": {**SITE, "s3": {"endpoint": "https://s3", "bucket": "b"}}}, "site.s3.peers: say where it is"),
        ({"centre": {**CENTRE, "nats": {"peers": PEER}}}, "centre.nats.url: name the NATS server"),
    ],
    ids=["no secret", "no way to PostgreSQL", "no way to S3", "no NATS"],
)
def test_values_when_something_is_missing_then_helm_says_what(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    done = helm("template", "town", str(CHART), "--values", str(path))
    assert done.returncode != 0 and said in done.stderr


def test_values_when_nothing_is_enabled_then_nothing_is_installed(tmp_path: Path) -> None:
    assert render(tmp_path, {}) == []
