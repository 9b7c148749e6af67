# SPDX-License-Identifier: MIT
"""Runs the programs of tests/suite/e2e across a link, unchanged: clients on one bus, servers on
another. Each of their cases must pass, except for those in DIFFERENT, which must fail, and those in
LEFT_OUT and RACES. docs/gateway.md describes the differences from a single bus. All programs run
while the first case waits for its own."""

import concurrent.futures
import os
import re
import subprocess

from harness import B, Program, case, socket_path
from links import Bus

# Number of programs at a time. They mostly wait.
WORKERS = 4

# The end of a case that expects its server to be the manager of its bus. Here the server has a
# name, which has nothing to do with links.
NAME = 'a name ends otherwise than the manager'

DIFFERENT = {
    'call': {
        'too_many_oneways': 'the gateway takes oneways out of the queue, so it fills later',
        'caller_identity': 'the service sees the gateway',
        'without_a_server': NAME,
    },
    'object': {
        'a_file_from_the_server': 'a file',
        'a_file_for_the_server': 'a file',
    },
    'async': {
        'pending_calls_end_with_the_server': 'EOWNERDEAD is a cause',
    },
    'death': {
        'a_killed_server': NAME,
        'a_frozen_server': 'freezing',
        'a_server_that_dies_over_a_call': 'EOWNERDEAD is a cause',
    },
    'bytes': {},
    'stream': {},
    'stream-space': {},
    'stream-parent': {},
    'serve': {
        'stop_from_a_handler': NAME,
    },
    'raw': {
        'files': 'a file',
        'streams': 'a file',
        'streams_without_files': 'a file',
    },
    'loop-epoll': {},
    'loop-glib': {},
    'loop-sd-event': {},
}

# These cases do not run, because they may also wait for ever.
LEFT_OUT = {
    'serve': ['notified_of_space'],  # The gateways take oneways too, so there is space at other times.
}

# These cases may fail, more often on a busy machine.
RACES = {
    'objects_of_a_dead_server': 'a call overtakes the death of its object',
    'a_server_with_epoll': 'a call overtakes oneways',
    'fd_is_readable_when_there_is_work': 'the gateway may ask for a channel, which is an event as well',
    'oneway_replaces_a_queued_oneway': 'the gateway takes oneways out of the queue one by one',
}


def run(program):
    """Returns the failed cases of a program, and the reasons."""
    bus = Bus()
    name = f'e2e.{program}'
    address = socket_path()
    size = ('--max-message', '20M')
    far = bus.start('gateway/ipc-gateway', '--share', name, '--listen', address, *size,
                    ready='ready')
    near = Program(f'{B}/gateway/ipc-gateway', '--link', f'{name}@{address}', *size, ready='linked')
    environment = {**os.environ, 'LINK_NAME': name, 'LINK_BUS': bus.path,
                   'LEFT_OUT': f' {" ".join(LEFT_OUT.get(program, []))} ',
                   'LD_PRELOAD': f'{B}/gateway/tests/two-buses.so'}
    # Its cases must not count as cases of this program.
    environment.pop('CK_TAP_LOG_FILE_NAME', None)
    done = subprocess.run(f'{B}/tests/suite/e2e/test-{program}', timeout=1200, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=environment)
    failed = re.findall(r'^\S+:\d+:[FE]:\S+?:(\w+):\d+: (.*)', done.stdout, re.M)
    counts = re.search(r'Checks: (\d+), Failures: (\d+), Errors: (\d+)', done.stdout)
    assert counts, done.stdout
    total, *bad = (int(count) for count in counts.groups())
    assert sum(bad) == len(failed) < total, done.stdout
    # The program did cross the link, and its objects were released on both sides.
    assert f'{name} is {name} of' in near.log(), near.log()
    assert near.end() == 0 and far.end() == 0, near.log() + far.log()
    bus.end()
    return dict(failed)


runs = {}


def across(program):
    if not runs:
        executor = concurrent.futures.ThreadPoolExecutor(WORKERS)
        runs.update({name: executor.submit(run, name) for name in DIFFERENT})
    failed = runs[program].result()
    assert set(failed) - set(RACES) == set(DIFFERENT[program]), failed


def case_of(program):
    def run_case():
        across(program)
    globals()[f'across_{program.replace("-", "_")}'] = case(run_case)


for each in DIFFERENT:
    case_of(each)
