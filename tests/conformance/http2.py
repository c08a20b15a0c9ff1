#!/usr/bin/env python3
"""What a server of HTTP/2 must do (RFC 9113, RFC 7541), case by case, against one that runs: http2.py [--tls] PORT [FILTER]

The cases are those of the well-known suite h2spec, written anew, since that cannot be installed everywhere. The server must
answer GET / and POST / with 200 and a body; over TLS any certificate will do. Standard library only.
"""
import argparse, socket, ssl, struct, sys, time
from concurrent.futures import ThreadPoolExecutor

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = range(10)
NO, PROTO, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMP = range(10)
ES, EH, PAD, PRIO, ACK = 1, 4, 8, 32, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 20  # seconds for anything that must come
CASES = []

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--tls", action="store_true", help="HTTP/2 by ALPN instead of by prior knowledge")
arguments.add_argument("port", type=int)
arguments.add_argument("filter", nargs="?", default="", help="a part of the names of the cases that are wanted")
ARGUMENTS = arguments.parse_args()

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
TLS.set_alpn_protocols(["h2"])


def connect():
    sock = socket.create_connection(("127.0.0.1", ARGUMENTS.port), PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not ARGUMENTS.tls:
        return sock
    sock = TLS.wrap_socket(sock, server_hostname="localhost")
    assert sock.selected_alpn_protocol() == "h2", "no HTTP/2 by ALPN"
    return sock


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, bits, first=0):
    if value < (1 << bits) - 1:
        return bytes([first | value])
    out, value = bytearray([first | (1 << bits) - 1]), value - ((1 << bits) - 1)
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out) + bytes([value])


def text(value):
    return integer(len(value), 7) + value.encode()


def fields(*pairs):
    return b"".join(b"\0" + text(name) + text(value) for name, value in pairs)


BASE = [(":method", "GET"), (":scheme", "https" if ARGUMENTS.tls else "http"), (":path", "/"), (":authority", "localhost")]
POST = [(":method", "POST")] + BASE[1:]
GET_BLOCK, POST_BLOCK = fields(*BASE), fields(*POST)


class Conn:
    def __init__(self, settings=b"", hello=True):
        self.sock = connect()
        self.buffer, self.settings, self.other_code = b"", {}, None
        if hello:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings))
            acked = greeted = False
            while not (acked and greeted):
                kind, flags, _, payload = self.next()
                if kind == SETTINGS and flags & ACK:
                    acked = True
                elif kind == SETTINGS:
                    greeted = True
                    self.settings = dict(struct.unpack(">HI", payload[at : at + 6]) for at in range(0, len(payload), 6))
                    self.send(frame(SETTINGS, ACK, 0))

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def read(self, length):
        while len(self.buffer) < length:
            try:
                data = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLEOFError):
                data = b""
            if not data:
                raise EOFError
            self.buffer += data
        out, self.buffer = self.buffer[:length], self.buffer[length:]
        return out

    def next(self):
        head = self.read(9)
        return head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF, self.read(int.from_bytes(head[:3], "big"))

    def until(self, test):
        """The next frame that suits; raises at the end, or when patience does."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            got = self.next()
            if test(*got):
                return got
        raise TimeoutError

    def connection_error(self, *codes):
        self.error((GOAWAY,), codes)

    def stream_error(self, *codes):
        self.error((GOAWAY, RST), codes)

    def error(self, kinds, codes):
        """One of these frames with one of these codes; or, as in h2spec, that the connection is closed, however that is told."""
        try:
            while True:
                kind, _, _, payload = self.until(lambda kind, *_: kind in kinds)
                code = struct.unpack(">I", payload[4:8] if kind == GOAWAY else payload[:4])[0]
                if code in codes:
                    self.other_code = None
                    return
                self.other_code = f"{code} instead of {codes}"
        except EOFError:
            pass

    def headers(self, stream=1):
        """A response's fields, and no fault."""
        def test(kind, _, at, payload):
            assert kind not in (GOAWAY, RST), f"refused: {kind} {payload}"
            return kind == HEADERS and at == stream
        return self.until(test)

    def answered(self, stream=1):
        kind, flags, _, payload = self.headers(stream)
        while not (kind in (HEADERS, DATA) and flags & ES):
            kind, flags, _, payload = self.until(lambda kind, _, at, __: at == stream)
            assert kind != RST, "reset"

    def pinged(self):
        self.send(frame(PING, 0, 0, b"conforms"))
        def test(kind, flags, _, payload):
            assert kind != GOAWAY, "GOAWAY"
            return kind == PING and flags & ACK and payload == b"conforms"
        self.until(test)

    def get(self, stream=1, flags=ES | EH, block=GET_BLOCK):
        self.send(frame(HEADERS, flags, stream, block))

    def post(self, stream=1):
        self.get(stream, EH, POST_BLOCK)


