# SPDX-License-Identifier: MIT
#
# The library: $(B)/libipc/libipc.so (a link to the soname) and libipc.a, from the same sources.
# Programs of this tree link with $(LIBIPC), which must be a prerequisite. At run time they find it
# through $(LIBIPC_RPATH), relative to the program: $(call LIBIPC_RPATH,../libipc). RPATH=no leaves
# that out, for programs in packages.
#
# Unit tests are tests/test-*.c. They link the library's objects, so that they can use hidden
# symbols, with tests/fake-device.c instead of device/device.c. test-bus-end, test-daemon, test-dump,
# test-poll and test-reconnect use the real device.c and a daemon.

LIBIPC_SONAME := libipc.so.0
# The installed file has its version in its name: libipc.so.0.9.
LIBIPC_FILE := libipc.so.$(basename $(VERSION))
LIBIPC_SO := $(B)/libipc/libipc.so
LIBIPC_A := $(B)/libipc/libipc.a
LIBIPC := $(LIBIPC_SO)
LIBIPC_RPATH = $(if $(filter no,$(RPATH)),,-Wl,-rpath,'$$ORIGIN/$(1)')

# The files from the lowest to the highest: conn/private.h describes them. A file calls only files
# before it. Files of one subject have + between them: tests/suite/static/calls checks the order.
# Tests replace the files of device/.
LIBIPC_PARTS := base/map base/wire \
	shm/memfd shm/channel-wait shm/channel-ring shm/channel shm/channel-memory \
	device/device-socket device/device-daemon device/device-open device/device \
	conn/ipc conn/find conn/frame conn/slot conn/pool conn/backlog conn/writable conn/timer \
	conn/generation conn/exchange conn/thread \
	core/error core/object core/proxy core/entry core/payload core/cancel core/call core/watched \
	core/reply core/async core/monitor core/dispatch core/request core/raw core/more \
	core/stream+core/stream-ops+core/stream-peer+core/stream-wait+core/stream-ring \
	core/stream-open core/raw-stream core/raw-object core/reconnect core/loop \
	channels/channels \
	channels/channel-client+channels/channel-open+channels/channel-send+channels/channel-async \
	channels/channel-server+channels/channel-door+channels/channel-oneways+channels/turn+channels/channel-loop+channels/channel-serve \
	channels/route \
	typed/arena typed/table typed/decode typed/encode typed/pack typed/memory typed/rpc \
	typed/name+typed/name-call+typed/name-find typed/name-register typed/name-watch \
	typed/served typed/introspect typed/streams \
	typed/serve open
LIBIPC_SOURCES := $(filter-out device/%,$(patsubst %,%.c,$(subst +, ,$(LIBIPC_PARTS))))
LIBIPC_GENERATED := $(addprefix $(B)/libipc/,ipc.pb-c.o servicemanager.ipc.o servicemanager.pb-c.o)
LIBIPC_LINKED := $(LIBIPC_SOURCES:%.c=$(B)/libipc/%.o) $(LIBIPC_GENERATED)
LIBIPC_DEVICE := $(addprefix $(B)/libipc/device/,device.o device-daemon.o device-open.o device-socket.o)
LIBIPC_OBJECTS := $(LIBIPC_LINKED) $(LIBIPC_DEVICE)

# initial-exec: one instruction instead of a call for thread-local variables. On 32-bit machines, a
# file may have more than 2 GiB.
LIBIPC_CFLAGS := -D_FILE_OFFSET_BITS=64 -fPIC -fvisibility=hidden -ftls-model=initial-exec -pthread \
	-Ilibipc -Idriver/uapi -Idaemon $(IPC_STUB_CFLAGS) -I$(B)/servicemanager
LIBIPC_COMPILE = $(CC) $(ALL_CFLAGS) $(LIBIPC_CFLAGS) -MD -MP -c -o $@ $<
# Of generated code, the linker keeps what is called.
LIBIPC_IN_PARTS := -ffunction-sections
LIBIPC_HEADERS := $(IPC_SHARED_HEADERS) $(B)/servicemanager/servicemanager.ipc.h

$(LIBIPC_SOURCES:%.c=$(B)/libipc/%.o) $(LIBIPC_DEVICE): $(B)/libipc/%.o: libipc/%.c | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE)

# The shared messages are part of the interface; the manager's stub is not.
$(B)/libipc/ipc.pb-c.o: $(IPC_SHARED_SOURCE) | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) -fvisibility=default

$(B)/libipc/servicemanager.%.o: $(B)/servicemanager/servicemanager.%.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) $(LIBIPC_IN_PARTS)

# The shared library has objects of its own, which are optimized at link time: calls of channels
# take up to 7 % fewer instructions. To link each test that way would take too long. A linker
# without that optimization uses the ordinary code of these objects.
LIBIPC_LTO ?= $(if $(findstring clang,$(CC)),,-flto=auto -ffat-lto-objects)
LIBIPC_SHARED := $(patsubst $(B)/libipc/%,$(B)/libipc/shared/%,$(LIBIPC_SOURCES:%.c=$(B)/libipc/%.o) \
	$(LIBIPC_DEVICE))
