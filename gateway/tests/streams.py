# SPDX-License-Identifier: MIT
"""Methods with streams: the four kinds, credit, and the end of a stream by each side."""

import os
import queue
import threading
import time

import grpc

from harness import SERVICE, case, connect, fails, gateway, look, pb, state, wait_until

StatusCode = grpc.StatusCode


def stream(kind, name, channel=None, request=pb.Request, reply=pb.Reply):
    del request
    return getattr(channel or state['channel'], kind)(
        SERVICE + name, request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reply.FromString)


def client_stream(name='Input', channel=None):
    return stream('stream_unary', name, channel)


def server_stream(name='Output', channel=None):
    return stream('unary_stream', name, channel)


def duplex(name='Duplex', channel=None):
    return stream('stream_stream', name, channel)


class Requests:
    """An iterator that the test feeds."""

    def __init__(self, *first):
        self.queue = queue.Queue()
        for request in first:
            self.queue.put(request)

    def put(self, request):
        self.queue.put(request)

    def end(self):
        self.queue.put(None)

    def __iter__(self):
        return iter(self.queue.get, None)


def nothing_runs():
    wait_until('no handler of a stream runs', lambda: look().streams == 0)


# --- The kinds --------------------------------------------------------------------------------

@case
def client_streaming():
    sizes = [27182, 8, 1828, 45904]
    reply = client_stream()(pb.Request(body=bytes(size)) for size in sizes)
    assert reply.request_size == 74922
    assert look().input == 1


@case
def server_streaming():
    replies = list(server_stream()(pb.Plan(replies=100, size=1000)))
    assert [reply.request_size for reply in replies] == list(range(100))
    assert all(len(reply.body) == 1000 for reply in replies)


@case
def ping_pong():
    requests = Requests()
    replies = duplex()(iter(requests))
    for size, reply_size in ((27182, 31415), (8, 9), (1828, 2653), (45904, 58979)):
        requests.put(pb.Request(size=reply_size, body=bytes(size)))
        reply = next(replies)
        assert (len(reply.body), reply.request_size) == (reply_size, size)
    requests.end()
    assert list(replies) == []
    assert replies.code() == StatusCode.OK


@case
def empty_streams():
    assert list(duplex()(iter(()))) == []
    assert client_stream()(iter(())).request_size == 0
    assert list(server_stream()(pb.Plan())) == []


@case
def large_messages():
    size = 3 << 20
    reply = client_stream()(pb.Request(body=bytes(size)) for _ in range(5))
    assert reply.request_size == 5 * size
    assert [len(reply.body) for reply in server_stream()(pb.Plan(replies=5, size=size))] == \
        [size] * 5


@case
def many_messages():
    count = 5000
    replies = duplex()(pb.Request(size=i % 7, body=bytes(i % 5)) for i in range(count))
    for i, reply in enumerate(replies):
        assert (len(reply.body), reply.request_size) == (i % 7, i % 5)
    assert i == count - 1


@case
def metadata_and_deadline_of_a_stream():
    replies = server_stream()(pb.Plan(replies=1), timeout=5, metadata=(('x-stream', 'value'),))
    assert len(list(replies)) == 1
    known = look()
    assert known.stream_metadata == 'value'
    assert 4000 < known.stream_left <= 5100


# --- Errors --------------------------------------------------------------------------------------

@case
def error_after_messages():
    replies = server_stream()(pb.Plan(replies=50, code=-34, message='too far'))
    count = 0
    try:
        for _ in replies:
            count += 1
    except grpc.RpcError as error:
        assert error.code() == StatusCode.OUT_OF_RANGE
        assert error.details() == 'too far'
    assert count == 50


@case
def error_before_the_client_has_ended():
    requests = Requests(pb.Request(code=-16, message='busy'))
    error = fails(StatusCode.FAILED_PRECONDITION, client_stream(), iter(requests))
    assert error.details() == 'busy'
    requests.end()


@case
def missing_streams():
    fails(StatusCode.UNIMPLEMENTED, lambda: list(server_stream('MissingStream')(pb.Plan())))
    fails(StatusCode.UNIMPLEMENTED, lambda: list(server_stream('Nothing')(pb.Plan())))


@case
def stream_payload_that_is_no_message():
    call = state['channel'].stream_unary(SERVICE + 'Input')
    fails(StatusCode.INVALID_ARGUMENT, call, iter((b'\x07\0\0\0' + bytes(12),)))
    nothing_runs()
    # The service breaks the stream off.
    fails(StatusCode.INVALID_ARGUMENT, call, iter((b'\xff',)))
    nothing_runs()


@case
def stream_request_too_large():
    fails(StatusCode.RESOURCE_EXHAUSTED, client_stream(),
          iter((pb.Request(body=bytes((4 << 20) + 1)),)))
    nothing_runs()
    assert look().input < 0


# --- Canceling --------------------------------------------------------------------------------------

