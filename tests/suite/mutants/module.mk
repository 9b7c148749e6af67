# SPDX-License-Identifier: MIT
#
# Mutation test: checks that the tests of this machine detect a change of an operator, constant,
# condition or statement in driver/ or libipc/. `make test-mutants` makes COUNT=300 mutants that
# SEED=1 selects. `make test` runs only test-instrument, which has a sample.
#
# The same programs, built for gcov in $(B)/mutants, show which program executes which line. exit.h
# is for child processes of libipc's tests, which end by _exit(): gcov's own fork() would lose the
# counts of the real child.

MUTANTS_PROGRAMS := $(filter $(B)/tests/env/host/% $(B)/libipc/tests/test-% $(B)/tests/suite/fault/%,$(UNIT_TESTS) $(MORE_UNIT_TESTS))
MUTANTS_MAPPED := $(filter-out $(B)/tests/env/host/tsan/%,$(MUTANTS_PROGRAMS))

COUNT ?= 300

MORE_UNIT_TESTS += tests/suite/mutants/test-instrument

.PHONY: test-mutants run-test-mutants
test-mutants: setup
	+@$(MAKE) $(JOBS) run-test-mutants

# ipcbusd is for libipc/tests/test-daemon and test-poll.
run-test-mutants: $(MUTANTS_PROGRAMS) $(B)/tests.list $(B)/daemon/ipcbusd
	+@$(MAKE) B=$(B)/mutants CC=gcc WERROR=0 HOST_WAYS=asan HOST_asan='$(COVERAGE_FLAGS) -O0' \
	  CFLAGS='-O0 -g $(COVERAGE_FLAGS) -fno-builtin-fork -include tests/suite/mutants/exit.h' LDFLAGS=--coverage \
	  LIBIPC='$$(LIBIPC_A)' \
	  $(MUTANTS_MAPPED:$(B)/%=$(B)/mutants/%)
	@tests/suite/mutants/run --from $(or $(FROM),0) --count $(COUNT) --seed $(or $(SEED),1)
