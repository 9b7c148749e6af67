# SPDX-License-Identifier: MIT
"""--policy: the rights of peers on names, and new rules while the gateway runs."""

import os
import signal
import subprocess

import grpc

from builtin import REFLECTION, SERVING, check, field, fields
from harness import B, Program, case, connect, fails, gateway, method, pb, state, wait_until
from tls import call, certificate, certificates, channel as tls_channel, path, tls_gateway

StatusCode = grpc.StatusCode
EMPTY = pb.EmptyMessage()
DENIED = StatusCode.PERMISSION_DENIED


def write(text, name='rules.conf'):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), 'w') as file:
        file.write(text)
    return path(name)


def guarded(text, *arguments):
    """A gateway with a policy, and clients alice.example, bob.example and carol.robots.example."""
    certificates()
    if not os.path.exists(path('bob.pem')):
        certificate('bob', 'ca', 'bob.example')
    if not os.path.exists(path('carol.pem')):
        certificate('carol', 'ca', 'carol.robots.example')
    return tls_gateway('--tls-client-ca', path('ca.pem'), '--policy', write(text), *arguments)


def reload(program, text, says='reloaded the policy'):
    """Returns the end of the gateway's log after new rules."""
    before = len(program.lines)
    write(text)
    program.send(signal.SIGHUP)
    wait_until(f'it says "{says}", but: {program.log()}',
               lambda: any(says in line for line in program.lines[before:]))
    return '\n'.join(program.lines[before:])


def listed(to):
    """Returns the names of the services that reflection shows."""
    reply, = to.stream_stream(REFLECTION % 'v1')(iter((field(7, b'*'),)))
    return [fields(service)[1][0] for service in fields(fields(reply)[6][0])[1]]


@case
def only_what_the_policy_allows():
    program = guarded('allow certificate alice.example,*.robots.example find,call test.*\n'
                      'refuse certificate mallory.robots.example all *\n')
    assert call(program, client='client') == EMPTY
    assert call(program, client='carol') == EMPTY
    error = fails(DENIED, call, program, client='bob')
    assert error.details() == 'the gateway policy refuses this'
    assert program.end() == 0
    # No rule matches the name.
    program = guarded('allow anyone all other.*\n')
    fails(DENIED, call, program, client='client')
    program.end()
    # As on the bus, a call needs both rights.
    for rights in 'find', 'call', 'list':
        program = guarded(f'allow anyone {rights} *\n')
        fails(DENIED, call, program, client='client')
        program.end()


@case
def policy_hides_names():
    program = guarded('allow anyone all *\nhide certificate bob.example all test.interop\n')
    assert call(program, client='client') == EMPTY
    error = fails(StatusCode.UNIMPLEMENTED, call, program, client='bob')
    assert error.details() == 'no such service is exported here'
    program.end()


@case
def policy_of_streams():
    program = guarded('allow certificate alice.example find,call test.interop\n')
    for client, denied in ('client', False), ('bob', True):
        with tls_channel(program, client) as to:
            replies = to.stream_stream('/interop.Test/Duplex')(iter(()), timeout=10)
            if denied:
                fails(DENIED, list, replies)
            else:
                assert not list(replies)
    program.end()


@case
def policy_of_clients_without_certificates():
    """Rules about certificates do not apply to clients without a certificate, even with the name *.
    """
    rules = write('allow certificate * all *\n')
    program = gateway('--policy', rules)
    with connect(program.address) as to:
        fails(DENIED, method('Empty', channel=to), EMPTY)
        write('allow anyone all *\nrefuse certificate * all *\n')
        program.send(signal.SIGHUP)
        program.wait_for('reloaded the policy')
        assert method('Empty', channel=to)(EMPTY) == EMPTY
    program.end()


@case
def names_in_certificates_are_all_asked():
    certificates()
    certificate('two', 'ca', 'first.example', more=('second.example',))
    for name, allowed in (('first.example', True), ('second.example', True), ('second', False),
                          ('second.example.org', False), ('*.example', True), ('*', True),
                          ('s*le', True), ('se*second.example', False)):
        program = guarded(f'allow certificate {name} find,call test.interop\n')
        if allowed:
            assert call(program, client='two') == EMPTY, name
        else:
            fails(DENIED, call, program, client='two')
        program.end()
    # A single refused name is enough.
    program = guarded('allow anyone all *\nrefuse certificate second.example all *\n')
    fails(DENIED, call, program, client='two')
    program.end()


