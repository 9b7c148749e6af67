# SPDX-License-Identifier: MIT
"""Calls with a single request and a single reply, and rules for exports."""

import base64
import signal
import socket
import threading
import time

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

import harness
from harness import Program, case, connect, fails, gateway, look, method, pb, server, state, wait_until
from ipc import ipc_pb2

StatusCode = grpc.StatusCode
EMPTY = pb.EmptyMessage()


def google_rpc():
    """Status and ErrorInfo of google.rpc, according to their public definitions."""
    file = descriptor_pb2.FileDescriptorProto(name='rpc.proto', package='google.rpc',
                                              syntax='proto3',
                                              dependency=['google/protobuf/any.proto'])
    field = descriptor_pb2.FieldDescriptorProto
    status = file.message_type.add(name='Status')
    status.field.add(name='code', number=1, type=field.TYPE_INT32, label=1)
    status.field.add(name='message', number=2, type=field.TYPE_STRING, label=1)
    status.field.add(name='details', number=3, type=field.TYPE_MESSAGE, label=3,
                     type_name='.google.protobuf.Any')
    info = file.message_type.add(name='ErrorInfo')
    info.field.add(name='reason', number=1, type=field.TYPE_STRING, label=1)
    info.field.add(name='domain', number=2, type=field.TYPE_STRING, label=1)
    info.field.add(name='metadata', number=3, type=field.TYPE_MESSAGE, label=3,
                   type_name='.google.rpc.ErrorInfo.MetadataEntry')
    entry = info.nested_type.add(name='MetadataEntry')
    entry.options.map_entry = True
    entry.field.add(name='key', number=1, type=field.TYPE_STRING, label=1)
    entry.field.add(name='value', number=2, type=field.TYPE_STRING, label=1)
    pool = descriptor_pool.Default()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName('google.rpc.' + name))
            for name in ('Status', 'ErrorInfo')]


Status, ErrorInfo = google_rpc()
assert any_pb2.Any


def details_of(error):
    """Returns the google.rpc.Status of an error, its ErrorInfo and its ipc.Error."""
    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers['grpc-status-details-bin'])
    info, ipc_error = ErrorInfo(), ipc_pb2.Error()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(ipc_error)  # pylint: disable=expression-not-assigned
    return status, info, ipc_error


# --- Calls ---------------------------------------------------------------------------------

@case
def empty_unary():
    assert method('Empty')(EMPTY) == EMPTY


@case
def large_unary():
    reply = method('Unary', pb.Reply)(pb.Request(size=314159, body=bytes(271828)))
    assert len(reply.body) == 314159
    assert reply.request_size == 271828


