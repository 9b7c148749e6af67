# SPDX-License-Identifier: MIT
"""Health and reflection, for a client that has the public definitions."""

import grpc
from google.protobuf import descriptor_pb2

import harness
from harness import case, fails, server, state, varint, wait_until

StatusCode = grpc.StatusCode
HEALTH = '/grpc.health.v1.Health/'
VERSIONS = ('v1', 'v1alpha')
REFLECTION = '/grpc.reflection.%s.ServerReflection/ServerReflectionInfo'
SERVING, NOT_SERVING = b'\x08\x01', b'\x08\x02'


def field(number, data):
    """Encodes a field of bytes. The fields of these cases are short."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def fields(data):
    """Returns the fields of a message by number: a list of values for each."""
    def number():
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
        key = number()
        value = number()
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
    """Returns the replies, which are the same for both versions."""
    both = [list(state['channel'].stream_stream(REFLECTION % version)(iter(requests)))
            for version in VERSIONS]
    assert both[0] == both[1]
    replies = [fields(reply) for reply in both[0]]
    assert [reply[2][0] for reply in replies] == list(requests)
    return replies


@case
def reflection_lists_services():
    reply, = ask(field(7, b'*'))
    services = [fields(service)[1][0] for service in fields(reply[6][0])[1]]
    assert services == [b'interop.Test', b'grpc.health.v1.Health',
                        b'grpc.reflection.v1.ServerReflection',
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
              (field(5, field(1, b'google.protobuf.MethodOptions') + b'\x10\x01'), 5),
              (b'\x3a\x05', 3)]
    for reply, (_, code) in zip(ask(*[request for request, _ in wanted]), wanted):
        assert fields(reply[7][0])[1][0] == code


def tool_pool():
    """Does what grpcui and grpcurl do at their start, by their requests: lists the services, and asks
    for the file of each, for each file that it imports and has not come with it, and for the
    extensions of each type that permits them. Returns the services and their descriptors."""
    from google.protobuf import descriptor_pool  # pylint: disable=C0415
    pool, have = descriptor_pool.DescriptorPool(), {}

    def take(request):
        reply, = ask(request)
        assert 7 not in reply, reply
        names, files = names_of(reply)
        have.update((file.name, file) for file in files)
        return names[0]

    def add(name, added):
        if name in added:
            return
        added.add(name)
        if name not in have:
            assert take(field(3, name.encode())) == name
        for other in have[name].dependency:
            add(other, added)
        pool.Add(have[name])

    def add_extensions(kind):
        reply, = ask(field(6, kind.encode()))
        numbers = fields(reply[5][0])
        assert numbers[1] == [kind.encode()]
        for number in numbers.get(2, []):
            request = field(1, kind.encode()) + b'\x10' + varint(number)
            take(field(5, request))

    listed, = ask(field(7, b'*'))
    services = [fields(service)[1][0].decode() for service in fields(listed[6][0])[1]]
    added = set()
    for service in services:
        add(take(field(4, service.encode())), added)
    for file in list(have.values()):
        for message in file.message_type:
            if message.extension_range:
                add_extensions(f'{file.package}.{message.name}')
    return services, pool


@case
def tools_describe_every_listed_service():
    services, pool = tool_pool()
    for service in services:
        for a_method in pool.FindServiceByName(service).methods:
            assert a_method.input_type.full_name and a_method.output_type.full_name


@case
def tools_call_every_listed_service():
    """By the descriptors alone: health, both reflections and the exported service."""
    from google.protobuf import message_factory  # pylint: disable=C0415
    services, pool = tool_pool()
    factory = message_factory.MessageFactory(pool)

    def ask_one(service, name, request):
        a_method = pool.FindServiceByName(service).methods_by_name[name]
        kinds = [factory.GetPrototype(kind) for kind in (a_method.input_type, a_method.output_type)]
        replies = state['channel'].stream_stream(
            f'/{service}/{name}', request_serializer=kinds[0].SerializeToString,
            response_deserializer=kinds[1].FromString)(iter([kinds[0](**request)]))
        return list(replies)[0]

    assert ask_one('grpc.health.v1.Health', 'Check', {'service': 'interop.Test'}).status == 1
    for version in VERSIONS:
        reply = ask_one(f'grpc.reflection.{version}.ServerReflection', 'ServerReflectionInfo',
                        {'list_services': '*'})
        assert [service.name for service in reply.list_services_response.service] == services
    assert len(ask_one('interop.Test', 'Unary', {'size': 3}).body) == 3


@case
def reflection_describes_details_of_errors():
    names, _ = names_of(ask(field(4, b'google.rpc.ErrorInfo'))[0])
    assert names == ['google/rpc/error_details.proto']


@case
def reflection_finds_extensions():
    kind = b'google.protobuf.MethodOptions'
    numbers = fields(fields_of_extensions(kind))[2]
    assert len(numbers) == len(set(numbers)) > 0
    for number in numbers:
        request = field(5, field(1, kind) + b'\x10' + varint(number))
        names, _ = names_of(ask(request)[0])
        assert names[0] == 'ipc/options.proto'
    assert 2 not in fields(fields_of_extensions(b'interop.Request'))


def fields_of_extensions(kind):
    return ask(field(6, kind))[0][5][0]
