# SPDX-License-Identifier: MIT
"""Attacks of a peer of a link, or of a program behind it, that once worked."""

import concurrent.futures
import os
import socket
import struct
import threading
import time

import grpc

from attacks import Peer, bytes_field, number_of, field, fields_of
from harness import B, Program, case, connect, gateway, look, socket_path, wait_until
from http2 import DATA, END_HEADERS, HEADERS, Connection, Server, frame, message
from import_streams import Client, interop_ipc, ipcbus
from links import CONNECT, FAR, HELLO, Joined, ipcctl

KIND, ID, TARGET, CHAIN, ERROR, TEXT, OBJECTS = 1, 2, 3, 5, 7, 8, 9
FIND, NAME, CALL, REPLY = 2, 3, 4, 5
OBJECTS_MAX = 8192


def method_field(method):
    return b'\x25' + struct.pack('<I', number_of(f'interop.Test/{method}'))


@case
def other_sides_do_not_speak_for_the_gateway():
    """ipc-peer is the name in a certificate that the gateway has verified. Once, a program on
    another bus could set it for a service behind --share."""
    sent = {'ipc-peer': 'administrator', 'trace': '1', 'ipc-': 'x'}
    with Joined('--export', 'test.interop') as joined:
        stub = Client.bus().wait(interop_ipc.TestSync, FAR, timeout=10)
        for name, value in (('ipc-peer', ''), ('far-peer', 'administrator'), ('trace', '1'), ('far-', 'x'),
                            ('ipc-', '')):
            try:
                got = stub.Metadata(text=name, metadata=sent).text
            except ipcbus.NotFound:
                got = ''
            assert got == value, (name, got)
        assert joined.far.log().count('linked') == 1


@case
def links_that_say_nothing():
    """Once, a peer could occupy the places of all other peers for ever."""
    path_ = socket_path()
    program = gateway('--share', 'test.interop', '--insecure', '--listen', path_, exports=(),
                      listen='127.0.0.1:0')
    port = program.log().split('listening on 127.0.0.1:')[1].split()[0]
    files, over = len(program.files()), threading.Event()

    def say_nothing():
        over.wait(60)
        yield b''

    with connect(path_) as channel:
        calls = [channel.stream_stream(CONNECT)(say_nothing()) for _ in range(64)]
        refused = []
        for call in calls:
            try:
                next(call)
            except grpc.RpcError as error:
                refused.append(error)
        assert len(refused) == 32, (len(refused), program.log())
        assert all('and 32 of one peer' in error.details() for error in refused), refused[0]
        late = Program(f'{B}/gateway/ipc-gateway', '--link', f'late=test.interop@{path_}',
                       ready='cannot link with')
        late.wait_for('no more links')
        # Another peer still has its place.
        near = Program(f'{B}/gateway/ipc-gateway', '--link', f'near=test.interop@127.0.0.1:{port}',
                       ready='near is test.interop of')
        program.wait_for('it sent no hello within 10 s', 20)
        late.wait_for('late is test.interop of', 20)
        over.set()
        for each in (near, late):
            assert each.end() == 0, each.log()
    wait_until('the others are gone', lambda: len(program.files()) <= files + 4, 20)
    assert program.end() == 0


def objects(first, count):
    """Returns this number of new objects, for a frame."""
    return b''.join(bytes_field(OBJECTS, b'\x09' + struct.pack('<Q', i) + field(2, first + i))
                    for i in range(count))


@case
def objects_that_a_peer_makes():
    """Once, a link could use a third of the total for all links, with 46,000 objects."""
    program = gateway('--share', 'test.interop', '--export', 'test.interop', exports=())
    with Connection(program.address) as client:
        peer = Peer(client, 4 << 20)
        target = peer.find(1, b'test.interop')
        calls = OBJECTS_MAX // 64 + 10
        for i in range(1, calls + 1):
            assert peer.send(field(KIND, CALL) + field(ID, i) + field(TARGET, target) + method_field('Keep') +
                             objects(i * 64, 64))
        wait_until('they are there', lambda: look().kept == calls - 10)
        time.sleep(0.3)
        assert look().kept == calls - 10
    wait_until('they are gone', lambda: look().kept == 0)
    assert program.end() == 0


class Hostile:
    """A side that accepts links, and replies to each frame with the result of reply."""

    def __init__(self, reply):
        self.reply = reply
        self.address = socket_path()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('ipc.link.Link', {
            'Connect': grpc.stream_stream_rpc_method_handler(self.connect)}),))
        self.server.add_insecure_port(self.address)
        self.server.start()

    def connect(self, frames, context):
        del context
        yield HELLO
        for data in frames:
            yield from self.reply(fields_of(data))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.stop(0).wait()


