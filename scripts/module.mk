# SPDX-License-Identifier: MIT
#
# The house style is a test like any other, and has one of its own; so have the hook that
# judges commits and the script that makes releases.

UNIT_TESTS += scripts/style
MORE_UNIT_TESTS += scripts/test-style scripts/test-release
LONG_UNIT_TESTS += scripts/test-pre-commit
