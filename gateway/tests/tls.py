# SPDX-License-Identifier: MIT
"""TLS: certificates of both sides, and new certificates while the gateway runs."""

import os
import signal
import subprocess

import grpc

from harness import case, fails, gateway, method, pb, state, wait_until

StatusCode = grpc.StatusCode
EMPTY = pb.EmptyMessage()


def path(name):
    return os.path.join(state['folder'], name)


def read(name):
    with open(path(name), 'rb') as file:
        return file.read()


def openssl(*arguments):
    subprocess.run(('openssl', *arguments), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def authority(name):
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
            '-keyout', path(name + '.key'), '-out', path(name + '.pem'), '-days', '2', '-subj',
            f'/CN={name}')


def length(data):
    """Encodes a length in DER."""
    size = len(data)
    return bytes((size,)) if size < 128 else b'\x82' + size.to_bytes(2, 'big')


def certificate(name, by, common_name='localhost', alternative=None, more=()):
    """Makes a certificate. alternative: the bytes of its name, if common_name cannot be used. more:
    further names."""
    alternative = common_name.encode() if alternative is None else alternative
    entry = b''.join(b'\x82' + length(each) + each
                     for each in (alternative, *(text.encode() for text in more)))
    with open(path('extensions'), 'w') as file:
        file.write(f'subjectAltName=DER:{(b"0" + length(entry) + entry).hex()}\n')
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
            path(name + '.key'), '-out', path(name + '.csr'), '-subj', f'/CN={common_name}')
    openssl('x509', '-req', '-in', path(name + '.csr'), '-CA', path(by + '.pem'), '-CAkey',
            path(by + '.key'), '-CAcreateserial', '-days', '2', '-extfile', path('extensions'),
            '-out', path(name + '.pem'))


def certificates():
    if not os.path.exists(path('ca.pem')):
        authority('ca')
        authority('other')
        certificate('server', 'ca')
        certificate('client', 'ca', 'alice.example')
        certificate('stranger', 'other', 'alice.example')


def tls_gateway(*arguments):
    certificates()
    program = gateway('--tls-cert', path('server.pem'), '--tls-key', path('server.key'), *arguments,
                      listen='tls:localhost:0')
    program.port = program.log().split('listening on tls:localhost:')[1].split()[0]
    return program


def channel(program, client=None, roots='ca'):
    """Opens a separate channel, with the certificate of a client, or without a certificate."""
    credentials = grpc.ssl_channel_credentials(
        read(roots + '.pem'), client and read(client + '.key'), client and read(client + '.pem'))
    return grpc.secure_channel(f'localhost:{program.port}', credentials,
                               (('grpc.use_local_subchannel_pool', 1),))


def call(program, roots='ca', client=None, name='Empty', request=EMPTY, reply=pb.EmptyMessage,
         metadata=None):
    with channel(program, client, roots) as to:
        return method(name, reply, to)(request, timeout=5, metadata=metadata)


@case
def tls():
    program = tls_gateway('--insecure')
    assert call(program) == EMPTY
    # gRPC prints a complaint about this on standard error.
    fails(StatusCode.UNAVAILABLE, call, program, 'other')
    # Clear text is refused.
    with grpc.insecure_channel(f'localhost:{program.port}') as channel:
        fails(StatusCode.UNAVAILABLE, method('Empty', channel=channel), EMPTY, timeout=5)
    assert program.end() == 0


@case
def mutual_tls():
    program = tls_gateway('--tls-client-ca', path('ca.pem'))
    assert call(program, client='client') == EMPTY
    fails(StatusCode.UNAVAILABLE, call, program)
    fails(StatusCode.UNAVAILABLE, call, program, client='stranger')
    assert program.end() == 0


@case
def handler_knows_the_name_in_the_certificate():
    program = tls_gateway('--tls-client-ca', path('ca.pem'))
    reply = call(program, client='client', name='Metadata', request=pb.Text(text='ipc-peer'),
                 reply=pb.Text, metadata=(('ipc-peer', 'root'),))
    assert reply.text == 'alice.example'
    program.end()


@case
def new_certificates():
    program = tls_gateway('--insecure')
    assert call(program) == EMPTY
    certificate('server', 'other')
    program.send(signal.SIGHUP)
    program.wait_for('reloaded the certificates')
    fails(StatusCode.UNAVAILABLE, call, program)
    assert call(program, 'other') == EMPTY
    # A missing file changes nothing.
    os.rename(path('server.key'), path('moved.key'))
    program.send(signal.SIGHUP)
    program.wait_for('kept the old certificates')
    assert 'cannot read ' + path('server.key') in program.log()
    assert call(program, 'other') == EMPTY
    os.rename(path('moved.key'), path('server.key'))
    # A file without a certificate changes nothing.
    with open(path('server.pem'), 'w') as file:
        file.write('rubbish')
    program.send(signal.SIGHUP)
    wait_until('it is refused', lambda: program.log().count('kept the old certificates') == 2)
    assert call(program, 'other') == EMPTY
    certificate('server', 'ca')
    assert program.end() == 0


@case
def wrong_certificates():
    certificates()
    with open(path('rubbish.pem'), 'w') as file:
        file.write('rubbish')
    program = gateway('--tls-cert', path('rubbish.pem'), '--tls-key', path('server.key'),
                      '--insecure', listen='tls:localhost:0', ready=None)
    assert program.status() == 1
    assert path('rubbish.pem') + ': no certificate, or a malformed certificate' in program.log()
    # gRPC itself notices a key that does not match.
    program = gateway('--tls-cert', path('server.pem'), '--tls-key', path('client.key'),
                      '--insecure', listen='tls:localhost:0', ready=None)
    assert program.status() == 1
    assert 'cannot listen on tls:localhost:0: see the reason above' in program.log()
    program = gateway('--tls-cert', path('nothing.pem'), '--tls-key', path('server.key'),
                      '--insecure', listen='tls:localhost:0', ready=None)
    assert program.status() == 1
    assert 'No such file' in program.log()
    for arguments, text in (((), 'requires --tls-cert'),
                            (('--tls-cert', 'a', '--tls-key', 'b'), 'use --tls-client-ca'),
                            (('--tls-cert', 'a'), 'go together')):
        program = gateway(*arguments, listen='tls:localhost:0', ready=None)
        assert program.status() == 2
        assert text in program.log()