def case(name, settings=b"", hello=True):
    def add(function):
        CASES.append((name, settings, hello, function))
        return function
    return add


def expect(name, send, method, *arguments, settings=b""):
    """A case of which all is said in one line: what is sent, and what must come."""
    CASES.append((name, settings, True, lambda c: (c.send(send), getattr(c, method)(*arguments))))


def setting(key, value):
    return struct.pack(">HI", key, value)


req = lambda stream=1, flags=ES | EH, block=GET_BLOCK: frame(HEADERS, flags, stream, block)
post = lambda stream=1: req(stream, EH, POST_BLOCK)
prio = lambda on, weight=15: struct.pack(">IB", on, weight)
head = lambda *more: req(1, ES | EH, fields(*BASE, *more))
only = lambda *pairs: req(1, ES | EH, fields(*pairs))

# --- what every client may do (h2spec: generic)
expect("generic/1 preface", b"", "pinged")
expect("generic/2.1 PRIORITY on an idle stream", frame(PRIORITY, 0, 1, prio(0)) + req(1), "answered")
expect("generic/2.2 WINDOW_UPDATE on a half-closed stream", req(1) + frame(WINDOW, 0, 1, b"\0\0\0\1"), "answered")
expect("generic/2.3 PRIORITY on a half-closed stream", req(1) + frame(PRIORITY, 0, 1, prio(0)), "answered")
expect("generic/2.4 RST_STREAM on a half-closed stream", req(1) + frame(RST, 0, 1, struct.pack(">I", CANCEL)), "pinged")
@case("generic/2.5 PRIORITY on a closed stream")
def _(c):
    c.get(); c.answered(); c.send(frame(PRIORITY, 0, 1, prio(0))); c.pinged()
@case("generic/2.6 WINDOW_UPDATE and RST_STREAM on a closed stream")
def _(c):
    c.get(); c.answered(); c.send(frame(WINDOW, 0, 1, b"\0\0\0\1") + frame(RST, 0, 1, struct.pack(">I", CANCEL))); c.pinged()
expect("generic/3.1.1 DATA", post() + frame(DATA, ES, 1, b"test"), "answered")
expect("generic/3.1.2 several DATA", post() + frame(DATA, 0, 1, b"test") + frame(DATA, ES, 1, b"test"), "answered")
expect("generic/3.1.3 DATA with padding", post() + frame(DATA, ES | PAD, 1, b"\5test" + bytes(5)), "answered")
expect("generic/3.2.1 HEADERS", req(), "answered")
expect("generic/3.2.2 HEADERS with padding", req(1, ES | EH | PAD, b"\5" + GET_BLOCK + bytes(5)), "answered")
expect("generic/3.2.3 HEADERS with priority", req(1, ES | EH | PRIO, prio(0) + GET_BLOCK), "answered")
for number, what, payload in [(1, "weight 1", prio(0, 0)), (2, "weight 256", prio(0, 255)), (3, "on another", prio(0x80000003)), (4, "on an idle stream", prio(5))]:
    expect(f"generic/3.3.{number} PRIORITY, {what}", frame(PRIORITY, 0, 1, payload) + req(), "answered")
expect("generic/3.4 RST_STREAM", req() + frame(RST, 0, 1, struct.pack(">I", CANCEL)), "pinged")
@case("generic/3.5 SETTINGS is acknowledged")
def _(c):
    c.send(frame(SETTINGS, 0, 0, setting(3, 100))); c.until(lambda kind, flags, *_: kind == SETTINGS and flags & ACK)
