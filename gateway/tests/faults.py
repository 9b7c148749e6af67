# SPDX-License-Identifier: MIT
"""Failures between two machines: the other gateway is killed, the cable is cut or loses frames, or
a connection is half open. No call may be executed twice or outlast its deadline, and nothing of it
may be left. A program on the bus calls the server through two gateways, as an imported service that
the other gateway exports, and over a link."""

import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

from harness import B, Program, Skip, case, look, server, socket_path, state, wait_until
from import_streams import Client, interop_ipc, ipcbus
from imports import SET
from metrics import metrics

IMPORTED, LINKED = 'imported.interop', 'linked.interop'
NEAR, FAR, PORT = '10.77.0.1', '10.77.0.2', 50051
WIRE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'wire.py')
# On a busy machine, a call may end this much later than its deadline, in seconds.
SLACK = 10
numbers = itertools.count(1)


# --- Two machines ----------------------------------------------------------------------------------

class Machine:
    """A network namespace."""

    def __init__(self):
        with open('/proc/self/ns/net') as file:
            own = os.fstat(file.fileno()).st_ino
        self.process = subprocess.Popen(('unshare', '--net', 'sleep', 'infinity'),
                                        stderr=subprocess.PIPE)
        self.inside = ('nsenter', '--net=' + f'/proc/{self.process.pid}/ns/net')
        wait_until('there is a namespace',
                   lambda: self.process.poll() is not None or
                   os.stat(f'/proc/{self.process.pid}/ns/net').st_ino != own)
        if self.process.poll() is not None:
            raise Skip('network namespaces are not allowed: '
                       + self.process.stderr.read().decode().strip())

    def run(self, *command):
        subprocess.run((*self.inside, *command), check=True)

    def end(self):
        self.process.kill()
        self.process.wait()


