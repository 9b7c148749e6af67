# SPDX-License-Identifier: MIT
#
# The driver's contract, tested through the raw UAPI in the guest. Each test-*.c is a program of
# Check cases. All of them link raw.c and fixture.c.

KTEST_NAMES := $(patsubst tests/suite/kernel/%.c,%,$(sort $(wildcard tests/suite/kernel/test-*.c)))
KTEST_PROGS := $(KTEST_NAMES:%=$(B)/tests/suite/kernel/%)
KTEST_COMMON := $(B)/tests/suite/kernel/raw.o $(B)/tests/suite/kernel/fixture.o

GUEST_RAW_TESTS += $(KTEST_PROGS) tests/suite/kernel/manager-uid
TEST_BUILDS += $(KTEST_PROGS)

$(KTEST_PROGS:%=%.o) $(KTEST_COMMON): $(B)/tests/suite/kernel/%.o: tests/suite/kernel/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

$(KTEST_PROGS): %: %.o $(KTEST_COMMON)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)
