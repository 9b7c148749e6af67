# SPDX-License-Identifier: MIT
#
# The house style is a test, and the script that checks it has a test too. So do the hook that
# checks commits and the script that makes releases.

UNIT_TESTS += scripts/style
MORE_UNIT_TESTS += scripts/test-style scripts/test-release
LONG_UNIT_TESTS += scripts/test-pre-commit
