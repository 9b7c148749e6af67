# SPDX-License-Identifier: MIT
"""Streams and oneways of imported services: a server with grpcio, and clients on the bus."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

import grpc

from harness import B, Program, case, pb, socket_path, state, wait_until
from imports import call, importer

sys.path.append(os.path.join(B, 'python'))

import interop_ipc  # noqa: E402
import ipcbus.sync  # noqa: E402

StatusCode = grpc.StatusCode
NAME = 'there.interop'
buses, buses_lock = [], threading.Lock()


class Streams:
    """A gRPC server with the streams of interop.Test, and a record of its calls."""

    def __init__(self):
        self.address = socket_path()
        self.lock = threading.Lock()
        self.running = self.taken = self.canceled = self.made = 0
        self.left = self.metadata = None
        self.notes = []
        self.gate = threading.Event()
        self.gate.set()
        kinds = {'Input': (grpc.stream_unary_rpc_method_handler, self.input, pb.Request),
                 'Output': (grpc.unary_stream_rpc_method_handler, self.output, pb.Plan),
                 'Duplex': (grpc.stream_stream_rpc_method_handler, self.duplex, pb.Request),
                 'Deaf': (grpc.stream_stream_rpc_method_handler, self.deaf, pb.Request),
                 'Broken': (grpc.stream_stream_rpc_method_handler, self.broken, pb.Request),
                 'Note': (grpc.unary_unary_rpc_method_handler, self.note, pb.Text),
                 'Metadata': (grpc.unary_unary_rpc_method_handler, self.echo, pb.Text),
                 'Empty': (grpc.unary_unary_rpc_method_handler, self.evil, pb.EmptyMessage)}
        handlers = {name: kind(self.watched(function), request.FromString, self.bytes_of)
                    for name, (kind, function, request) in kinds.items()}
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(40))
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler('interop.Test', handlers),))
        self.server.add_insecure_port(self.address)
        self.server.start()

    @staticmethod
    def bytes_of(reply):
        return reply if isinstance(reply, bytes) else reply.SerializeToString()

    def watched(self, function):
        """Counts the running handlers, and the calls whose client went away."""
        def begin(context):
            self.left = context.time_remaining()
            self.metadata = [tuple(entry) for entry in context.invocation_metadata()]
            with self.lock:
                self.running += 1
            context.add_callback(lambda: over(context))

        def over(context):
            # grpcio sometimes reports a cancellation to the iterator of requests as their end.
            with self.lock:
                self.running -= 1
                self.canceled += context._state.client == 'cancelled'

        if function in (self.input, self.note, self.echo, self.evil):
            def one(request, context):
                begin(context)
                return function(request, context)
            return one

        def many(request, context):
            begin(context)
            yield from function(request, context)
        return many

    def requests(self, requests):
        for request in requests:
            with self.lock:
                self.taken += 1
            yield request

    def input(self, requests, context):
        size = 0
        for request in self.requests(requests):
            if request.code:
                context.abort(StatusCode.FAILED_PRECONDITION, request.message)
            size += len(request.body)
        return pb.Reply(request_size=size)

    def output(self, plan, context):
        for i in range(plan.replies):
            if not context.is_active():
                return
            if plan.sleep_msec:
                time.sleep(plan.sleep_msec / 1000)
            with self.lock:
                self.made += 1
            yield pb.Reply(request_size=i, body=bytes(plan.size))
        if plan.code:
            context.abort(StatusCode.OUT_OF_RANGE, plan.message)

    def duplex(self, requests, context):
        del context
        for request in self.requests(requests):
            yield pb.Reply(body=bytes(request.size), request_size=len(request.body))

    def deaf(self, requests, context):
        """Neither receives nor sends until it is canceled."""
        del requests
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(60)
        yield from ()

    def broken(self, requests, context):
        """Sends a frame with metadata, which no server of interop.Test does."""
        del context
        next(requests)
        yield b'\x07\0\0\0' + bytes(12)

    def note(self, text, context):
        self.gate.wait(60)
        with self.lock:
            self.notes.append(text.text)
        if text.text == 'refused':
            context.abort(StatusCode.PERMISSION_DENIED, 'not \x1b[31mthis')
        return pb.EmptyMessage()

    def echo(self, text, context):
        del context
        return text

    def evil(self, request, context):
        del request, context
        return b'\x07\0\0\0' + bytes(12)

    def idle(self):
        wait_until('no handler of the server runs', lambda: self.running == 0, 20)

    def stop(self):
        self.gate.set()
        self.server.stop(0).wait()


class Imported:
    """A server, and a gateway that imports it."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __enter__(self):
        self.server = Streams()
        self.program = importer(self.server.address, *self.arguments)
        return self

    def __exit__(self, kind, value, trace):
        if self.program in state['programs']:
            status = self.program.end()
            assert kind or status == 0, self.program.log()
        self.server.stop()


