# SPDX-License-Identifier: MIT
"""A checksum of pixels, four bytes each. It depends on their order."""


def checksum(pixels):
    words = memoryview(pixels).cast("I")
    total = len(words)
    for word in words:
        total = (total ^ word) * 0x100000001B3 % 2**64
    return total
