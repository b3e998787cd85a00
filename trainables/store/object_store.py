"""Object stores, such as S3: opened by URI, waited for while they refuse requests, and asked to create a file once."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.fs

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.store.store_errors import StoreError, StoreUnavailable

T = TypeVar("T")

#: Seconds for which a store that refuses a request is asked again. pyarrow itself asks for 6 s each time.
PATIENCE_SECONDS = 120.0
#: Seconds until it is asked again for the first time; they double each time, up to the most.
FIRST_WAIT_SECONDS = 1.0
MOST_WAIT_SECONDS = 20.0

#: Text of all of pyarrow's errors of S3.
_OF_A_STORE = "AWS Error"
#: Texts of errors after which a request may succeed later: throttling, and errors of the server.
_REFUSED = re.compile(
    r"AWS Error (SLOW_DOWN|THROTTLING|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|UNKNOWN \(HTTP status 5..\))"
)
#: Text of the error if no store answers, which may also be due to a mistake in its address.
_NO_ANSWER = "AWS Error NETWORK_CONNECTION"
#: Parts of the query of a URI that are secrets: the signature of a token of Azure.
_SECRET_KEYS = ("sig",)
#: Codes of S3 for a file that exists, and for one that another request is creating at the same time.
_EXISTS = "PreconditionFailed"
_CONFLICT = "ConditionalRequestConflict"


class ObjectStore:
    """A store behind a URI, and whether it has answered yet.

    Raises:
        BadInput: the URI has a key in it, or is none.

    Attributes:
        fs: pyarrow's file system.
        root: path of the URI in it, `bucket/path`.
        answered: True once a request has succeeded; only then is a store waited for that does not answer at all.
    """

    def __init__(self, uri: str) -> None:
        check_no_secret(uri)
        self.uri = uri
        try:
            self.fs, self.root = pyarrow.fs.FileSystem.from_uri(uri + _single_put(uri))
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{_without_query(uri)}: cannot be opened ({one_line(error)})") from None
        self.answered = False

    def patiently(self, request: Callable[[], T]) -> T:
        """Return the result of a request, which is repeated while the store refuses it.

        Raises:
            StoreUnavailable: it has refused for `PATIENCE_SECONDS`.
            StoreError: it refuses for a reason that does not pass.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                result = request()
            except OSError as error:
                if isinstance(error, FileNotFoundError) or _OF_A_STORE not in str(error):
                    raise
                if not self._may_pass(error):
                    raise StoreError(self._refusal(error)) from None
                if time.monotonic() + wait > give_up:
                    raise StoreUnavailable(self._refusal(error)) from None
            else:
                self.answered = True
                return result
            time.sleep(wait)
            wait = min(2 * wait, MOST_WAIT_SECONDS)

    def _refusal(self, error: Exception) -> str:
        return f"{_without_query(self.uri)}: the store refuses: {one_line(error)}"

    def _may_pass(self, error: OSError) -> bool:
        text = str(error)
        return _REFUSED.search(text) is not None or (self.answered and _NO_ANSWER in text)

    def create(self, path: str, data: bytes) -> bool | None:
        """Write a file unless there is one, in one request that the store decides (`If-None-Match: *`).

        Args:
            path: in the file system, `bucket/key`.
            data: its bytes.

        Returns:
            whether there is now a file that was not there before; None if this store, or this installation (without
            boto3), cannot do that, and nothing was written. A store that ignores the condition looks as if it could.

        Raises:
            StoreUnavailable: others have been writing the file for `PATIENCE_SECONDS`.
        """
        if self._client is None:
            return None
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, key = path.partition("/")
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in (_EXISTS, "412"):
                    return False
                if code != _CONFLICT:
                    return None  # plain writes then succeed, or say what is wrong
                if time.monotonic() > give_up:
                    raise StoreUnavailable(self._refusal(error)) from None
                time.sleep(FIRST_WAIT_SECONDS)  # another process writes the same file now
            except BotoCoreError:  # such as credentials that only pyarrow finds
                return None
            else:
                return True

    @functools.cached_property
    def _client(self) -> Any:
        """A client of boto3 for S3, which can write on a condition, as pyarrow cannot; None if it is not installed."""
        parts = urlsplit(self.uri)
        if parts.scheme != "s3":
            return None
        try:
            import boto3
        except ImportError:
            return None
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint = query.get("endpoint_override")
        if endpoint is not None and "://" not in endpoint:
            endpoint = f"{query.get('scheme', 'https')}://{endpoint}"
        return boto3.client("s3", endpoint_url=endpoint, region_name=query.get("region"))


def check_no_secret(uri: str) -> None:
    """Refuse a URI with a password or a key in it: URIs are shown, and written into results.

    Raises:
        BadInput: the line does not repeat it.

    >>> check_no_secret("s3://bucket/path?region=us-west-2")
    >>> check_no_secret("s3://key:secret@bucket/path")
    Traceback (most recent call last):
    benevolent.trainables.errors.BadInput: s3://...@bucket/path: holds a key, which logs and results would show; ...
    """
    parts = urlsplit(uri)
    secrets = [name for name in parse_qs(parts.query) if name in _SECRET_KEYS]
    if "@" not in parts.netloc and not secrets:
        return
    host = parts.netloc.rpartition("@")[2]
    raise BadInput(
        f"{parts.scheme}://...@{host}{parts.path}: holds a key, which logs and results would show; give keys in the "
        "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or in ~/.aws/credentials"
    )


def _without_query(uri: str) -> str:
    return uri.partition("?")[0]


def _single_put(uri: str) -> str:
    """Return the query that makes pyarrow write a small file to S3 in one request.

    Without it even a small file takes three requests, and appears whole only because the last one is atomic.
    """
    if not uri.startswith("s3://"):
        return ""
    return ("&" if "?" in uri else "?") + "allow_delayed_open=true"