class Client:
    """A stream of a program on the bus. more: further requests will follow, or the client goes
    away."""

    def __init__(self, method, *requests, more=False, timeout=30):
        self.error = ''
        stub = self.bus().wait(interop_ipc.TestSync, NAME, timeout=10)
        if method in ('Output', 'MissingStream'):
            self.stream = getattr(stub, method)(timeout=timeout, **requests[0])
            return
        self.stream = getattr(stub, method)(timeout=timeout)
        for request in requests:
            self.send(**request)
        if not more:
            self.end()

    @staticmethod
    def bus():
        with buses_lock:
            if not buses:
                buses.append(ipcbus.sync.Connection())
            return buses[0]

    def send(self, **fields):
        self.stream.send(**fields)

    def end(self):
        self.stream.end()

    def receive(self):
        # Without a timeout, a client that has not ended its requests may not wait for the reply.
        return self.stream.receive(timeout=600)

    def reply(self):
        reply = self.receive()
        assert reply is not None, 'no more replies'
        return reply

    def result(self):
        """Returns all remaining replies, and the text of an error."""
        replies, text = [], ''
        try:
            replies.extend(iter(self.receive, None))
        except ipcbus.Error as error:
            text = f'{type(error).__name__}: {error}'
        return replies, text

    def cancel(self):
        self.stream.cancel()


@case
def imported_streams_of_all_kinds():
    with Imported() as there:
        (reply,), text = Client('Input', *({'body': b'abc'} for _ in range(40))).result()
        assert reply.request_size == 120, text
        replies, text = Client('Output', {'replies': 300, 'size': 1000}).result()
        assert [reply.request_size for reply in replies] == list(range(300)), text
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
        there.server.idle()
        assert there.server.canceled == 0


def metadata_of(there):
    """Returns the metadata that the server received, without the protocol's own."""
    return [entry for entry in there.server.metadata if entry[0] != 'user-agent']


@case
def imported_metadata():
    wait = Client.bus().wait
    sent = {'trace': '00-1234', 'a.b_c-d': '', 'data-bin': 'AP8B', 'more-bin': 'eA==', 'none-bin': '',
            'ipc-peer': 'alice'}
    got = [('trace', '00-1234'), ('a.b_c-d', ''), ('data-bin', b'\0\xff\1'), ('more-bin', b'x'),
           ('none-bin', b''), ('ipc-peer', 'alice')]
    with Imported() as there:
        stub = wait(interop_ipc.TestSync, NAME, timeout=10)
        assert stub.Metadata(text='a', metadata=sent).text == 'a'
        assert sorted(metadata_of(there)) == sorted(got)
        assert stub.Metadata(text='b').text == 'b' and metadata_of(there) == []
        stream = stub.Duplex(metadata=sent)
        stream.end()
        assert stream.receive() is None
        assert sorted(metadata_of(there)) == sorted(got)
        stub.Note(text='noted', metadata={'trace': '1'})
        wait_until('it is noted', lambda: there.server.notes == ['noted'])
        assert metadata_of(there) == [('trace', '1')]
        # gRPC cannot carry these. The server does not learn of the calls.
        there.server.metadata = None
        for name, value in (('Trace', 'x'), ('trace', 'a\nb'), ('trace', '\u00e4'), ('a b', 'x'),
                            ('data-bin', 'AP8'[:1]), ('data-bin', '===='), ('data-bin', 'A P8B'),
                            ('grpc-timeout', '1S'), (':path', '/x'), ('user-agent', 'x'),
                            ('content-type', 'x'), ('te', 'x')):
            for call in (stub.Metadata, stub.Duplex):
                try:
                    made = call(metadata={name: value})
                    if call == stub.Duplex:
                        made.receive()
                    raise AssertionError(f'{name} passed')
                except ipcbus.InvalidArgument as error:
                    assert f"cannot carry the metadata '{name}'" in str(error), error
        stub.Note(text='never', metadata={'A': 'x'})
        there.program.wait_for("discarded a oneway to there.interop: gRPC cannot carry the metadata "
                               "'A'")
        assert there.server.metadata is None and there.server.notes == ['noted']
        assert stub.Metadata(text='c').text == 'c'


