# SPDX-License-Identifier: MIT
"""Shared by all cases: starts and ends programs, opens channels, and prints the report."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

# Child processes here execute another program at once. For children that use gRPC themselves, gRPC
# would delay each start of a program until its threads are idle.
os.environ['GRPC_ENABLE_FORK_SUPPORT'] = '0'
B = os.environ['B']
sys.path.insert(0, os.path.join(B, 'gateway/tests/python'))

import grpc  # noqa: E402
import interop_pb2 as pb  # noqa: E402

SERVICE = '/interop.Test/'
# The programs that all cases share, in the order of their start.
SHARED = ('manager', 'server', 'gateway')
state = {'programs': [], 'folder': None, 'channel': None, 'numbers': itertools.count(1)}


class Skip(Exception):
    """A case that this machine cannot run, with the reason."""


def wait_until(what, condition, seconds=10):
    """Waits for a condition. If it does not occur in time, fails with its description."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'in {seconds} s not: {what}'
        time.sleep(0.01)


class Program:
    """A program, and the lines that it has printed. If ready is set, waits until the log has this
    text."""

    def __init__(self, *command, ready=None):
        self.name = os.path.basename(command[0])
        self.lines = []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        state['programs'].append(self)
        if ready:
            self.wait_for(ready)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip('\n'))

    def log(self):
        return '\n'.join(self.lines)

    def wait_for(self, text, seconds=10):
        wait_until(f'{self.name} says "{text}", but: {self.log()}',
                   lambda: text in self.log() or self.ended(), seconds)
        assert text in self.log(), f'{self.name} ended: {self.log()}'

    def ended(self):
        if self.process.poll() is None:
            return False
        self.reader.join()
        return True

    def status(self, seconds=30):
        status = self.process.wait(seconds)
        self.reader.join()
        return status

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.status()
        if self in state['programs']:
            state['programs'].remove(self)
        return status

    def memory(self, what='VmRSS:'):
        """Returns the resident memory in bytes."""
        with open(f'/proc/{self.process.pid}/status') as file:
            for line in file:
                if line.startswith(what):
                    return int(line.split()[1]) * 1024
        return 0

    def peak_memory(self):
        return self.memory('VmHWM:')

    def cpu(self):
        """Returns the processor time in seconds."""
        with open(f'/proc/{self.process.pid}/stat') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def files(self):
        return os.listdir(f'/proc/{self.process.pid}/fd')


def server(*arguments):
    return Program(os.path.join(B, 'gateway/tests/server'), *arguments, ready='ready')


def socket_path():
    return f'unix:{state["folder"]}/{next(state["numbers"])}'


def gateway(*arguments, exports=('test.interop',), listen=None, ready='ready'):
    """Starts a separate gateway. Its address is in .address."""
    address = listen or socket_path()
    names = [argument for name in exports for argument in ('--export', name)]
    program = Program(os.path.join(B, 'gateway/ipc-gateway'), *names, '--listen', address,
                      *arguments, ready=ready)
    program.address = address
    return program


def connect(address, options=()):
    """Opens a separate channel, because grpcio would share connections otherwise."""
    return grpc.insecure_channel(address, (('grpc.use_local_subchannel_pool', 1), *options))


def method(name, reply=pb.EmptyMessage, channel=None, service=SERVICE):
    return (channel or state['channel']).unary_unary(
        service + name, request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reply.FromString)


def look():
    return method('Look', pb.LookReply)(pb.EmptyMessage())


def varint(number):
    """Encodes a number as protobuf does."""
    data = b''
    while number > 127:
        data += bytes((number & 127 | 128,))
        number >>= 7
    return data + bytes((number,))


def fails(code, call, *arguments, **options):
    """Returns the error of a call that must fail with the code."""
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        assert error.code() == code, f'{error.code()}: {error.details()}, not {code}'
        return error
    raise AssertionError(f'succeeded, not {code}')


def start_shared(name):
    if name == 'manager':
        state['manager'] = Program(os.path.join(B, 'servicemanager/servicemanager'), ready='ready')
    elif name == 'server':
        state['server'] = server()
    else:
        state['gateway'] = gateway()
        state['channel'] = connect(state['gateway'].address)


def start(folder):
    state['folder'] = folder
    for name in SHARED:
        start_shared(name)


def stop():
    state['channel'].close()
    for program in reversed(list(state['programs'])):
        program.end()


def cases_of(module):
    return [(name, function) for name, function in vars(module).items()
            if callable(function) and getattr(function, 'is_case', False)]


def case(function):
    function.is_case = True
    return function


def revive():
    """Starts shared programs that have ended again, for the next case. Returns their names, with
    the end of their logs."""
    ended = []
    for name in SHARED:
        program = state[name]
        if program.ended():
            ended.append(f'{program.name} ended with {program.status()}: {program.log()[-4000:]}')
            start_shared(name)
    return '\n'.join(ended)


def run(cases):
    passed = 0
    print(f'1..{len(cases)}')
    for number, (name, function) in enumerate(cases, 1):
        begin = time.monotonic()
        trouble, skip = '', ''
        try:
            function()
        except Skip as reason:
            skip = f'SKIP {reason}, '
        except Exception:  # pylint: disable=broad-except
            trouble = traceback.format_exc()
        trouble += revive()
        for line in trouble.splitlines():
            print(f'# {line}')
        passed += not trouble
        print(f'{"not ok" if trouble else "ok"} {number} - {name} # {skip}'
              f'{time.monotonic() - begin:.2f} s', flush=True)
    print(f'gateway: {passed} of {len(cases)} cases', flush=True)
    return passed != len(cases)
