# SPDX-License-Identifier: MIT
"""gRPC of other languages: the interop cases with clients of exported services, and with programs on
the bus whose services are imported from servers. What a language takes comes from the network when it
is first wanted; without it, the case is skipped."""

import base64
import os
import subprocess

from harness import Program, Skip, case, socket_path, state, wait_until
from imports import call, importer, succeeds, fails_with

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'foreign')
# gRPC's own interop cases, as far as they are none of authentication and compression.
CASES = {'empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream',
         'cancel_after_begin', 'cancel_after_first_response', 'timeout_on_sleeping_server',
         'status_code_and_message', 'special_status_message', 'unimplemented_method', 'unimplemented_service',
         'custom_metadata'}


def fetch(language):
    """The last line that the language's script prints, or a Skip with its reason."""
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


def server_passes(command, address):
    server = Program(*command, ready='ready')
    program = importer(address)
    wait_until('the gateway has connected', lambda: call('Empty')[1] == 0)
    reply = succeeds('Unary', {'size': 300, 'body': base64.b64encode(bytes(271828)).decode()[:120000]})
    assert len(base64.b64decode(reply['body'])) == 300
    fails_with('test status message', 'Unary', {'code': -22, 'message': 'test status message'})
    fails_with('grpc.INVALID_ARGUMENT: x', 'Unary', {'code': -22, 'message': 'x'})
    fails_with('grpc.NOT_FOUND: x', 'Unary', {'code': -2, 'message': 'x'})
    fails_with('grpc.UNIMPLEMENTED', 'Numbered')
    fails_with('', 'Keep', timeout=0.5)
    server.wait_for('canceled')
    assert program.end() == 0
    server.end()


@case
def javascript_client():
    client_passes(node('client', state['gateway'].address))


@case
def javascript_server():
    address = socket_path()
    server_passes(node('server', address), address)


@case
def go_client():
    client_passes((fetch('go'), 'client', state['gateway'].address))


@case
def go_server():
    address = socket_path()
    server_passes((fetch('go'), 'server', address), address)
