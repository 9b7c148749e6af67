# SPDX-License-Identifier: MIT
"""Services with blobs: a service on the bus in Python, clients of grpcio."""

import os
import threading

import grpc

from harness import case, connect, fails, gateway, pb
from import_streams import interop_ipc, ipcbus

import groups_ipc
import groups_pb2

StatusCode = grpc.StatusCode
NAME = 'test.blobs'
MESSAGES = {'Draw': (pb.Plan, pb.Picture), 'Film': (pb.Plan, pb.Picture),
            'Measure': (pb.Picture, pb.Sizes)}


def content(number, size):
    return bytes((number + i) & 255 for i in range(251)) * (size // 251) + bytes(size % 251)


def picture(plan, number=0):
    return {'title': 'title', 'parts': [content(number + i, plan.size) for i in range(plan.replies)],
            'detail': {'pixels': content(99, 5), 'width': 7}, 'last': b'last'}


class Blobs(interop_ipc.BlobsSyncService):
    def Draw(self, request, context):
        return picture(request)

    def Film(self, request, context):
        for i in range(3):
            yield picture(request, i)

    def Measure(self, request, context):
        return {'size': [len(context.blob(part)) for part in request.parts],
                'text': bytes(context.blob(request.parts[0]))[:5].decode()}


class Served:
    """The service, and a gateway that exports it."""

    def __init__(self, *arguments, service=None):
        self.arguments = arguments
        self.service = service or Blobs()

    def __enter__(self):
        self.bus = ipcbus.sync.Bus()
        self.bus.register(NAME, self.service)
        self.thread = threading.Thread(target=self.bus.run)
        self.thread.start()
        self.program = gateway(*self.arguments, exports=(NAME,))
        self.channel = connect(self.program.address, (('grpc.max_receive_message_length', -1),))
        return self

    def __exit__(self, kind, value, trace):
        self.channel.close()
        status = self.program.end()
        self.bus.close()
        self.thread.join()
        assert kind or status == 0, self.program.log()

    def call(self, name, request, **options):
        one = self.channel.unary_stream if name == 'Film' else self.channel.unary_unary
        return one('/interop.Blobs/' + name, lambda message: message.SerializeToString(),
                   MESSAGES[name][1].FromString)(request, timeout=60, **options)


def is_whole(reply, count, size, number=0):
    assert reply.title == 'title' and reply.last == b'last' and reply.detail.width == 7
    assert [part.data for part in reply.parts] == [content(number + i, size) for i in range(count)]
    assert reply.detail.pixels.data == content(99, 5)


@case
def blobs_are_in_the_message():
    with Served() as served:
        for count, size in ((0, 0), (1, 0), (1, 1), (3, 1001), (20, 4096), (1, 1000000)):
            is_whole(served.call('Draw', pb.Plan(replies=count, size=size)), count, size)
        for number, reply in enumerate(served.call('Film', pb.Plan(replies=2, size=1001))):
            is_whole(reply, 2, 1001, number)
        assert number == 2
        # Toward the service, a client puts them into the message.
        sizes = served.call('Measure', pb.Picture(parts=[{'data': b'hello'}, {'data': bytes(70000)}]))
        assert list(sizes.size) == [5, 70000] and sizes.text == 'hello'
        fails(StatusCode.INVALID_ARGUMENT, served.call, 'Measure', pb.Picture(parts=[{'size': 99}]))


class Albums(groups_ipc.GroupsSyncService):
    def Draw(self, request, context):
        pages = [{'pixels': content(1, 300), 'number': n, 'frame': {'sides': [content(2, 9), b'', content(3, 7)]}}
                 for n in range(2)]
        return {'title': 'title', 'page': pages, 'last': b'last'}


@case
def blobs_in_groups():
    with Served(service=Albums()) as served:
        album = served.channel.unary_unary('/interop.Groups/Draw', groups_pb2.Album.SerializeToString,
                                           groups_pb2.Album.FromString)(groups_pb2.Album(), timeout=60)
    assert album.title == 'title' and album.last.data == b'last'
    assert [page.number for page in album.page] == [0, 1]
    for page in album.page:
        assert page.pixels.data == content(1, 300)
        assert [side.data for side in page.frame.sides] == [content(2, 9), b'', content(3, 7)]


@case
def blobs_that_are_too_large():
    with Served('--max-blob', '10K') as served:
        is_whole(served.call('Draw', pb.Plan(replies=10, size=1023)), 10, 1023)
        for count, size in ((1, 10240), (11, 1000), (2, 6 << 20)):
            error = fails(StatusCode.RESOURCE_EXHAUSTED, served.call, 'Draw',
                          pb.Plan(replies=count, size=size))
            assert 'more than the 10240 bytes of --max-blob' in error.details(), error
        error = fails(StatusCode.RESOURCE_EXHAUSTED,
                      lambda: list(served.call('Film', pb.Plan(replies=1, size=20000))))
        assert 'more than the 10240 bytes of --max-blob' in error.details(), error
        is_whole(served.call('Draw', pb.Plan(replies=1, size=1)), 1, 1)


@case
def replies_that_are_files():
    """The gateway's region has no space for them."""
    with Served('--max-blob', '32M', '--max-message', '16M') as served:
        descriptors = len(os.listdir(f'/proc/{served.program.process.pid}/fd'))
        for _ in range(3):
            is_whole(served.call('Draw', pb.Plan(replies=2, size=5 << 20)), 2, 5 << 20)
        assert len(os.listdir(f'/proc/{served.program.process.pid}/fd')) <= descriptors + 2
        is_whole(served.call('Draw', pb.Plan(replies=1, size=3)), 1, 3)


class Liar(ipcbus.sync.RawService):
    """Describes itself as the other one, and replies with bytes that the test chooses."""

    def __init__(self, reply):
        self.reply = reply

    def serve(self, request):
        if request.code == ipcbus.sync._core.CODE_DESCRIBE:
            return interop_ipc.BlobsSyncService.INTERFACE.describe()
        return self.reply()


@case
def services_that_lie_about_blobs():
    def frame(message, blobs=b''):
        head = b'\x07\0\0\0' + len(message).to_bytes(4, 'little') + bytes(8)
        return head + message + bytes(-len(message) % 8) + blobs

    def sized(size):
        return pb.Picture(parts=[{'size': size}]).SerializeToString()

    ipc_detail = pb.Picture(detail={'pixels': {'size': 1}}).SerializeToString()
    replies = [frame(sized(9), bytes(8)), sized(1), frame(sized(1 << 19), bytes(8)),
               frame(ipc_detail + ipc_detail, bytes(16)), frame(b'\x12\xff\x01'), frame(b'\x10\x01'),
               frame(b'\x12\x02\x08\xff'), frame(sized(2), b'')]
    for reply in replies:
        check_lie(lambda reply=reply: reply, StatusCode.INVALID_ARGUMENT)


def check_lie(reply, code):
    with ipcbus.sync.Bus() as bus:
        bus.register(NAME, Liar(reply))
        thread = threading.Thread(target=bus.run)
        thread.start()
        program = gateway(exports=(NAME,))
        with connect(program.address) as channel:
            call = channel.unary_unary('/interop.Blobs/Draw', response_deserializer=pb.Picture.FromString)
            fails(code, call, b'', timeout=30)
        assert program.end() == 0, program.log()
        bus.close()
        thread.join()
