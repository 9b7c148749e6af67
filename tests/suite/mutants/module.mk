# SPDX-License-Identifier: MIT
#
# Mutation test: whether the tests of this machine notice that one operator, constant,
# condition or statement of driver/ or libipc/ is another. `make test-mutants` makes COUNT=300
# mutants that SEED=1 chooses; `make test` runs test-instrument alone, which has a sample.
#
# Which program executes which line comes from the same programs, built for gcov in
# $(B)/mutants. exit.h is for children of libipc's tests, which end by _exit(). gcov's own fork()
# would forget what ran inside the real one.

MUTANTS_PROGRAMS := $(filter $(B)/tests/env/host/% $(B)/libipc/tests/test-% $(B)/tests/suite/fault/%,$(UNIT_TESTS) $(MORE_UNIT_TESTS))
MUTANTS_MAPPED := $(filter-out $(B)/tests/env/host/tsan/%,$(MUTANTS_PROGRAMS))

COUNT ?= 300

MORE_UNIT_TESTS += tests/suite/mutants/test-instrument

.PHONY: test-mutants run-test-mutants
test-mutants: setup
	+@$(MAKE) $(JOBS) run-test-mutants

# ipcbusd is that of libipc/tests/test-daemon and test-poll.
run-test-mutants: $(MUTANTS_PROGRAMS) $(B)/tests.list $(B)/daemon/ipcbusd
	+@$(MAKE) B=$(B)/mutants CC=gcc WERROR=0 HOST_WAYS=asan HOST_asan='$(COVERAGE_FLAGS) -O0' \
	  CFLAGS='-O0 -g $(COVERAGE_FLAGS) -fno-builtin-fork -include tests/suite/mutants/exit.h' LDFLAGS=--coverage \
	  LIBIPC='$$(LIBIPC_A)' \
	  $(MUTANTS_MAPPED:$(B)/%=$(B)/mutants/%)
	@tests/suite/mutants/run --from $(or $(FROM),0) --count $(COUNT) --seed $(or $(SEED),1)
