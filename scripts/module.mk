# SPDX-License-Identifier: MIT
#
# The house style is a test like any other, and has one of its own; so has the hook that
# judges commits.

UNIT_TESTS += scripts/style scripts/test-style scripts/test-pre-commit
