# SPDX-License-Identifier: MIT
"""Two buses joined by two gateways: services of the far bus, called on the near bus."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import grpc

from harness import (B, Program, case, connect, fails, gateway, method, pb, socket_path, state,
                     varint, wait_until)
from tls import certificates, path

CONNECT = '/ipc.link.Link/Connect'
FAR = 'far.interop'
EMPTY = pb.EmptyMessage()


class Bus:
    """A second bus, with a service manager."""

    def __init__(self):
        self.path = socket_path()[len('unix:'):]
        self.daemon = Program(f'{B}/daemon/ipcbusd', '--bus', self.path)
        wait_until('the bus is there', self.listens)
        self.manager = self.start('servicemanager/servicemanager', ready='ready')

    def listens(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            return client.connect_ex(self.path) == 0

    def start(self, program, *arguments, ready=None):
        return Program('/usr/bin/env', f'IPCBUS_BUS={self.path}', f'{B}/{program}', *arguments,
                       ready=ready)

    def end(self):
        self.manager.end()
        self.daemon.end()


class Joined:
    """The far bus has a server, and its name is on the near bus too."""

    def __init__(self, *arguments, listen=None, target=None, link=()):
        self.bus = Bus()
        self.server = self.bus.start('gateway/tests/server', ready='ready')
        self.address = listen or socket_path()
        self.target = target
        self.arguments = arguments
        self.share()
        self.near = Program(f'{B}/gateway/ipc-gateway', '--link',
                            f'{FAR}=test.interop@{self.target}', *link, ready='ready')
        self.wait()

    def share(self):
        self.far = self.bus.start('gateway/ipc-gateway', '--share', 'test.interop', '--listen',
                                  self.address, *self.arguments, ready='ready')
        if not self.target:
            self.target = self.address
        elif self.target.startswith('tls:'):
            port = self.far.log().split('listening on ')[1].split()[0].rsplit(':', 1)[1]
            self.target = f'{self.target}:{port}'

    def wait(self, there=True):
        wait_until(f'the name is {"there" if there else "gone"}; {self.near.log()}',
                   lambda: is_there() == there, 20)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for program in (self.near, self.far, self.server):
            if not program.ended():
                assert program.end() == 0 or program is self.server, program.log()
            elif program in state['programs']:
                state['programs'].remove(program)
        self.bus.end()


def ipcctl(*arguments, bus=os.environ['IPCBUS_BUS']):
    done = subprocess.run((f'{B}/tools/ipcctl', '--bus', bus, *arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout, done.returncode


def is_there():
    return FAR in ipcctl('list')[0]


def call(method, request=None, timeout=20):
    return ipcctl('call', '--timeout', str(timeout), FAR, method, json.dumps(request or {}))


def succeeds(method, request=None):
    text, status = call(method, request)
    assert status == 0, text
    return json.loads(text)


def fails_with(text, method, request=None, timeout=20):
    out, status = call(method, request, timeout)
    assert status != 0 and text in out, out


def looked(field):
    return int(succeeds('Look').get(field, 0))


@case
def linked_call():
    with Joined() as joined:
        assert f'{FAR} is test.interop of' in joined.near.log(), joined.near.log()
        assert 'interop.Test' in ipcctl('list')[0]
        reply = succeeds('Unary', {'size': 3, 'body': 'AAAA'})
        assert (reply['requestSize'], reply['body']) == (3, 'AAAA'), reply
        assert succeeds('Unary', {'size': 1000000})['body'].count('A') > 1000000
        assert succeeds('Empty') == {}
        assert call('Note', {'text': 'a word'}) == ('', 0)
        wait_until('the oneway has come', lambda: succeeds('Look')['noted'] == 'a word')


@case
def linked_oneways_of_different_sizes():
    with Joined():
        for letter, size in (('a', 10), ('b', 255000), ('c', 400000), ('d', 10), ('e', 300000)):
            text = letter * size
            done = subprocess.run((f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call',
                                   FAR, 'Note', '-'), input=json.dumps({'text': text}), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            assert (done.returncode, done.stdout) == (0, ''), done
            wait_until(f'{size} have come', lambda: succeeds('Look')['noted'][0] == letter, 20)


@case
def linked_errors():
    with Joined():
        fails_with('shop.Closed', 'Unary', {'name': 'shop.Closed', 'message': 'come back'})
        fails_with('come back', 'Unary', {'name': 'shop.Closed', 'message': 'come back'})
        for code in (2, 13, 22, 110):
            out, status = call('Unary', {'code': -code, 'message': 'the reason'})
            assert status != 0 and 'the reason' in out, out
        fails_with('is not implemented', 'Missing')
        # Larger than the far gateway's limit.
        fails_with('larger', 'Unary', {'size': 5 << 20})


@case
def linked_deadline_and_cancellation():
    with Joined():
        begin = time.monotonic()
        fails_with('', 'Keep', timeout=1)
        assert time.monotonic() - begin < 10
        wait_until('the handler is canceled', lambda: looked('canceled') == 1)
        client = Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call',
                         '--timeout', '60', FAR, 'Keep')
        wait_until('the call is there', lambda: looked('kept') == 1)
        client.end(signal.SIGKILL)
        wait_until('the handler is canceled', lambda: looked('canceled') == 2)


@case
def link_that_has_all_its_calls():
    with Joined(link=('--max-calls', '3', '--user-calls', '3')) as joined:
        done = []
        threads = [threading.Thread(target=lambda: done.append(call('Keep', timeout=5)))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        # Asked on the far bus, because a call across the link would take a place itself.
        wait_until('they are there', lambda: json.loads(
            ipcctl('call', 'test.interop', 'Look', bus=joined.bus.path)[0]).get('kept') == 3)
        fails_with('quota', 'Empty')
        # The open calls end by their deadlines, and new calls take their places.
        for thread in threads:
            thread.join(20)
        assert len(done) == 3 and all(status for _, status in done), done
        wait_until('the handlers are canceled', lambda: looked('canceled') == 3)


@case
def linked_service_comes_and_goes():
    with Joined() as joined:
        joined.server.end(signal.SIGKILL)
        joined.wait(there=False)
        fails_with('', 'Empty')
        joined.server = joined.bus.start('gateway/tests/server', ready='ready')
        joined.wait()
        assert succeeds('Empty') == {}


@case
def link_that_breaks():
    with Joined() as joined:
        done = []
        thread = threading.Thread(target=lambda: done.append(call('Keep', timeout=60)))
        thread.start()
        wait_until('the call is there', lambda: looked('kept') == 1)
        joined.far.end(signal.SIGKILL)
        thread.join(20)
        assert done and done[0][1] != 0, done
        joined.wait(there=False)
        assert 'lost the link with' in joined.near.log()
        joined.share()
        joined.wait()
        # The call that broke was canceled, and not sent again.
        assert (looked('canceled'), looked('kept')) == (1, 0)


@case
def link_that_waits_for_the_other_side():
    with Joined() as joined:
        joined.near.end()
        joined.far.end()
        joined.near = Program(f'{B}/gateway/ipc-gateway', '--link',
                              f'{FAR}=test.interop@{joined.address}', ready='cannot link with')
        assert not is_there()
        joined.share()
        joined.wait()
        assert succeeds('Empty') == {}


@case
def link_with_certificates():
    certificates()
    own = ('--tls-cert', path('client.pem'), '--tls-key', path('client.key'), '--tls-server-ca',
           path('ca.pem'))
    with Joined('--tls-cert', path('server.pem'), '--tls-key', path('server.key'),
                '--tls-client-ca', path('ca.pem'), listen='tls:localhost:0',
                target='tls:dns:///localhost', link=own) as joined:
        assert succeeds('Empty') == {}
        stranger = Program(f'{B}/gateway/ipc-gateway', '--link', f'x=test.interop@{joined.target}',
                           '--tls-cert', path('stranger.pem'), '--tls-key', path('stranger.key'),
                           '--tls-server-ca', path('ca.pem'), ready='cannot link with')
        assert stranger.end() == 0
        assert 'linked' not in stranger.log()


@case
def policy_of_links():
    """Only sides that the policy allows may use a name, and a new policy breaks the links of other
    sides."""
    certificates()
    rules = path('links.conf')

    def write(text):
        with open(rules, 'w') as file:
            file.write(text)

    def reload(text):
        write(text)
        joined.far.send(signal.SIGHUP)

    own = ('--tls-cert', path('client.pem'), '--tls-key', path('client.key'), '--tls-server-ca',
           path('ca.pem'))
    write('allow certificate alice.example find,call test.interop\n')
    with Joined('--tls-cert', path('server.pem'), '--tls-key', path('server.key'), '--policy', rules,
                '--tls-client-ca', path('ca.pem'), listen='tls:localhost:0',
                target='tls:dns:///localhost', link=own) as joined:
        assert succeeds('Empty') == {}
        # A side that the policy still allows stays, and its link is not a new link.
        reload('allow certificate alice.example find,call test.*\n')
        joined.far.wait_for('reloaded the policy')
        assert succeeds('Empty') == {}
        assert 'lost the link' not in joined.near.log()
        reload('allow certificate bob.example all *\n')
        joined.near.wait_for('the policy for test.interop has changed')
        joined.wait(there=False)
        joined.near.wait_for('cannot use test.interop of')
        joined.far.wait_for('the gateway policy does not let a linked gateway use test.interop')
        assert not is_there()
        # A refused side waits for a policy that allows it.
        reload('allow certificate alice.example all *\n')
        joined.wait()
        assert succeeds('Empty') == {}


def is_served(channel):
    try:
        return method('Empty', channel=channel)(EMPTY, timeout=20) == EMPTY
    except grpc.RpcError:
        return False


class Kept:
    """Calls over the link that the server keeps."""

    def __init__(self, joined, name=FAR):
        self.joined, self.name = joined, name
        self.programs = []

    def looked(self):
        text, _ = ipcctl('call', 'test.interop', 'Look', '{}', bus=self.joined.bus.path)
        return int(json.loads(text).get('kept', 0))

    def add(self):
        before = self.looked()
        self.programs.append(Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'],
                                     'call', '--timeout', '60', self.name, 'Keep', '{}'))
        wait_until('it is kept', lambda: self.looked() == before + 1, 20)

    def end(self):
        for program in self.programs:
            program.end()
        wait_until('none is kept', lambda: self.looked() == 0, 20)


@case
def calls_of_a_link_are_those_of_a_peer():
    """--peer-calls 3: the link, and two calls over it. Clients at the same path are the same peer.
    """
    with Joined('--peer-calls', '3', '--export', 'test.interop') as joined:
        kept = Kept(joined)
        kept.add()
        kept.add()
        fails_with('quota', 'Empty')
        with connect(joined.address) as channel:
            error = fails(grpc.StatusCode.RESOURCE_EXHAUSTED, method('Empty', channel=channel), EMPTY)
            assert 'this peer has 3 open calls already' in error.details()
            kept.programs.pop().end()
            wait_until('there is space', lambda: call('Empty')[1] == 0, 20)
            kept.end()
            wait_until('there is space for a client', lambda: is_served(channel), 20)


@case
def links_have_so_many_calls_together():
    # Each of the two links counts as a call as well.
    with Joined('--max-calls', '4') as joined:
        other = Program(f'{B}/gateway/ipc-gateway', '--link', f'other=test.interop@{joined.address}',
                        ready='other is test.interop of')
        one, two = Kept(joined), Kept(joined, 'other')
        one.add()
        two.add()
        fails_with('quota', 'Empty')
        two.programs.pop().end()
        wait_until('there is space', lambda: call('Empty')[1] == 0, 20)
        one.end()
        assert other.end() == 0


@case
def name_that_is_not_shared():
    with Joined() as joined:
        other = Program(f'{B}/gateway/ipc-gateway', '--link', f'x=other.name@{joined.address}',
                        ready='cannot use other.name')
        assert other.end() == 0
    for what in ('x', '@unix:/a', 'x=@unix:/a', '=y@unix:/a'):
        program = Program(f'{B}/gateway/ipc-gateway', '--link', what)
        assert program.status() == 1
        assert 'is not NAME[=REMOTE]@TARGET' in program.log(), program.log()
        state['programs'].remove(program)


def frame(**fields):
    """Returns the bytes of a frame with numbers and bytes."""
    numbers = {'kind': 1, 'id': 2, 'target': 3, 'chain': 5, 'text': 8, 'objects': 9, 'count': 10,
               'size': 11, 'low': 12, 'high': 13, 'flags': 14, 'data': 15}
    out = b''
    for name, value in fields.items():
        if isinstance(value, bytes):
            out += varint(numbers[name] << 3 | 2) + varint(len(value)) + value
        else:
            out += varint(numbers[name] << 3) + varint(value)
    return out


HELLO = frame(kind=1, low=1, high=1, flags=1, size=1 << 20)
FIND = frame(kind=2, id=1, text=b'test.interop')


def talk(channel, *frames, replies=None):
    """Sends frames. Ends when the other side ends the link, with its reason, or after this number
    of replies."""
    over = threading.Event()

    def requests():
        yield from frames
        over.wait(20)

    stream = channel.stream_stream(CONNECT)(requests(), timeout=20)
    got = []
    try:
        for reply in stream:
            got.append(reply)
            if replies and len(got) == replies:
                stream.cancel()
                return got
    except grpc.RpcError as error:
        over.set()
        return f'{error.code().name}: {error.details()}'
    over.set()
    return 'it ended well'


@case
def peers_of_a_link_that_mean_harm():
    with Joined() as joined:
        channel = connect(joined.address)
        for reason, frames in (
                ('malformed', (b'\xff\xff\xff',)),
                ('hello', (FIND,)),
                ('hello', (HELLO, HELLO)),
                ('other versions', (frame(kind=1, low=2, high=9, flags=1, size=1),)),
                ('byte order', (frame(kind=1, low=1, high=1, size=1),)),
                ('unknown kind', (HELLO, frame(kind=77))),
                ('does not hold', (HELLO, frame(kind=4, id=1, target=7))),
                ('does not hold', (HELLO, frame(kind=4, target=1))),
                ('does not hold', (HELLO, frame(kind=7, target=7, data=b'x'))),
                ('does not hold', (HELLO, frame(kind=9, target=1, count=1))),
                ('do not exist', (HELLO, frame(kind=5, id=1, objects=frame(id=1, target=1)))),
                ('not requested', (HELLO, frame(kind=3, id=1))),
                ('too many names', (HELLO,) + (FIND,) * 50)):
            text = talk(channel, *frames)
            assert text.startswith('ABORTED') and reason in text, (reason, text)
        # A reply without a call does no harm, and other clients are served all the time.
        assert len(talk(channel, HELLO, frame(kind=5, id=9), frame(kind=6, id=9),
                        frame(kind=10, target=9), FIND, replies=2)) == 2
        assert succeeds('Empty') == {}
        assert joined.far.memory() < 128 << 20
        channel.close()


@case
def gateway_without_links():
    channel = connect(state['gateway'].address)
    assert talk(channel, HELLO).startswith('UNIMPLEMENTED')
    channel.close()