expect("generic/3.7 PING", b"", "pinged")
expect("generic/3.8 GOAWAY", frame(GOAWAY, 0, 0, bytes(8)), "connection_error", NO)
expect("generic/3.9.1 WINDOW_UPDATE of the connection", frame(WINDOW, 0, 0, b"\0\0\0\1") + req(), "answered")
expect("generic/3.9.2 WINDOW_UPDATE of a stream", req() + frame(WINDOW, 0, 1, b"\0\0\0\1"), "answered")
expect("generic/3.10.1 CONTINUATION", req(1, ES) + frame(CONT, EH, 1, fields(("x-dummy", "x"))), "answered")
expect("generic/3.10.2 several CONTINUATION", req(1, ES) + frame(CONT, 0, 1, fields(("x-dummy", "x"))) + frame(CONT, EH, 1, fields(("y", "x"))), "answered")
expect("generic/4.1 GET", req(), "answered")
expect("generic/4.2 HEAD", only((":method", "HEAD"), *BASE[1:]), "answered")
expect("generic/4.3 POST", post() + frame(DATA, ES, 1, b"test"), "answered")
expect("generic/4.4 POST with trailers", req(1, EH, fields(*POST, ("trailer", "x-test"))) + frame(DATA, 0, 1, b"test") + req(1, ES | EH, fields(("x-test", "ok"))), "answered")
PSEUDO = b"\x82\x86\x84\x01" + text("localhost")
for number, what, block in [
    (1, "indexed", b"\x82\x86\x84" + b"\x01" + text("localhost")),
    (2, "incremental, indexed name", PSEUDO + integer(58, 6, 0x40) + text("agent")),
    (3, "incremental, indexed name, Huffman", PSEUDO + integer(58, 6, 0x40) + b"\x81\x1f"),
    (4, "incremental, new name", PSEUDO + b"\x40" + text("x-test") + text("ok")),
    (5, "incremental, new name, Huffman", PSEUDO + b"\x40\x81\xf3" + b"\x81\x1f"),
    (6, "not indexed, indexed name", PSEUDO + integer(58, 4) + text("agent")),
    (7, "not indexed, new name", PSEUDO + b"\0" + text("x-test") + text("ok")),
    (8, "never indexed, indexed name", PSEUDO + integer(58, 4, 0x10) + text("agent")),
    (9, "never indexed, new name", PSEUDO + b"\x10" + text("x-test") + text("ok")),
    (10, "table size update", b"\x20" + PSEUDO),
    (11, "two table size updates", b"\x20" + integer(4096, 5, 0x20) + PSEUDO),
]:
    expect(f"generic/5.{number} {what}", req(1, ES | EH, block), "answered")
@case("generic/5.12 the dynamic table is used again")
def _(c):
    c.get(1, block=PSEUDO + b"\x40" + text("x-test") + text("ok")); c.answered(1)
    c.get(3, block=PSEUDO + b"\xbe"); c.answered(3)

# --- RFC 9113 (h2spec: http2)
@case("http2/3.5.1 preface, then frames")
def _(c):
    c.pinged()
@case("http2/3.5.2 an invalid preface", hello=False)
def _(c):
    c.send(b"INVALID CONNECTION PREFACE\r\n\r\n")
    try:
        while c.read(1):
            pass
    except EOFError:
        pass
expect("http2/4.1.1 an unknown type is ignored", frame(0xFF, 0, 0, bytes(8)), "pinged")
@case("http2/4.1.2 unknown flags are ignored")
def _(c):
    c.send(frame(PING, 0x16, 0, bytes(8))); c.until(lambda kind, flags, *_: kind == PING and flags & ACK)
@case("http2/4.1.3 the reserved bit is ignored")
def _(c):
    c.send(frame(PING, 0, 0x80000000, bytes(8))); c.until(lambda kind, flags, *_: kind == PING and flags & ACK)
