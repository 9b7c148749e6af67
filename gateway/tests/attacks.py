# SPDX-License-Identifier: MIT
"""Attacks on the gateway that once worked. They must fail now."""

import resource
import signal
import socket
import struct
import threading
import time
import zlib

from google.protobuf import (any_pb2, descriptor_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2,
                             wrappers_pb2)
import grpc

from harness import (B, Program, case, connect, fails, gateway, method, pb, server, socket_path, state,
                     varint, wait_until)
from http2 import DATA, END_STREAM, HEADERS, PREFACE, RESET, SETTINGS, Connection, frame, message
from import_streams import ipcbus
from links import CONNECT

StatusCode = grpc.StatusCode
EMPTY = pb.EmptyMessage()


def bytes_field(number, data):
    return bytes((number << 3 | 2, len(data))) + data


@case
def empty_frames_hide_no_beginning():
    """The byte 7 at the beginning of a payload marks a frame with metadata. Once, an empty DATA
    frame before it hid it, so a client could choose its own name."""
    text = bytes_field(1, b'ipc-peer')
    forged = b'ipc-peer\0the administrator\0'
    payload = struct.pack('<BBBBIII', 7, 0, 0, 0, len(text), len(forged), 0) + text
    payload += bytes(-len(payload) % 8) + forged
    payload += bytes(-len(payload) % 8)
    whole = message(payload)
    program = gateway()
    for pieces in ((whole,), (whole[:5], whole[5:]), (whole[:5], b'', whole[5:]),
                   (b'', whole[:5], b'', b'', whole[5:6], b'', whole[6:])):
        with Connection(program.address) as client:
            stream = client.open('/interop.Test/Metadata')
            for piece in pieces:
                client.write(frame(DATA, 0, stream, piece))
            client.write(frame(DATA, END_STREAM, stream))
            got = client.wait(stream)
            assert b'the administrator' not in b''.join(entry[3] for entry in got), got
            # The status is text in the trailers: 3, INVALID_ARGUMENT.
            assert any(kind == HEADERS and b'not a valid message' in data for kind, _, _, data in got), got
    assert program.end() == 0


@case
def links_that_are_reset_at_once():
    """Once, such links stayed, with a thread and a connection each, and the gateway never ended."""
    program = gateway('--share', 'test.interop', exports=())
    files = len(program.files())
    reset = lambda stream: frame(RESET, 0, stream, struct.pack('>I', 8))  # noqa: E731
    for _ in range(100):
        with Connection(program.address) as client:
            client.open(CONNECT, behind=reset)
            client.step(0.02)
    wait_until('all links are gone', lambda: len(program.files()) <= files + 4, 20)
    near = Program(f'{B}/gateway/ipc-gateway', '--link', f'again=test.interop@{program.address}',
                   ready='again is test.interop of')
    assert near.end() == 0
    assert program.end() == 0


