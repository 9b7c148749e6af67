# SPDX-License-Identifier: MIT
"""Limits of a peer. All clients at a Unix socket are one peer, and all clients at 127.0.0.1
another."""

import socket

import grpc

from harness import (Skip, case, connect, fails, gateway, look, method, pb, server, socket_path,
                     state, wait_until)
from http2 import HEADERS, Connection, message
from import_streams import NAME, Client, Imported, interop_ipc
from links import FAR, Joined
from tls import certificate, certificates, channel as tls_channel, path, tls_gateway

StatusCode = grpc.StatusCode
EMPTY = pb.EmptyMessage()
EXHAUSTED = StatusCode.RESOURCE_EXHAUSTED


class Gateway:
    """A gateway with two addresses, for two peers."""

    def __init__(self, *arguments):
        self.path = socket_path()
        self.program = gateway('--insecure', '--listen', self.path, *arguments, listen='127.0.0.1:0')
        port = self.program.log().split('listening on 127.0.0.1:')[1].split()[0]
        self.address = f'127.0.0.1:{port}'

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        status = self.program.end()
        assert kind or status == 0, self.program.log()


def empty(channel):
    return method('Empty', channel=channel)(EMPTY, timeout=10)


def refused(channel, text):
    assert text in fails(EXHAUSTED, empty, channel).details()


@case
def peers_have_so_many_calls():
    with Gateway('--peer-calls', '2') as both, connect(both.address) as one, \
            connect(both.address) as again, connect(both.path) as other:
        assert empty(one) == EMPTY
        calls = [method('Keep', channel=channel).future(EMPTY) for channel in (one, again)]
        wait_until('both are there', lambda: look().kept == 2)
        for _ in range(3):
            refused(one, 'has 2 open calls')
            refused(again, 'has 2 open calls')
            assert empty(other) == EMPTY
        # A call that ends, in any way, makes space for a new call.
        calls[0].cancel()
        wait_until('it is canceled', lambda: look().kept == 1)
        wait_until('there is space', lambda: succeeds(again))
        method('Release', channel=other)(EMPTY)
        assert calls[1].result(10) == EMPTY
        for _ in range(3):
            wait_until('there is space again', lambda: succeeds(one))


def succeeds(channel):
    try:
        return empty(channel) == EMPTY
    except grpc.RpcError as error:
        assert error.code() == EXHAUSTED, error
        return False


@case
def peers_are_known_by_their_names():
    certificates()
    certificate('bob', 'ca', 'bob.example')
    program = tls_gateway('--tls-client-ca', path('ca.pem'), '--peer-calls', '1')
    with tls_channel(program, 'client') as one:
        kept = method('Keep', channel=one).future(EMPTY)
        wait_until('it is there', lambda: look().kept == 1)
        # Another connection with the same name, and the same address with another name.
        with tls_channel(program, 'client') as again:
            refused(again, 'has 1 open calls')
        with tls_channel(program, 'bob') as other:
            assert empty(other) == EMPTY
        kept.cancel()
        wait_until('there is space', lambda: succeeds(one))
    assert program.end() == 0


@case
def peers_of_ipv6_are_networks():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(('::1', 0))
    except OSError as error:
        raise Skip('no IPv6 here') from error
    program = gateway('--insecure', '--peer-calls', '1', listen='[::1]:0')
    port = program.log().split('listening on [::1]:')[1].split()[0]
    with connect(f'[::1]:{port}') as one:
        kept = method('Keep', channel=one).future(EMPTY)
        wait_until('it is there', lambda: look().kept == 1)
        refused(one, 'has 1 open calls')
        kept.cancel()
        wait_until('there is space', lambda: succeeds(one))
    assert program.end() == 0


@case
def peers_of_a_path_are_one():
    program = gateway('--peer-calls', '1')
    with connect(program.address) as one, connect(program.address) as again:
        kept = method('Keep', channel=one).future(EMPTY)
        wait_until('it is there', lambda: look().kept == 1)
        refused(again, 'has 1 open calls')
        # The service dies, which ends its calls.
        state['server'].end(9)
        fails(StatusCode.UNAVAILABLE, kept.result)
        state['server'] = server()
        program.wait_for('test.interop is not registered any more')
        wait_until('there is space', lambda: program.log().count('exporting') == 2)
        wait_until('it may again', lambda: succeeds(again))
    assert program.end() == 0


@case
def a_reply_makes_space_for_the_next_call():
    """Once, a call counted until the gateway noticed that its reply had left. Clients within their
    limits were then sometimes refused."""
    program = gateway('--peer-calls', '1', '--max-calls', '1')
    with connect(program.address) as channel:
        for _ in range(3000):
            assert empty(channel) == EMPTY
    assert program.end() == 0
    with Imported('--user-calls', '1'):
        stub = Client.bus().wait(interop_ipc.TestSync, NAME, timeout=10)
        for i in range(1000):
            assert stub.Metadata(text=str(i)).text == str(i)
    # The link counts as a call of the peer too.
    with Joined('--peer-calls', '2', link=('--user-calls', '1')):
        stub = Client.bus().wait(interop_ipc.TestSync, FAR, timeout=10)
        for _ in range(3000):
            stub.Empty()


@case
def replies_that_a_peer_does_not_read():
    """Replies that wait are no longer open calls, but are limited as well."""
    program = gateway('--peer-calls', '2')
    request = message(pb.Request(size=50000).SerializeToString())
    with Connection(program.address) as client, connect(program.address) as other:
        for _ in range(60):
            client.send(client.open('/interop.Test/Unary'), request, end=True)
            while client.step(0.05):
                pass
        refused_ones = [data for kind, _, _, data in client.got if kind == HEADERS and b'open calls' in data]
        # One reply has left, and 18 are waiting.
        assert len(refused_ones) == 60 - 1 - 18, len(refused_ones)
        refused(other, 'has 2 open calls')
    with connect(program.address) as other:
        wait_until('there is space', lambda: succeeds(other))
    assert program.end() == 0
