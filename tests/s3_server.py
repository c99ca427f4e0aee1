"""An S3 server on loopback (moto, which checks signatures), and a proxy that drops connections to it.

Belongs here: starting both, with one user and key. moto keeps objects in memory, and serves ranges and ETags.
"""

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

BUCKET = "getmore-test"
_REGION = "us-east-1"


@dataclass
class S3:
    """A server with one bucket.

    Attributes:
        url: The URL of the server.
        environment: The environment variables with the URL and the valid key.
        client: A boto3 client with the valid key.
    """

    url: str
    environment: dict[str, str]
    client: Any = field(repr=False)

    def put(self, name: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=body)

    def get(self, name: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def names(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@contextmanager
def serving() -> Iterator[S3]:
    """Serve until the block ends."""
    import logging

    import boto3
    from moto import settings
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    where = {"endpoint_url": url, "region_name": _REGION}
    before = settings.INITIAL_NO_AUTH_ACTION_COUNT
    try:
        with urlopen(Request(f"{url}/moto-api/reset", method="POST")):  # remove the user of an earlier server
            pass
        iam = boto3.client("iam", aws_access_key_id="first", aws_secret_access_key="user", **where)
        iam.create_user(UserName="reader")
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from here on, key and policy of each request are checked
        good = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        client = boto3.client("s3", **where, **{name.lower(): value for name, value in good.items()})
        client.create_bucket(Bucket=BUCKET)
        yield S3(url, {**good, "AWS_ENDPOINT_URL": url, "AWS_REGION": _REGION}, client)
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT = before
        server.stop()


@dataclass
class Dropping:
    """A proxy that drops a connection after `after` bytes of a response, `times` times."""

    url: str
    after: int
    times: int
    dropped: int = 0


@contextmanager
def dropping(
    behind: str, after: int, times: int, method: bytes = b"", without: bytes = b"", every: int = 1
) -> Iterator[Dropping]:
    """Proxy a server until the block ends.

    Args:
        behind: The URL of the server.
        after: The bytes of a response that are passed on before a drop.
        times: The number of dropped connections.
        method: The method of requests that may be dropped, such as `b"PUT"`; by default any.
        without: The lower-case name of a header that is removed from requests.
        every: The period: one of so many connections is dropped.
    """
    host, port = behind.removeprefix("http://").split(":")
    listening = socket.create_server(("127.0.0.1", 0))
    counted = itertools.count(1)
    proxy = Dropping(f"http://127.0.0.1:{listening.getsockname()[1]}", after, times)

    def answer(client: socket.socket) -> None:
        with client, socket.create_connection((host, int(port))) as server:
            request = b""
            while b"\r\n\r\n" not in request and (part := client.recv(65536)):
                request += part
            head, _, body = request.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            while len(body) < length and (part := client.recv(65536)):
                body += part
            request = head + b"\r\n\r\n" + body
            if without:
                lines = request.split(b"\r\n")
                request = b"\r\n".join(line for line in lines if not line.lower().startswith(without + b":"))
            # The client signed its Host header, so this header is kept.
            server.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            sent, is_chosen = 0, request.startswith(method) and next(counted) % every == 0
            while part := server.recv(4096):
                if sent + len(part) > proxy.after and proxy.dropped < proxy.times and is_chosen:
                    proxy.dropped += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(part)
                sent += len(part)

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        listening.close()
