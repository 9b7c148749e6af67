# SPDX-License-Identifier: MIT
"""Services of gRPC servers in other languages, and programs on the bus that call them: all kinds of
methods, the end of a call by either side, deadlines, metadata, and statuses. Each case runs for
each language."""

import base64
import os
import signal
import subprocess
import time

from foreign import fetch, node
from harness import B, Program, case, socket_path, wait_until
from import_streams import NAME, Client, interop_ipc, ipcbus
from imports import call, fails_with, importer, succeeds

COMMANDS = {'javascript': lambda address: node('server', address),
            'go': lambda address: (fetch('go'), 'server', address)}


class Foreign:
    """A server, and a gateway that imports its service."""

    def __init__(self, language):
        address = socket_path()
        self.server = Program(*COMMANDS[language](address), ready='ready')
        self.gateway = importer(address)

    def __enter__(self):
        wait_until('the gateway has connected', lambda: call('Empty')[1] == 0)
        return self

    def __exit__(self, kind, value, trace):
        status = self.gateway.end()
        self.server.end()
        assert kind or status == 0, self.gateway.log()

    def said(self, line):
        return self.server.lines.count(line)

    def says(self, line, times=1):
        wait_until(f'{times} times "{line}" in {self.server.log()}', lambda: self.said(line) == times)


def in_each_language(function):
    """Makes a case for each language of a function with a Foreign."""
    for language in COMMANDS:
        def run(language=language):
            with Foreign(language) as there:
                function(there)
        globals()[f'{language}_server_{function.__name__}'] = case(run)
    return function


@in_each_language
def calls(there):
    reply = succeeds('Unary', {'size': 300, 'body': base64.b64encode(bytes(90000)).decode()})
    assert len(base64.b64decode(reply['body'])) == 300 and reply['requestSize'] == 90000
    fails_with('test status message', 'Unary', {'code': -22, 'message': 'test status message'})
    fails_with('grpc.INVALID_ARGUMENT: x', 'Unary', {'code': -22, 'message': 'x'})
    fails_with('grpc.NOT_FOUND: x', 'Unary', {'code': -2, 'message': 'x'})
    fails_with('grpc.UNIMPLEMENTED', 'Numbered')
    fails_with('', 'Keep', timeout=0.5)
    there.says('canceled')
    # If a client dies, its call is canceled too.
    client = Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call', NAME, 'Keep')
    wait_until('the call is there', lambda: there.server.log().count('left ') == 2)
    client.end(signal.SIGKILL)
    there.says('canceled', 2)


@in_each_language
def streams(there):
    (reply,), text = Client('Input', *({'body': b'abc'} for _ in range(40))).result()
    assert reply.request_size == 120, text
    replies, text = Client('Output', {'replies': 300, 'size': 1000}).result()
    assert [reply.request_size for reply in replies] == list(range(300)), text
    assert all(len(reply.body) == 1000 for reply in replies)
    client = Client('Duplex', more=True)
    for size in (0, 3, 300000, 1):
        client.send(size=size, body=b'abc')
        reply = client.reply()
        assert (reply.request_size, len(reply.body)) == (3, size)
    client.end()
    assert client.result() == ([], '')
    # No message at all.
    assert Client('Input').result()[0][0].request_size == 0
    assert Client('Output', {}).result() == ([], '')
    assert Client('Duplex').result() == ([], '')
    assert not there.said('canceled')


