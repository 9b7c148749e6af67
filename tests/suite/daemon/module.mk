# SPDX-License-Identifier: MIT
#
# ipcbusd with real processes, and attacks on it. asan/ipcbusd and tsan/ipcbusd are built with
# sanitizers.

DAEMON_B := $(B)/tests/suite/daemon
IPCBUSD_ASAN := $(DAEMON_B)/asan/ipcbusd
IPCBUSD_TSAN := $(DAEMON_B)/tsan/ipcbusd

DAEMON_ATTACKERS := $(addprefix $(DAEMON_B)/,blockers files hostile identity)

$(DAEMON_B)/%.o: tests/suite/daemon/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Ilibipc -Idaemon -Idriver/uapi -MD -MP -c -o $@ $<

$(DAEMON_ATTACKERS): %: %.o $(addprefix $(DAEMON_B)/,blocks.o messages.o peer.o)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^

$(DAEMON_B)/threads: $(DAEMON_B)/threads.o $(B)/daemon/pidns.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(IPCBUSD_FLAGS) $(LDFLAGS) -o $@ $^

$(DAEMON_B)/signals: $(DAEMON_B)/signals.o $(B)/libipc/device/device-socket.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^

$(addprefix $(DAEMON_B)/,newcomers wakes): %: %.o $(addprefix $(B)/libipc/device/,device-daemon.o device-open.o device-socket.o)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^

$(DAEMON_B)/late.so: tests/suite/daemon/late.c
	$(call msg,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -MD -MP $(LDFLAGS) -shared -o $@ $<

$(DAEMON_B)/asan/%: DAEMON_FLAGS = $(HOST_asan) -fno-lto
$(eval $(call ipcbusd_in,$(DAEMON_B)/asan))

# Without optimization, because the optimizer would remove unreachable calls that must still be
# linked.
$(DAEMON_B)/tsan/%: DAEMON_FLAGS = $(HOST_tsan) -O0 -fno-lto
$(eval $(call ipcbusd_in,$(DAEMON_B)/tsan))

# The programs of tests/suite/kernel, unchanged, with another device.
DAEMON_KERNEL := $(KTEST_NAMES:%=$(DAEMON_B)/kernel/%)
DAEMON_WRAPPED := open close ioctl mmap poll epoll_ctl epoll_wait select fork sendmsg syscall stat chmod dev_set_param wait_asleep \
	peer_kill peer_end pthread_kill kernel_memory _ck_assert_failed _tcase_add_test

$(DAEMON_KERNEL): $(DAEMON_B)/kernel/%: $(B)/tests/suite/kernel/%.o $(KTEST_COMMON) $(DAEMON_B)/posix.o \
		$(DAEMON_B)/cases.o $(B)/libipc/device/device-socket.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(DAEMON_WRAPPED:%=-Wl,--wrap=%) -o $@ $^ \
	  $(shell $(PKG_CONFIG) --libs check)

# A program as a user would write it, and the bus of two others.
$(DAEMON_B)/bus.o $(DAEMON_B)/comeback.o: $(DAEMON_B)/%.o: tests/suite/daemon/%.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -MD -MP -c -o $@ $<

$(DAEMON_B)/comeback: $(DAEMON_B)/comeback.o | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../../libipc) -o $@ $< $(LIBIPC)

# The fuzzer of the cell protocol: fuzz/main.c. Two of its programs are written as a user would.
DAEMON_FUZZ := $(patsubst tests/suite/daemon/fuzz/%.c,$(DAEMON_B)/fuzz/%.o,$(wildcard tests/suite/daemon/fuzz/*.c))

$(DAEMON_FUZZ): $(DAEMON_B)/fuzz/%.o: tests/suite/daemon/fuzz/%.c | $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -Idaemon -Idriver/uapi -MD -MP -c -o $@ $<

$(DAEMON_B)/fuzz/cells: $(DAEMON_FUZZ) $(addprefix $(DAEMON_B)/,bus.o messages.o peer.o) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread $(call LIBIPC_RPATH,../../../../libipc) -o $@ $^ $(LIBIPC)

# The number of clients and of daemons that are killed.
KILLS ?= 10000
DAEMON_KILLS ?= 100

.PHONY: test-kills run-test-kills
test-kills: setup
	+@$(MAKE) run-test-kills

run-test-kills: $(DAEMON_B)/fuzz/cells $(IPCBUSD_ASAN) $(DAEMON_B)/comeback $(IPCBUSD) \
		$(B)/servicemanager/servicemanager
	@ASAN_OPTIONS=detect_leaks=1 $< --daemon $(IPCBUSD_ASAN) --kills $(KILLS) --found $(DAEMON_B)/fuzz/found
	@COUNT=$(DAEMON_KILLS) tests/suite/daemon/test-comeback

TEST_BUILDS += $(addprefix $(DAEMON_B)/,comeback late.so newcomers signals threads wakes) $(DAEMON_KERNEL) $(DAEMON_ATTACKERS) $(IPCBUSD_ASAN)
MORE_BUILDS += $(DAEMON_B)/fuzz/cells $(IPCBUSD_TSAN)
UNIT_TESTS += $(addprefix tests/suite/daemon/test-,activation comeback doctor e2e hostile identity idle kernel left-out \
	namespaces no-channels options output random-channels seccomp signals surroundings users wakes)
MORE_UNIT_TESTS += $(addprefix tests/suite/daemon/test-,no-channels-all races \
	random-channels-all cells)
