# SPDX-License-Identifier: MIT
#
# The house style is a test like any other, and has one of its own.

UNIT_TESTS += scripts/style scripts/test-style
