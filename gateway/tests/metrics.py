# SPDX-License-Identifier: MIT
"""The gateway's counters: OpenMetrics text on a Unix socket."""

import os
import re
import socket
import stat
import threading
import time

import grpc

from harness import B, SERVICE, Program, case, connect, fails, gateway, look, method, pb, \
    socket_path, state, wait_until
from import_streams import Client, Imported
from imports import call as call_imported
from links import HELLO, frame, talk
from streams import Requests, duplex, server_stream

StatusCode = grpc.StatusCode
EMPTY = pb.EmptyMessage()
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9]+)')


def ask(where, request=b'GET /metrics HTTP/1.0\r\n\r\n'):
    """Returns the head and the body of the reply."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(where)
        client.sendall(request)
        data = b''
        while piece := client.recv(65536):
            data += piece
    head, _, body = data.partition(b'\r\n\r\n')
    return head.decode(), body.decode()


def parse(text):
    """Checks the rules of OpenMetrics, and returns the samples."""
    lines = text.split('\n')
    assert lines[-2:] == ['# EOF', ''], lines[-2:]
    samples, families, kind = {}, [], None
    for line in lines[:-2]:
        if line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            assert name not in families, line
            families.append(name)
        elif line.startswith('# HELP '):
            assert line.split(' ')[2] == families[-1], line
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            suffix = {'counter': '_total', 'gauge': ''}[kind]
            assert found[1] == families[-1] + suffix, line
            key = (found[1].removeprefix('ipc_gateway_'), found[2] or '')
            assert key not in samples, line
            samples[key] = int(found[3])
    return samples


def metrics(where):
    head, body = ask(where)
    assert head.startswith('HTTP/1.0 200 OK\r\n'), head
    assert 'application/openmetrics-text; version=1.0.0' in head, head
    return parse(body)


def labels(status=None, direction='export', name='test.interop'):
    text = f'direction="{direction}",name="{name}"'
    return f'{text},status="{status}"' if status else text


class Counted:
    """A gateway with metrics."""

    def __init__(self, *arguments, **options):
        self.where = socket_path()[len('unix:'):]
        self.program = gateway('--metrics', self.where, *arguments, **options)

    def get(self):
        return metrics(self.where)

    def __enter__(self):
        self.channel = connect(self.program.address)
        return self

    def __exit__(self, kind, value, trace):
        self.channel.close()
        status = self.program.end()
        assert kind or status == 0, self.program.log()
        assert kind or not os.path.exists(self.where)


@case
def no_call_stays_open():
    """A reply and the close of its call end together, on either of two threads."""
    with Counted() as gate:
        call = method('Unary', pb.Reply, gate.channel)
        for _ in range(3000):
            call(pb.Request())
        wait_until('none is open', lambda: gate.get()['open_calls', labels()] == 0)


@case
def metrics_of_calls():
    with Counted('--max-calls', '3') as gate:
        assert stat.S_IMODE(os.stat(gate.where).st_mode) == 0o600
        before = gate.get()
        assert before['calls_total', labels('OK')] == 0
        for _ in range(5):
            method('Unary', pb.Reply, gate.channel)(pb.Request(size=1000, body=bytes(500)))
        fails(StatusCode.INVALID_ARGUMENT, method('Unary', pb.Reply, gate.channel),
              pb.Request(code=-22, name='a"b\\c\n\x1b'))
        fails(StatusCode.UNIMPLEMENTED, method('Nothing"\n', channel=gate.channel), EMPTY)
        fails(StatusCode.UNIMPLEMENTED, method('Say', channel=gate.channel, service='/x.Y/'), EMPTY)
        fails(StatusCode.INVALID_ARGUMENT, gate.channel.unary_unary(SERVICE + 'Unary'), b'\x07')
        fails(StatusCode.DEADLINE_EXCEEDED, method('Keep', channel=gate.channel), EMPTY, timeout=0.2)
        futures = [method('Keep', channel=gate.channel).future(EMPTY) for _ in range(3)]
        wait_until('they are there', lambda: look().kept == 3)
        fails(StatusCode.RESOURCE_EXHAUSTED, method('Empty', channel=gate.channel), EMPTY)
        now = gate.get()
        assert now['open_calls', labels()] == 3, now
        for future in futures:
            future.cancel()
        wait_until('they are over', lambda: gate.get()['open_calls', labels()] == 0)
        wait_until('so are those of no service', lambda: sum(
            number for (name, text), number in gate.get().items()
            if name == 'calls_total' and 'none' in text) == 2)
        now = gate.get()
        assert now['calls_total', labels('OK')] == 5, now
        assert now['calls_total', labels('INVALID_ARGUMENT')] == 2, now
        assert now['calls_total', labels('UNIMPLEMENTED')] == 1, now
        # The call ends on both sides at the same time.
        assert now['calls_total', labels('CANCELLED')] + \
            now.get(('calls_total', labels('DEADLINE_EXCEEDED')), 0) == 4, now
        assert now['calls_total', labels('UNIMPLEMENTED', 'none', '')] == 1, now
        assert now['calls_total', labels('RESOURCE_EXHAUSTED', 'none', '')] == 1, now


@case
def metrics_of_streams_and_links():
    with Counted('--share', 'test.interop') as gate:
        requests = Requests(pb.Request(size=3000))
        replies = duplex(channel=gate.channel)(iter(requests))
        next(replies)
        now = gate.get()
        assert now['open_calls', labels()] == 1, now
        requests.end()
        assert list(replies) == []
        assert len(list(server_stream(channel=gate.channel)(pb.Plan(replies=100, size=100)))) == 100
        wait_until('they are over', lambda: gate.get()['calls_total', labels('OK')] == 2)
        assert len(talk(gate.channel, HELLO, frame(kind=2, id=1, text=b'x"y'), replies=2)) == 2
        now = gate.get()
        assert not any('x"y' in labels or 'x\\' in labels for _, labels in now), now
        other = Program(f'{B}/gateway/ipc-gateway', '--link',
                        f'far.x=test.interop@{gate.program.address}', ready='far.x is test.interop')
        wait_until('it is alone', lambda: gate.get()['open_calls', labels(None, 'link', '')] == 1)
        assert other.end() == 0
        wait_until('it is gone', lambda: gate.get()['open_calls', labels(None, 'link', '')] == 0)


@case
def metrics_of_imports():
    where = socket_path()[len('unix:'):]
    with Imported('--metrics', where) as there:
        client = Client('Duplex', {'size': 1000}, more=True)
        client.reply()
        key = labels(None, 'import', 'there.interop')
        assert metrics(where)['open_calls', key] == 1
        client.end()
        assert client.result() == ([], '')
        assert call_imported('Note', {'text': 'refused'}) == ('', 0)
        there.program.wait_for('dropping')
        wait_until('both are over', lambda: metrics(where)['open_calls', key] == 0)
        now = metrics(where)
        assert now['calls_total', key + ',status="OK"'] == 1, now
        assert now['calls_total', key + ',status="PERMISSION_DENIED"'] == 1, now
        assert now['open_calls', key] == 0, now


@case
def readers_of_metrics_that_mean_harm():
    with Counted() as gate:
        assert ask(gate.where, b'GET / HTTP/1.0\r\n\r\n')[0].startswith('HTTP/1.0 404')
        assert ask(gate.where, b'\xff' * 4095) == ('', '')
        # Clients that send nothing or read nothing have two seconds each, and calls do not wait for
        # them.
        silent = []
        for request in (b'', b'', b'GET /metrics HTTP/1.0\r\n\r\n'):
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(gate.where)
            silent[-1].sendall(request)
        begin = time.monotonic()
        method('Empty', channel=gate.channel)(EMPTY, timeout=20)
        assert time.monotonic() - begin < 20
        wait_until('it is counted', lambda: gate.get()['calls_total', labels('OK')] == 1, 20)
        for client in silent:
            client.close()
        threads = [threading.Thread(target=gate.get) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # The path of a killed gateway is reused, and paths in use are refused.
    with Counted() as gate:
        gate.program.end(9)
        gate.program = gateway('--metrics', gate.where)
        assert gate.get()['calls_total', labels('OK')] == 0
    for where in (state['folder'], '/' + 'x' * 200, f'{state["folder"]}/none/x'):
        other = gateway('--metrics', where, ready=None)
        assert other.status() == 1 and 'cannot serve metrics at' in other.log(), other.log()
        state['programs'].remove(other)
    assert os.path.isdir(state['folder'])
