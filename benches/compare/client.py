"""A small HTTP/1.1 client: for looking, for large bodies, and for many connections at once."""
import contextlib
import re
import socket
import threading
import time

HOST = "bench.test"


class Connection:
    """One connection that is kept."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, path, headers=(), method="GET"):
        fields = "".join(f"{field}\r\n" for field in (f"Host: {HOST}", *headers))
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())

    def receive(self, keep=True):
        """Status, head and body; the body's length instead where it is not to be kept. EOFError where there is none
        of it, ConnectionError where it ends too soon."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("ended within a head") if data else EOFError
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        head = head.decode("latin1")
        status, length = int(head.split()[1]), re.search(r"(?im)^content-length: *(\d+)", head)
        if length is None:
            return status, head, self._chunks(body)
        length = int(length[1])
        return status, head, self._body(body, length) if keep else self._skip(length - len(body), length)

    def _chunks(self, body):
        """As they came; they are not looked into."""
        while not body.endswith(b"0\r\n\r\n"):
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("ended within a body")
            body += piece
        return body

    def _body(self, body, length):
        while len(body) < length:
            piece = self.socket.recv(length - len(body))
            if not piece:
                raise ConnectionError("ended within a body")
            body += piece
        return body

    def _skip(self, left, length):
        """MSG_TRUNC: the kernel drops the bytes instead of copying them."""
        nowhere = bytearray(min(max(left, 1), 1 << 20))
        while left > 0:
            count = self.socket.recv_into(nowhere, min(left, len(nowhere)), socket.MSG_TRUNC)
            if count == 0:
                raise ConnectionError("ended within a body")
            left -= count
        return length

    def close(self):
        self.socket.close()


def get(port, path, headers=(), timeout=5):
    with contextlib.closing(Connection(port, timeout)) as connection:
        connection.send(path, headers)
        return connection.receive()


def requests_so_far(port):
    """How many the backend has had."""
    return int(get(port, "/count")[2])


def transfer(port, path, seconds, upload=0, connections=4):
    """Downloads, or uploads of so many bytes, one after another on each connection."""
    tally, lock, end = dict(requests=0, bytes=0, errors=0), threading.Lock(), time.monotonic() + seconds

    def work():
        requests = sent = errors = 0
        with contextlib.closing(Connection(port)) as connection:
            try:
                while time.monotonic() < end:
                    status, count = exchange(connection, path, upload)
                    requests, sent, errors = requests + 1, sent + count, errors + (status != 200)
            except (OSError, EOFError):
                errors += 1
        with lock:
            for key, value in zip(tally, (requests, sent, errors)):
                tally[key] += value

    start = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(tally, seconds=time.monotonic() - start)


PIECE = memoryview(bytes(1 << 20))


def exchange(connection, path, upload):
    if not upload:
        connection.send(path)
        status, _, length = connection.receive(keep=False)
        return status, length
    connection.send(path, [f"Content-Length: {upload}"], "POST")
    left = upload
    while left > 0:
        left -= connection.socket.send(PIECE[: min(left, len(PIECE))])
    return connection.receive()[0], upload
