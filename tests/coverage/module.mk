# SPDX-License-Identifier: MIT
#
# make coverage: which lines and branches of the driver and of libipc the tests
# reach that need no guest: the tests of the kernel's contract on the host build,
# the explored interleavings, the fuzzers' corpora, the unit tests. HTML in $(B)/coverage/html. All is built once more, by gcc for gcov, in
# $(B)/coverage, where the host build's one way is no sanitizer but gcov.

COVERAGE_B := $(B)/tests/coverage
# Threads count too.
COVERAGE_FLAGS := --coverage -fprofile-update=atomic
COVERAGE_REPLAYS := $(addprefix $(COVERAGE_B)/replay-,driver range skeleton table)
COVERAGE_HOST := $(patsubst driver/%.c,$(B)/tests/host/asan/driver/%.o,$(wildcard driver/*.c)) \
	$(patsubst tests/host/shim/%.c,$(B)/tests/host/asan/shim/%.o,$(wildcard tests/host/shim/*.c))
COVERAGE_COMPILE = $(CC) -std=gnu11 -Wall -g -fno-strict-aliasing -fwrapv $(COVERAGE_FLAGS)

$(COVERAGE_B)/replay-driver: $(wildcard tests/fuzz/driver/*.c) tests/fuzz/standalone.c \
		$(COVERAGE_HOST)
	$(call msg,CC,$@)
	$(Q)$(COVERAGE_COMPILE) -Itests/host/shim -Idriver/uapi -Idriver -pthread -o $@ $^

$(COVERAGE_B)/replay-range: tests/fuzz/range.c tests/fuzz/standalone.c \
		$(B)/tests/host/asan/driver/range.o $(COVERAGE_HOST)
	$(call msg,CC,$@)
	$(Q)$(COVERAGE_COMPILE) -Itests/host/shim -Idriver/uapi -Idriver -pthread -o $@ \
	  $(sort $^)

# The library's objects are known only further on, so by name.
COVERAGE_LIBRARY = $(LIBIPC_TEST_OBJECTS)
$(COVERAGE_B)/replay-skeleton $(COVERAGE_B)/replay-table: $(COVERAGE_B)/replay-%: tests/fuzz/%.c \
		tests/fuzz/account.c tests/fuzz/standalone.c $(B)/libipc/test-table
	$(call msg,CC,$@)
	$(Q)$(COVERAGE_COMPILE) $(LIBIPC_CFLAGS) -I$(B)/libipc -pthread -o $@ \
	  $(filter %.c,$^) $(COVERAGE_LIBRARY) -Wl,--wrap=close -Wl,--wrap=device_handle_put \
	  $(PROTOBUF_C_LIBS)

.PHONY: coverage run-coverage coverage-programs

coverage-programs: $(COVERAGE_REPLAYS)
	+$(Q)$(MAKE) $(filter $(B)/tests/host/asan/% $(B)/libipc/test-%,$(ALL)) \
	  $(B)/tests/host/asan/explore

coverage: setup
	+@$(MAKE) B=$(B)/coverage CC=gcc WERROR=0 HOST_WAYS=asan HOST_asan='$(COVERAGE_FLAGS) -O0' \
	  CFLAGS='-O0 -g $(COVERAGE_FLAGS)' LDFLAGS=--coverage coverage-programs
	@tests/coverage/run
