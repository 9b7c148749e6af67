# SPDX-License-Identifier: MIT
"""A client that sends frames of HTTP/2 as no gRPC library does (RFC 9113), and gRPC on top of it.
Also a server that only receives frames."""

import socket
import struct
import time

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
WINDOW_SIZE = 65535
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes((kind, flags)) + \
        struct.pack('>I', stream) + payload


def string(text):
    """Encodes a string for HPACK, without compression."""
    data = text.encode()
    assert len(data) < 127
    return bytes((len(data),)) + data


def headers(path, more=()):
    """Returns the headers of a gRPC call. :method POST and :scheme http have numbers of their own.
    """
    fields = ((':path', path), (':authority', 'x'), ('te', 'trailers'),
              ('content-type', 'application/grpc'), *more)
    return b'\x83\x86' + b''.join(b'\0' + string(name) + string(value) for name, value in fields)


def message(data, compressed=0):
    return struct.pack('>BI', compressed, len(data)) + data


class Connection:
    """A connection. It obeys flow control when it sends, and never lets the other side send more
    than the first 65,535 bytes."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address[len('unix:'):])
        self.begin()
        self.write(PREFACE + frame(SETTINGS, 0, 0))

    def begin(self):
        self.buffer = b''
        self.pings = 0
        self.next = 1
        self.window, self.initial = WINDOW_SIZE, WINDOW_SIZE
        self.windows = {}
        self.got = []   # frames that no other method has handled

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data)

    def open(self, path, more=(), behind=b''):
        """Begins a call, and sends behind in the same piece. %d in behind stands for its stream."""
        stream = self.next
        self.next += 2
        self.windows[stream] = self.initial
        self.write(frame(HEADERS, END_HEADERS, stream, headers(path, more)) +
                   (behind(stream) if behind else b''))
        return stream

    def read_frame(self, timeout):
        """Returns the next frame (kind, flags, stream, payload), or None at the end or after the
        timeout."""
        self.socket.settimeout(timeout)
        while True:
            size = int.from_bytes(self.buffer[:3], 'big')
            if len(self.buffer) >= 9 + size:
                kind, flags = self.buffer[3:5]
                found = (kind, flags, int.from_bytes(self.buffer[5:9], 'big'),
                         self.buffer[9:9 + size])
                self.buffer = self.buffer[9 + size:]
                return found
            try:
                data = self.socket.recv(65536)
            except OSError:
                return None
            if not data:
                return None
            self.buffer += data

    def step(self, timeout=10):
        """Handles a frame. Returns False if there is none."""
        found = self.read_frame(timeout)
        if not found:
            return False
        kind, flags, stream, payload = found
        if kind == WINDOW:
            more = int.from_bytes(payload, 'big')
            if stream:
                self.windows[stream] = self.windows.get(stream, self.initial) + more
            else:
                self.window += more
        elif kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from('>HI', payload, at)
                if name == INITIAL_WINDOW_SIZE:
                    for each in self.windows:
                        self.windows[each] += value - self.initial
                    self.initial = value
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.pings += 1
            self.write(frame(PING, ACK, 0, payload))
        else:
            self.got.append(found)
        return True

    def send(self, stream, data, end=False):
        """Sends data. Returns False if the other side no longer accepts it."""
        while data:
            size = min(self.window, self.windows[stream], 16384, len(data))
            if size <= 0:
                if not self.step() or self.is_over(stream):
                    return False
                continue
            self.write(frame(DATA, 0, stream, data[:size]))
            data = data[size:]
            self.window -= size
            self.windows[stream] -= size
        if end:
            self.write(frame(DATA, END_STREAM, stream))
        return True

    def is_over(self, stream):
        return any((kind == GOAWAY) or
                   (of == stream and (kind == RESET or (kind == HEADERS and flags & END_STREAM)))
                   for kind, flags, of, _ in self.got)

    def wait(self, stream):
        """Returns everything received until the call has ended."""
        while not self.is_over(stream) and self.step():
            pass
        assert self.is_over(stream), self.got
        return self.got


class Server(Connection):
    """The other end of a client's connection, accepted from a listening socket."""

    def __init__(self, listener):
        self.socket = listener.accept()[0]
        self.begin()
        while len(self.buffer) < len(PREFACE):
            data = self.socket.recv(65536)
            assert data
            self.buffer += data
        assert self.buffer.startswith(PREFACE)
        self.buffer = self.buffer[len(PREFACE):]
        self.write(frame(SETTINGS, 0, 0))

    def wait_for_call(self):
        while not any(kind == HEADERS for kind, *_ in self.got):
            assert self.step()

    def serve(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step(max(end - time.monotonic(), 0.001))