def offers(got):
    """For any name that the other side requests, returns object 1."""
    if got[KIND] == FIND:
        yield (field(KIND, NAME) + field(ID, got[ID]) + bytes_field(TEXT, b'interop.Test') +
               bytes_field(OBJECTS, field(2, 1)))


class Nothing(ipcbus.sync.RawService):
    def serve(self, request):
        return b''


@case
def objects_that_a_peer_keeps():
    """A service on another bus that never releases objects. Once, it could have as many as the
    limit for all links."""
    def keeps(got):
        yield from offers(got)
        if got[KIND] == CALL:
            yield field(KIND, REPLY) + field(ID, got[ID])

    with Hostile(keeps) as hostile:
        near = Program(f'{B}/gateway/ipc-gateway', '--link', f'x.y=y@{hostile.address}', ready='x.y is')
        bus = ipcbus.sync.Connection()
        proxy, kept = bus.wait_raw('x.y', timeout=10), 0
        try:
            while kept <= OBJECTS_MAX:
                entries = tuple((i, bus.make_object(Nothing())) for i in range(1, 65))
                proxy.call(1, b'', entries=entries).release()
                kept += 64
        except ipcbus.QuotaExceeded:
            pass
        # The name's own object is not counted.
        assert kept == OBJECTS_MAX, kept
        # A message without new objects still passes.
        proxy.call(1, b'').release()
        proxy.call(1, b'', entries=entries[:0]).release()
        bus.close()
        assert near.end() == 0


def replies_of(server, stream):
    """Returns the frames of a link that a Server has received, without an incomplete last frame."""
    data = b''.join(data for kind, _, of, data in server.got if (kind, of) == (DATA, stream))
    at = 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 1:at + 5], 'big')
        if at + 5 + size > len(data):
            return
        yield fields_of(data[at + 5:at + 5 + size])
        at += 5 + size


def attack_caller(attack):
    """Calls a peer, which attacks with a function for sending and the id of the call. After its
    timeout, the call must occupy no place among the calls of its user."""
    address = socket_path()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address[len('unix:'):])
        listener.listen()
        near = Program(f'{B}/gateway/ipc-gateway', '--link', f'x.y=y@{address}', '--share', 'test.interop',
                       '--listen', socket_path(), '--user-calls', '1')
        server = Server(listener)
    with server:
        server.wait_for_call()
        stream = 1
        server.windows[stream] = server.initial
        # :status 200, content-type.
        server.write(frame(HEADERS, END_HEADERS, stream, b'\x88\x00\x0ccontent-type\x10application/grpc'))

        def say(*frames):
            assert server.send(stream, b''.join(message(each) for each in frames))

        def wait_for(kind):
            while True:
                for got in replies_of(server, stream):
                    if got[KIND] == kind:
                        return got
                assert server.step(), server.got

        say(HELLO)
        find = wait_for(FIND)
        say(next(offers(find)), field(KIND, FIND) + field(ID, 1) + bytes_field(TEXT, b'test.interop'))
        wait_for(NAME)
        near.wait_for('x.y is y of')
        caller = Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call', '--timeout',
                         '3', 'x.y', 'Empty', '{}')
        chain = wait_for(CALL)[ID]
        attack(say, chain)
        assert caller.status() != 0
        time.sleep(0.5)
        out, status = ipcctl('call', '--timeout', '1', 'x.y', 'Empty', '{}')
        assert status and 'quota' not in out, out
        near.end()


@case
def callers_of_a_peer_that_does_not_read():
    """Once, the call never ended: its nested call waited for the peer to read replies."""
    def attack(say, chain):
        # Large replies, which the peer does not read, and a reply that is a part of the call.
        unary = field(KIND, CALL) + field(TARGET, 1) + method_field('Unary') + bytes_field(15, field(1, 1000000))
        for i in range(8):
            say(unary + field(ID, i + 1))
        time.sleep(0.5)
        say(unary + field(ID, 100) + field(CHAIN, chain))

    attack_caller(attack)


@case
def callers_of_a_peer_that_does_not_cancel():
    """Once, the place stayed occupied: only the peer ends its nested call."""
    nested = field(KIND, CALL) + field(TARGET, 1) + method_field('Keep') + field(ID, 100)
    attack_caller(lambda say, chain: say(nested + field(CHAIN, chain)))