@case
def sizes():
    call = method('Unary', pb.Reply)
    for size in (0, 1, 100, 4095, 4096, 65535, 65536, 1 << 20, (4 << 20) - 100):
        reply = call(pb.Request(size=size // 2, body=bytes(size // 2)))
        assert (len(reply.body), reply.request_size) == (size // 2, size // 2)


@case
def many_at_once():
    call = method('Unary', pb.Reply)
    futures = [call.future(pb.Request(size=i, body=bytes(i))) for i in range(90)]
    assert [len(future.result().body) for future in futures] == list(range(90))


@case
def method_with_a_number_of_its_own():
    method('Numbered')(EMPTY)
    assert look().numbered == 1


@case
def oneway():
    method('Note', pb.EmptyMessage)(pb.Text(text='to do'))
    wait_until('the note has arrived', lambda: look().noted == 'to do')


@case
def over_tcp():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = '127.0.0.1:%d' % free.getsockname()[1]
    program = gateway(listen=address)
    with connect(address) as channel:
        method('Empty', channel=channel)(EMPTY)
    assert program.end() == 0


@case
def port_that_the_system_chooses():
    program = gateway(listen='127.0.0.1:0')
    line = [line for line in program.lines if 'listening on' in line][0]
    with connect(line.split()[-1]) as channel:
        method('Empty', channel=channel)(EMPTY)
    program.end()


# --- Errors ----------------------------------------------------------------------------------

@case
def status_code_and_message():
    error = fails(StatusCode.UNKNOWN, method('Unary', pb.Reply),
                  pb.Request(name='interop.Special', message='test status message'))
    assert error.details() == 'test status message'


@case
def special_status_message():
    text = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n'
    error = fails(StatusCode.NOT_FOUND, method('Unary', pb.Reply),
                  pb.Request(code=-2, message=text))
    assert error.details() == text


@case
def error_details():
    error = fails(StatusCode.UNKNOWN, method('Unary', pb.Reply),
                  pb.Request(name='interop.Full', message='no space left', number=-7,
                             details=b'\x00\xff1'))
    status, info, ipc_error = details_of(error)
    assert (status.code, status.message) == (2, 'no space left')
    assert (info.reason, info.domain) == ('interop.Full', 'interop.Test')
    assert dict(info.metadata) == {'errno': 'EREMOTEIO', 'number': '-7'}
    assert (ipc_error.name, ipc_error.text) == ('interop.Full', 'no space left')
    assert (ipc_error.number, ipc_error.details) == (-7, b'\x00\xff1')


@case
def errors_too_long_for_headers():
    error = fails(StatusCode.UNKNOWN, method('Unary', pb.Reply),
                  pb.Request(name='interop.Long', message='ü' * 5000, details=bytes(100000)))
    assert error.details() == 'ü' * 256
    status, info, ipc_error = details_of(error)
    assert info.reason == 'interop.Long'
    assert status.message == 'ü' * 256
    assert not ipc_error.details


@case
def errno_table():
    table = {22: StatusCode.INVALID_ARGUMENT, 2: StatusCode.NOT_FOUND,
             17: StatusCode.ALREADY_EXISTS, 13: StatusCode.PERMISSION_DENIED,
             1: StatusCode.PERMISSION_DENIED, 122: StatusCode.RESOURCE_EXHAUSTED,
             12: StatusCode.RESOURCE_EXHAUSTED, 16: StatusCode.FAILED_PRECONDITION,
             116: StatusCode.ABORTED, 34: StatusCode.OUT_OF_RANGE, 95: StatusCode.UNIMPLEMENTED,
             5: StatusCode.INTERNAL, 71: StatusCode.INTERNAL, 11: StatusCode.UNAVAILABLE,
             113: StatusCode.UNAVAILABLE, 117: StatusCode.DATA_LOSS,
             129: StatusCode.UNAUTHENTICATED, 121: StatusCode.UNKNOWN, 98: StatusCode.UNKNOWN}
    for code, status in table.items():
        error = fails(status, method('Unary', pb.Reply), pb.Request(code=-code, message='so'))
        assert error.details() == 'so'


@case
def unimplemented_method():
    fails(StatusCode.UNIMPLEMENTED, method('Unknown'), EMPTY)
    fails(StatusCode.UNIMPLEMENTED, method('Missing'), EMPTY)
    fails(StatusCode.UNIMPLEMENTED, method(''), EMPTY)
    fails(StatusCode.UNIMPLEMENTED, method('Empty/'), EMPTY)


@case
def unimplemented_service():
    fails(StatusCode.UNIMPLEMENTED, method('Empty', service='/interop.Tes/'), EMPTY)
    fails(StatusCode.UNIMPLEMENTED, method('Empty', service='/interop.Test2/'), EMPTY)
    fails(StatusCode.UNIMPLEMENTED, method('Empty', service='/ipc.Manager/'), EMPTY)


@case
def payload_that_is_no_message():
    raw = state['channel'].unary_unary(harness.SERVICE + 'Unary')
    for payload in (b'\xff', b'\x12\xff\xff\xff\x7f', b'\x0a', bytes(range(100))):
        fails(StatusCode.INVALID_ARGUMENT, raw, payload)


@case
def clients_make_no_frames():
    # On the bus, 7 at the beginning marks a frame with metadata. This frame would set the caller.
    words = b'ipc-peer\0root\0'
    frame = (b'\x07\0\0\0' + (0).to_bytes(4, 'little') + len(words).to_bytes(4, 'little') +
             bytes(4) + words)
    raw = state['channel'].unary_unary(harness.SERVICE + 'Empty')
    error = fails(StatusCode.INVALID_ARGUMENT, raw, frame)
    assert error.details() == 'the request is not a valid message'


# --- Deadlines and cancellation ------------------------------------------------------------------

@case
def timeout_on_sleeping_server():
    begin = time.monotonic()
    fails(StatusCode.DEADLINE_EXCEEDED, method('Unary', pb.Reply), pb.Request(sleep_msec=600),
          timeout=0.2)
    assert time.monotonic() - begin < 0.6


@case
def deadline_reaches_the_handler():
    fails(StatusCode.DEADLINE_EXCEEDED, method('Keep'), EMPTY, timeout=0.5)
    assert 300 <= look().left <= 500
    wait_until('the handler knows', lambda: look().kept == 0)


@case
def no_deadline():
    future = method('Keep').future(EMPTY)
    wait_until('the call is there', lambda: look().kept == 1)
    assert look().left == 0
    method('Release')(EMPTY)
    assert future.result() == EMPTY


@case
def cancel_reaches_the_handler():
    before = look().canceled
    futures = [method('Keep').future(EMPTY) for _ in range(20)]
    wait_until('the calls are there', lambda: look().kept == 20)
    for future in futures:
        future.cancel()
    wait_until('all are canceled', lambda: look().kept == 0)
    assert look().canceled == before + 20


@case
def lost_connection_cancels():
    channel = connect(state['gateway'].address)
    future = method('Keep', channel=channel).future(EMPTY)
    wait_until('the call is there', lambda: look().kept == 1)
    channel.close()
    del future
    wait_until('it is canceled', lambda: look().kept == 0)


# --- Metadata ------------------------------------------------------------------------------------

def metadata(name, value, ask=None):
    return method('Metadata', pb.Text)(pb.Text(text=ask or name), metadata=((name, value),)).text


@case
def custom_metadata():
    assert metadata('x-grpc-test-echo-initial', 'test_initial_metadata_value') == \
        'test_initial_metadata_value'


@case
def binary_metadata():
    for value in (b'', b'\xab', b'\xab\x00', b'\x0a\xff\xab', bytes(range(256))):
        assert base64.b64decode(metadata('x-test-bin', value)) == value


@case
def metadata_of_the_gateway_cannot_be_forged():
    fails(StatusCode.NOT_FOUND, metadata, 'ipc-peer', 'root')
    fails(StatusCode.NOT_FOUND, metadata, 'x', 'y', ask='user-agent')


@case
def metadata_with_a_large_request():
    call = method('Unary', pb.Reply)
    reply = call(pb.Request(size=10, body=bytes(2000000)), metadata=(('a', 'b'),))
    assert reply.request_size == 2000000


# --- What can be exported ---------------------------------------------------------------------------

def methods_with_files_are_refused():
    """Only these methods: the other methods and exports are served."""
    files, objects = server('files'), server('objects')
    program = gateway(exports=('test.files', 'test.objects', 'test.interop'))
    open_why = 'Open.reply.entries.file is an ipc.Fd, which cannot leave the machine'
    subscribe_why = 'Subscribe.request.by_name.value is an ipc.Object, which cannot leave the machine'
    with connect(program.address) as channel:
        def call(name, service, reply=pb.EmptyMessage):
            return method(name, reply, channel=channel, service=f'/interop.{service}/')

        assert call('Count', 'Files', pb.LookReply)(pb.Text(text='12345')).kept == 5
        error = fails(StatusCode.UNIMPLEMENTED, call('Open', 'Files'), pb.Text())
        assert error.details() == open_why
        error = fails(StatusCode.UNIMPLEMENTED, call('Subscribe', 'Objects'), EMPTY)
        assert error.details() == subscribe_why
        assert call('Empty', 'Test')(EMPTY) == EMPTY
    for what in (f'test.files cannot call Open: {open_why}',
                 f'test.objects cannot call Subscribe: {subscribe_why}'):
        assert program.log().count(f'clients of {what}') == 1, program.log()
    assert program.end() == files.end() == objects.end() == 0


@case
def exports_that_cannot_be_served():
    """An object without a description does not end the gateway, which serves the others."""
    bare = server('bare')
    program = gateway(exports=('test.bare', 'test.interop'))
    assert 'cannot export test.bare: ' in program.log()
    with connect(program.address) as channel:
        assert method('Empty', channel=channel)(EMPTY) == EMPTY
    assert program.log().count('cannot export') == 1
    bare.end()
    assert program.end() == 0


@case
def one_name_twice():
    program = gateway(exports=('test.interop', 'test.interop'), ready=None)
    assert program.status() == 1
    assert 'cannot export test.interop: --export names it twice' in program.log()


@case
def service_that_comes_later_and_again():
    state['server'].end()
    program = gateway()
    channel = connect(program.address)
    call = method('Empty', channel=channel)
    assert 'waiting for test.interop' in program.log()
    fails(StatusCode.UNIMPLEMENTED, call, EMPTY)
    state['server'] = server()
    program.wait_for('exporting test.interop as interop.Test')
    call(EMPTY)
    state['server'].end(signal.SIGKILL)
    program.wait_for('test.interop is not registered any more')
    error = fails(StatusCode.UNAVAILABLE, call, EMPTY)
    assert 'no process has registered this name' in error.details()
    known = state['gateway'].log().count('exporting')
    state['server'] = server()
    wait_until('it is there again', lambda: program.log().count('exporting') == 2)
    call(EMPTY)
    wait_until('for the others too', lambda: state['gateway'].log().count('exporting') > known)
    channel.close()
    program.end()


@case
def service_that_dies_during_a_call():
    future = method('Keep').future(EMPTY)
    wait_until('the call is there', lambda: look().kept == 1)
    known = state['gateway'].log().count('exporting')
    state['server'].end(signal.SIGKILL)
    fails(StatusCode.UNAVAILABLE, future.result)
    state['server'] = server()
    wait_until('it is there again',
               lambda: state['gateway'].log().count('exporting') == known + 1)


# --- Limits ------------------------------------------------------------------------------------------

@case
def request_too_large():
    fails(StatusCode.RESOURCE_EXHAUSTED, method('Unary', pb.Reply),
          pb.Request(body=bytes((4 << 20) + 1)))
    assert method('Empty')(EMPTY) == EMPTY


@case
def size_limit_is_an_option():
    program = gateway('--max-message', '1K')
    with connect(program.address) as channel:
        call = method('Unary', pb.Reply, channel)
        assert call(pb.Request(body=bytes(1000))).request_size == 1000
        fails(StatusCode.RESOURCE_EXHAUSTED, call, pb.Request(body=bytes(1100)))
    program.end()


@case
def too_many_calls():
    program = gateway('--max-calls', '5')
    with connect(program.address) as channel:
        futures = [method('Keep', channel=channel).future(EMPTY) for _ in range(5)]
        wait_until('five calls are there', lambda: look().kept == 5)
        error = fails(StatusCode.RESOURCE_EXHAUSTED, method('Empty', channel=channel), EMPTY)
        assert error.details() == 'the gateway has 5 open calls already'
        method('Release')(EMPTY)
        assert [future.result() for future in futures] == [EMPTY] * 5
        method('Empty', channel=channel)(EMPTY)
    program.end()


@case
def command_line():
    def refuses(text, *arguments):
        program = Program(f'{harness.B}/gateway/ipc-gateway', *arguments)
        assert program.status() == 2
        assert text in program.log(), program.log()

    refuses('missing --export, --import, --share or --link')
    refuses('missing --listen', '--share', 'a')
    refuses('refusing to connect in clear text', '--link', 'a@dns:///host.example:1')
    refuses('missing --descriptor-set', '--import', 'a=unix:/x/b.C')
    refuses('refusing to connect in clear text', '--import', 'a=dns:///example.com:1/b.C', '--descriptor-set', 'x')
    refuses('missing --listen', '--export', 'a')
    refuses('use tls: or --insecure', '--export', 'a', '--listen', '0.0.0.0:1')
    refuses('use tls: or --insecure', '--export', 'a', '--listen', 'localhost.example.com:1')
    refuses('not a number', '--max-calls', '0')
    refuses('not a number', '--max-message', '1G')
    refuses('not a number', '--max-calls', '5X')
    refuses('unexpected argument', 'a')
    for address in 'localhost', 'localhost:', 'localhost:x', 'localhost:65536', '[::1]:99999', 'tls:localhost':
        refuses('ends in a port', '--export', 'a', '--listen', address)


@case
def addresses_where_it_cannot_listen():
    def says(text, address, *arguments):
        program = Program(f'{harness.B}/gateway/ipc-gateway', '-e', 'a', '-l', address, *arguments,
                          ready='cannot')
        assert program.status() == 1
        assert f'cannot listen on {address}: see the reason above' in program.log(), program.log()
        assert text in program.log(), program.log()

    says('No such file or directory', 'unix:/no such folder/socket')
    says('Name or service not known', 'no-such-host.invalid:0', '--insecure')
    says('Cannot assign requested address', '192.0.2.1:0', '--insecure')
    says('Path name', 'unix:/' + 200 * 'x')
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        says('Address already in use', f'127.0.0.1:{taken.getsockname()[1]}')
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(('::1', 0))
        taken.listen()
        says('Address already in use', f'[::1]:{taken.getsockname()[1]}')


# --- Ending --------------------------------------------------------------------------------------------

@case
def drain_lets_calls_end():
    program = gateway()
    channel = connect(program.address)
    future = method('Keep', channel=channel).future(EMPTY)
    wait_until('the call is there', lambda: look().kept == 1)
    program.process.send_signal(signal.SIGTERM)
    program.wait_for('stopping')
    time.sleep(0.2)
    other = connect(program.address)
    fails(StatusCode.UNAVAILABLE, method('Empty', channel=other), EMPTY, timeout=2)
    method('Release')(EMPTY)
    assert future.result() == EMPTY
    assert program.status() == 0
    channel.close()
    other.close()


@case
def drain_waits_for_no_silent_client():
    """Connections without calls, and clients that send nothing, delay the end no more than closed
    connections."""
    program = gateway('--drain', '60')
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in silent:
        client.connect(program.address[len('unix:'):])
    # This client has begun the protocol, and then sends nothing.
    silent[0].sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + b'\0\0\0\x04\0\0\0\0\0')
    channel = connect(program.address)
    assert method('Empty', channel=channel)(EMPTY) == EMPTY
    assert program.end() == 0
    channel.close()
    for client in silent:
        client.close()


@case
def drain_has_an_end():
    for arguments, signals in ((('--drain', '1'), 1), (('--drain', '60'), 2)):
        program = gateway(*arguments)
        channel = connect(program.address)
        future = method('Keep', channel=channel).future(EMPTY)
        wait_until('the call is there', lambda: look().kept == 1)
        for _ in range(signals):
            program.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        fails((StatusCode.UNAVAILABLE), future.result)
        assert program.status(5) == 0
        wait_until('the handler knows', lambda: look().kept == 0)
        channel.close()


@case
def clients_race():
    """Calls of many threads, some canceled at random times. Each ends once."""
    call = method('Unary', pb.Reply)
    wrong = []

    def client(seed):
        for i in range(60):
            future = call.future(pb.Request(size=seed * i))
            if (seed + i) % 3 == 0:
                future.cancel()
            elif len(future.result().body) != seed * i:
                wrong.append((seed, i))

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