@case
def imported_streams_that_fail():
    with Imported() as there:
        replies, text = Client('Output', {'replies': 5, 'sleep_msec': 20, 'code': 1,
                                          'message': 'too far'}).result()
        assert 'OUT_OF_RANGE' in text and 'too far' in text, text
        # gRPC may discard messages before an error. The remaining messages are in order.
        assert [reply.request_size for reply in replies] == list(range(len(replies)))
        # The server ends the call before the client has ended its requests.
        _, text = Client('Input', {'code': -16, 'message': 'busy'}, more=True).result()
        assert 'FAILED_PRECONDITION' in text and 'busy' in text, text
        _, text = Client('MissingStream', {}).result()
        assert 'UNIMPLEMENTED' in text, text
        _, text = Client('Broken', {'size': 1}, more=True).result()
        assert 'is not a valid message' in text, text
        # In the reply of a call, such a frame would add metadata.
        out, status = call('Empty')
        assert status and 'is not a valid message' in out, out
        there.server.idle()


@case
def imported_streams_end_early():
    with Imported() as there:
        server = there.server
        client = Client('Duplex', {'size': 1}, more=True)
        client.reply()
        client.cancel()
        wait_until('the server sees that', lambda: server.canceled == 1)
        # The end of a killed client must not look like a normal end of its requests.
        program = subprocess.Popen((f'{B}/tools/ipcctl', '--bus', os.environ['IPCBUS_BUS'],
                                    'call', NAME, 'Input'), stdin=subprocess.PIPE)
        program.stdin.write(b'{"size": 1}\n')
        program.stdin.flush()
        wait_until('its request is there', lambda: server.taken == 2)
        program.kill()
        program.communicate()
        wait_until('the server sees that', lambda: server.canceled == 2)
        _, text = Client('Deaf', {}, more=True, timeout=1).result()
        assert text.startswith('DeadlineExceeded'), text
        assert 0 < server.left <= 1.1, server.left
        wait_until('the server sees that', lambda: server.canceled == 3)
        server.idle()
        # The server dies.
        client = Client('Deaf', {}, more=True)
        wait_until('the server has it', lambda: server.running == 1)
        server.stop()
        _, text = client.result()
        assert 'UNAVAILABLE' in text or 'CANCELLED' in text, text
        _, text = Client('Output', {'replies': 1}).result()
        assert 'UNAVAILABLE' in text, text


@case
def imported_streams_are_bounded():
    """A client that does not receive stops the sender, across both hops, with little memory in
    between."""
    size = 20000
    with Imported() as there:
        memory = there.program.memory()
        client = Client('Output', {'replies': 5000, 'size': size}, timeout=120)
        client.reply()
        counts = [-1, 0]
        while counts[-1] != counts[-2]:
            time.sleep(0.5)
            counts.append(there.server.made)
        # The maximum window of gRPC, and 16 messages on the bus.
        assert counts[-1] * size < 32 << 20, counts
        assert there.program.memory() - memory < 32 << 20
        assert len(client.result()[0]) == 4999
        there.server.idle()

        client = Client('Deaf', more=True, timeout=5)
        sent = 0
        try:
            while sent < 5000:
                client.send(body=bytes(size))
                sent += 1
        except ipcbus.DeadlineExceeded:
            pass
        assert sent * size < 32 << 20, sent
        assert there.program.memory() - memory < 32 << 20
        there.server.idle()


@case
def imported_streams_are_limited():
    with Imported('--max-calls', '5', '--user-calls', '5') as there:
        clients = [Client('Deaf', {}, more=True) for _ in range(5)]
        wait_until('they are there', lambda: there.server.running == 5)
        try:
            _, text = Client('Output', {'replies': 1}).result()
        except ipcbus.Error as error:
            text = type(error).__name__
        assert text.startswith('QuotaExceeded'), text
        assert call('Note', {'text': 'one'}) == ('', 0)
        for client in clients:
            client.cancel()
        there.server.idle()
        assert len(Client('Output', {'replies': 1}).result()[0]) == 1


