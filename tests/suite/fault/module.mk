# SPDX-License-Identifier: MIT
#
# Every failure point: of the driver in the host build of tests/env/host, whose objects these
# programs share, and in kernels with fault injection; of the library with its fake device.

FAIL_B := $(B)/tests/suite/fault
FAIL_HOST := $(B)/tests/env/host/asan
FAIL_CFLAGS = -std=gnu11 $(WARNINGS) -O1 -g $(HOST_asan)

FAIL_SCENARIOS := tap env walk files content messages combined early beside plain test-driver
FAIL_KERNEL := $(patsubst driver/%.c,$(FAIL_HOST)/driver/%.o,$(wildcard driver/*.c driver/mem/*.c)) \
	$(HOST_SHIM:%=$(FAIL_HOST)/%) \
	$(addprefix $(FAIL_HOST)/,posix/posix.o posix/poll.o posix/files.o kernel/raw.o)

$(FAIL_SCENARIOS:%=$(FAIL_B)/%.o): $(FAIL_B)/%.o: tests/suite/fault/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(FAIL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

$(FAIL_B)/env-host.o: tests/suite/fault/env-host.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(FAIL_CFLAGS) -fno-strict-aliasing $(SHIM_INCLUDES) -MD -MP -c -o $@ $<

$(FAIL_B)/test-driver: $(FAIL_SCENARIOS:%=$(FAIL_B)/%.o) $(FAIL_B)/env-host.o $(FAIL_KERNEL)
	$(call msg,LD,$@)
	$(Q)$(CC) $(HOST_asan) -pthread -o $@ $^ -Wl,--wrap=host_close,--wrap=host_ioctl \
	  -Wl,--wrap=host_poll,--wrap=host_mmap,--wrap=host_munmap

# The same for kernels of tests/env/debug.
FAIL_IN_KERNEL := $(patsubst %,$(FAIL_B)/kernel/%.o,$(FAIL_SCENARIOS) env-kernel fail-nth)

$(FAIL_IN_KERNEL): $(FAIL_B)/kernel/%.o: tests/suite/fault/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

# Bind symbols at the start, so that failures do not hit the lookup of a symbol.
$(FAIL_B)/kernel/test-driver: $(FAIL_IN_KERNEL) $(B)/tests/suite/kernel/raw.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,-z,now -pthread -o $@ $^

MORE_BUILDS += $(FAIL_B)/test-driver $(FAIL_B)/kernel/test-driver
MORE_UNIT_TESTS += $(FAIL_B)/test-driver
DEBUG_TESTS += $(FAIL_B)/kernel/test-driver

# The library's objects again, with sanitizers.
FAIL_LIBIPC := $(LIBIPC_SOURCES:.c=) tests/fake-device
FAIL_STUBS := $(FAIL_B)/libipc/ipc.pb-c.o $(FAIL_B)/libipc/servicemanager.ipc.o \
	$(FAIL_B)/libipc/servicemanager.pb-c.o $(FAIL_B)/libipc/tests/test.ipc.o \
	$(FAIL_B)/libipc/tests/test.pb-c.o
FAIL_LIBRARY := memory library test-library test-beyond test-raw test-streams test-manager
FAIL_WRAPPED := malloc calloc realloc reallocarray free strdup vasprintf pthread_create pidfd_open epoll_ctl eventfd \
	timerfd_create memfd_create mmap device_exchange \
	device_handle_put device_open device_request device_set_poll
FAIL_LIBRARY_COMPILE = $(CC) $(FAIL_CFLAGS) -pthread -Ilibipc -Idriver/uapi -I$(B)/libipc/tests \
	-I$(B)/servicemanager $(IPC_STUB_CFLAGS) -MD -MP -c -o $@ $<
FAIL_LIBRARY_HEADERS = $(B)/include/ipc/ipc.pb-c.h $(B)/include/ipc/options.pb-c.h \
	$(B)/libipc/tests/test.ipc.h \
	$(B)/servicemanager/servicemanager.ipc.h

$(FAIL_LIBRARY:%=$(FAIL_B)/%.o): $(FAIL_B)/%.o: tests/suite/fault/%.c | $(FAIL_LIBRARY_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(FAIL_LIBRARY_COMPILE)

$(FAIL_LIBIPC:%=$(FAIL_B)/libipc/%.o): $(FAIL_B)/libipc/%.o: libipc/%.c | $(FAIL_LIBRARY_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(FAIL_LIBRARY_COMPILE)

$(FAIL_B)/libipc/ipc.pb-c.o: $(B)/idl/ipc/ipc.pb-c.c
$(FAIL_B)/libipc/servicemanager.ipc.o: $(B)/servicemanager/servicemanager.ipc.c
$(FAIL_B)/libipc/servicemanager.pb-c.o: $(B)/servicemanager/servicemanager.pb-c.c
$(FAIL_B)/libipc/tests/test.ipc.o: $(B)/libipc/tests/test.ipc.c
$(FAIL_B)/libipc/tests/test.pb-c.o: $(B)/libipc/tests/test.pb-c.c
$(FAIL_STUBS): | $(FAIL_LIBRARY_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(FAIL_LIBRARY_COMPILE)

FAIL_MANAGER := $(patsubst %,$(FAIL_B)/servicemanager/%.o,$(MANAGER_CORE))
FAIL_LINKED := $(FAIL_B)/memory.o $(FAIL_B)/library.o $(FAIL_B)/tap.o $(FAIL_B)/files.o \
	$(FAIL_LIBIPC:%=$(FAIL_B)/libipc/%.o) $(FAIL_STUBS) $(LIBIPC_SHAPE)

$(FAIL_MANAGER): $(FAIL_B)/servicemanager/%.o: servicemanager/%.c | $(FAIL_LIBRARY_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(FAIL_LIBRARY_COMPILE)

FAIL_LIBRARY_TESTS := $(addprefix $(FAIL_B)/test-,library beyond raw streams)
$(FAIL_LIBRARY_TESTS): %: %.o $(FAIL_LINKED)
$(FAIL_B)/test-manager: $(FAIL_B)/test-manager.o $(FAIL_MANAGER) $(FAIL_LINKED)
$(FAIL_B)/test-manager: LDLIBS += $(LIBSYSTEMD_LIBS)
$(FAIL_LIBRARY_TESTS) $(FAIL_B)/test-manager:
	$(call msg,LD,$@)
	$(Q)$(CC) $(HOST_asan) -pthread -o $@ $^ $(FAIL_WRAPPED:%=-Wl,--wrap=%) $(PROTOBUF_C_LIBS) $(LDLIBS)

MORE_BUILDS += $(FAIL_LIBRARY_TESTS) $(FAIL_B)/test-manager
MORE_UNIT_TESTS += $(FAIL_LIBRARY_TESTS) $(FAIL_B)/test-manager

MORE_UNIT_TESTS += tests/suite/fault/mutants

.PHONY: test-fault
test-fault: $(FAIL_B)/test-driver $(FAIL_LIBRARY_TESTS) $(FAIL_B)/test-manager $(B)/tests.list
	$(Q)tests/run --host '^unit $(FAIL_B)/' '^unit tests/suite/fault/'