expect("http2/4.2.1 DATA of 2^14 octets", post() + frame(DATA, ES, 1, bytes(16384)), "answered")
expect("http2/4.2.2 DATA that is too large", post() + frame(DATA, ES, 1, bytes(16385)), "stream_error", SIZE)
expect("http2/4.2.3 HEADERS that are too large", req(1, ES | EH, GET_BLOCK + fields(*[("x-dummy", "x" * 1000)] * 17)), "connection_error", SIZE)
expect("http2/4.3.1 an invalid header block", req(1, ES | EH, b"\x40"), "connection_error", COMP)
expect("http2/4.3.2 PRIORITY within a block", req(1, ES) + frame(PRIORITY, 0, 1, prio(0)), "connection_error", PROTO)
expect("http2/4.3.3 HEADERS of another stream within a block", req(1, ES) + req(3), "connection_error", PROTO)
reset = frame(RST, 0, 1, struct.pack(">I", CANCEL))
expect("http2/5.1.1 idle: DATA", frame(DATA, ES, 1, b"test"), "connection_error", PROTO, CLOSED)
expect("http2/5.1.2 idle: RST_STREAM", reset, "connection_error", PROTO)
expect("http2/5.1.3 idle: WINDOW_UPDATE", frame(WINDOW, 0, 1, b"\0\0\0\1"), "connection_error", PROTO)
expect("http2/5.1.4 idle: CONTINUATION", frame(CONT, EH, 1, GET_BLOCK), "connection_error", PROTO)
expect("http2/5.1.5 half-closed: DATA", req() + frame(DATA, ES, 1, b"test"), "stream_error", CLOSED)
expect("http2/5.1.6 half-closed: HEADERS", req() + req(), "stream_error", CLOSED)
expect("http2/5.1.7 half-closed: CONTINUATION", req() + frame(CONT, EH, 1, GET_BLOCK), "stream_error", CLOSED, PROTO)
expect("http2/5.1.8 closed by RST_STREAM: DATA", post() + reset + frame(DATA, ES, 1, b"test"), "stream_error", CLOSED)
expect("http2/5.1.9 closed by RST_STREAM: HEADERS", post() + reset + req(), "stream_error", CLOSED)
expect("http2/5.1.10 closed by RST_STREAM: CONTINUATION", post() + reset + frame(CONT, EH, 1, GET_BLOCK), "stream_error", CLOSED, PROTO)
for number, what, late, codes in [(11, "DATA", frame(DATA, ES, 1, b"test"), [CLOSED]), (12, "HEADERS", req(), [CLOSED, PROTO]), (13, "CONTINUATION", frame(CONT, EH, 1, GET_BLOCK), [CLOSED, PROTO])]:
    CASES.append((f"http2/5.1.{number} closed: {what}", b"", True, lambda c, late=late, codes=codes: (c.get(), c.answered(), c.send(late), c.connection_error(*codes) if late[3] != DATA else c.stream_error(*codes))))
expect("http2/5.1.1.1 an even stream", req(2), "connection_error", PROTO)
@case("http2/5.1.1.2 a smaller stream")
def _(c):
    c.get(5); c.get(3); c.connection_error(PROTO)
@case("http2/5.1.2.1 more streams than allowed")
def _(c):
    # Left open, so that none of them ends before the last has come.
    c.send(b"".join(post(1 + 2 * index) for index in range(c.settings[3] + 1))); c.stream_error(PROTO, REFUSED)
expect("http2/5.3.1.1 HEADERS that depend on themselves", req(1, ES | EH | PRIO, prio(1) + GET_BLOCK), "stream_error", PROTO)
expect("http2/5.3.1.2 PRIORITY that depends on itself", frame(PRIORITY, 0, 1, prio(1)), "stream_error", PROTO)
expect("http2/5.4.1.1 a connection error closes", frame(PING, 0, 0, bytes(6)), "connection_error", SIZE)
@case("http2/5.4.1.2 a connection error is told with the last stream")
def _(c):
    c.get(); c.answered(); c.send(frame(PING, 0, 3, bytes(8)))
    _, _, _, payload = c.until(lambda kind, *_: kind == GOAWAY)
    assert payload[:4] == b"\0\0\0\1" and payload[4:8] == b"\0\0\0\1", payload
