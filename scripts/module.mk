# SPDX-License-Identifier: MIT
#
# The house style is a test like any other.

UNIT_TESTS += scripts/style
