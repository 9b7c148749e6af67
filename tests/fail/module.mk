# SPDX-License-Identifier: MIT
#
# Every failure point: the driver's on the host build of tests/host, whose
# objects these programs share; the library's on its fake device.

FAIL_B := $(B)/tests/fail
FAIL_HOST := $(B)/tests/host/asan
FAIL_CFLAGS = -std=gnu11 $(WARNINGS) -O1 -g $(HOST_asan)

FAIL_SCENARIOS := walk files content messages combined plain test-driver
FAIL_KERNEL := $(patsubst driver/%.c,$(FAIL_HOST)/driver/%.o,$(wildcard driver/*.c)) \
	$(patsubst tests/host/shim/%.c,$(FAIL_HOST)/shim/%.o,$(wildcard tests/host/shim/*.c)) \
	$(FAIL_HOST)/posix/posix.o $(FAIL_HOST)/kernel/raw.o

$(FAIL_SCENARIOS:%=$(FAIL_B)/%.o): $(FAIL_B)/%.o: tests/fail/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(FAIL_CFLAGS) -Idriver/uapi -MMD -MP -c -o $@ $<

$(FAIL_B)/world.o: tests/fail/world.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(FAIL_CFLAGS) -fno-strict-aliasing -Itests/host/shim -Idriver/uapi -MMD -MP -c -o $@ $<

$(FAIL_B)/test-driver: $(FAIL_SCENARIOS:%=$(FAIL_B)/%.o) $(FAIL_B)/world.o $(FAIL_KERNEL)
	$(call msg,LD,$@)
	$(Q)$(CC) $(HOST_asan) -pthread -o $@ $^ -Wl,--wrap=host_close,--wrap=host_ioctl \
	  -Wl,--wrap=host_poll,--wrap=host_mmap,--wrap=host_munmap

ALL += $(FAIL_B)/test-driver
UNIT_TESTS += $(FAIL_B)/test-driver
