# SPDX-License-Identifier: MIT
"""gRPC services that programs on the bus call: a server with grpcio, and ipcctl as the client."""

import concurrent.futures
import json
import os
import socket
import subprocess
import threading
import time

import grpc

import harness
import http2
from harness import B, Program, case, pb, socket_path, wait_until
from unary import ErrorInfo, Status
from google.protobuf import any_pb2
from ipc import ipc_pb2

SET = os.path.join(B, 'gateway/tests/interop.set')
StatusCode = grpc.StatusCode


class Service:
    """A gRPC server with the methods of interop.Test, and a record of its calls."""

    def __init__(self, address=None):
        self.calls = 0
        self.canceled = threading.Event()
        self.left = None
        self.address = address or socket_path()
        self.start()

    def start(self):
        handlers = {name: grpc.unary_unary_rpc_method_handler(
            getattr(self, name.lower()), request.FromString, lambda reply: reply.SerializeToString())
            for name, request in (('Unary', pb.Request), ('Empty', pb.EmptyMessage),
                                  ('Keep', pb.EmptyMessage))}
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler('interop.Test', handlers),))
        self.server.add_insecure_port(self.address)
        self.server.start()

    def stop(self):
        self.server.stop(0).wait()

    def unary(self, request, context):
        self.calls += 1
        if request.name:
            status = Status(code=2, message=request.message)
            detail = any_pb2.Any(type_url='type.googleapis.com/google.rpc.ErrorInfo',
                                 value=ErrorInfo(reason=request.name).SerializeToString())
            status.details.append(detail)
            error = ipc_pb2.Error(name=request.name, text=request.message, number=request.number)
            status.details.append(any_pb2.Any(type_url='type.googleapis.com/ipc.Error',
                                              value=error.SerializeToString()))
            context.set_trailing_metadata((('grpc-status-details-bin',
                                            status.SerializeToString()),))
            context.abort(StatusCode.UNKNOWN, request.message)
        if request.code:
            context.abort(list(StatusCode)[request.code], request.message)
        return pb.Reply(request_size=len(request.body), body=bytes(request.size))

    def empty(self, request, context):
        del request, context
        self.calls += 1
        return pb.EmptyMessage()

    def keep(self, request, context):
        self.calls += 1
        self.left = context.time_remaining()
        gone = threading.Event()
        context.add_callback(gone.set)
        if gone.wait(10):
            self.canceled.set()
        return request


def importer(address, *arguments, name='there.interop'):
    return Program(f'{B}/gateway/ipc-gateway', '--import', f'{name}={address}/interop.Test',
                   '--descriptor-set', SET, *arguments, ready='ready')


