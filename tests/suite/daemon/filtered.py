#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Docker's default seccomp profile, without Docker and without privileges.

    filtered.py COMMAND...   runs COMMAND under the profile: calls in docker-calls are allowed,
                             those below by their arguments; clone3() gives ENOSYS, others EPERM
    filtered.py --probe      makes refused calls, and prints the result of each

Exits with 77 and the reason if no filter can be installed here.
"""
import ctypes
import errno
import os
import platform
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAMESPACES = 0x7E020000  # flags of clone() that create namespaces
NEWUSER_AND_FS = 0x10000200  # EINVAL where it is allowed
AF_ALG, AF_VSOCK = 38, 40
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
# If these are allowed, they have no effect and do not give EPERM to an ordinary user.
PROBES = {
    "unshare": (0,),
    "setns": (-1, 0),
    "keyctl": (-1,),
    "pidfd_getfd": (-1, -1, 0),
    "clone": (NEWUSER_AND_FS,),
    "clone3": (0, 0),
    "socket": (AF_VSOCK, -1, 0),
    "personality": (0x1,),
}


def install():
    """Installs the filter for this process and its children."""
    allowed = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    with open(os.path.join(HERE, "docker-calls"), encoding="ascii") as lines:
        names = [name for line in lines if not line.startswith("#") for name in line.split()]
    for name in names:
        try:
            allowed.add_rule(seccomp.ALLOW, name)
        except RuntimeError:
            pass  # newer than this libseccomp
    allowed.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, NAMESPACES, 0))
    allowed.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    allowed.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.LT, AF_ALG))
    allowed.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, 39))
    allowed.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.GT, AF_VSOCK))
    for value in PERSONALITIES:
        allowed.add_rule(seccomp.ALLOW, "personality", seccomp.Arg(0, seccomp.EQ, value))
    allowed.load()  # with NO_NEW_PRIVS


def probe():
    libc = ctypes.CDLL(None, use_errno=True)
    for name, arguments in PROBES.items():
        number = seccomp.resolve_syscall(seccomp.Arch(), name)
        failed = libc.syscall(number, *map(ctypes.c_long, arguments)) < 0
        print(name, errno.errorcode[ctypes.get_errno()] if failed else "works")


try:
    import seccomp
except ImportError:
    print("python3-seccomp is not installed")
    sys.exit(77)
if platform.machine() != "x86_64":
    print("docker-calls has the system calls of amd64")
    sys.exit(77)

if sys.argv[1:] == ["--probe"]:
    probe()
elif sys.argv[1:]:
    install()
    os.execvp(sys.argv[1], sys.argv[1:])
else:
    sys.exit(__doc__)
