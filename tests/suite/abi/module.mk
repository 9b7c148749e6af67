# SPDX-License-Identifier: MIT
#
# Programs from other times and for other machines, on today's driver in the guest.
#
#   test-older, test-released, test-newer
#                           conversation.c with the contract as it was first published
#                           (ipcbus-v1.h), with that of release 0.9, and with longer
#                           structures
#   i386/test-*             the same three and those of tests/suite/kernel as 32-bit programs

ABI := $(B)/tests/suite/abi
ABI_NAMES := test-older test-released test-newer
ABI_TESTS := $(ABI_NAMES:%=$(ABI)/%)

MORE_GUEST_RAW_TESTS += $(ABI_TESTS)
MORE_BUILDS += $(ABI_TESTS)

# RESERVED: bytes at the end of an event that such a program knows to be 0.
ABI_older := -DHEADER='"ipcbus-v1.h"' -DLATER=0 -DRESERVED=32
ABI_released := -DHEADER='"0.9/ipcbus.h"' -DLATER=0 -DRESERVED=0
ABI_newer := -DHEADER='"ipcbus.h"' -DLATER=64 -DRESERVED=0

$(ABI_TESTS:%=%.o): $(ABI)/test-%.o: tests/suite/abi/conversation.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ABI_$*) -Idriver/uapi -MD -MP -c -o $@ $<

$(ABI_TESTS): %: %.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

# The tests of tests/suite/kernel and the three above as 32-bit programs, linked with the
# libraries of this Debian release for i386, which tests/env/vm/sysroot brings. What does
# not depend on the size of a pointer, and takes long, is left out.
I386_ROOT := $(shell . tests/env/vm/kernels.sh && kernel_sysroot i386)
I386_KERNEL := $(filter-out test-brawl test-race test-stall test-stress,$(KTEST_NAMES))
I386_TESTS := $(addprefix $(ABI)/i386/,$(I386_KERNEL) $(ABI_NAMES))
I386_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -D_FILE_OFFSET_BITS=64 -Idriver/uapi
I386_CC = gcc -m32 --sysroot=$(I386_ROOT) \
	-B$(I386_ROOT)/usr/lib/gcc/i686-linux-gnu/$(shell gcc -dumpversion)

$(I386_ROOT)/layout:
	@tests/env/vm/sysroot i386 >/dev/null

$(ABI)/i386/%.o: tests/suite/kernel/%.c | $(I386_ROOT)/layout
	$(call msg,CC,$@)
	$(Q)$(I386_CC) $(I386_CFLAGS) -MD -MP -c -o $@ $<

$(ABI_NAMES:%=$(ABI)/i386/%.o): $(ABI)/i386/test-%.o: tests/suite/abi/conversation.c \
		| $(I386_ROOT)/layout
	$(call msg,CC,$@)
	$(Q)$(I386_CC) $(I386_CFLAGS) $(ABI_$*) -MD -MP -c -o $@ $<

$(I386_KERNEL:%=$(ABI)/i386/%): %: %.o $(ABI)/i386/raw.o $(ABI)/i386/fixture.o
$(ABI_NAMES:%=$(ABI)/i386/%): %: %.o
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
