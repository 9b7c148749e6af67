# SPDX-License-Identifier: MIT
"""gRPC in other languages: the interop cases with clients of exported services. The libraries of a
language are downloaded when first needed. If that fails, the case is skipped."""

import os
import subprocess

from harness import Skip, case, state

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'foreign')
# gRPC's own interop cases, without authentication and compression. custom_metadata checks only the
# metadata of requests, because replies have none.
CASES = {'empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream',
         'cancel_after_begin', 'cancel_after_first_response', 'timeout_on_sleeping_server',
         'status_code_and_message', 'special_status_message', 'unimplemented_method', 'unimplemented_service',
         'custom_metadata'}


def fetch(language):
    """Returns the last line of output of the language's script, or raises Skip with the reason."""
    done = subprocess.run(os.path.join(FOLDER, language), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise Skip(done.stderr.strip().split('\n')[-1])
    return done.stdout.strip().split('\n')[-1]


def node(program, *arguments):
    os.environ['NODE_PATH'] = fetch('node')
    return ('node', os.path.join(FOLDER, program + '.js'), *arguments)


def client_passes(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          check=False)
    lines = done.stdout.splitlines()
    assert {line[3:] for line in lines if line.startswith('ok ')} == CASES, done.stdout


@case
def javascript_client():
    client_passes(node('client', state['gateway'].address))


@case
def go_client():
    client_passes((fetch('go'), 'client', state['gateway'].address))