def call(method, request=None, timeout=10, name='there.interop'):
    """Returns the output of ipcctl and its exit status."""
    done = subprocess.run((f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call',
                           '--timeout', str(timeout), name, method, json.dumps(request or {})),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout, done.returncode


def succeeds(method, request=None):
    text, status = call(method, request)
    assert status == 0, text
    return json.loads(text)


def fails_with(text, method, request=None, timeout=10):
    out, status = call(method, request, timeout)
    assert status != 0, out
    assert text in out, out


@case
def imported_call():
    service = Service()
    program = importer(service.address)
    assert 'importing interop.Test as there.interop' in program.log()
    reply = succeeds('Unary', {'size': 3, 'body': 'AAAA'})
    assert (reply['requestSize'], reply['body']) == (3, 'AAAA')
    assert succeeds('Unary', {'size': 300000})['requestSize'] == 0
    assert succeeds('Empty') == {}
    assert program.end() == 0
    service.stop()


@case
def users_have_so_many_imported_calls():
    service = Service()
    program = importer(service.address, '--max-calls', '4')
    threads = [threading.Thread(target=call, args=('Keep', None, 4)) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until('they are there', lambda: service.calls == 2)
    fails_with('this user has 2 open calls already', 'Empty')
    os.chmod(os.environ['IPCBUS_BUS'], 0o666)
    done = subprocess.run(('setpriv', '--reuid', 'nobody', '--clear-groups', f'{B}/tools/ipcctl', '--bus',
                           os.environ['IPCBUS_BUS'], 'call', 'there.interop', 'Empty'),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for thread in threads:
        thread.join()
    wait_until('there is space', lambda: call('Empty')[1] == 0)
    assert program.end() == 0
    service.stop()


@case
def imported_errors():
    service = Service()
    program = importer(service.address)
    for code, text in ((3, 'EINVAL'), (5, 'ENOENT'), (8, 'EDQUOT'), (12, 'EOPNOTSUPP')):
        assert list(StatusCode)[code].value[0] == code
        fails_with('the reason', 'Unary', {'code': code, 'message': 'the reason'})
        out, _ = call('Unary', {'code': code, 'message': 'the reason'})
        assert f'grpc.{list(StatusCode)[code].name}' in out or text in out, out
    fails_with('shop.Closed', 'Unary', {'name': 'shop.Closed', 'message': 'come back'})
    fails_with('come back', 'Unary', {'name': 'shop.Closed', 'message': 'come back'})
    fails_with('', 'Metadata', {'text': 'a'})
    program.end()
    service.stop()


@case
def imported_deadline_and_cancellation():
    service = Service()
    program = importer(service.address)
    begin = time.monotonic()
    fails_with('', 'Keep', timeout=0.5)
    assert time.monotonic() - begin < 5
    assert service.canceled.wait(5)
    # If a client dies, its call is canceled too. Without --timeout, the call itself has a deadline.
    service.canceled.clear()
    client = Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call',
                     'there.interop', 'Keep')
    wait_until('the call is there', lambda: service.calls == 2)
    assert 20 < service.left <= 30.1, service.left
    client.end(9)
    assert service.canceled.wait(5)
    program.end()
    service.stop()


@case
def server_that_is_not_there():
    address = socket_path()
    program = importer(address)
    fails_with('grpc.UNAVAILABLE', 'Empty')
    service = Service(address)
    wait_until('the gateway has connected', lambda: call('Empty')[1] == 0, 20)
    service.stop()
    fails_with('grpc.UNAVAILABLE', 'Empty')
    calls = service.calls
    service.start()
    wait_until('the gateway has connected again', lambda: call('Empty')[1] == 0, 20)
    # Each successful call was executed once, and each failed call not at all.
    assert service.calls == calls + 1
    assert program.end() == 0
    service.stop()


def silent_server(*arguments):
    """A server that has received the only call of a gateway and does not respond. The call is a
    program."""
    address = socket_path()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address[len('unix:'):])
        listener.listen()
        program = importer(address, *arguments)
        client = Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call',
                         '--timeout', '60', 'there.interop', 'Keep')
        server = http2.Server(listener)
    server.wait_for_call()
    return program, client, server


@case
def silent_servers_are_asked():
    """As often as servers allow, which is rarely."""
    program, client, server = silent_server()
    with server:
        server.serve(4)
        assert not server.pings
        assert not client.ended()
    program.end()
    client.status()
    program, client, server = silent_server('--keepalive', '1')
    with server:
        server.serve(4)
        assert 2 <= server.pings <= 4, server.pings
        assert not client.ended()
        # The server has gone without closing the connection.
        wait_until('the call ends', client.ended, 20)
        assert 'grpc.UNAVAILABLE' in client.log(), client.log()
    program.end()


@case
def wrong_imports():
    for what, text in (('x', 'it is not NAME=TARGET'), ('x=y', 'it is not NAME=TARGET'),
                       ('x=unix:/a/b.None', 'has no such service')):
        program = Program(f'{B}/gateway/ipc-gateway', '--import', what, '--descriptor-set', SET)
        assert program.status() == 1
        assert text in program.log(), program.log()
    program = Program(f'{B}/gateway/ipc-gateway', '--import', 'x=unix:/a/interop.Test',
                      '--descriptor-set', '/dev/null/x')
    assert program.status() == 1
    assert 'cannot read' in program.log()


@case
def drain_with_an_imported_call():
    service = Service()
    program = importer(service.address, '--drain', '1')
    client = Program(f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'], 'call',
                     '--timeout', '60', 'there.interop', 'Keep')
    wait_until('the call is there', lambda: service.calls == 1)
    assert program.end() == 0
    assert client.status() != 0
    harness.state['programs'].remove(client)
    service.stop()
