# SPDX-License-Identifier: MIT
#
# The static checks: what can be said about the sources without running them.
# Each script here is a test; `make check-static` runs them alone. They keep
# what they build in $(B)/static, apart from all else. Those that compile or analyze
# everything once more are for `make test-all`.

UNIT_TESTS += $(addprefix tests/suite/static/,spdx paths sizes includes layers abi claims readme guide man forge errors \
	kernel-style kernel-doc calls)
MORE_UNIT_TESTS += $(addprefix tests/suite/static/,headers build driver)
LONG_UNIT_TESTS += $(addprefix tests/suite/static/,gcc clang tidy analyzer)

.PHONY: check-static run-check-static user-space

check-static: setup
	+@$(MAKE) run-check-static

run-check-static: $(B)/tests.list
	@tests/run --host ' tests/suite/static/'

# What `make tests` builds of C for user space, as make variables say. Code that
# brings its own compilers and options along is left to itself.
user-space:
	+$(Q)$(MAKE) $(filter-out %.ko $(FUZZ_PROGRAMS) $(B)/tests/env/host/% $(IPCBUSD_ASAN) $(B)/tests/suite/abi/i386/% $(B)/rust/built,$(PRODUCTS) $(TEST_BUILDS) $(MORE_BUILDS))
