# SPDX-License-Identifier: MIT
#
# The benchmark: a guest program, another program for peers with large libraries (bench-peers), and
# for bench/profile a QEMU plugin (tracer.so) with a program that reads its output (fold). A further
# program measures time on the running machine (bench-native).

BENCH := $(B)/bench
BENCH_NAMES := main pair measure transports futex pipe socket stream protobuf binder ipcbus crowd typed daemon \
	loops streams oneways
BENCH_OBJECTS := $(BENCH_NAMES:%=$(BENCH)/%.o) $(BENCH)/bench.ipc.o $(BENCH)/bench.pb-c.o
BENCH_PEERS_NAMES := main pair measure peers dbus grpc
BENCH_PEERS_OBJECTS := $(BENCH_PEERS_NAMES:%=$(BENCH)/%.o) $(BENCH)/bench.pb-c.o \
	$(addprefix $(BENCH)/,cpp.o bench.pb.o ipc.pb.o options.pb.o)
BENCH_GATEWAY_NAMES := main pair measure gateway grpc typed daemon
BENCH_GATEWAY_OBJECTS := $(BENCH_GATEWAY_NAMES:%=$(BENCH)/%.o) $(BENCH)/bench.ipc.o $(BENCH)/bench.pb-c.o
# The name contains the available peers, so installing another peer builds another object.
BENCH_NATIVES := natives$(HAVE_GRPC:yes=-grpc)
BENCH_NATIVE_NAMES := native spread $(BENCH_NATIVES) pair measure spin futex pipe socket stream protobuf ipcbus typed \
	daemon loops sd-event dbus $(if $(HAVE_GRPC),grpc)
BENCH_NATIVE_OBJECTS := $(BENCH_NATIVE_NAMES:%=$(BENCH)/%.o) $(BENCH)/bench.ipc.o $(BENCH)/bench.pb-c.o
# Without gRPC's C core, there is neither bench-peers nor bench-gateway.
BENCH_PEERS = $(if $(HAVE_GRPC),$(BENCH)/bench-peers)
BENCH_GATEWAY = $(if $(HAVE_GRPC),$(BENCH)/bench-gateway)

# The last step of examples/story/test-daemon runs the benchmark.
TEST_BUILDS += $(BENCH)/bench
MORE_BUILDS += $(BENCH)/bench-native $(BENCH_PEERS) $(BENCH_GATEWAY) $(BENCH)/fold $(BENCH)/tracer.so
MORE_UNIT_TESTS += bench/test-flat bench/test-plots bench/test-run bench/test-native
LONG_UNIT_TESTS += bench/test-guard

# The programs that `make bench` needs. They are built alone, so that other work in the tree may be
# unfinished.
.PHONY: bench-programs
bench-programs: $(BENCH)/bench $(BENCH_PEERS) $(BENCH)/fold $(BENCH)/tracer.so $(DRIVER_KO) $(IPCBUSD) $(B)/tests.list

# Needs the same packages as the demo. Peers with missing libraries are left out.
.PHONY: bench-native bench-native-programs
bench-native-programs: $(BENCH)/bench-native $(IPCBUSD)

# With FORMAT=tsv, only figures may be printed to stdout.
bench-native: $(B)/setup-demo.done
	+@$(MAKE) bench-native-programs >&2
	@bench/native $(if $(FORMAT),--format $(FORMAT))

# Measures the cost of a call through ipc-gateway, and 1,000 streams at the same time.
.PHONY: bench-gateway bench-gateway-programs
bench-gateway-programs: $(BENCH)/bench-gateway $(DRIVER_KO) $(B)/tests.list

$(BENCH)/%.o: bench/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

$(addprefix $(BENCH)/,typed.o daemon.o loops.o sd-event.o streams.o oneways.o protobuf.o grpc.o gateway.o): $(BENCH)/%.o: bench/%.c | $(BENCH)/bench.ipc.h $(IPC_SHARED_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(BENCH) -MD -MP -c -o $@ $<

# Optimized, as the code with which it is compared.
BENCH_CXX = $(CXX) -std=c++17 -O2 -g -Wall -Wextra -Werror $(IPC_CPP_CFLAGS) -Ibench -I$(BENCH) -MD -MP \
	-c -o $@ $<
$(BENCH)/cpp.o: bench/cpp.cc | $(BENCH)/bench.ipc.hpp $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(BENCH_CXX)
$(BENCH)/bench.pb.o: $(BENCH)/bench.pb.cc | $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(BENCH_CXX)
$(BENCH)/ipc.pb.o $(BENCH)/options.pb.o: $(BENCH)/%.o: $(IPC_CPP_B)/ipc/%.cc | $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(BENCH_CXX)

# Raw ioctls of ipcbusd need private functions of the library.
$(BENCH)/ipcbus.o: ALL_CFLAGS += -Ilibipc
BENCH_DEVICE := $(addprefix $(B)/libipc/device/,device-daemon.o device-open.o device-socket.o)
$(BENCH)/bench: $(BENCH_OBJECTS) $(BENCH_DEVICE) $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -o $@ $^ $(PROTOBUF_C_LIBS)

$(BENCH)/bench-peers: $(BENCH_PEERS_OBJECTS) $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -o $@ $^ -lgrpc -lgpr $(LIBSYSTEMD_LIBS) $(PROTOBUF_C_LIBS) \
	  $(IPC_CPP_LIBS) -lstdc++

$(BENCH)/$(BENCH_NATIVES).o: bench/natives.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(HAVE_GRPC),-DHAVE_GRPC) -MD -MP -c -o $@ $<
$(BENCH)/bench-native: $(BENCH_NATIVE_OBJECTS) $(BENCH_DEVICE) $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -o $@ $^ $(if $(HAVE_GRPC),-lgrpc -lgpr) \
	  $(LIBSYSTEMD_LIBS) $(PROTOBUF_C_LIBS)

$(BENCH)/bench-gateway: $(BENCH_GATEWAY_OBJECTS) $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../libipc) -o $@ $^ -lgrpc -lgpr $(PROTOBUF_C_LIBS)

$(BENCH)/fold: $(BENCH)/fold.o $(BENCH)/symbols.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# QEMU 9 requires version 2 of its plugin interface, older releases version 1. The declarations used
# here are the same in both.
$(BENCH)/tracer.so: bench/tracer.c bench/trace.h
	$(call msg,LD,$@)
	$(Q)version=$$(qemu-system-x86_64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p'); \
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -fPIC -fvisibility=hidden -shared \
	  -DTRACER_INTERFACE=$$((1 + ($${version:-0} >= 9))) -o $@ $<
