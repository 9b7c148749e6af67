# SPDX-License-Identifier: MIT
#
# Static checks of the sources. Each script here is a test. `make check-static` runs only these.
# Their build files are in $(B)/static, apart from all others. Checks that compile or analyze
# everything again are for `make test-all`.

UNIT_TESTS += $(addprefix tests/suite/static/,spdx paths sizes includes layers abi claims readme guide man forge errors \
	kernel-style kernel-doc calls limits)
MORE_UNIT_TESTS += $(addprefix tests/suite/static/,headers build driver)
LONG_UNIT_TESTS += $(addprefix tests/suite/static/,gcc clang tidy analyzer)

.PHONY: check-static run-check-static user-space

check-static: setup
	+@$(MAKE) run-check-static

run-check-static: $(B)/tests.list
	@tests/run --host ' tests/suite/static/'

# The C code for user space that `make tests` builds, as variables of make. Code with its own
# compilers and options is excluded.
user-space:
	+$(Q)$(MAKE) $(filter-out %.ko $(FUZZ_PROGRAMS) $(B)/tests/env/host/% $(IPCBUSD_ASAN) $(B)/tests/suite/abi/i386/% $(B)/i386/% $(B)/rust/built,$(PRODUCTS) $(TEST_BUILDS) $(MORE_BUILDS))
