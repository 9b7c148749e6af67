# SPDX-License-Identifier: MIT
#
# The kernel's functions that the driver calls, in user space: for ipcbusd, which adds
# daemon/kernel, and for the host build of the tests, which adds tests/env/host/shim.

SHIM := $(wildcard shim/*.c)
SHIM_CHECKED := $(SHIM) $(wildcard tests/env/host/shim/*.c)
SHIM_INCLUDES := -Ishim -Idriver/uapi
# The kernel's own rules of C, in which the driver is written.
SHIM_DRIVER_CFLAGS := -std=gnu11 -Wall $(if $(filter 0,$(WERROR)),,-Werror) \
	-Wno-unknown-warning-option -Wno-dangling-pointer