expect("http2/5.5.1 an unknown frame", frame(0x16, 0, 0, b"x"), "pinged")
expect("http2/5.5.2 an unknown frame within a block", req(1, ES) + frame(0x16, 0, 0, bytes(8)), "connection_error", PROTO)
expect("http2/6.1.1 DATA on stream 0", frame(DATA, ES, 0, b"test"), "connection_error", PROTO)
expect("http2/6.1.2 DATA on a stream that is not open", req() + frame(DATA, ES, 1, b"test"), "stream_error", CLOSED)
expect("http2/6.1.3 DATA with too much padding", post() + frame(DATA, ES | PAD, 1, b"\6test"), "connection_error", PROTO)
expect("http2/6.2.1 HEADERS without an end, then PRIORITY", req(1, ES) + frame(PRIORITY, 0, 1, prio(0)), "connection_error", PROTO)
expect("http2/6.2.2 HEADERS without an end, then others", req(1, ES) + req(3), "connection_error", PROTO)
expect("http2/6.2.3 HEADERS on stream 0", req(0), "connection_error", PROTO)
expect("http2/6.2.4 HEADERS with too much padding", req(1, ES | EH | PAD, bytes([len(GET_BLOCK) + 2]) + GET_BLOCK), "connection_error", PROTO)
expect("http2/6.3.1 PRIORITY on stream 0", frame(PRIORITY, 0, 0, prio(0)), "connection_error", PROTO)
expect("http2/6.3.2 PRIORITY of another length", req() + frame(PRIORITY, 0, 1, prio(0)[:4]), "stream_error", SIZE)
expect("http2/6.4.1 RST_STREAM on stream 0", frame(RST, 0, 0, bytes(4)), "connection_error", PROTO)
expect("http2/6.4.2 RST_STREAM on an idle stream", reset, "connection_error", PROTO)
expect("http2/6.4.3 RST_STREAM of another length", post() + frame(RST, 0, 1, bytes(3)), "connection_error", SIZE)
expect("http2/6.5.1 an acknowledgement with settings", frame(SETTINGS, ACK, 0, setting(3, 1)), "connection_error", SIZE)
expect("http2/6.5.2 SETTINGS on a stream", frame(SETTINGS, 0, 1, setting(3, 1)), "connection_error", PROTO)
expect("http2/6.5.3 SETTINGS of another length", frame(SETTINGS, 0, 0, bytes(5)), "connection_error", SIZE)
expect("http2/6.5.2.1 ENABLE_PUSH", frame(SETTINGS, 0, 0, setting(2, 2)), "connection_error", PROTO)
expect("http2/6.5.2.2 INITIAL_WINDOW_SIZE", frame(SETTINGS, 0, 0, setting(4, 1 << 31)), "connection_error", FLOW)
expect("http2/6.5.2.3 MAX_FRAME_SIZE too small", frame(SETTINGS, 0, 0, setting(5, 16383)), "connection_error", PROTO)
expect("http2/6.5.2.4 MAX_FRAME_SIZE too large", frame(SETTINGS, 0, 0, setting(5, 1 << 24)), "connection_error", PROTO)
expect("http2/6.5.2.5 an unknown setting", frame(SETTINGS, 0, 0, setting(0xFF, 1)), "pinged")
@case("http2/6.5.3.1 the last of several values counts")
def _(c):
    c.send(frame(SETTINGS, 0, 0, setting(4, 100) + setting(4, 1))); c.until(lambda kind, flags, *_: kind == SETTINGS and flags & ACK)
    c.get(); _, _, _, payload = c.until(lambda kind, *_: kind == DATA); assert len(payload) == 1, payload
@case("http2/6.5.3.2 SETTINGS is acknowledged")
def _(c):
    c.send(frame(SETTINGS, 0, 0, setting(2, 0))); c.until(lambda kind, flags, *_: kind == SETTINGS and flags & ACK)
expect("http2/6.7.1 PING", b"", "pinged")
@case("http2/6.7.2 the acknowledgement of a PING is not answered")
def _(c):
    c.send(frame(PING, ACK, 0, b"whatever") + frame(PING, 0, 0, b"question"))
    _, _, _, payload = c.until(lambda kind, *_: kind == PING); assert payload == b"question"