$(LIBIPC_SHARED): $(B)/libipc/shared/%.o: libipc/%.c | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) $(LIBIPC_LTO)

# nodelete: threads that end run code of ours, dlclose()d or not.
$(B)/libipc/$(LIBIPC_SONAME): $(LIBIPC_SHARED) $(LIBIPC_GENERATED) libipc/libipc.map
	$(call msg,LD,$@)
	$(Q)$(CC) -shared $(CFLAGS) $(LIBIPC_LTO) $(LDFLAGS) -pthread -Wl,-soname,$(LIBIPC_SONAME) \
	  -Wl,--version-script=libipc/libipc.map -Wl,-Bsymbolic-functions -Wl,-z,nodelete \
	  -Wl,-z,defs -Wl,--gc-sections -o $@ $(filter %.o,$^) $(PROTOBUF_C_LIBS)

$(LIBIPC_SO): $(B)/libipc/$(LIBIPC_SONAME)
	$(call msg,LINK,$@)
	$(Q)ln -sf $(LIBIPC_SONAME) $@

# A single object, so that hidden symbols do not conflict with names of programs. It has no groups:
# the linker would drop the groups of a program in favor of a group whose symbol is local now, as the
# compiler's for the program counter of i386.
LIBIPC_SINGLE = $(CC) -r -nostdlib -Wl,--force-group-allocation
$(LIBIPC_A): $(LIBIPC_OBJECTS)
	$(call msg,AR,$@)
	$(Q)$(LIBIPC_SINGLE) -o $(@:.a=.static.o) $^
	$(Q)$(OBJCOPY) --localize-hidden $(@:.a=.static.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $(@:.a=.static.o)

# --- libipc-test: a private bus for a test ----------------------------------------

LIBIPC_TEST_A := $(B)/libipc/libipc-test.a
LIBIPC_KIT := $(patsubst libipc/%.c,$(B)/libipc/%.o,$(wildcard libipc/kit/*.c))

$(LIBIPC_KIT): $(B)/libipc/kit/%.o: libipc/kit/%.c | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) -DINSTALLED_PROGRAMS='"$(bindir)"'

# Only names that the header declares are global.
$(LIBIPC_TEST_A): $(LIBIPC_KIT) $(B)/libipc/device/device-socket.o
	$(call msg,AR,$@)
	$(Q)$(LIBIPC_SINGLE) -o $(@:.a=.static.o) $^
	$(Q)$(OBJCOPY) -w --keep-global-symbol='ipc_test_*' $(@:.a=.static.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $(@:.a=.static.o)

PRODUCTS += $(LIBIPC_SO) $(LIBIPC_A) $(LIBIPC_TEST_A)
GUEST_FILES += $(B)/libipc/$(LIBIPC_SONAME)

# --- Unit tests -----------------------------------------------------------------

LIBIPC_TESTS := $(patsubst libipc/%.c,$(B)/libipc/%,$(sort $(wildcard libipc/tests/test-*.c)))
LIBIPC_TEST_OBJECTS := $(LIBIPC_LINKED) $(B)/libipc/tests/fake-device.o $(B)/libipc/tests/test.pb-c.o \
	$(B)/libipc/tests/test.ipc.o

$(LIBIPC_TESTS:%=%.o) $(addprefix $(B)/libipc/tests/,fake-device.o channel-run.o): $(B)/libipc/%.o: libipc/%.c \
		| $(LIBIPC_HEADERS) $(B)/libipc/tests/test.ipc.h
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) -I$(B)/libipc/tests

LIBIPC_TEST_CODECS := $(foreach name,codec codec2,$(addprefix $(B)/libipc/tests/$(name),.ipc.o .pb-c.o))
$(B)/libipc/tests/test-codec.o: | $(addprefix $(B)/libipc/tests/,codec.ipc.h codec2.ipc.h)
$(B)/libipc/tests/test-codec: $(LIBIPC_TEST_CODECS)

LIBIPC_TEST_CHANNELS := $(addprefix $(B)/libipc/tests/,test-channel-async test-channel-calls \
	test-channel-fairness test-channel-filters test-channel-hostile test-channel-limits \
	test-channel-loop test-channel-oneways test-channel-opening test-channel-processes \
	test-channel-end test-channel-streams test-channel-time test-channel-window \
	test-channel-words test-pool)
LIBIPC_TEST_DAEMON := $(LIBIPC_TEST_CHANNELS) $(addprefix $(B)/libipc/tests/,test-bus-end test-daemon \
	test-dump test-poll test-reconnect)
# Each case is a process that checks at its end for leaked memory, and fails if there is any.
LIBIPC_TEST_LEAKS := $(if $(ARM64),,-fsanitize=leak)

$(filter-out $(LIBIPC_TEST_DAEMON),$(LIBIPC_TESTS)): %: %.o $(LIBIPC_TEST_OBJECTS)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(LIBIPC_TEST_LEAKS) -o $@ $^ $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

$(LIBIPC_TEST_CHANNELS): $(B)/libipc/tests/channel-run.o

$(LIBIPC_TEST_DAEMON): %: %.o $(LIBIPC_OBJECTS) $(LIBIPC_KIT)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(LIBIPC_TEST_LEAKS) -o $@ $^ $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

# The tests of channels with the address sanitizer.
LIBIPC_ASAN := $(B)/libipc/asan
LIBIPC_ASAN_TESTS := $(LIBIPC_TEST_CHANNELS:$(B)/libipc/%=$(LIBIPC_ASAN)/%)
LIBIPC_ASAN_OBJECTS := $(LIBIPC_SOURCES:%.c=$(LIBIPC_ASAN)/%.o) \
	$(LIBIPC_DEVICE:$(B)/libipc/%=$(LIBIPC_ASAN)/%) $(LIBIPC_ASAN)/tests/channel-run.o
$(LIBIPC_ASAN_OBJECTS) $(LIBIPC_ASAN_TESTS:%=%.o): $(LIBIPC_ASAN)/%.o: libipc/%.c | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) $(HOST_asan)

$(LIBIPC_ASAN_TESTS): %: %.o $(LIBIPC_ASAN_OBJECTS) $(B)/libipc/ipc.pb-c.o \
		$(B)/libipc/servicemanager.ipc.o $(B)/libipc/servicemanager.pb-c.o $(LIBIPC_KIT)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(HOST_asan) -o $@ $^ $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

TEST_BUILDS += $(LIBIPC_TESTS)
MORE_BUILDS += $(LIBIPC_ASAN_TESTS)
MORE_UNIT_TESTS += $(LIBIPC_ASAN_TESTS)
UNIT_TESTS += $(LIBIPC_TESTS) libipc/tests/test-symbols

# --- Install --------------------------------------------------------------------

LIBIPC_PC := $(B)/libipc/libipc.pc $(B)/libipc/libipc-test.pc
LIBIPC_CMAKE := $(B)/libipc/ipcbusConfig.cmake $(B)/libipc/ipcbusConfigVersion.cmake
$(LIBIPC_PC) $(LIBIPC_CMAKE): $(B)/libipc/%: libipc/%.in FORCE
	$(call msg,GEN,$@)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@libdir@|$(libdir)|' \
	  -e 's|@includedir@|$(includedir)|' -e 's|@protodir@|$(protodir)|' \
	  -e 's|@VERSION@|$(VERSION)|' $< >$@

# The manual pages, generated from the headers' comments. ipc.3 is written last. Headers for
# generated code and other languages (codec.h, rpc.h), and inline functions for an event loop, have
# no pages.
LIBIPC_MAN := $(B)/libipc/man/ipc.3
LIBIPC_MAN_HEADERS := $(patsubst %,libipc/include/ipc/%.h,admin call error limits memory monitor name raw \
	stream test ipc)

$(LIBIPC_MAN): libipc/header-man $(LIBIPC_MAN_HEADERS)
	$(call msg,GEN,$@)
	$(Q)rm -f $(@D)/*.3
	$(Q)libipc/header-man $(@D) $(VERSION) $(LIBIPC_MAN_HEADERS)

PRODUCTS += $(LIBIPC_MAN)

.PHONY: install-libipc
INSTALLS += install-libipc
install-libipc: $(LIBIPC_SO) $(LIBIPC_A) $(LIBIPC_TEST_A) $(LIBIPC_PC) $(LIBIPC_CMAKE) $(LIBIPC_MAN)
	$(Q)$(INSTALL) -d $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(includedir)/ipc/cpp \
	  $(DESTDIR)$(mandir)/man3
	$(Q)$(INSTALL) -m 644 $(B)/libipc/$(LIBIPC_SONAME) $(DESTDIR)$(libdir)/$(LIBIPC_FILE)
	$(Q)ln -sf $(LIBIPC_FILE) $(DESTDIR)$(libdir)/$(LIBIPC_SONAME)
	$(Q)ln -sf $(LIBIPC_SONAME) $(DESTDIR)$(libdir)/libipc.so
	$(Q)$(INSTALL) -m 644 $(LIBIPC_A) $(LIBIPC_TEST_A) $(DESTDIR)$(libdir)
	$(Q)$(INSTALL) -m 644 $(LIBIPC_PC) $(DESTDIR)$(libdir)/pkgconfig
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(libdir)/cmake/ipcbus $(LIBIPC_CMAKE)
	$(Q)$(INSTALL) -m 644 $(wildcard libipc/include/ipc/*.h libipc/include/ipc/*.hpp) \
	  $(DESTDIR)$(includedir)/ipc
	$(Q)$(INSTALL) -m 644 $(wildcard libipc/include/ipc/cpp/*.hpp) $(DESTDIR)$(includedir)/ipc/cpp
	$(Q)$(INSTALL) -m 644 $(B)/libipc/man/*.3 $(DESTDIR)$(mandir)/man3
