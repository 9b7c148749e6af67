# SPDX-License-Identifier: MIT
#
# The driver in user space: its unchanged sources on the kernel of shim/ in the top folder and of
# shim/ here, which checks the use of kernel functions. It is built once for each way, in
# $(B)/tests/env/host/WAY:
#
#   asan   address, leak and undefined-behaviour sanitizers
#   tsan   thread sanitizer
#   cov    gcov's counters, by HOST_WAYS=cov: for make coverage
#
# make test-host builds and runs all of these, and so does make test.

HOST_WAYS ?= asan tsan
HOST_B := $(B)/tests/env/host
HOST_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_tsan := -fsanitize=thread
HOST_cov := --coverage

HOST_DRIVER_CFLAGS := $(SHIM_DRIVER_CFLAGS) -O1 -g -fno-strict-aliasing -fwrapv
HOST_CFLAGS = -std=gnu11 $(WARNINGS) -O1 -g -fno-strict-aliasing
HOST_ONLY_DRIVER := $(patsubst driver/%.c,driver/%.o,$(wildcard driver/*.c driver/mem/*.c))
HOST_SHIM := $(patsubst tests/env/host/%,%,$(SHIM_CHECKED:.c=.o))
HOST_EXPLORE := $(patsubst tests/suite/explore/%.c,%,$(wildcard tests/suite/explore/*.c))
HOST_LIBIPC := $(patsubst %,libipc/%.o,$(subst +, ,$(LIBIPC_PARTS)))
# Generated code has no sanitizers, because it calls nothing of the device's.
HOST_STUBS := $(addprefix $(B)/libipc/,ipc.pb-c.o servicemanager.ipc.o servicemanager.pb-c.o) \
	$(LIBIPC_SHAPE)
# test-trace needs tracefs, test-wake a scheduler, test-memcg memory cgroups, and test-close sockets.
HOST_KTESTS := $(filter-out test-trace test-memcg test-wake test-close, \
	$(patsubst tests/suite/kernel/%.c,%,$(sort $(wildcard tests/suite/kernel/test-*.c))))
# Programs of tests/suite/e2e that can run their servers on threads as well as in processes.
HOST_E2E := async bytes call memory object oneways raw serve stream stream-hostile stream-parent stream-space threads watch
HOST_E2E_SHARED := posix fixture server streams stream-client e2e.ipc e2e.pb-c stream.ipc stream.pb-c
HOST_POSIX_SYMS := tests/env/host/posix/posix.syms
HOST_TEST_SYMS := $(HOST_POSIX_SYMS) tests/env/host/posix/tests.syms
HOST_E2E_SYMS := $(HOST_TEST_SYMS) tests/env/host/posix/e2e.syms
HOST_E2E_HEADERS = $(B)/tests/suite/e2e/e2e.ipc.h $(B)/tests/suite/e2e/stream.ipc.h $(IPC_SHARED_HEADERS)
HOST_MANAGER := $(MANAGER_CORE)

# The folder of a target determines its way.
HOST_FLAGS = $(HOST_$(firstword $(subst /, ,$(patsubst $(HOST_B)/%,%,$@))))
HOST_COMPILE = $(CC) $(HOST_CFLAGS) $(HOST_FLAGS)
HOST_OBJECT = -MD -MP -c -o $@ $<
# Renames names of the C library to names of posix/, by the lists in the prerequisites.
HOST_RENAME = cat $(filter %.syms,$^) | $(OBJCOPY) --redefine-syms=/dev/stdin $@
HOST_LINK = $(CC) $(HOST_FLAGS) -pthread -o $@ $^

HOST_TESTS :=
$(foreach WAY,$(HOST_WAYS),$(eval HOST_WAY := $(HOST_B)/$(WAY))$(eval include tests/env/host/way.mk))

# The explorer tries a number of interleavings of each race. Mutants show that it detects such
# races.
HOST_EXPLORER := $(patsubst %,$(HOST_B)/%/explore,$(filter-out tsan,$(HOST_WAYS)))
HOST_TESTS += $(HOST_EXPLORER)

# `make test` uses a single way.
TEST_BUILDS += $(filter-out $(HOST_B)/tsan/%,$(HOST_TESTS))
UNIT_TESTS += $(filter-out $(HOST_B)/tsan/%,$(HOST_TESTS))
MORE_BUILDS += $(filter $(HOST_B)/tsan/%,$(HOST_TESTS))
MORE_UNIT_TESTS += $(filter $(HOST_B)/tsan/%,$(HOST_TESTS)) $(if $(filter asan,$(HOST_WAYS)),tests/suite/explore/mutants)

.PHONY: test-host
test-host: $(HOST_TESTS) $(B)/tests.list
	$(Q)tests/run --host '^unit ($(HOST_B)|tests/suite/explore)/'
