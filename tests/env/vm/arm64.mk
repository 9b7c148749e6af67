# SPDX-License-Identifier: MIT
#
# KERNEL=arm64-*: programs for an ARM guest, in a separate build folder, $(B)/arm64. The compiler
# comes with the kernel. tests/env/vm/sysroot provides libraries of this Debian release. The
# Makefile reads this before all fragments. Of the tests that the fragments declare, only those of
# driver, libipc and servicemanager run in that guest.

override B := $(patsubst %/arm64,%,$(B))/arm64

ARM64_KERNEL := $(shell . tests/env/vm/kernels.sh && kernel_cache $(KERNEL))
ARM64_ROOT := $(shell . tests/env/vm/kernels.sh && kernel_sysroot arm64)
ARM64_LIBRARIES := $(ARM64_ROOT)/usr/lib/aarch64-linux-gnu
ARM64_PREFIX := $(ARM64_KERNEL)/tools/bin/aarch64-linux-gnu-

CC_FOR_BUILD := gcc
PKG_CONFIG_FOR_BUILD := pkg-config
CC := $(ARM64_PREFIX)gcc --sysroot=$(ARM64_ROOT)
AR := $(ARM64_PREFIX)ar
OBJCOPY := $(ARM64_PREFIX)objcopy
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(ARM64_ROOT) PKG_CONFIG_LIBDIR=$(ARM64_LIBRARIES)/pkgconfig pkg-config

# Packages that the fragments ask pkg-config for must exist before the fragments are read.
.PHONY: arm64-setup
arm64-setup: $(B)/setup-arm64.done
	@tests/env/vm/fetch $(KERNEL) >/dev/null
	@tests/env/vm/sysroot arm64 >/dev/null

ARM64_TESTED := $(addprefix $(B)/,tests/suite/kernel/% tests/suite/abi/% tests/suite/e2e/% servicemanager/%)

# Evaluated after all fragments.
define arm64_only
GUEST_TESTS := $(filter $(ARM64_TESTED),$(GUEST_TESTS))
GUEST_RAW_TESTS := $(filter $(ARM64_TESTED),$(GUEST_RAW_TESTS))
GUEST_FILES := $(DRIVER_KO) $(B)/libipc/$(LIBIPC_SONAME) $(MANAGER)
UNIT_TESTS :=
DEBUG_TESTS :=
ALL = $$(GUEST_TESTS) $$(GUEST_RAW_TESTS) $$(GUEST_FILES)
endef
