# SPDX-License-Identifier: MIT
#
# Tests of the output of protoc-gen-ipc, with golden/, fail/ and compile/. accept-all compiles all
# files in snippets.py; for changes of the compiler, test-accept compiles some of them.

UNIT_TESTS += $(addprefix tests/suite/idl/,test-golden test-fail test-compile test-macros test-plugin test-check)
MORE_UNIT_TESTS += tests/suite/idl/accept-all tests/suite/idl/test-install
