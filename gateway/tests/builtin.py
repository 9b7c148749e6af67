# SPDX-License-Identifier: MIT
"""Health and reflection, for a client that has the public definitions."""

import grpc
from google.protobuf import descriptor_pb2

import harness
from harness import case, fails, server, state, wait_until

StatusCode = grpc.StatusCode
HEALTH = '/grpc.health.v1.Health/'
REFLECTION = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo'
SERVING, NOT_SERVING = b'\x08\x01', b'\x08\x02'


def field(number, data):
    """Encodes a field of bytes. The fields of these cases are short."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def fields(data):
    """Returns the fields of a message by number: a list of values for each."""
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 0x7f) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                return value

    at, found = 0, {}
    while at < len(data):
        key = varint()
        value = varint()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


def check(service, channel=None):
    return (channel or state['channel']).unary_unary(HEALTH + 'Check')(
        field(1, service) if service else b'')


# --- Health ------------------------------------------------------------------------------------

@case
def health_of_all():
    assert check(b'') == SERVING


@case
def health_of_a_service():
    assert check(b'interop.Test') == SERVING
    fails(StatusCode.NOT_FOUND, check, b'interop.None')
    call = state['channel'].unary_unary(HEALTH + 'Check')
    fails(StatusCode.INVALID_ARGUMENT, call, b'\x0a\x05x')
    fails(StatusCode.INVALID_ARGUMENT, call, field(1, b'x' * 100) * 50)


@case
def health_changes_with_the_service():
    state['server'].end(9)
    wait_until('it is gone', lambda: check(b'interop.Test') == NOT_SERVING)
    state['server'] = server()
    wait_until('it is back', lambda: check(b'interop.Test') == SERVING)
    # A client that gets this status considers the service healthy.
    watch = state['channel'].unary_stream(HEALTH + 'Watch')(field(1, b'interop.Test'))
    fails(StatusCode.UNIMPLEMENTED, next, watch)


# --- Reflection -----------------------------------------------------------------------------------

def ask(*requests):
    replies = [fields(reply) for reply in state['channel'].stream_stream(REFLECTION)(
        iter(requests))]
    assert [reply[2][0] for reply in replies] == list(requests)
    return replies


@case
def reflection_lists_services():
    reply, = ask(field(7, b'*'))
    services = [fields(service)[1][0] for service in fields(reply[6][0])[1]]
    assert services == [b'interop.Test', b'grpc.health.v1.Health',
                        b'grpc.reflection.v1alpha.ServerReflection']


def names_of(reply):
    files = [descriptor_pb2.FileDescriptorProto.FromString(file)
             for file in fields(reply[4][0])[1]]
    return [file.name for file in files], files


@case
def reflection_finds_symbols():
    symbols = [b'interop.Test', b'interop.Test.Unary', b'interop.Request', b'interop.Request.code']
    for reply in ask(*[field(4, symbol) for symbol in symbols]):
        names, files = names_of(reply)
        assert names[0] == 'interop.proto'
        assert 'ipc/ipc.proto' in names and 'google/protobuf/descriptor.proto' in names
        assert [method.name for method in files[0].service[0].method][:2] == ['Empty', 'Unary']
    names, _ = names_of(ask(field(4, b'ipc.Error'))[0])
    assert names[0] == 'ipc/ipc.proto'


@case
def reflection_finds_files():
    for name in ('ipc/options.proto', 'google/protobuf/descriptor.proto'):
        names, _ = names_of(ask(field(3, name.encode()))[0])
        assert names[0] == name


@case
def reflection_describes_what_can_be_called():
    """A client that only knows the name of the service calls it."""
    from google.protobuf import descriptor_pool, message_factory  # pylint: disable=C0415
    pool = descriptor_pool.DescriptorPool()
    files = {file.name: file for file in names_of(ask(field(4, b'interop.Test'))[0])[1]}

    def add(name):
        file = files.pop(name, None)
        if file:
            for other in file.dependency:
                add(other)
            pool.Add(file)

    add('interop.proto')
    method = pool.FindServiceByName('interop.Test').methods_by_name['Unary']
    factory = message_factory.MessageFactory(pool)
    request = factory.GetPrototype(method.input_type)(size=3, body=b'12345')
    reply = factory.GetPrototype(method.output_type).FromString(
        state['channel'].unary_unary(harness.SERVICE + 'Unary')(request.SerializeToString()))
    assert (len(reply.body), reply.request_size) == (3, 5)


@case
def reflection_says_what_it_does_not_know():
    wanted = [(field(4, b'interop.Nothing'), 5), (field(4, b'interop.'), 5),
              (field(4, b'interop'), 5), (field(4, b'interop.Test.Nothing'), 5),
              (field(3, b'nothing.proto'), 5), (field(5, field(1, b'x')), 5), (b'', 12),
              (b'\x3a\x05', 3)]
    for reply, (_, code) in zip(ask(*[request for request, _ in wanted]), wanted):
        assert fields(reply[7][0])[1][0] == code