@case
def compressed_messages():
    """gRPC's core decompresses before it checks the size. Once, a mebibyte became a gibibyte."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b''.join(deflate.compress(bytes(1 << 20)) for _ in range(256)) + deflate.flush()
    assert len(bomb) < 1 << 20
    program = gateway()
    memory = program.memory()
    with Connection(program.address) as client:
        stream = client.open('/interop.Test/Unary', (('grpc-encoding', 'gzip'),))
        client.send(stream, message(bomb, compressed=1), end=True)
        client.wait(stream)
    assert program.peak_memory() - memory < 64 << 20, program.peak_memory() >> 20
    with connect(program.address) as channel:
        assert method('Empty', channel=channel)(EMPTY, timeout=10) == EMPTY
        # The client gets the reason.
        error = fails(StatusCode.UNIMPLEMENTED, channel.unary_unary('/interop.Test/Unary'), bytes(10000),
                      compression=grpc.Compression.Gzip, timeout=10)
        assert 'gzip' in error.details(), error
    assert program.end() == 0


def is_closed(client):
    """Returns whether the server has closed the connection without a message. A server that accepts
    it sends its settings."""
    client.settimeout(5)
    try:
        return not client.recv(1)
    except ConnectionError:
        return True


def knock(port, host='127.0.0.1', count=1):
    clients = [socket.create_connection(('127.0.0.1', port), 5, (host, 0)) for _ in range(count)]
    for client in clients:
        client.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return clients


@case
def connections_are_limited():
    """Once, clients without a certificate could use up all files of the gateway."""
    program = gateway('--insecure', '--max-connections', '10', listen='0.0.0.0:0')
    port = int(program.log().split('listening on 0.0.0.0:')[1].split()[0])
    clients = knock(port, count=14)
    closed = [is_closed(client) for client in clients]
    refused = sum(closed)
    # Each connection has a file, and the core opens a few other files for the first connections.
    assert 4 <= refused <= 8 and closed == [False] * (14 - refused) + [True] * refused, closed
    wait_until('all refusals are logged', lambda: program.log().count(
        'refused a connection: too many connections are open') == refused)
    files = len(program.files())
    # Connections that end free their places.
    for client in clients[:2]:
            client.close()
    wait_until('they are closed', lambda: len(program.files()) == files - 2)
    assert [is_closed(client) for client in knock(port, count=3)] == [False] * 2 + [True]
    assert program.end() == 0


@case
def too_many_files():
    """Once, after a failed accept4(), the core stopped listening and the gateway ended."""
    program = gateway()
    resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    with connect(program.address) as channel:
        call = method('Unary', pb.Reply, channel).future(pb.Request(sleep_msec=2000), timeout=20)
        time.sleep(0.2)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        for client in clients:
            client.connect(program.address[len('unix:'):])
        assert is_closed(clients[-1])
        program.wait_for('refused a connection: the gateway has its maximum number of open files')
        # Open calls continue.
        assert call.result() is not None
        assert method('Empty', channel=channel)(EMPTY, timeout=10) == EMPTY
    for client in clients:
        client.close()
    wait_until('they are gone', lambda: len(program.files()) < 35)
    with connect(program.address) as channel:
        assert method('Empty', channel=channel)(EMPTY, timeout=10) == EMPTY
    assert program.end() == 0


# --- Services that lie about their interface ------------------------------------------------------

class Service(ipcbus.sync.RawService):
    """A service that describes itself by a set of files, and replies with the same bytes to every
    call."""

    def __init__(self, interface, files, reply=b''):
        self.description = bytes_field(1, interface.encode())
        data = descriptor_pb2.FileDescriptorSet(file=files).SerializeToString()
        self.description += b'\x12' + varint(len(data)) + data
        self.reply = reply
        self.calls = 0

    def serve(self, request):
        if request.method == ipcbus.sync._core.NUMBER_DESCRIBE:
            return self.description
        self.calls += 1
        return self.reply


class Served:
    """A service under a name, on its own connection."""

    def __init__(self, name, service, replace=False):
        self.name, self.service, self.replace = name, service, replace

    def __enter__(self):
        self.bus = ipcbus.sync.Connection()
        self.bus.register(self.name, self.service, replace=self.replace)
        self.thread = threading.Thread(target=self.bus.run)
        self.thread.start()
        return self.service

    def __exit__(self, kind, value, trace):
        self.bus.close()
        self.thread.join()


IPC = descriptor_pb2.FileDescriptorProto(name='ipc/ipc.proto', package='ipc',
                                         message_type=[{'name': 'None'}])


def interface_file(package, types, request, reply):
    return descriptor_pb2.FileDescriptorProto(
        name=f'{package}.proto', package=package, syntax='proto3', message_type=types,
        dependency=['ipc/ipc.proto'],
        service=[{'name': 'Test', 'method': [{'name': 'Empty', 'input_type': f'.{package}.{request}',
                                              'output_type': f'.{package}.{reply}'}]}])


def small(package):
    return Service(f'{package}.Test', [IPC, interface_file(package, [{'name': 'M'}], 'M', 'M')])


@case
def a_service_takes_no_interface_of_another():
    program = gateway(exports=('test.interop', 'test.evil'))
    with connect(program.address) as channel:
        call = channel.unary_unary('/interop.Test/Empty')
        with Served('test.evil', small('evil')):
            program.wait_for('exporting test.evil as evil.Test')
            assert call(b'', timeout=10) == b''
        refusal = 'cannot export test.evil: test.interop has the same interface'
        with Served('test.evil', small('interop')) as evil:
            program.wait_for(refusal)
            assert call(b'', timeout=10) == b''
            # Even if the other service has died.
            state['server'].end(signal.SIGKILL)
            program.wait_for('test.interop is not registered any more')
            fails(StatusCode.UNAVAILABLE, call, b'', timeout=10)
            with Served('test.evil', small('interop'), replace=True):
                wait_until('it is refused again', lambda: program.log().count(refusal) == 2)
                fails(StatusCode.UNAVAILABLE, call, b'', timeout=10)
            state['server'] = server()
            wait_until('it is there', lambda: program.log().count('exporting test.interop') == 2)
            assert call(b'', timeout=10) == b''
            assert evil.calls == 0
    assert program.end() == 0


def others_wait(program, most):
    """Measures a call of another service."""
    with connect(program.address) as channel:
        begin = time.monotonic()
        method('Empty', channel=channel)(EMPTY, timeout=60)
        assert time.monotonic() - begin < most


@case
def types_with_their_own_json_are_exported():
    """Once, the gateway refused methods with such types, and read past the end of an array."""
    used = (any_pb2.Any, duration_pb2.Duration, field_mask_pb2.FieldMask, struct_pb2.Struct,
            timestamp_pb2.Timestamp, wrappers_pb2.Int64Value)
    files = [IPC]
    for message in used:
        files.append(descriptor_pb2.FileDescriptorProto())
        message.DESCRIPTOR.file.CopyToProto(files[-1])
    files.append(interface_file('known', [{'name': 'M', 'field': [
        {'name': f'f{i}', 'number': i, 'type': 11, 'label': 1,
         'type_name': f'.{message.DESCRIPTOR.full_name}'} for i, message in enumerate(used, 1)]}], 'M', 'M'))
    files[-1].dependency.extend(file.name for file in files[1:-1])
    program = gateway(exports=('test.interop', 'test.known'))
    with connect(program.address) as channel, Served('test.known', Service('known.Test', files)):
        program.wait_for('exporting test.known as known.Test')
        assert channel.unary_unary('/known.Test/Empty')(b'', timeout=10) == b''
    assert program.end() == 0


@case
def types_in_a_long_row():
    """Once, a description of a mebibyte took six seconds, in which no other client was served."""
    count = 900
    names = [f'T{i:05}' for i in range(20000)]
    types = [{'name': name, 'field': [
        {'name': 'f', 'number': 1, 'type': 11, 'label': 1,
         'type_name': '.ipc.None' if i == len(names) - 1 else f'.evil.{names[i + 1]}'}]}
        for i, name in enumerate(names)]
    program = gateway(exports=('test.interop', 'test.evil'))
    for first, what in ((-count, 'exporting test.evil'), (0, 'test.evil cannot call Empty: types lie in each')):
        described = Service('evil.Test', [IPC, interface_file(
            'evil', types, names[first], names[first])])
        before = program.cpu()
        with Served('test.evil', described):
            others_wait(program, 20)
            program.wait_for(what, 30)
            assert program.cpu() - before < 3, program.cpu() - before
    assert program.end() == 0


def field(number, value):
    return varint(number << 3) + varint(value)


def fields_of(data):
    """Returns the last value of each field. Values of 4 and 8 bytes are bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            at += 1
            value |= (data[at - 1] & 127) << shift
            shift += 7
            if data[at - 1] < 128:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            found[tag >> 3] = number()
        else:
            size = number() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
            found[tag >> 3] = data[at:at + size]
            at += size
    return found


