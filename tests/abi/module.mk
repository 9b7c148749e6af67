# SPDX-License-Identifier: MIT
#
# Programs from other times and for 32 bits, on today's driver in the guest.
#
#   test-older, test-newer  conversation.c with the contract as it was first
#                           published (ipcbus-v1.h), and with longer structures

ABI := $(B)/tests/abi
ABI_TESTS := $(ABI)/test-older $(ABI)/test-newer

GUEST_RAW_TESTS += $(ABI_TESTS)
ALL += $(ABI_TESTS)

# RESERVED: bytes at the end of an event that such a program knows to be 0.
ABI_older := -DHEADER='"ipcbus-v1.h"' -DLATER=0 -DRESERVED=32
ABI_newer := -DHEADER='"ipcbus.h"' -DLATER=64 -DRESERVED=0

$(ABI_TESTS:%=%.o): $(ABI)/test-%.o: tests/abi/conversation.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ABI_$*) -Idriver/uapi -MMD -MP -c -o $@ $<

$(ABI_TESTS): %: %.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)