expect("http2/6.7.3 PING on a stream", frame(PING, 0, 1, bytes(8)), "connection_error", PROTO)
expect("http2/6.7.4 PING of another length", frame(PING, 0, 0, bytes(6)), "connection_error", SIZE)
expect("http2/6.8.1 GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), "connection_error", PROTO)
expect("http2/6.9.1 WINDOW_UPDATE by 0", frame(WINDOW, 0, 0, bytes(4)), "connection_error", PROTO)
expect("http2/6.9.2 WINDOW_UPDATE of a stream by 0", post() + frame(WINDOW, 0, 1, bytes(4)), "stream_error", PROTO)
expect("http2/6.9.3 WINDOW_UPDATE of another length", frame(WINDOW, 0, 0, bytes(3)), "connection_error", SIZE)
@case("http2/6.9.1.1 a window of 1", settings=setting(4, 1))
def _(c):
    c.get(); _, _, _, payload = c.until(lambda kind, *_: kind == DATA); assert len(payload) == 1, payload
wide = struct.pack(">I", (1 << 31) - 1)
expect("http2/6.9.1.2 the connection's window overflows", frame(WINDOW, 0, 0, wide) * 2, "connection_error", FLOW)
expect("http2/6.9.1.3 a stream's window overflows", post() + frame(WINDOW, 0, 1, wide) * 2, "stream_error", FLOW)
@case("http2/6.9.2.1 the initial window changes", settings=setting(4, 0))
def _(c):
    c.get(); c.headers(); c.send(frame(SETTINGS, 0, 0, setting(4, 1)))
    _, _, _, payload = c.until(lambda kind, _, __, payload: kind == DATA and payload); assert len(payload) == 1, payload
@case("http2/6.9.2.2 a window may become negative", settings=setting(4, 3))
def _(c):
    c.get(); c.until(lambda kind, *_: kind == DATA)
    c.send(frame(SETTINGS, 0, 0, setting(4, 2)) + frame(WINDOW, 0, 1, struct.pack(">I", 2)))
    _, _, _, payload = c.until(lambda kind, _, __, payload: kind == DATA and payload); assert len(payload) == 1, payload
expect("http2/6.9.2.3 an initial window above the maximum", frame(SETTINGS, 0, 0, setting(4, 1 << 31)), "connection_error", FLOW)
dummy = fields(("x-dummy", "x"))
expect("http2/6.10.1 several CONTINUATION", req(1, ES) + frame(CONT, 0, 1, dummy) + frame(CONT, EH, 1, dummy), "answered")
expect("http2/6.10.2 CONTINUATION, then another frame", req(1, 0, POST_BLOCK) + frame(CONT, 0, 1, dummy) + frame(DATA, ES, 1, b"test"), "connection_error", PROTO)
expect("http2/6.10.3 CONTINUATION on stream 0", req(1, ES) + frame(CONT, EH, 0, dummy), "connection_error", PROTO)
expect("http2/6.10.4 CONTINUATION behind a whole block", req(1, EH, POST_BLOCK) + frame(CONT, EH, 1, dummy), "connection_error", PROTO)
expect("http2/6.10.5 CONTINUATION behind the last", req(1, 0, POST_BLOCK) + frame(CONT, EH, 1, dummy) * 2, "connection_error", PROTO)
expect("http2/6.10.6 CONTINUATION behind DATA", post() + frame(DATA, 0, 1, b"x") + frame(CONT, EH, 1, dummy), "connection_error", PROTO)
expect("http2/7.1 GOAWAY with an unknown code", frame(GOAWAY, 0, 0, bytes(4) + struct.pack(">I", 0xFF)), "connection_error", NO, 0xFF)
expect("http2/7.2 RST_STREAM with an unknown code", post() + frame(RST, 0, 1, struct.pack(">I", 0xFF)), "pinged")
expect("http2/8.1.1 a second block without an end", post() + req(1, EH, dummy), "stream_error", PROTO)
expect("http2/8.1.2.1 a name in capitals", head(("X-TEST", "ok")), "stream_error", PROTO)
expect("http2/8.1.2.1.1 an unknown pseudo-field", head((":test", "ok")), "stream_error", PROTO)
expect("http2/8.1.2.1.2 a pseudo-field of responses", head((":status", "200")), "stream_error", PROTO)
expect("http2/8.1.2.1.3 a pseudo-field in trailers", req(1, EH, fields(*POST, ("trailer", "x-test"))) + frame(DATA, 0, 1, b"test") + req(1, EH, fields((":method", "POST"))), "stream_error", PROTO)
expect("http2/8.1.2.1.4 a pseudo-field behind another field", only(("x-test", "ok"), *BASE), "stream_error", PROTO)
expect("http2/8.1.2.2.1 a field of the connection", head(("connection", "keep-alive")), "stream_error", PROTO)
expect("http2/8.1.2.2.2 TE other than trailers", head(("trailers", "x-test"), ("te", "trailers, deflate;q=0.5")), "stream_error", PROTO)
expect("http2/8.1.2.3.1 an empty :path", only(*BASE[:2], (":path", ""), BASE[3]), "stream_error", PROTO)
for number, left_out in enumerate([":method", ":scheme", ":path"]):
    expect(f"http2/8.1.2.3.{number + 2} no {left_out}", only(*[pair for pair in BASE if pair[0] != left_out]), "stream_error", PROTO)
    expect(f"http2/8.1.2.3.{number + 5} two of {left_out}", only(*BASE, BASE[number]), "stream_error", PROTO)
expect("http2/8.1.2.6.1 a length that is not that of the body", req(1, EH, fields(*POST, ("content-length", "1"))) + frame(DATA, ES, 1, b"test"), "stream_error", PROTO)
expect("http2/8.1.2.6.2 nor that of several DATA", req(1, EH, fields(*POST, ("content-length", "1"))) + frame(DATA, 0, 1, b"test") + frame(DATA, ES, 1, b"test"), "stream_error", PROTO)
expect("http2/8.1.2.6.3 nor of a body that is too short", req(1, EH, fields(*POST, ("content-length", "5"))) + frame(DATA, ES, 1, b"test"), "stream_error", PROTO)
expect("http2/8.1.2.6.4 nor of none", req(1, EH | ES, fields(*POST, ("content-length", "5"))), "stream_error", PROTO)
expect("http2/8.2.1 PUSH_PROMISE", req() + frame(PUSH, EH, 1, struct.pack(">I", 2) + GET_BLOCK), "connection_error", PROTO)

# --- RFC 7541 (h2spec: hpack)
expect("hpack/2.3.3.1 an index that is not there", req(1, ES | EH, GET_BLOCK + integer(70, 7, 0x80)), "connection_error", COMP)
expect("hpack/2.3.3.2 a name's index that is not there", req(1, ES | EH, GET_BLOCK + integer(70, 4) + text("x")), "connection_error", COMP)
expect("hpack/4.2.1 a table size update at the end", req(1, ES | EH, GET_BLOCK + b"\x21"), "connection_error", COMP)
expect("hpack/5.2.1 Huffman padding of more than 7 bits", req(1, ES | EH, GET_BLOCK + b"\0" + text("x-test") + b"\x82\x1f\xff"), "connection_error", COMP)
expect("hpack/5.2.2 Huffman padding with zeros", req(1, ES | EH, GET_BLOCK + b"\0" + text("x-test") + b"\x81\x18"), "connection_error", COMP)
expect("hpack/5.2.3 Huffman with EOS", req(1, ES | EH, GET_BLOCK + b"\0" + text("x-test") + b"\x85\x1f\xff\xff\xff\xff"), "connection_error", COMP)
expect("hpack/6.1.1 index 0", req(1, ES | EH, GET_BLOCK + b"\x80"), "connection_error", COMP)
expect("hpack/6.3.1 a table larger than allowed", req(1, ES | EH, integer(4097, 5, 0x20) + GET_BLOCK), "connection_error", COMP)


def run(case):
    """What there is to say of a case, and whether it has passed."""
    name, settings, hello, function = case
    try:
        conn = Conn(settings, hello)
        with conn.sock:
            function(conn)
    except (AssertionError, EOFError, OSError, TimeoutError) as error:
        return f"FAILED {name}: {type(error).__name__} {error}", False
    return conn.other_code and f"passed {name}, closed with code {conn.other_code}", True


def main():
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, [case for case in CASES if ARGUMENTS.filter in case[0]]))
    for said, _ in results:
        if said:
            print(said)
    failed = sum(not passed for _, passed in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
