"""Every store of whole files keeps the port's promises: a folder on another disk, and S3 over real HTTP."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.adapters.blob import s3 as adapter
from custodes.adapters.blob.s3 import S3Store
from custodes.adapters.blob.slow import SlowDisk
from custodes.errors import InvalidArgument, StorageFailed
from custodes.testing.blob import KEY, BlobStoreSuite


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto's server on loopback: speaks the S3 API over HTTP."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3(endpoint: str, bucket: str, *, prefix: str = "site/") -> S3Store:
    return S3Store(endpoint=endpoint, bucket=bucket, access_key="test", secret_key="test", prefix=prefix)


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> str:
    name = f"b{abs(hash(request.node.nodeid)):x}"
    s3(endpoint, name)._client.create_bucket(Bucket=name)
    return name


class TestSlowDisk(BlobStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SlowDisk:
        return SlowDisk(tmp_path / "slow")


class TestS3(BlobStoreSuite):
    @pytest.fixture
    def store(self, endpoint: str, bucket: str) -> S3Store:
        return s3(endpoint, bucket)


def test_s3_when_there_are_more_keys_than_a_page_then_all_are_listed(
    endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PAGE_KEYS", 3)
    store = s3(endpoint, bucket)
    for number in range(8):
        store._client.put_object(Bucket=bucket, Key=f"site/{number}", Body=b"")
    assert list(store.keys("")) == [str(number) for number in range(8)]
    assert list(s3(endpoint, bucket, prefix="other/").keys("")) == []


def test_s3_when_bucket_server_or_content_is_wrong_then_storage_failed_without_secrets(
    endpoint: str, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "s").write_bytes(b"x")
    with pytest.raises(StorageFailed, match="NoSuchBucket"):
        s3(endpoint, "no-such-bucket").put(KEY, tmp_path / "s")
    with pytest.raises(StorageFailed, match="EndpointConnectionError") as caught:
        s3("http://127.0.0.1:1", bucket).put(KEY, tmp_path / "s")
    assert "test" not in str(caught.value).replace("latest", "")
    store = s3(endpoint, bucket)
    store.put(KEY, tmp_path / "s")
    store._client.put_object(Bucket=bucket, Key="site/" + KEY, Body=b"y", Metadata={"sha256": "00" * 32})
    with pytest.raises(StorageFailed, match="otherwise"):
        store.get(KEY, tmp_path / "t")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "x.part"])
def test_slow_disk_when_a_key_leads_elsewhere_then_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidArgument):
        SlowDisk(tmp_path).path(key)


def test_slow_disk_when_it_is_full_or_read_only_then_nothing_half_stays(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x")
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "segments").write_text("a file is in the way")
    with pytest.raises(StorageFailed):
        SlowDisk(tmp_path / "slow").put(KEY, tmp_path / "s")
    assert [path.name for path in (tmp_path / "slow").iterdir()] == ["segments"]
