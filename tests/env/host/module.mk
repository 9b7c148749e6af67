# SPDX-License-Identifier: MIT
#
# The driver in user space: its sources, unchanged, against the kernel of
# shim/. Built once for each way of looking at it, in $(B)/tests/env/host/WAY:
#
#   asan   address, leak and undefined-behaviour sanitizers
#   tsan   thread sanitizer
#
#   cov    gcov's counters, by HOST_WAYS=cov: for make coverage
#
# make test-host builds and runs all that is here; make test does too.

HOST_WAYS ?= asan tsan
HOST_B := $(B)/tests/env/host
HOST_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_tsan := -fsanitize=thread
HOST_cov := --coverage

# The kernel's own rules of C, in which the driver is written.
HOST_DRIVER_CFLAGS := -std=gnu11 -Wall $(if $(filter 0,$(WERROR)),,-Werror) -O1 -g \
	-fno-strict-aliasing -fwrapv -Wno-unknown-warning-option -Wno-dangling-pointer
HOST_CFLAGS = -std=gnu11 $(WARNINGS) -O1 -g -fno-strict-aliasing
HOST_INCLUDES := -Itests/env/host/shim -Idriver/uapi
HOST_ONLY_DRIVER := $(patsubst driver/%.c,driver/%.o,$(wildcard driver/*.c driver/mem/*.c))
HOST_SHIM := $(patsubst tests/env/host/%.c,%.o,$(wildcard tests/env/host/shim/*.c))
HOST_EXPLORE := $(patsubst tests/suite/explore/%.c,%,$(wildcard tests/suite/explore/*.c))
HOST_LIBIPC := $(patsubst %.c,%.o,$(wildcard libipc/core/*.c libipc/typed/*.c))
# Generated code is not looked at with sanitizers: it calls nothing of the device's.
HOST_STUBS := $(addprefix $(B)/libipc/,ipc.pb-c.o servicemanager.ipc.o servicemanager.pb-c.o \
	tests/test.pb-c.o tests/test.ipc.o) $(LIBIPC_SHAPE)
# Peers of test-stress have static state of their own: it needs real processes.
# test-trace needs tracefs.
# Memory cgroups are the real kernel's, who is not to be bothered.
HOST_KTESTS := $(filter-out test-stress test-trace test-memcg,$(patsubst tests/suite/kernel/%.c,%, \
	$(sort $(wildcard tests/suite/kernel/test-*.c))))
# Programs of tests/suite/e2e that play their servers on threads as well as in processes.
HOST_E2E := async blob call object serve stream stream-space stress threads
HOST_E2E_SHARED := posix fixture server streams stream-client e2e.ipc e2e.pb-c stream.ipc stream.pb-c
HOST_E2E_SYMS := $(addprefix tests/env/host/posix/,posix.syms tests.syms e2e.syms)
HOST_E2E_HEADERS = $(B)/tests/suite/e2e/e2e.ipc.h $(B)/tests/suite/e2e/stream.ipc.h $(IPC_SHARED_HEADERS)
HOST_MANAGER := $(MANAGER_CORE)

# host_way WAY
define host_way
$(HOST_B)/$(1)/driver/%.o: driver/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_DRIVER_CFLAGS) $(HOST_$(1)) $$(HOST_INCLUDES) -MMD -MP -c -o $$@ $$<

$(HOST_B)/$(1)/shim/%.o: tests/env/host/shim/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(HOST_INCLUDES) -MMD -MP -c -o $$@ $$<

$(HOST_B)/$(1)/posix/%.o: tests/env/host/posix/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(HOST_INCLUDES) -MMD -MP -c -o $$@ $$<

# Two of the tests' objects are not tests: the fixture keeps its own names.
$(HOST_B)/$(1)/kernel/%.o: tests/suite/kernel/%.c tests/env/host/posix/posix.syms tests/env/host/posix/tests.syms
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) -Idriver/uapi -D_GNU_SOURCE= -MMD -MP -c -o $$@ $$< \
	  $$(if $$(filter test-%,$$*),-include tests/env/host/posix/globals.h)
	$$(Q)objcopy --redefine-syms=tests/env/host/posix/posix.syms \
	  $$(if $$(filter test-%,$$*),--redefine-syms=tests/env/host/posix/tests.syms) $$@

HOST_$(1)_KERNEL := $$(addprefix $(HOST_B)/$(1)/,$$(HOST_ONLY_DRIVER) $$(HOST_SHIM))
HOST_$(1)_POSIX := $$(HOST_$(1)_KERNEL) $$(addprefix $(HOST_B)/$(1)/posix/,posix.o poll.o priority.o files.o)
HOST_$(1)_KTESTS := $$(HOST_KTESTS:%=$(HOST_B)/$(1)/%)

$$(HOST_$(1)_KTESTS): $(HOST_B)/$(1)/%: $(HOST_B)/$(1)/kernel/%.o \
		$(HOST_B)/$(1)/kernel/raw.o $(HOST_B)/$(1)/kernel/fixture.o \
		$(HOST_B)/$(1)/posix/peer.o $$(HOST_$(1)_POSIX)
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $(HOST_$(1)) -pthread -o $$@ $$^ $$(CHECK_LIBS)

$(HOST_B)/$(1)/explore-%.o: tests/suite/explore/%.c
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(HOST_INCLUDES) -Idriver -MMD -MP -c -o $$@ $$<

$(HOST_B)/$(1)/explore: $$(HOST_EXPLORE:%=$(HOST_B)/$(1)/explore-%.o) $$(HOST_$(1)_KERNEL)
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $(HOST_$(1)) -pthread -o $$@ $$^

# The library, all of it but the fake device, and a program that uses it.
$(HOST_B)/$(1)/libipc/%.o: libipc/%.c tests/env/host/posix/posix.syms | $$(LIBIPC_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) -pthread -Ilibipc $$(IPC_STUB_CFLAGS) \
	  -I$$(B)/servicemanager -Idriver/uapi -MMD -MP -c -o $$@ $$<
	$$(Q)objcopy --redefine-syms=tests/env/host/posix/posix.syms $$@

$(HOST_B)/$(1)/library/test-library.o: tests/env/host/posix/test-library.c \
		tests/env/host/posix/posix.syms tests/env/host/posix/tests.syms | $$(B)/libipc/tests/test.ipc.h
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(IPC_STUB_CFLAGS) -I$$(B)/libipc/tests -Idriver/uapi \
	  -MMD -MP -c -o $$@ $$<
	$$(Q)objcopy --redefine-syms=tests/env/host/posix/posix.syms \
	  --redefine-syms=tests/env/host/posix/tests.syms $$@

$(HOST_B)/$(1)/test-library: $(HOST_B)/$(1)/library/test-library.o $$(HOST_LIBIPC:%=$(HOST_B)/$(1)/%) \
		$(HOST_B)/$(1)/kernel/raw.o $(HOST_B)/$(1)/kernel/fixture.o \
		$(HOST_B)/$(1)/posix/peer.o $$(HOST_$(1)_POSIX) $$(HOST_STUBS)
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $(HOST_$(1)) -pthread -o $$@ $$^ $$(PROTOBUF_C_LIBS) $$(CHECK_LIBS)

# Programs of tests/suite/e2e, with their generated code: what threads share is looked at
# in all of it.
$(HOST_B)/$(1)/e2e/%.o: tests/suite/e2e/%.c $$(HOST_E2E_SYMS) | $$(HOST_E2E_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) -pthread $$(E2E_CFLAGS) -MMD -MP -c -o $$@ $$<
	$$(Q)cat $$(HOST_E2E_SYMS) | objcopy --redefine-syms=/dev/stdin $$@

$(HOST_B)/$(1)/e2e/posix.o: tests/env/host/posix/e2e.c $$(HOST_E2E_SYMS) | $$(HOST_E2E_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(E2E_CFLAGS) -Idriver/uapi -MMD -MP -c -o $$@ $$<
	$$(Q)cat $$(filter-out %/e2e.syms,$$(HOST_E2E_SYMS)) | objcopy --redefine-syms=/dev/stdin $$@

$(HOST_B)/$(1)/e2e/%.o: $(B)/tests/suite/e2e/%.c | $$(HOST_E2E_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(E2E_CFLAGS) -MMD -MP -c -o $$@ $$<

HOST_$(1)_E2E := $$(HOST_E2E:%=$(HOST_B)/$(1)/e2e-%)
$$(HOST_$(1)_E2E): $(HOST_B)/$(1)/e2e-%: $$(HOST_E2E_SHARED:%=$(HOST_B)/$(1)/e2e/%.o) \
		$(HOST_B)/$(1)/e2e/test-%.o $$(HOST_LIBIPC:%=$(HOST_B)/$(1)/%) \
		$(HOST_B)/$(1)/kernel/raw.o $(HOST_B)/$(1)/kernel/fixture.o \
		$(HOST_B)/$(1)/posix/peer.o $$(HOST_$(1)_POSIX) $$(HOST_STUBS)
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $(HOST_$(1)) -pthread -o $$@ $$^ $$(PROTOBUF_C_LIBS) $$(CHECK_LIBS)

# servicemanager but for its loop and files, and what uses names of it.
$(HOST_B)/$(1)/servicemanager/%.o: servicemanager/%.c tests/env/host/posix/posix.syms \
		| $$(LIBIPC_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) $$(IPC_STUB_CFLAGS) -I$$(B)/servicemanager \
	  -MMD -MP -c -o $$@ $$<
	$$(Q)objcopy --redefine-syms=tests/env/host/posix/posix.syms $$@

$(HOST_B)/$(1)/library/test-names.o: tests/env/host/posix/test-names.c $$(HOST_E2E_SYMS) \
		| $$(HOST_E2E_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(HOST_$(1)) -pthread $$(E2E_CFLAGS) -MMD -MP -c -o $$@ $$<
	$$(Q)cat $$(HOST_E2E_SYMS) | objcopy --redefine-syms=/dev/stdin $$@

$(HOST_B)/$(1)/test-names: $(HOST_B)/$(1)/library/test-names.o \
		$$(HOST_MANAGER:%=$(HOST_B)/$(1)/servicemanager/%.o) \
		$$(HOST_E2E_SHARED:%=$(HOST_B)/$(1)/e2e/%.o) $$(HOST_LIBIPC:%=$(HOST_B)/$(1)/%) \
		$(HOST_B)/$(1)/kernel/raw.o $(HOST_B)/$(1)/kernel/fixture.o \
		$(HOST_B)/$(1)/posix/peer.o $$(HOST_$(1)_POSIX) $$(HOST_STUBS)
	$$(call msg,LD,$$@)
	$$(Q)$$(CC) $(HOST_$(1)) -pthread -o $$@ $$^ $$(PROTOBUF_C_LIBS) $$(CHECK_LIBS) \
	  $$(LIBSYSTEMD_LIBS)

HOST_TESTS += $$(HOST_$(1)_KTESTS) $(HOST_B)/$(1)/test-library $(HOST_B)/$(1)/test-names \
	$$(HOST_$(1)_E2E)
endef

HOST_TESTS :=
$(foreach way,$(HOST_WAYS),$(eval $(call host_way,$(way))))

# The explorer tries each race for a part of 20 seconds; mutants show that it would
# see them.
HOST_EXPLORER := $(patsubst %,$(HOST_B)/%/explore,$(filter-out tsan,$(HOST_WAYS)))
HOST_TESTS += $(HOST_EXPLORER)

ALL += $(HOST_TESTS)
UNIT_TESTS += $(HOST_TESTS) $(if $(filter asan,$(HOST_WAYS)),tests/suite/explore/mutants)

.PHONY: test-host
test-host: $(HOST_TESTS) $(B)/tests.list
	$(Q)tests/run --host '^unit ($(HOST_B)|tests/suite/explore)/'
