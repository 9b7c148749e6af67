# SPDX-License-Identifier: MIT
"""Texts of peers in the log: each line stays a single printable line of bounded length."""

import concurrent.futures
import os
import re
import signal
import subprocess
import threading
import unicodedata

import grpc

from harness import B, case, connect, fails, method, pb, socket_path, state, wait_until
from links import CONNECT, HELLO, frame, talk
from tls import call as tls_call, certificate, certificates, path, tls_gateway

StatusCode = grpc.StatusCode
PREFIX = b'ipc-gateway: '
LINE_MAX = 1023

# Sequences that a terminal or the reader of a log may misinterpret.
EVIL = (b'\x1b[2J\x1b]0;root\x07', b'one\nipc-gateway: ready\r\ntwo', b'\xff\xfe\xc3(\xed\xa0\x80\xc0\xaf',
        '\u202eetouq\u2066 \u2028\u200b\u009b31m'.encode(), b'nul\0tab\tdel\x7f', b'%s%n%1000000d',
        b'\x1b[31m' * 600)


class Logged:
    """A gateway whose log is read as bytes."""

    def __init__(self, *arguments, **environment):
        self.path = path(f'log.{os.path.basename(socket_path())}')
        with open(self.path, 'wb') as log:
            self.process = subprocess.Popen((f'{B}/gateway/ipc-gateway', *arguments), stderr=log,
                                            stdout=log, env={**os.environ, **environment})
        self.wait_for(b'ipc-gateway: ready')

    def log(self):
        with open(self.path, 'rb') as log:
            return log.read()

    def wait_for(self, text, times=1):
        wait_until(f'the log has {text} {times} times: {self.log()}',
                   lambda: self.log().count(text) >= times or self.process.poll() is not None, 30)
        assert self.log().count(text) >= times, self.log()

    def end(self):
        """Returns the lines, each of which must be printable and short."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        lines = self.log().split(b'\n')
        assert lines.pop() == b''
        for line in lines:
            assert line.startswith(PREFIX), line
            assert len(line) <= len(PREFIX) + LINE_MAX, len(line)
            for character in line.decode():
                assert unicodedata.category(character) not in ('Cc', 'Cf', 'Zl', 'Zp'), line
        return lines


class Liar(grpc.GenericRpcHandler):
    """A gateway that accepts links, and ends each link with the next of its texts."""

    def __init__(self, texts):
        self.texts = iter(texts)
        self.lock = threading.Lock()
        self.address = socket_path()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port(self.address)
        self.server.start()

    def service(self, handler_call_details):
        if handler_call_details.method != CONNECT:
            return None
        return grpc.stream_stream_rpc_method_handler(self.connect)

    def connect(self, requests, context):
        del requests
        yield HELLO
        with self.lock:
            text = next(self.texts, b'enough')
        context.abort(StatusCode.ABORTED, text)


@case
def statuses_of_a_hostile_peer():
    # gRPC itself refuses texts that are larger than its limit for headers.
    liar = Liar((*EVIL, b'\x1b' * 100000))
    program = Logged('--link', f'x=test.interop@{liar.address}')
    program.wait_for(b'lost the link', len(EVIL) + 2)
    lines = program.end()
    liar.server.stop(0).wait()
    said = [line for line in lines if b'lost the link' in line]
    assert b'?[2J?]0;root?' in said[0], said
    assert b'one?ipc-gateway: ready??two' in said[1], said
    assert not any(line == PREFIX + b'ready' for line in lines[lines.index(PREFIX + b'ready') + 1:])
    assert b'%s%n%1000000d' in said[5], said
    # The text was cut, and is marked as cut.
    assert said[6].endswith(b'...') and len(said[6]) > LINE_MAX // 2, said[6]


@case
def names_of_a_hostile_peer():
    program = Logged('--share', 'test.interop', '--listen', address := socket_path())
    with connect(address) as channel:
        frames = [frame(kind=2, id=i, text=text) for i, text in enumerate((*EVIL, b'\n' * 100000), 1)]
        assert len(talk(channel, HELLO, *frames, replies=len(frames) + 1)) == len(frames) + 1
    lines = [line for line in program.end() if line.endswith(b' is not shared')]
    assert len(lines) == len(frames), lines
    assert PREFIX + b'?[2J?]0;root? is not shared' in lines, lines
    assert all(len(line) < 200 for line in lines), lines


@case
def reports_of_the_core():
    """At its most verbose level, gRPC prints paths and metadata as peers sent them."""
    program = Logged('--export', 'test.interop', '--listen', address := socket_path(),
                     GRPC_VERBOSITY='DEBUG', GRPC_TRACE='http,call_error,api')
    with connect(address) as channel:
        for text in EVIL[:2] + EVIL[-1:]:
            metadata = (('x-evil-bin', text),)
            method('Empty', channel=channel)(pb.EmptyMessage(), timeout=20, metadata=metadata)
            fails(StatusCode.UNIMPLEMENTED, channel.unary_unary('/' + text.decode('latin-1')), b'',
                  timeout=20)
    assert any(line.startswith(PREFIX + b'gRPC: ') for line in program.end())


@case
def names_in_hostile_certificates():
    certificates()
    program = tls_gateway('--tls-client-ca', path('ca.pem'))
    ask = {'name': 'Metadata', 'request': pb.Text(text='ipc-peer'), 'reply': pb.Text}
    # Only the first of these is a name of alice.
    for i, name in enumerate((b'alice.example', b'alice.example\0.evil.example',
                              b'\x1b[2J\nipc-gateway: ready', b'x' * 60000)):
        certificate(f'evil{i}', 'ca', 'evil', name)
        try:
            text = tls_call(program, client=f'evil{i}', **ask).text
        except grpc.RpcError as error:
            assert error.code() in (StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE), (i, error)
            text = ''
        assert (text == 'alice.example') == (i == 0), (i, text)
    log = program.log()
    assert program.end() == 0
    assert log.count('ipc-gateway: ready') == 1 and '\x1b' not in log, log


assert state


@case
def the_table_of_errnos_is_documented():
    with open('gateway/status.c') as source, open('docs/gateway.md') as page:
        table = re.findall(r'\{ (E[A-Z0-9]+), NET_([A-Z_]+) \}', source.read())
        rows = re.findall(r'^\| `([A-Z_]+)` \| (`E.*) \|$', page.read(), re.MULTILINE)
    documented = {status.replace('CANCELED', 'CANCELLED'): set(re.findall(r'`(E[A-Z0-9]+)`', codes))
                  for status, codes in rows}
    assert len(table) > 40
    for code, status in table:
        assert code in documented[status], f'{code} is {status}'
    assert sum(len(codes) for codes in documented.values()) == len(table)
