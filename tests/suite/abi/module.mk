# SPDX-License-Identifier: MIT
#
# i386/test-*: the programs of tests/suite/kernel as 32-bit programs, with the current driver in the
# guest. They link libraries of this Debian release for i386, which tests/env/vm/sysroot provides.
# Slow programs that do not depend on the size of a pointer are left out.
#
# $(B)/i386: libipc, some of its tests, and programs for test-library, with 32 bits.

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

# --- The library ----------------------------------------------------------------------

I386_B := $(B)/i386
I386_LIBIPC_TESTS := $(addprefix $(I386_B)/libipc/tests/test-channel-,calls filters streams time)
I386_SIDES := tests/suite/languages/conformance/c-client tests/suite/languages/conformance/c-server
I386_LIBRARY := $(I386_LIBIPC_TESTS) $(I386_SIDES:%=$(I386_B)/%)
I386_LIBRARIES := $(I386_ROOT)/usr/lib/i386-linux-gnu

# The compiler notes that it once aligned 64-bit atomics in structures by 4 bytes (psabi).
.PHONY: i386-library
i386-library: | $(I386_ROOT)/layout
	+$(Q)$(MAKE) B=$(I386_B) CC='$(I386_CC)' CC_FOR_BUILD=gcc PKG_CONFIG_FOR_BUILD=pkg-config \
	  PKG_CONFIG='env PKG_CONFIG_SYSROOT_DIR=$(I386_ROOT) PKG_CONFIG_LIBDIR=$(I386_LIBRARIES)/pkgconfig pkg-config' \
	  CFLAGS='-O2 -g -Wno-psabi' LDFLAGS=-static LDFLAGS_FOR_BUILD= LIBIPC=$(I386_B)/libipc/libipc.a \
	  LIBIPC_TEST_LEAKS= CHECK_LIBS='-lcheck_pic -lsubunit -lrt -lm' SETUP=no $(I386_LIBRARY)

$(I386_LIBRARY): i386-library

# `make test-more` fetches the libraries. If they are present, `make tests` builds these programs
# too.
ifeq ($(ARM64),)
MORE_GUEST_RAW_TESTS += $(I386_TESTS)
MORE_UNIT_TESTS += $(I386_LIBIPC_TESTS) tests/suite/abi/test-library
MORE_GUEST_TESTS += tests/suite/abi/test-library
GUEST_FILES += $(I386_SIDES:%=$(I386_B)/%) $(I386_SIDES:%=$(B)/%)
MORE_BUILDS += $(if $(wildcard $(I386_ROOT)/layout),$(I386_TESTS))
MORE_BUILDS += $(if $(wildcard $(I386_LIBRARIES)/libprotobuf-c.a),$(I386_LIBRARY))
endif

# If a program cannot be built, its file must not exist: tests/run counts that as a failure.
.PHONY: i386-tests
i386-tests:
	@tests/env/vm/sysroot i386 >/dev/null || :
	+@$(MAKE) $(I386_TESTS) || rm -f $(I386_TESTS)
	+@$(MAKE) i386-library || rm -f $(I386_LIBRARY)