@case
def imported_streams_that_nobody_reads_are_counted():
    """The limit also counts streams that the server has ended, because the gateway still holds a
    message of each."""
    server = Streams()
    program = importer(server.address, '--import', f'other.interop={server.address}/interop.Test',
                       '--max-calls', '2', '--user-calls', '2')
    # The limit of a name's own object has the same size, so a second name is necessary to reach the
    # gateway's limit.
    other = Client.bus().wait(interop_ipc.TestSync, 'other.interop', timeout=10)

    def one():
        try:
            return len(list(iter(other.Output(replies=1).receive, None)))
        except ipcbus.QuotaExceeded:
            return 0

    silent = [Client('Output', {'replies': 18}) for _ in range(2)]
    wait_until('the server has ended both', lambda: server.made == 36 and not server.running)
    time.sleep(0.2)
    assert one() == 0
    replies, text = silent.pop().result()
    assert len(replies) == 18, text
    wait_until('there is space', lambda: one() == 1)
    silent.pop().cancel()
    wait_until('there is space again', lambda: one() == 1)
    assert program.end() == 0
    server.stop()


@case
def imported_streams_race():
    with Imported() as there:
        def client(seed):
            for i in range(12):
                way = (seed + i) % 4
                if way == 0:
                    replies, text = Client('Output', {'replies': 40 * i, 'size': 100}).result()
                    assert len(replies) == 40 * i, text
                elif way == 1:
                    one = Client('Output', {'replies': 100000, 'size': 1000})
                    one.reply()
                    one.cancel()
                elif way == 2:
                    # On a busy machine the deadline may expire before the stream has begun.
                    try:
                        _, text = Client('Output', {'replies': 1000, 'sleep_msec': 20},
                                         timeout=0.3).result()
                        assert text.startswith('DeadlineExceeded'), text
                    except ipcbus.DeadlineExceeded:
                        pass
                else:
                    one = Client('Duplex', {'size': 5}, more=True)
                    one.reply()
                    one.cancel()

        with concurrent.futures.ThreadPoolExecutor(6) as threads:
            for future in [threads.submit(client, seed) for seed in range(6)]:
                future.result(120)
        there.server.idle()


@case
def imported_oneways():
    with Imported() as there:
        for i in range(20):
            assert call('Note', {'text': str(i)}) == ('', 0)
        wait_until('all are there', lambda: len(there.server.notes) == 20)
        assert there.server.notes == [str(i) for i in range(20)]
        # A sender is not notified of a refused message. The log reports it once.
        for _ in range(3):
            assert call('Note', {'text': 'refused'}) == ('', 0)
        wait_until('they are there', lambda: len(there.server.notes) == 23)
        there.program.wait_for('dropping oneways')
        assert 'dropping oneways to there.interop: PERMISSION_DENIED: not ?[31mthis' in \
            there.program.log()
        assert there.program.log().count('dropping') == 1
        # The server handles one message at a time, in order. Others wait in their senders' queue.
        there.server.gate.clear()
        for i in range(10):
            assert call('Note', {'text': f'held {i}'}) == ('', 0)
        wait_until('the first is there', lambda: there.server.running == 1)
        assert len(there.server.notes) == 23
        there.server.gate.set()
        wait_until('the others are there', lambda: len(there.server.notes) == 33)
        assert there.server.notes[23:] == [f'held {i}' for i in range(10)]


@case
def drain_with_an_imported_stream():
    with Imported('--drain', '1') as there:
        client = Client('Duplex', {'size': 1}, more=True)
        client.reply()
        # The stream continues while the gateway drains, and no longer.
        there.program.send(signal.SIGTERM)
        there.program.wait_for('stopping')
        assert there.program.status() == 0, there.program.log()
        state['programs'].remove(there.program)
        assert client.result()[1]
        there.server.idle()
        assert there.server.canceled == 1
    with Imported('--drain', '60') as there:
        client = Client('Duplex', {'size': 1}, more=True)
        client.reply()
        there.program.send(signal.SIGTERM)
        there.program.wait_for('stopping')
        client.send(size=2)
        assert len(client.reply().body) == 2
        client.end()
        assert client.result() == ([], '')
        begin = time.monotonic()
        assert there.program.status(30) == 0 and time.monotonic() - begin < 30
        state['programs'].remove(there.program)


@case
def services_that_cannot_be_imported():
    for service, text in (('Files', 'Open.reply.entries.file is an ipc.Fd'),
                          ('Objects', 'is an ipc.Object')):
        program = Program(f'{B}/gateway/ipc-gateway', '--import', f'x=unix:/a/interop.{service}',
                          '--descriptor-set', f'{B}/gateway/tests/interop.set')
        assert program.status() == 1
        assert text in program.log(), program.log()
        state['programs'].remove(program)