class Peer:
    """The other side of a link, in frames of gateway/link.proto."""

    HELLO, FIND, NAME, CALL, ONEWAY, RELEASE = 1, 2, 3, 4, 7, 9

    def __init__(self, client, size):
        self.client = client
        self.stream = client.open(CONNECT)
        self.seen = 0
        self.send(field(1, self.HELLO) + field(11, size) + field(12, 1) + field(13, 1) + field(14, 1))

    def send(self, *frames):
        """Sends a frame. Returns False if the gateway no longer accepts frames."""
        try:
            return self.client.send(self.stream, b''.join(message(each) for each in frames))
        except OSError:
            return False

    def find(self, ident, name):
        """Returns the number of the object with the name, or None if the link has ended."""
        if not self.send(field(1, self.FIND) + field(2, ident) + bytes_field(8, name)):
            return None
        while True:
            data = b''.join(data for kind, _, stream, data in self.client.got
                            if (kind, stream) == (DATA, self.stream))
            while self.seen + 5 <= len(data):
                size = int.from_bytes(data[self.seen + 1:self.seen + 5], 'big')
                if self.seen + 5 + size > len(data):
                    break
                got = fields_of(data[self.seen + 5:self.seen + 5 + size])
                self.seen += 5 + size
                if got[1] == self.NAME and got.get(2) == ident and 9 in got:
                    return fields_of(got[9])[2]
            if self.client.is_over(self.stream) or not self.client.step():
                return None


