# SPDX-License-Identifier: MIT
#
# Tests of the output of protoc-gen-ipc, with golden/, fail/ and compile/. test-accept compiles some
# of the files in snippets.py. accept-all compiles all of them, in Rust as well.

IDL_SHELL_TESTS := $(addprefix tests/suite/idl/,test-golden test-fail test-compile test-plugin test-install \
	test-check test-accept)
MORE_UNIT_TESTS += tests/suite/idl/accept-all

UNIT_TESTS += $(IDL_SHELL_TESTS)
