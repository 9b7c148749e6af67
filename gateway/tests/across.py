# SPDX-License-Identifier: MIT
"""The programs of tests/suite/e2e across a link, unchanged: clients on one bus, servers on another.

Each of their cases passes, but for those in DIFFERENT, and each of these fails: docs/gateway.md says
what differs from one bus."""

import os
import re
import subprocess

from harness import B, Program, case, socket_path
from links import Bus

DIFFERENT = {
    'call': {
        'too_many_oneways': 'the gateway takes oneways out of the queue, so it fills later',
        'who_calls': 'the service sees the gateway',
        'without_a_server': 'there is a gateway, which waits for the name',
    },
    'object': {
        'a_file_from_the_server': 'a file',
        'a_file_for_the_server': 'a file',
    },
    'async': {
        'the_server_dies_over_them': 'EOWNERDEAD is a cause',
        'a_oneway_takes_anothers_place': 'each oneway is delivered',
    },
    'death': {
        'a_killed_server': 'there is a gateway',
        'a_frozen_server': 'freezing',
        'a_server_that_dies_over_a_call': 'EOWNERDEAD is a cause',
    },
    'bytes': {},
    'stream': {},
    'stream-space': {},
}

# These fail when a call overtakes the death of its object.
RACES = {'objects_of_a_dead_server'}


def run(program):
    """The cases of a program that failed, and how."""
    bus = Bus()
    address = socket_path()
    size = ('--max-message', '20M')
    far = bus.start('gateway/ipc-gateway', '--share', 'e2e', '--listen', address, *size,
                    ready='ready')
    near = Program(f'{B}/gateway/ipc-gateway', '--link', f'e2e@{address}', *size, ready='linked')
    done = subprocess.run(f'{B}/tests/suite/e2e/test-{program}', timeout=200, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, 'LINK_NAME': 'e2e',
                               'LINK_BUS': bus.device,
                               'LD_PRELOAD': f'{B}/gateway/tests/two-buses.so'})
    failed = re.findall(r'^\S+:\d+:[FE]:\S+?:(\w+):\d+: (.*)', done.stdout, re.M)
    counts = re.search(r'Checks: (\d+), Failures: (\d+), Errors: (\d+)', done.stdout)
    assert counts, done.stdout
    total, *bad = (int(count) for count in counts.groups())
    assert sum(bad) == len(failed) < total, done.stdout
    # What the program left is taken apart, on both sides.
    assert near.end() == 0 and far.end() == 0, near.log() + far.log()
    bus.end()
    return dict(failed)


def across(program):
    failed = run(program)
    assert set(failed) - RACES == set(DIFFERENT[program]), failed


@case
def across_call():
    across('call')


@case
def across_object():
    across('object')


@case
def across_async():
    across('async')


@case
def across_death():
    across('death')


@case
def across_bytes():
    across('bytes')


@case
def across_stream():
    across('stream')


@case
def across_stream_space():
    across('stream-space')
