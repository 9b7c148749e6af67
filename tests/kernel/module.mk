# SPDX-License-Identifier: MIT
#
# The driver's contract, tested through the raw UAPI inside the guest. Each
# test-*.c here is one program of Check cases; raw.c and fixture.c are in all.

KTEST_NAMES := $(patsubst tests/kernel/%.c,%,$(sort $(wildcard tests/kernel/test-*.c)))
KTEST_PROGS := $(KTEST_NAMES:%=$(B)/tests/kernel/%)
KTEST_COMMON := $(B)/tests/kernel/raw.o $(B)/tests/kernel/fixture.o

GUEST_RAW_TESTS += $(KTEST_PROGS) tests/kernel/first-manager
ALL += $(KTEST_PROGS)

$(KTEST_PROGS:%=%.o) $(KTEST_COMMON): $(B)/tests/kernel/%.o: tests/kernel/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MMD -MP -c -o $@ $<

$(KTEST_PROGS): %: %.o $(KTEST_COMMON)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)