@case
def cancel_after_begin():
    requests = Requests()
    future = client_stream().future(iter(requests))
    wait_until('the handler runs', lambda: look().streams == 1)
    future.cancel()
    requests.end()
    nothing_runs()
    assert look().input == -125


@case
def cancel_after_first_response():
    requests = Requests(pb.Request(size=31415, body=bytes(27182)))
    replies = duplex()(iter(requests))
    next(replies)
    replies.cancel()
    requests.end()
    nothing_runs()


@case
def half_of_an_upload_is_none():
    """If a client breaks off, this must not look like a normal end."""
    for _ in range(20):
        channel = connect(state['gateway'].address)
        requests = Requests(*[pb.Request(body=bytes(100))] * 3)
        taken = look().taken
        future = client_stream(channel=channel).future(iter(requests))
        wait_until('three requests are there', lambda: look().taken == taken + 3)
        channel.close()
        requests.end()
        del future
        nothing_runs()
        assert look().input == -125


@case
def service_cancels():
    requests = Requests(pb.Request())
    fails(StatusCode.CANCELLED, lambda: list(duplex('Broken')(iter(requests))))
    requests.end()


@case
def stream_deadline():
    requests = Requests()
    begin = time.monotonic()
    fails(StatusCode.DEADLINE_EXCEEDED, lambda: list(duplex('Deaf')(iter(requests), timeout=0.3)))
    assert time.monotonic() - begin < 2
    requests.end()
    nothing_runs()


@case
def service_dies_during_a_stream():
    import harness  # pylint: disable=import-outside-toplevel
    requests = Requests(pb.Request())
    replies = duplex()(iter(requests))
    next(replies)
    known = state['gateway'].log().count('exporting')
    state['server'].end(9)
    fails(StatusCode.UNAVAILABLE, lambda: list(replies))
    requests.end()
    state['server'] = harness.server()
    wait_until('it is there again',
               lambda: state['gateway'].log().count('exporting') == known + 1)


# --- Credit ---------------------------------------------------------------------------------------------

@case
def slow_client_stops_the_service():
    """Messages that the client does not read stay with the service."""
    size = 20000
    before, memory = look().sent, state['gateway'].memory()
    replies = server_stream()(pb.Plan(replies=5000, size=size))
    next(replies)
    counts = [-1, 0]
    while counts[-1] != counts[-2]:
        time.sleep(0.3)
        counts.append(look().sent - before)
    # Most of them wait in the client, which offers a large window.
    assert counts[-1] * size < 32 << 20, counts
    assert state['gateway'].memory() - memory < 16 << 20
    # The service continues as soon as the client reads.
    assert len(list(replies)) == 4999
    nothing_runs()


@case
def slow_service_stops_the_client():
    """Messages that the service does not receive stay with the client."""
    made = []
    memory = state['gateway'].memory()
    stop = threading.Event()

    def requests():
        while len(made) < 5000 and not stop.is_set():
            made.append(None)
            yield pb.Request(body=bytes(20000))

    replies = duplex('Deaf')(requests())
    counts = [-1, 0]
    while counts[-1] != counts[-2]:
        time.sleep(0.5)
        counts.append(len(made))
    # Some of them wait on the way, in windows that grow on a busy machine.
    assert 0 < counts[-1] < 4000, counts
    assert state['gateway'].memory() - memory < 16 << 20
    stop.set()
    replies.cancel()
    nothing_runs()


@case
def many_streams():
    """Many streams at the same time, all with messages to send, need bounded memory. STREAMS is
    their number."""
    count = int(os.environ.get('STREAMS', 200))
    program = gateway('--max-calls', '2000')
    channels = [connect(program.address) for _ in range(10)]
    streams = []
    before = program.memory()
    for i in range(count):
        call = server_stream(channel=channels[i % 10])
        streams.append(call(pb.Plan(replies=50, size=200)))
    for replies in streams:
        next(replies)
    more = program.memory() - before
    print(f'# {count} streams at a time: {more >> 10} KiB more in the gateway')
    assert more < 64 << 20
    for replies in streams:
        assert len(list(replies)) == 49
    for channel in channels:
        channel.close()
    nothing_runs()
    program.end()


@case
def streams_race():
    """Streams of many threads that end in all ways at random times."""
    def client(seed):
        for i in range(15):
            way = (seed + i) % 4
            if way == 0:
                assert len(list(server_stream()(pb.Plan(replies=i)))) == i
            elif way == 1:
                replies = server_stream()(pb.Plan(replies=1000, size=1000))
                for _ in range(i):
                    next(replies)
                replies.cancel()
            elif way == 2:
                assert client_stream()(pb.Request(body=b'1') for _ in range(i)).request_size == i
            else:
                fails(StatusCode.DEADLINE_EXCEEDED, lambda: list(
                    server_stream()(pb.Plan(replies=1000, sleep_msec=5), timeout=0.02)))
        done.append(seed)

    done = []
    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8
    nothing_runs()
