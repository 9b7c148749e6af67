# SPDX-License-Identifier: MIT
#
# The host build in a way, in $(HOST_WAY). Read once for each way, so recipes must not use variables
# that differ between ways. They use $(HOST_FLAGS).

HOST_KERNEL := $(addprefix $(HOST_WAY)/,$(HOST_ONLY_DRIVER) $(HOST_SHIM))
# Objects that test programs link beside their own.
HOST_POSIX := $(addprefix $(HOST_WAY)/,kernel/raw.o kernel/fixture.o posix/peer.o) $(HOST_KERNEL) \
	$(addprefix $(HOST_WAY)/posix/,posix.o poll.o priority.o files.o)
HOST_WITH_LIBIPC := $(HOST_LIBIPC:%=$(HOST_WAY)/%) $(HOST_POSIX) $(HOST_STUBS)

# --- The driver and its kernel -----------------------------------------------------

$(HOST_WAY)/driver/%.o: driver/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(HOST_DRIVER_CFLAGS) $(HOST_FLAGS) $(SHIM_INCLUDES) $(HOST_OBJECT)

$(HOST_WAY)/shim/%.o: shim/%.c
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(SHIM_INCLUDES) $(HOST_OBJECT)

$(HOST_WAY)/shim/%.o: tests/env/host/shim/%.c
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(SHIM_INCLUDES) $(HOST_OBJECT)

$(HOST_WAY)/posix/%.o: tests/env/host/posix/%.c
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(SHIM_INCLUDES) $(HOST_OBJECT)

# --- Interleavings -----------------------------------------------------------------

$(HOST_WAY)/explore-%.o: tests/suite/explore/%.c
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(SHIM_INCLUDES) -Idriver $(HOST_OBJECT)

$(HOST_WAY)/explore: $(HOST_EXPLORE:%=$(HOST_WAY)/explore-%.o) $(HOST_KERNEL)
	$(call msg,LD,$@)
	$(Q)$(HOST_LINK)

# --- tests/suite/kernel ------------------------------------------------------------

$(HOST_WAY)/kernel/%.o: tests/suite/kernel/%.c $(HOST_POSIX_SYMS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) -Idriver/uapi -D_GNU_SOURCE= $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/kernel/test-%.o: tests/suite/kernel/test-%.c $(HOST_TEST_SYMS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) -Idriver/uapi -D_GNU_SOURCE= -include tests/env/host/posix/globals.h \
	  $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_KTESTS:%=$(HOST_WAY)/%): $(HOST_WAY)/%: $(HOST_WAY)/kernel/%.o $(HOST_POSIX)
	$(call msg,LD,$@)
	$(Q)$(HOST_LINK) $(CHECK_LIBS)

# --- libipc, all of it but the fake device -----------------------------------------

$(HOST_WAY)/libipc/%.o: libipc/%.c $(HOST_POSIX_SYMS) | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) -pthread -Ilibipc $(IPC_STUB_CFLAGS) -I$(B)/servicemanager \
	  -Idriver/uapi -Idaemon $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/library/test-lifetimes.o: tests/env/host/posix/test-lifetimes.c $(HOST_TEST_SYMS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) -pthread -Ilibipc/include -Idriver/uapi $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/test-lifetimes: $(HOST_WAY)/library/test-lifetimes.o $(HOST_WITH_LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(HOST_LINK) $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

# --- tests/suite/e2e, with generated code: checks data shared by threads in all of it

$(HOST_WAY)/e2e/%.o: tests/suite/e2e/%.c $(HOST_E2E_SYMS) | $(HOST_E2E_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) -pthread $(E2E_CFLAGS) $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/e2e/posix.o: tests/env/host/posix/e2e.c $(HOST_TEST_SYMS) | $(HOST_E2E_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(E2E_CFLAGS) -Idriver/uapi $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/e2e/%.o: $(B)/tests/suite/e2e/%.c | $(HOST_E2E_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(E2E_CFLAGS) $(HOST_OBJECT)

$(HOST_E2E:%=$(HOST_WAY)/e2e-%): $(HOST_WAY)/e2e-%: $(HOST_E2E_SHARED:%=$(HOST_WAY)/e2e/%.o) \
		$(HOST_WAY)/e2e/test-%.o $(HOST_WITH_LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(HOST_LINK) $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

# --- servicemanager but for its loop and files, and programs that use its names ----------

$(HOST_WAY)/servicemanager/%.o: servicemanager/%.c $(HOST_POSIX_SYMS) | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) $(IPC_STUB_CFLAGS) -I$(B)/servicemanager $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/library/test-names.o: tests/env/host/posix/test-names.c $(HOST_E2E_SYMS) \
		| $(HOST_E2E_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(HOST_COMPILE) -pthread $(E2E_CFLAGS) -I$(B)/servicemanager $(HOST_OBJECT)
	$(Q)$(HOST_RENAME)

$(HOST_WAY)/test-names: $(HOST_WAY)/library/test-names.o \
		$(HOST_MANAGER:%=$(HOST_WAY)/servicemanager/%.o) \
		$(HOST_E2E_SHARED:%=$(HOST_WAY)/e2e/%.o) $(HOST_WITH_LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(HOST_LINK) $(PROTOBUF_C_LIBS) $(CHECK_LIBS) $(LIBSYSTEMD_LIBS)

HOST_TESTS += $(HOST_KTESTS:%=$(HOST_WAY)/%) $(HOST_WAY)/test-names $(HOST_WAY)/test-lifetimes \
	$(HOST_E2E:%=$(HOST_WAY)/e2e-%)