@case
def peers_of_a_link_that_do_not_read():
    """Calls beyond the limit are refused with a frame each. Once, these frames accumulated."""
    program = gateway('--share', 'test.interop', '--max-calls', '1', '--max-message', '64K', exports=())
    memory = program.memory()
    with Connection(program.address) as client:
        peer = Peer(client, 1 << 20)
        assert peer.find(1, b'test.interop') is not None
        number, taken = 0, True
        while taken and number < 4_000_000:
            taken = peer.send(*(field(1, peer.CALL) + field(2, number + i) + field(3, 1)
                                for i in range(1, 5001)))
            number += 5000
            assert program.memory() - memory < 160 << 20, number
        assert not taken
    wait_until('it is broken off', lambda: 'it does not read its frames' in program.log(), 30)
    assert program.end() == 0


@case
def oneways_to_a_service_that_is_stopped():
    """Oneways wait in the gateway. Once, their number had no limit if their object was released and
    found again."""
    program = gateway('--share', 'test.interop', exports=())
    memory = program.memory()
    note = b'\x25' + struct.pack('<I', number_of('interop.Test/Note'))
    text = bytes(3 << 20)
    data = b'\x7a' + varint(len(text)) + text
    state['server'].send(signal.SIGSTOP)
    try:
        with Connection(program.address) as client:
            peer = Peer(client, 4 << 20)
            for ident in range(1, 30):
                target = peer.find(ident, b'test.interop')
                if target is None:
                    break
                # So many that some oneways must wait, because other oneways to the object are in
                # flight.
                head = field(1, peer.ONEWAY) + field(3, target) + note
                for _ in range(2):
                    peer.send(head + data)
                peer.send(field(1, peer.RELEASE) + field(3, target) + field(10, 1))
                assert program.memory() - memory < 160 << 20, (ident, program.memory() >> 20)
            assert ident < 29, program.memory() >> 20
    finally:
        state['server'].send(signal.SIGCONT)
    wait_until('it is broken off', lambda: 'lost the link' in program.log(), 30)
    assert 'more than it may' in program.log() or 'too many of its oneways' in program.log()
    assert program.end() == 0


def number_of(method):
    """Returns the number of a method without the option: FNV-1a with the top bit set."""
    number = 2166136261
    for byte in method.encode():
        number = ((number ^ byte) * 16777619) & 0xffffffff
    return number | 0x80000000
