# SPDX-License-Identifier: MIT
"""A cable between two network namespaces, which loses a given part of the frames.

wire.py plain INTERFACE     make the kernel send whole packets there, with their checksums
wire.py join ONE OTHER      carry frames between two interfaces. Each line of standard input sets the
                            number of lost frames of each 100; 100 cuts the cable. The reply is the
                            number of frames lost before

tc-netem(8) can lose frames too, but few kernels of small machines have it. A random number
generator with a fixed seed chooses the lost frames.
"""

import array
import fcntl
import random
import select
import socket
import struct
import sys

ALL, OUTGOING = 3, 4
SIOCETHTOOL = 0x8946
OFFLOADS = 0x17, 0x1f, 0x24  # ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO


def plain(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for offload in OFFLOADS:
            value = array.array('I', (offload, 0))
            request = struct.pack('16sP', interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)


def end_of(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    end.bind((interface, 0))
    return end


def carry(source, target, lost, numbers):
    """Returns whether the frame was lost."""
    frame, sender = source.recvfrom(65536)
    if sender[2] == OUTGOING:
        return False
    if numbers.randrange(100) < lost:
        return True
    try:
        target.send(frame)
    except OSError:
        return True  # no space at the other end
    return False


def join(one, other):
    ends = end_of(one), end_of(other)
    numbers, lost, count = random.Random(1), 0, 0
    print('ready', flush=True)
    while True:
        readable, _, _ = select.select((sys.stdin, *ends), (), ())
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            lost = int(line)
            print(count, flush=True)
            count = 0
        for source, target in (ends, ends[::-1]):
            if source in readable:
                count += carry(source, target, lost, numbers)


if sys.argv[1] == 'plain':
    plain(sys.argv[2])
else:
    join(sys.argv[2], sys.argv[3])