class Wire:
    """Two machines, and a third machine between them that plays the cable."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Skip('network namespaces take root')
        if not shutil.which('ip'):
            raise Skip('no ip(8) here')
        self.machines = []
        try:
            self.machines += [Machine() for _ in range(3)]
            self.near, self.far, self.middle = self.machines
            for machine, address, name in (self.near, NEAR, 'near'), (self.far, FAR, 'far'):
                self.connect(machine, address, name)
        except Exception:
            self.end()
            raise
        self.process = subprocess.Popen(
            (*self.middle.inside, sys.executable, WIRE, 'join', 'near', 'far'),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line == 'ready\n', line

    def connect(self, machine, address, name):
        """Creates an interface "eth" there, whose other end is in the machine in the middle."""
        done = subprocess.run(
            ('ip', 'link', 'add', 'name', 'eth', 'netns', str(machine.process.pid), 'type', 'veth',
             'peer', 'name', name, 'netns', str(self.middle.process.pid)),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise Skip('no pair of interfaces: ' + done.stdout.strip())
        machine.run('ip', 'address', 'add', f'{address}/24', 'dev', 'eth')
        machine.run(sys.executable, WIRE, 'plain', 'eth')
        machine.run('ip', 'link', 'set', 'eth', 'up')
        self.middle.run('ip', 'link', 'set', name, 'up')

    def lose(self, percent):
        """Sets the loss. Returns the number of frames lost so far."""
        self.process.stdin.write(f'{percent}\n')
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        for machine in self.machines:
            machine.end()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.end()


class Gateways:
    """The gateways of the server and of the clients. inside: the command prefix that starts a
    program there."""

    def __init__(self, address, near=(), far=()):
        self.address, self.inside, self.metrics = address, far, {}
        self.target = address if address.startswith('unix:') else 'ipv4:' + address
        self.far = self.start_far()
        self.near = self.start('near', near, '--import', f'{IMPORTED}={self.target}/interop.Test',
                               '--descriptor-set', SET, '--keepalive', '5', '--link',
                               f'{LINKED}=test.interop@{self.target}')
        self.stubs = {}
        for name in IMPORTED, LINKED:
            self.stubs[name] = Client.bus().wait(interop_ipc.TestSync, name, timeout=20)
            assert self.mark(name, timeout=20) is None
        # The number of files of both gateways, with a connection each for the import and for the
        # link.
        self.files = [len(program.files()) for program in (self.near, self.far)]

    def start(self, name, inside, *arguments):
        self.metrics[name] = socket_path()[len('unix:'):]
        # Without channels, the number of files does not depend on the number of calls.
        return Program(*inside, '/usr/bin/env', 'IPC_CHANNELS=0', os.path.join(B, 'gateway/ipc-gateway'),
                       '--insecure', '--drain', '1', '--metrics', self.metrics[name], *arguments,
                       ready='ready')

    def start_far(self):
        return self.start('far', self.inside, '--export', 'test.interop', '--share', 'test.interop',
                          '--listen', self.address)

    def kill_far(self):
        self.far.end(signal.SIGKILL)

    def mark(self, name, timeout=None, sleep=0, number=None):
        """Makes a call. Returns its error, if any."""
        try:
            self.stubs[name].Mark(number=number or next(numbers), sleep_msec=sleep, body=bytes(3000),
                                  timeout=timeout)
            return None
        except ipcbus.Error as error:
            return error

    def again(self, name):
        """Calls succeed again, over a new link to a new object."""
        def works():
            try:
                self.stubs[name] = Client.bus().wait(interop_ipc.TestSync, name, timeout=1)
            except ipcbus.Error:
                return False
            return self.mark(name, timeout=5) is None
        wait_until(f'{name} works again: {self.near.log()}', works, 60)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for program in self.near, self.far:
            if not program.ended():
                assert program.end() == 0 or kind, program.log()
            elif program in state['programs']:
                state['programs'].remove(program)

    def has_nothing_left(self):
        """No calls and files of the broken connection are left."""
        def left():
            counts = [metrics(where) for where in self.metrics.values()]
            calls = {key: value for count in counts for key, value in count.items()
                     if key[0] == 'open_calls' and 'direction="link"' not in key[1]}
            files = [len(program.files()) for program in (self.near, self.far)]
            return (any(calls.values()) or look().kept
                    or any(now > before for now, before in zip(files, self.files))), calls, files
        wait_until(f'nothing is left, but {left()}; before {self.files}', lambda: not left()[0], 60)


class Load:
    """Threads that make calls with a deadline, alternately over both ways, and record the results.
    """

    def __init__(self, gateways, threads, each, timeout, sleep=0):
        self.gateways, self.timeout, self.sleep = gateways, timeout, sleep
        self.results, self.lock = [], threading.Lock()
        self.first = next(numbers) + threads * each
        while next(numbers) < self.first:
            pass
        self.threads = [threading.Thread(target=self.call, args=(i, each)) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def call(self, thread, each):
        for i in range(each):
            number, name = self.first - thread * each - i - 1, (IMPORTED, LINKED)[(thread + i) % 2]
            begin = time.monotonic()
            error = self.gateways.mark(name, self.timeout, self.sleep, number)
            took = time.monotonic() - begin
            with self.lock:
                self.results.append((number, name, error, took))

    def check(self):
        """Returns the number of successful calls, over both ways."""
        for thread in self.threads:
            thread.join()
        good = {IMPORTED: 0, LINKED: 0}
        with ipcbus.sync.Connection() as bus:
            direct = bus.wait(interop_ipc.TestSync, 'test.interop', timeout=10)
            for number, name, error, took in self.results:
                times = direct.Mark(number=number, look=True, timeout=20).times
                assert times == 1 if error is None else times <= 1, (number, name, error, times)
                assert took < self.timeout + SLACK, (name, error, took)
                good[name] += error is None
        return good


# --- Cases ------------------------------------------------------------------------------------------

@case
def frames_are_lost():
    """One of ten frames is lost in each direction. Calls only take longer."""
    with Wire() as wire, Gateways(f'{FAR}:{PORT}', wire.near.inside, wire.far.inside) as gateways:
        wire.lose(10)
        load = Load(gateways, 6, 40, timeout=20)
        good = load.check()
        assert wire.lose(0) > 20
        assert sum(good.values()) > 120, (good, [str(result[2]) for result in load.results])
        gateways.again(IMPORTED)
        gateways.again(LINKED)
        gateways.has_nothing_left()


@case
def cable_is_cut():
    """Calls with a deadline end by then. Other calls end when the connection is found to be broken.
    """
    with Wire() as wire, Gateways(f'{FAR}:{PORT}', wire.near.inside, wire.far.inside) as gateways:
        errors, broken, canceled = [], [], look().canceled
        waits = [threading.Thread(target=lambda name=name: broken.append(keep(gateways, name, None)))
                 for name in (IMPORTED, LINKED)]
        for thread in waits:
            thread.start()
        late = [threading.Thread(target=lambda name=name: errors.append(keep(gateways, name, 2)))
                for name in (IMPORTED, LINKED)]
        for thread in late:
            thread.start()
        # The two calls with a deadline may have ended again.
        wait_until('they are there', lambda: look().kept + look().canceled >= canceled + 4)
        wire.lose(100)
        begin = time.monotonic()
        load = Load(gateways, 4, 2, timeout=2)
        for thread in late:
            thread.join()
        assert time.monotonic() - begin < 2 + SLACK
        assert [error.code for error in errors] == [errno.ETIMEDOUT] * 2, errors
        assert not any(load.check().values())
        # Each side notices by itself: it sends a ping after 10 s, and waits for 10 s.
        for thread in waits:
            thread.join(60)
        assert [error.code for error in broken] == [errno.EHOSTUNREACH] * 2, broken
        wait_until('the server knows', lambda: look().kept == 0, 60)
        assert wire.lose(0) > 0
        gateways.again(LINKED)
        gateways.again(IMPORTED)
        gateways.has_nothing_left()


def keep(gateways, name, timeout):
    """Returns the error of a call that the server keeps."""
    try:
        gateways.stubs[name].Keep(timeout=timeout)
    except ipcbus.Error as error:
        return error
    return None


@case
def connection_is_half_open():
    """The other side dies while the cable is cut, so this side is not notified."""
    with Wire() as wire, Gateways(f'{FAR}:{PORT}', wire.near.inside, wire.far.inside) as gateways:
        errors = []
        waits = [threading.Thread(target=lambda name=name: errors.append(keep(gateways, name, None)))
                 for name in (IMPORTED, LINKED)]
        for thread in waits:
            thread.start()
        wait_until('they are there', lambda: look().kept == 2)
        wire.lose(100)
        gateways.kill_far()
        gateways.far = gateways.start_far()
        wire.lose(0)
        gateways.again(LINKED)
        gateways.again(IMPORTED)
        for thread in waits:
            thread.join(60)
        assert [error.code for error in errors] == [errno.EHOSTUNREACH] * 2, errors
        gateways.has_nothing_left()


@case
def gateway_of_the_server_is_killed():
    with Gateways(socket_path()) as gateways:
        for _ in range(3):
            load = Load(gateways, 8, 20, timeout=20, sleep=20)
            time.sleep(0.1)
            gateways.kill_far()
            gateways.far = gateways.start_far()
            good = load.check()
            failed = [error for _, _, error, _ in load.results if error]
            # The calls end at once, and not by their deadlines.
            assert all(took < SLACK for _, _, _, took in load.results), load.results
            assert all(error.code != errno.ETIMEDOUT for error in failed), failed
            gateways.again(LINKED)
            gateways.again(IMPORTED)
        assert failed, good
        gateways.has_nothing_left()


@case
def server_is_killed():
    """The server dies behind the gateways, whose connections stay."""
    with Gateways(socket_path()) as gateways:
        load = Load(gateways, 8, 20, timeout=20, sleep=20)
        time.sleep(0.1)
        state['server'].end(signal.SIGKILL)
        state['server'] = server()
        for thread in load.threads:
            thread.join()
        assert all(took < SLACK for _, _, _, took in load.results), load.results
        gateways.again(LINKED)
        gateways.again(IMPORTED)
        gateways.has_nothing_left()