@in_each_language
def streams_end_early(there):
    client = Client('Duplex', {'size': 1}, more=True)
    client.reply()
    client.cancel()
    there.says('canceled')
    # The client cancels while the server sends.
    client = Client('Output', {'replies': 100000, 'size': 1000})
    client.reply()
    client.cancel()
    there.says('canceled', 2)
    # The end of a killed client must not look like a normal end of its requests.
    program = subprocess.Popen((f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call', NAME,
                                'Input'), stdin=subprocess.PIPE)
    program.stdin.write(b'{"size": 1}\n')
    program.stdin.flush()
    there.says('taken')
    program.kill()
    program.communicate()
    there.says('canceled', 3)
    _, text = Client('Deaf', {}, more=True, timeout=1).result()
    assert text.startswith('DeadlineExceeded'), text
    left = [int(line.split()[1]) for line in there.server.lines if line.startswith('left ')]
    assert len(left) == 1 and 0 < left[0] <= 1100, left
    there.says('canceled', 4)
    # The deadline expires while the server sends.
    _, text = Client('Output', {'replies': 1000, 'sleep_msec': 20}, timeout=0.5).result()
    assert text.startswith('DeadlineExceeded'), text
    there.says('canceled', 5)
    # The server dies.
    client = Client('Duplex', {'size': 1}, more=True)
    client.reply()
    there.server.end(signal.SIGKILL)
    _, text = client.result()
    assert 'UNAVAILABLE' in text, text
    _, text = Client('Output', {'replies': 1}).result()
    assert 'UNAVAILABLE' in text, text


@in_each_language
def streams_that_fail(there):
    replies, text = Client('Output', {'replies': 5, 'sleep_msec': 20, 'code': -34,
                                      'message': 'too far'}).result()
    assert 'OUT_OF_RANGE' in text and 'too far' in text, text
    assert [reply.request_size for reply in replies] == list(range(len(replies)))
    # The server ends the call before the client has ended its requests: with a status, a
    # cancellation, and an error with details.
    _, text = Client('Input', {'code': -16, 'message': 'busy'}, more=True).result()
    assert 'FAILED_PRECONDITION' in text and 'busy' in text, text
    _, text = Client('Duplex', {'code': -125, 'message': 'enough'}, more=True).result()
    assert 'grpc.CANCELLED: enough' in text, text
    closed = {'name': 'shop.Closed', 'message': 'come back', 'number': -7}
    for client in (Client('Duplex', closed, more=True), Client('Input', closed, more=True)):
        try:
            client.reply()
            raise AssertionError('it has replied')
        except ipcbus.Error as error:
            assert (error.name, error.text, error.number) == ('shop.Closed', 'come back', -7), error
    fails_with('shop.Closed', 'Unary', closed)
    _, text = Client('MissingStream', {}).result()
    assert 'UNIMPLEMENTED' in text, text
    assert succeeds('Empty') == {} and there.server.process.poll() is None


@in_each_language
def metadata(there):
    sent = {'trace': '00-1234', 'a.b_c-d': 'x', 'data-bin': 'AP8B'}
    stub = Client.bus().wait(interop_ipc.TestSync, NAME, timeout=10)
    assert stub.Metadata(text='trace', metadata=sent).text == '00-1234'
    assert stub.Metadata(text='data-bin', metadata=sent).text == 'AP8B'
    stream = stub.Duplex(metadata=sent)
    stream.end()
    assert stream.receive() is None
    for name, value in (('trace', b'00-1234'), ('a.b_c-d', b'x'), ('data-bin', b'\0\xff\1')):
        there.says(f'metadata {name} {base64.b64encode(value).decode()}')


@in_each_language
def oneways(there):
    for i in range(20):
        assert call('Note', {'text': str(i)}) == ('', 0)
    assert call('Note', {'text': 'refused'}) == ('', 0)
    there.says('note refused')
    assert [line for line in there.server.lines if line.startswith('note ')][:20] == \
        [f'note {i}' for i in range(20)]
    there.gateway.wait_for(f'dropping oneways to {NAME}: PERMISSION_DENIED: not this')


@in_each_language
def streams_are_bounded(there):
    """A client that does not receive stops the sender, across both hops, with little memory in
    between."""
    size, most = 20000, 32 << 20
    memory = there.gateway.memory()
    client = Client('Output', {'replies': 5000, 'size': size}, timeout=120)
    client.reply()
    time.sleep(1)
    assert there.gateway.memory() - memory < most
    assert len(client.result()[0]) == 4999
    client = Client('Deaf', more=True, timeout=2)
    sent = 0
    try:
        while sent < 5000:
            client.send(body=bytes(size))
            sent += 1
    except ipcbus.DeadlineExceeded:
        pass
    assert sent * size < most, sent
    assert there.gateway.memory() - memory < most
    there.says('canceled')
