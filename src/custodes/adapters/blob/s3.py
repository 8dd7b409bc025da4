"""`ports.blob.BlobStore` on an S3-compatible store over boto3, an optional dependency (`custodes[s3]`).

Credentials come from the caller, are never logged, and never stand in a URL.
"""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from custodes.adapters.blob.disk import translated
from custodes.config.durable import replace_file
from custodes.errors import NotFound, StorageFailed, StorageFull

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, TRIES = 5.0, 60.0, 3
MAX_BYTES = 5 * 2**30 - 1
"""Of one PutObject (S3 API reference); a segment of two minutes at 300 Mbit/s is below it."""

PAGE_KEYS = 1000
"""Of one listing: the most that S3 gives."""

_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "EntityTooLarge"})
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Store:
    """One bucket, under a prefix. The bucket must exist."""

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        prefix: str = "",
        region: str = "us-east-1",
    ) -> None:
        """`prefix`: of all keys, ends with a slash or is empty. Connects at the first call."""
        self._bucket = bucket
        self._prefix = prefix
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"max_attempts": TRIES, "mode": "standard"},
                # Host names of buckets need DNS that a store on one's own network seldom has.
                s3={"addressing_style": "path"},
            ),
        )

    def put(self, key: str, source: Path) -> None:
        """See the port. The store refuses what arrives otherwise than it left (Content-MD5)."""
        try:
            raw = source.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{source.name} is not there to be copied") from error
        except OSError as error:
            raise StorageFailed(f"cannot read {source.name}: {error.strerror}") from error
        if len(raw) > MAX_BYTES:
            raise StorageFailed(f"{source.name} has {len(raw)} bytes; at most {MAX_BYTES} go in one piece")
        md5 = base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode()
        with self._translated("store", key):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=raw,
                ContentMD5=md5,
                Metadata={"sha256": hashlib.sha256(raw).hexdigest()},
            )

    def get(self, key: str, target: Path) -> None:
        """See the port."""
        with self._translated("fetch", key):
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            raw: bytes = found["Body"].read()
        wanted = found["Metadata"].get("sha256")
        if wanted is not None and hashlib.sha256(raw).hexdigest() != wanted:
            raise StorageFailed(f"{key} came back otherwise than it was stored")
        with translated("write", target):
            replace_file(target, raw, mode=0o640)

    def size(self, key: str) -> int | None:
        """See the port."""
        try:
            with self._translated("look at", key):
                return int(self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)["ContentLength"])
        except NotFound:
            return None

    def delete(self, key: str) -> None:
        """See the port."""
        with self._translated("delete", key), contextlib.suppress(NotFound):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def keys(self, prefix: str) -> Iterator[str]:
        """See the port."""
        with self._translated("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix, PaginationConfig={"PageSize": PAGE_KEYS}
            )
            for page in pages:
                for one in page.get("Contents", ()):
                    yield str(one["Key"]).removeprefix(self._prefix)

    @contextlib.contextmanager
    def _translated(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _MISSING:
                raise NotFound(f"nothing is stored under {key}") from error
            message = f"cannot {verb} {key} in bucket {self._bucket}: {code}"
            raise (StorageFull if code in _FULL else StorageFailed)(message) from error
        except BotoCoreError as error:
            raise StorageFailed(f"cannot {verb} {key} in bucket {self._bucket}: {type(error).__name__}") from error