@case
def policy_of_health_and_reflection():
    program = guarded('allow certificate alice.example find test.interop\n'
                      'allow certificate bob.example list test.interop\n')
    with tls_channel(program, 'client') as to:
        assert check(b'interop.Test', to) == SERVING
        assert b'interop.Test' not in listed(to)
    with tls_channel(program, 'bob') as to:
        fails(StatusCode.NOT_FOUND, check, b'interop.Test', to)
        assert b'interop.Test' in listed(to)
    program.end()


@case
def policy_is_reloaded():
    program = guarded('allow certificate alice.example find,call *\n')
    with tls_channel(program, 'client') as alice, tls_channel(program, 'bob') as bob:
        assert method('Empty', channel=alice)(EMPTY) == EMPTY
        fails(DENIED, method('Empty', channel=bob), EMPTY)
        reload(program, 'allow certificate bob.example find,call *\n')
        # On existing connections.
        fails(DENIED, method('Empty', channel=alice), EMPTY)
        assert method('Empty', channel=bob)(EMPTY) == EMPTY
        # Invalid rules change nothing.
        said = reload(program, '# This\nallow certificate alice.example,bob.example find,call *\n'
                      'allow user root all *\n', 'kept the old policy')
        assert f'{path("rules.conf")}:3: clients on the network have no user, but certificates' in said
        fails(DENIED, method('Empty', channel=alice), EMPTY)
        assert method('Empty', channel=bob)(EMPTY) == EMPTY
        os.unlink(path('rules.conf'))
        before = len(program.lines)
        program.send(signal.SIGHUP)
        wait_until('it is kept', lambda: 'kept the old policy' in '\n'.join(program.lines[before:]))
        assert f'cannot read {path("rules.conf")}: No such file' in program.log()
        assert method('Empty', channel=bob)(EMPTY) == EMPTY
    program.end()


@case
def policy_in_a_folder():
    folder = path('rules.d')
    write('allow anyone all *\n', 'rules.d/10-all.conf')
    write('refuse certificate bob.example all *\n', 'rules.d/20-bob.conf')
    write('rubbish\n', 'rules.d/not-read')
    guarded('')  # certificates
    program = tls_gateway('--tls-client-ca', path('ca.pem'), '--policy', folder)
    assert 'has 2 rules' in program.log()
    assert call(program, client='client') == EMPTY
    fails(DENIED, call, program, client='bob')
    program.end()


@case
def wrong_policies():
    for text, says in (('permit anyone all *', ':1: a rule begins with allow, refuse or hide, not'),
                       ('\nallow user root all *', ':2: clients on the network have no user'),
                       ('allow group root all *', 'have no group'),
                       ('allow label a all *', 'have no label'),
                       ('allow anyone register *', 'clients on the network register no names'),
                       ('allow anyone all user/%u/*', 'no user for %u'),
                       ('allow certificate', 'needs a list of names'),
                       ('allow certificate a,,b all *', 'missing name before or after a comma'),
                       ('allow certificate *a* all *', 'more than one * in "*a*"'),
                       ('allow certificate a certificate b all *', 'more than one certificate'),
                       ('allow all *', 'missing callers; use anyone or certificate LIST'),
                       ('allow anyone all', 'missing names')):
        program = gateway('--policy', write(text + '\n'), ready=None)
        assert program.status() == 1
        assert says in program.log(), program.log()
    program = gateway('--policy', path('nothing.conf'), ready=None)
    assert program.status() == 1
    assert 'cannot read ' + path('nothing.conf') in program.log()
    # servicemanager does not accept the gateway's rules.
    write('allow certificate a all *\n', 'rules.d/10-all.conf')
    program = Program(os.path.join(B, 'servicemanager/servicemanager'), '--check-policy',
                      '--policy', path('rules.d'))
    assert program.status() == 1
    assert 'only clients of ipc-gateway have certificates' in program.log()


@case
def policy_says_what_it_decides():
    rules = write('allow certificate *.example find,call test.*\nhide anyone find secret\n')

    def ask(*words):
        done = subprocess.run((os.path.join(B, 'gateway/ipc-gateway'), '--policy', rules,
                               '--check-policy', *words), capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    assert ask() == (0, '2 rules\n')
    assert ask('alice.example', 'call', 'test.interop') == \
        (0, f'allowed: {rules}:1: allow certificate *.example find,call test.*\n')
    assert ask('', 'call', 'test.interop') == (3, 'refused: no rule matches\n')
    assert ask('a', 'call', 'secret')[0] == 4
    assert ask('a', 'register', 'secret')[0] == 2
    assert ask('a', 'call')[0] == 2
    write('allow\n')
    status, said = ask()
    assert status == 1 and 'rules.conf:1: missing callers' in said
