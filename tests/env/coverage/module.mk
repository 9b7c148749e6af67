# SPDX-License-Identifier: MIT
#
# make coverage: the lines and branches of the driver and of libipc that tests execute. On this
# machine, these are the tests of the kernel's contract in the host build, the failure points, the
# explored interleavings, the fuzzers' corpora and the unit tests; in user-mode Linux, the tests of
# the contract and whole programs. HTML is in $(B)/coverage/html. Everything is built again in
# $(B)/coverage, by gcc for gcov. There the host build has gcov instead of sanitizers, and programs
# link the library's objects, so that these are counted.

COVERAGE_B := $(B)/tests/env/coverage
# Threads count too.
COVERAGE_FLAGS := --coverage -fprofile-update=atomic
COVERAGE_REPLAYS := $(addprefix $(COVERAGE_B)/replay-,driver range skeleton table)
COVERAGE_HOST := $(patsubst driver/%.c,$(B)/tests/env/host/asan/driver/%.o,$(wildcard driver/*.c driver/mem/*.c)) \
	$(HOST_SHIM:%=$(B)/tests/env/host/asan/%)
COVERAGE_COMPILE = $(CC) -std=gnu11 -Wall -g -fno-strict-aliasing -fwrapv $(COVERAGE_FLAGS)

$(COVERAGE_B)/replay-driver: $(wildcard tests/suite/fuzz/driver/*.c) tests/suite/fuzz/standalone.c \
		$(COVERAGE_HOST)
	$(call msg,CC,$@)
	$(Q)$(COVERAGE_COMPILE) $(SHIM_INCLUDES) -Idriver -pthread -o $@ $^

$(COVERAGE_B)/replay-range: tests/suite/fuzz/range.c tests/suite/fuzz/standalone.c \
		$(B)/tests/env/host/asan/driver/mem/range.o $(COVERAGE_HOST)
	$(call msg,CC,$@)
	$(Q)$(COVERAGE_COMPILE) $(SHIM_INCLUDES) -Idriver -pthread -o $@ \
	  $(sort $^)

$(COVERAGE_B)/replay-skeleton $(COVERAGE_B)/replay-table: $(COVERAGE_B)/replay-%: tests/suite/fuzz/%.c \
		tests/suite/fuzz/account.c tests/suite/fuzz/standalone.c $(B)/libipc/tests/test-table
	$(call msg,CC,$@)
	$(Q)$(COVERAGE_COMPILE) $(LIBIPC_CFLAGS) -I$(B)/libipc/tests -pthread -o $@ \
	  $(filter %.c,$^) $(LIBIPC_TEST_OBJECTS) -Wl,--wrap=close -Wl,--wrap=device_handle_put \
	  $(PROTOBUF_C_LIBS)

$(COVERAGE_B)/exit.o: tests/env/coverage/exit.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Known only after all fragments are read, so expanded in the recipe.
COVERAGE_GUEST = $(filter $(addprefix $(B)/,tests/suite/e2e/% tests/suite/kernel/% servicemanager/%), \
	$(GUEST_TESTS) $(GUEST_RAW_TESTS) $(GUEST_FILES)) $(DRIVER_KO) $(B)/tests.list

.PHONY: coverage run-coverage coverage-programs

coverage-programs: $(COVERAGE_REPLAYS)
	+$(Q)$(MAKE) $(COVERAGE_GUEST) $(filter $(B)/tests/env/host/asan/% $(B)/libipc/tests/test-% $(B)/tests/suite/fault/%,$(TEST_BUILDS) $(MORE_BUILDS)) \
	  $(B)/tests/env/host/asan/explore

coverage: setup $(B)/setup-debug.done
	+@$(MAKE) B=$(B)/coverage $(B)/coverage/tests/env/coverage/exit.o
	+@$(MAKE) B=$(B)/coverage KERNEL=uml GCOV_PROFILE=y CC=gcc WERROR=0 HOST_WAYS=asan \
	  HOST_asan='$(COVERAGE_FLAGS) -O0' CFLAGS='-O0 -g $(COVERAGE_FLAGS)' \
	  LDFLAGS='--coverage -Wl,--wrap=_exit $(B)/coverage/tests/env/coverage/exit.o' \
	  LIBIPC='$$(LIBIPC_A)' coverage-programs
	@tests/env/coverage/run
