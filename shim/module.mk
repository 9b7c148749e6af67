# SPDX-License-Identifier: MIT
#
# User-space versions of the kernel functions that the driver calls. ipcbusd adds daemon/kernel to
# them, and the host build of the tests adds tests/env/host/shim.

SHIM := $(wildcard shim/*.c)
SHIM_CHECKED := $(SHIM) $(wildcard tests/env/host/shim/*.c)
SHIM_INCLUDES := -Ishim -Idriver/uapi
# The kernel's dialect of C, in which the driver is written.
SHIM_DRIVER_CFLAGS := -std=gnu11 -Wall $(if $(filter 0,$(WERROR)),,-Werror) \
	-Wno-unknown-warning-option -Wno-dangling-pointer
