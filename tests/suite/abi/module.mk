# SPDX-License-Identifier: MIT
#
# Programs of other versions and for other machines, on today's driver in the guest.
#
#   test-newer    a program with longer structures
#   i386/test-*   the same, and those of tests/suite/kernel, as 32-bit programs

ABI := $(B)/tests/suite/abi
ABI_TEST := $(ABI)/test-newer

MORE_GUEST_RAW_TESTS += $(ABI_TEST)
MORE_BUILDS += $(ABI_TEST)

$(ABI_TEST).o: tests/suite/abi/test-newer.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

$(ABI_TEST): %: %.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

# The tests of tests/suite/kernel and the one above as 32-bit programs, linked with the
# libraries of this Debian release for i386, which tests/env/vm/sysroot brings. What does
# not depend on the size of a pointer, and takes long, is left out.
I386_ROOT := $(shell . tests/env/vm/kernels.sh && kernel_sysroot i386)
I386_KERNEL := $(filter-out test-brawl test-race test-stall test-stress,$(KTEST_NAMES))
I386_TESTS := $(addprefix $(ABI)/i386/,$(I386_KERNEL) test-newer)
I386_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -D_FILE_OFFSET_BITS=64 -Idriver/uapi
I386_CC = gcc -m32 --sysroot=$(I386_ROOT) \
	-B$(I386_ROOT)/usr/lib/gcc/i686-linux-gnu/$(shell gcc -dumpversion)

$(I386_ROOT)/layout:
	@tests/env/vm/sysroot i386 >/dev/null

$(ABI)/i386/%.o: tests/suite/kernel/%.c | $(I386_ROOT)/layout
	$(call msg,CC,$@)
	$(Q)$(I386_CC) $(I386_CFLAGS) -MD -MP -c -o $@ $<

$(ABI)/i386/test-newer.o: tests/suite/abi/test-newer.c | $(I386_ROOT)/layout
	$(call msg,CC,$@)
	$(Q)$(I386_CC) $(I386_CFLAGS) -MD -MP -c -o $@ $<

$(I386_KERNEL:%=$(ABI)/i386/%): %: %.o $(ABI)/i386/raw.o $(ABI)/i386/fixture.o
$(ABI)/i386/test-newer: %: %.o
$(I386_TESTS):
	$(call msg,LD,$@)
	$(Q)$(I386_CC) -static -pthread -o $@ $^ -lcheck_pic -lsubunit -lrt -lm

# `make test-more` fetches the libraries. Once they are there, `make tests` builds these too.
ifeq ($(ARM64),)
MORE_GUEST_RAW_TESTS += $(I386_TESTS)
MORE_BUILDS += $(if $(wildcard $(I386_ROOT)/layout),$(I386_TESTS))
endif

# What cannot be built leaves nothing: tests/run counts it as a failure.
.PHONY: i386-tests
i386-tests:
	+@$(MAKE) $(I386_TESTS) || rm -f $(I386_TESTS)
