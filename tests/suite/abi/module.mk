# SPDX-License-Identifier: MIT
#
# i386/test-*: the programs of tests/suite/kernel as 32-bit programs, with the current driver in the
# guest. They link libraries of this Debian release for i386, which tests/env/vm/sysroot provides.
# Slow programs that do not depend on the size of a pointer are left out.

ABI := $(B)/tests/suite/abi
I386_ROOT := $(shell . tests/env/vm/kernels.sh && kernel_sysroot i386)
I386_KERNEL := $(filter-out test-brawl test-race test-stall,$(KTEST_NAMES))
I386_TESTS := $(addprefix $(ABI)/i386/,$(I386_KERNEL))
I386_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -D_FILE_OFFSET_BITS=64 -Idriver/uapi
I386_CC = gcc -m32 --sysroot=$(I386_ROOT) \
	-B$(I386_ROOT)/usr/lib/gcc/i686-linux-gnu/$(shell gcc -dumpversion)

$(I386_ROOT)/layout:
	@tests/env/vm/sysroot i386 >/dev/null

$(ABI)/i386/%.o: tests/suite/kernel/%.c | $(I386_ROOT)/layout
	$(call msg,CC,$@)
	$(Q)$(I386_CC) $(I386_CFLAGS) -MD -MP -c -o $@ $<

$(I386_TESTS): %: %.o $(ABI)/i386/raw.o $(ABI)/i386/fixture.o
	$(call msg,LD,$@)
	$(Q)$(I386_CC) -static -pthread -o $@ $^ -lcheck_pic -lsubunit -lrt -lm

# `make test-more` fetches the libraries. If they are present, `make tests` builds these programs
# too.
ifeq ($(ARM64),)
MORE_GUEST_RAW_TESTS += $(I386_TESTS)
MORE_BUILDS += $(if $(wildcard $(I386_ROOT)/layout),$(I386_TESTS))
endif

# If a program cannot be built, its file must not exist: tests/run counts that as a failure.
.PHONY: i386-tests
i386-tests:
	+@$(MAKE) $(I386_TESTS) || rm -f $(I386_TESTS)
