# SPDX-License-Identifier: MIT
"""Hostile clients. During each attack and afterwards, other clients are served, and the gateway's
memory stays bounded."""

import random
import signal
import socket
import threading
import time

import grpc

from harness import Program, SERVICE, case, connect, gateway, look, method, pb, state, wait_until
from streams import duplex, server_stream, nothing_runs

EMPTY = pb.EmptyMessage()


class Bounded:
    """The attacked gateway."""

    def __init__(self, *arguments, megabytes=64):
        self.arguments = arguments
        self.most = megabytes << 20

    def __enter__(self):
        self.program = gateway(*self.arguments)
        self.other = connect(self.program.address)
        self.serves()
        self.before = self.program.memory()
        return self

    def serves(self):
        method('Empty', channel=self.other)(EMPTY, timeout=10)

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.serves()
            grown = self.program.memory() - self.before
            assert grown < self.most, f'{grown >> 20} MiB more'
        self.other.close()
        status = self.program.end()
        assert kind or status == 0, self.program.log()


def raw(address):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address[len('unix:'):])
    return connection


@case
def garbage_payloads():
    generator = random.Random(1)
    with Bounded() as gate, connect(gate.program.address) as channel:
        for name in ('Empty', 'Unary', 'Metadata', 'Numbered'):
            call = channel.unary_unary(SERVICE + name)
            for _ in range(100):
                payload = generator.randbytes(generator.randrange(200))
                try:
                    call(payload, timeout=5)
                except grpc.RpcError as error:
                    assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT,
                                            grpc.StatusCode.NOT_FOUND,
                                            grpc.StatusCode.UNKNOWN), error


@case
def garbage_connections():
    generator = random.Random(2)
    preface = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    with Bounded() as gate:
        for i in range(100):
            connection = raw(gate.program.address)
            try:
                connection.sendall((preface if i % 2 else b'') +
                                   generator.randbytes(generator.randrange(1, 5000)))
            except OSError:
                pass
            connection.close()
        gate.serves()


@case
def silent_connections():
    with Bounded() as gate:
        connections = [raw(gate.program.address) for _ in range(200)]
        gate.serves()
        for connection in connections:
            connection.close()


@case
def flood_of_calls():
    """Far more calls at once than the limit, from several connections."""
    with Bounded('--max-calls', '50') as gate:
        channels = [connect(gate.program.address) for _ in range(4)]
        futures = [method('Keep', channel=channels[i % 4]).future(EMPTY) for i in range(600)]
        wait_until('as many as may', lambda: look().kept == 50)
        time.sleep(0.2)
        assert look().kept == 50
        refused = [future for future in futures if future.done()]
        assert all(future.code() == grpc.StatusCode.RESOURCE_EXHAUSTED for future in refused)
        assert len(refused) >= 300
        for channel in channels:
            channel.close()
        del futures
        wait_until('all are canceled', lambda: look().kept == 0)


@case
def storm_of_resets():
    with Bounded() as gate:
        stop = threading.Event()

        def storm():
            channel = connect(gate.program.address)
            while not stop.is_set():
                futures = [method('Keep', channel=channel).future(EMPTY) for _ in range(20)]
                futures += [duplex(channel=channel)(iter((pb.Request(),))) for _ in range(5)]
                for future in futures:
                    future.cancel()
            channel.close()

        threads = [threading.Thread(target=storm) for _ in range(2)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            gate.serves()
        stop.set()
        for thread in threads:
            thread.join()
        wait_until('all are canceled', lambda: look().kept == 0)
        nothing_runs()


@case
def slow_readers():
    """Clients that request large replies and read nothing."""
    with Bounded(megabytes=96) as gate:
        channels = [connect(gate.program.address, (('grpc.http2.lookahead_bytes', 1024),
                                                   ('grpc.http2.bdp_probe', 0)))
                    for _ in range(4)]
        streams = [server_stream(channel=channels[i % 4])(pb.Plan(replies=100000, size=10000))
                   for i in range(40)]
        for stream in streams:
            next(stream)
        time.sleep(0.5)
        gate.serves()
        for stream in streams:
            stream.cancel()
        for channel in channels:
            channel.close()
        nothing_runs()


@case
def large_metadata():
    with Bounded() as gate, connect(gate.program.address) as channel:
        for size in (1000, 5000, 20000, 1000000):
            try:
                method('Empty', channel=channel)(EMPTY, metadata=(('x', 'y' * size),), timeout=5)
                assert size < 8192
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED,
                                        grpc.StatusCode.UNAVAILABLE), error


@case
def kept_connection_dies():
    """Clients that are killed during a call."""
    with Bounded() as gate:
        for _ in range(5):
            # os.fork() cannot be used, because gRPC may wait before it until its threads are idle.
            client = Program('/usr/bin/python3', '-c', f'''
import grpc
channel = grpc.insecure_channel({gate.program.address!r})
calls = [channel.unary_unary('{SERVICE}Keep').future(b'') for _ in range(20)]
calls[0].result()
''')
            wait_until('its calls are there', lambda: look().kept == 20)
            client.end(signal.SIGKILL)
            wait_until('all are canceled', lambda: look().kept == 0)


assert state
