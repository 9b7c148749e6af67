# SPDX-License-Identifier: MIT
#
# Programs from other times and for other machines, on today's driver in the guest.
#
#   test-older, test-newer  conversation.c with the contract as it was first
#                           published (ipcbus-v1.h), and with longer structures
#   i386/test-*             the same two and those of tests/suite/kernel as 32-bit programs
#   arm64/test-*            and for ARM, with KERNEL=arm64-6.1

ABI := $(B)/tests/suite/abi
ABI_TESTS := $(ABI)/test-older $(ABI)/test-newer

GUEST_RAW_TESTS += $(ABI_TESTS)
ALL += $(ABI_TESTS)

# RESERVED: bytes at the end of an event that such a program knows to be 0.
ABI_older := -DHEADER='"ipcbus-v1.h"' -DLATER=0 -DRESERVED=32
ABI_newer := -DHEADER='"ipcbus.h"' -DLATER=64 -DRESERVED=0

$(ABI_TESTS:%=%.o): $(ABI)/test-%.o: tests/suite/abi/conversation.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ABI_$*) -Idriver/uapi -MMD -MP -c -o $@ $<

$(ABI_TESTS): %: %.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

# The tests of tests/suite/kernel and the two above for another architecture, linked with
# libraries of this Debian release for it, which tests/env/vm/sysroot brings. What does
# not depend on the size of a pointer, and takes long, is left out for i386.
FOREIGN_KERNEL := $(patsubst tests/suite/kernel/%.c,%,$(sort $(wildcard tests/suite/kernel/test-*.c)))
FOREIGN_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -D_FILE_OFFSET_BITS=64 -Idriver/uapi

# foreign ARCH TESTS: by compiler ARCH_CC; what must be there first is ARCH_READY
define foreign
$(1)_ROOT := $$(shell . tests/env/vm/kernels.sh && kernel_sysroot $(1))
$(1)_TESTS := $$(addprefix $(ABI)/$(1)/,$(2) test-older test-newer)

$$($(1)_ROOT)/layout:
	@tests/env/vm/sysroot $(1) >/dev/null

$(ABI)/$(1)/%.o: tests/suite/kernel/%.c | $$($(1)_ROOT)/layout $$($(1)_READY)
	$$(call msg,CC,$$@)
	$$(Q)$$($(1)_CC) $$(FOREIGN_CFLAGS) -MMD -MP -c -o $$@ $$<

$(ABI)/$(1)/test-older.o $(ABI)/$(1)/test-newer.o: $(ABI)/$(1)/test-%.o: tests/suite/abi/conversation.c \
		| $$($(1)_ROOT)/layout $$($(1)_READY)
	$$(call msg,CC,$$@)
	$$(Q)$$($(1)_CC) $$(FOREIGN_CFLAGS) $$(ABI_$$*) -MMD -MP -c -o $$@ $$<

$(2:%=$(ABI)/$(1)/%): %: %.o $(ABI)/$(1)/raw.o $(ABI)/$(1)/fixture.o
$(ABI)/$(1)/test-older $(ABI)/$(1)/test-newer: %: %.o
$$($(1)_TESTS):
	$$(call msg,LD,$$@)
	$$(Q)$$($(1)_CC) -static -pthread -o $$@ $$^ -lcheck_pic -lsubunit -lrt -lm
endef

# With this machine's gcc. Before the libraries are there only `make test` builds
# them; later all is built, so that nothing is out of date.
i386_CC = gcc -m32 --sysroot=$(i386_ROOT) \
	-B$(i386_ROOT)/usr/lib/gcc/i686-linux-gnu/$(shell gcc -dumpversion)
$(eval $(call foreign,i386,$(filter-out test-brawl test-race test-stall test-stress,$(FOREIGN_KERNEL))))
GUEST_RAW_TESTS += $(i386_TESTS)
ALL += $(if $(wildcard $(i386_ROOT)/layout),$(i386_TESTS))

# What cannot be built leaves nothing: tests/run counts it as a failure.
.PHONY: i386-tests
i386-tests:
	+@$(MAKE) $(i386_TESTS) || rm -f $(i386_TESTS)

# With the compiler that came with the kernel. Nothing else runs there.
ifneq ($(filter arm64-%,$(KERNEL)),)
arm64_CC = $(subst @,$(KERNEL),$(KERNEL_CACHE))/tools/bin/aarch64-linux-gnu-gcc --sysroot=$(arm64_ROOT)
arm64_READY = $(call driver_ready,$(KERNEL))
$(eval $(call foreign,arm64,$(FOREIGN_KERNEL)))
ALL += $(arm64_TESTS)
ONLY_GUEST_TESTS := $(arm64_TESTS)
endif
