# SPDX-License-Identifier: MIT
#
# The fuzzers: NAME.c here (or NAME/*.c) and the code under test, compiled by clang with libFuzzer
# and sanitizers into $(B)/tests/suite/fuzz/NAME. Sources of the tree are compiled once for all
# fuzzers, into $(B)/tests/suite/fuzz/of/.
#
#   make fuzz TIME=60            all fuzzers, for that many seconds together
#   make fuzz FUZZERS=driver     some fuzzers
#   make fuzz-driver-fast        the driver's, without sanitizers; SEQUENCES= FAST_SEED=
#   make fuzz-cells TIME=60 ipcbusd, by hostile processes (tests/suite/daemon/fuzz); CELLS_SEED=
#
# NAME/corpus has inputs that reach code no other input reaches, and NAME/crashes has inputs that
# once found a defect. tests/suite/fuzz/replay, a part of make test, tries all of them and then
# continues for some seconds. Without clang, nothing is built.

FUZZ_CC ?= clang
FUZZ_B := $(B)/tests/suite/fuzz
FUZZ_NAMES := range registry policy activation schema table skeleton streams codec driver
# protobuf-c initializes all messages through pointers to one function type, which newer versions of
# clang would report.
FUZZ_CFLAGS := -O2 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize=function -fno-sanitize-recover=undefined
FUZZ_COMPILE = $(FUZZ_CC) -std=gnu11 $(WARNINGS) $(FUZZ_CFLAGS) $(FUZZ_COVERAGE) \
	$(FUZZ_INCLUDES) -MD -MP -c -o $@ $<

# The code under test reports its control flow to libFuzzer. Parsers also report comparisons, which
# costs too much for the driver. The fuzzers themselves report nothing.
FUZZ_COVERAGE = -fsanitize=fuzzer-no-link
$(FUZZ_B)/of/driver/%.o: FUZZ_COVERAGE := -fsanitize-coverage=inline-8bit-counters,pc-table
$(FUZZ_B)/of/shim/%.o $(FUZZ_B)/of/tests/%.o: FUZZ_COVERAGE :=

FUZZ_KERNEL := -Wno-unused-parameter -fno-strict-aliasing -fwrapv $(SHIM_INCLUDES) -Idriver
FUZZ_LIBIPC := -fno-strict-aliasing -Ilibipc -Idriver/uapi $(IPC_STUB_CFLAGS) -I$(B)/servicemanager -I$(B)/libipc/tests
FUZZ_IDL := -Iidl -I$(B)/idl $(PROTOBUF_C_CFLAGS)

$(FUZZ_B)/of/driver/%.o $(FUZZ_B)/of/shim/%.o $(FUZZ_B)/of/tests/env/host/%.o: FUZZ_INCLUDES := $(FUZZ_KERNEL)
$(FUZZ_B)/of/libipc/%.o: FUZZ_INCLUDES := $(FUZZ_LIBIPC) -pthread
$(FUZZ_B)/of/idl/%.o: FUZZ_INCLUDES := $(FUZZ_IDL)
$(FUZZ_B)/of/$(B)/%.o: FUZZ_INCLUDES := $(FUZZ_LIBIPC) -I$(B)/idl

$(FUZZ_B)/of/%.o: %.c
	$(call msg,FUZZCC,$@)
	$(Q)$(FUZZ_COMPILE)

fuzz_of = $(patsubst %.c,$(FUZZ_B)/of/%.o,$(1))

# --- Sources of each fuzzer -------------------------------------------------------

FUZZ_range := tests/suite/fuzz/range.c driver/mem/range.c shim/report.c
FUZZ_registry := tests/suite/fuzz/registry.c servicemanager/registry.c
FUZZ_policy := tests/suite/fuzz/policy.c servicemanager/policy.c servicemanager/policy-parse.c \
	servicemanager/config.c servicemanager/trust.c servicemanager/log.c
FUZZ_activation := tests/suite/fuzz/activation.c servicemanager/activation-config.c servicemanager/config.c \
	servicemanager/trust.c servicemanager/log.c servicemanager/registry.c
FUZZ_LIBRARY := tests/suite/fuzz/account.c libipc/tests/fake-device.c $(LIBIPC_SOURCES:%=libipc/%) \
	$(B)/idl/ipc/ipc.pb-c.c $(B)/servicemanager/servicemanager.ipc.c \
	$(B)/servicemanager/servicemanager.pb-c.c $(B)/libipc/tests/test.ipc.c $(B)/libipc/tests/test.pb-c.c
FUZZ_table := tests/suite/fuzz/table.c $(FUZZ_LIBRARY)
FUZZ_skeleton := tests/suite/fuzz/skeleton.c $(FUZZ_LIBRARY)
FUZZ_streams := tests/suite/fuzz/streams.c tests/suite/fuzz/service.c $(FUZZ_LIBRARY) \
	$(B)/tests/suite/e2e/stream.ipc.c $(B)/tests/suite/e2e/stream.pb-c.c
FUZZ_codec := tests/suite/fuzz/codec.c $(JUDGE_S)/pass.c $(FUZZ_LIBRARY) \
	$(patsubst %,$(JUDGE_B)/%,judge.ipc.c judge.pb-c.c judge2.pb-c.c)
FUZZ_schema := tests/suite/fuzz/schema.c $(sort $(wildcard schema/*.c)) libipc/base/wire.c \
	$(B)/idl/google/protobuf/descriptor.pb-c.c
FUZZ_driver := $(wildcard tests/suite/fuzz/driver/*.c) $(wildcard driver/*.c driver/mem/*.c) \
	$(SHIM_CHECKED)

$(FUZZ_B)/of/tests/suite/fuzz/range.o $(FUZZ_B)/of/tests/suite/fuzz/driver/%.o: FUZZ_INCLUDES := $(FUZZ_KERNEL)
$(addprefix $(FUZZ_B)/of/tests/suite/fuzz/,registry.o policy.o activation.o): FUZZ_INCLUDES := -Iservicemanager
$(addprefix $(FUZZ_B)/of/tests/suite/fuzz/,account.o table.o skeleton.o service.o streams.o codec.o) \
	$(FUZZ_B)/of/$(JUDGE_S)/pass.o: FUZZ_INCLUDES := $(FUZZ_LIBIPC) -I$(B)/tests/suite/e2e -I$(JUDGE_B) -I$(JUDGE_S)

$(FUZZ_B)/of/tests/suite/fuzz/schema.o $(FUZZ_B)/of/schema/%.o: FUZZ_INCLUDES := $(SCHEMA_CFLAGS)

# Generated headers must exist first.
$(call fuzz_of,$(filter schema/%,$(FUZZ_schema)) tests/suite/fuzz/schema.c): | $(SCHEMA_HEADERS)
$(call fuzz_of,$(FUZZ_LIBRARY) tests/suite/fuzz/table.c tests/suite/fuzz/skeleton.c $(FUZZ_streams) $(FUZZ_codec)): \
	| $(JUDGE_B)/judge.ipc.h $(LIBIPC_HEADERS) $(B)/libipc/tests/test.ipc.h $(B)/tests/suite/e2e/stream.ipc.h

$(FUZZ_B)/table $(FUZZ_B)/skeleton $(FUZZ_B)/streams $(FUZZ_B)/codec: FUZZ_LDFLAGS := -Wl,--wrap=close -Wl,--wrap=device_handle_put

$(FUZZ_B)/schema: FUZZ_LDFLAGS := -Wl,--wrap=open
$(FUZZ_B)/schema: FUZZ_LDLIBS = $(LIBIPC) $(call LIBIPC_RPATH,../../../libipc) $(SCHEMA_LIBS)
$(FUZZ_B)/schema: | $(LIBIPC)

# --- All fuzzers ------------------------------------------------------------------

FUZZ_PROGRAMS := $(FUZZ_NAMES:%=$(FUZZ_B)/%)

define fuzz_program
$(FUZZ_B)/$(1): $(call fuzz_of,$(FUZZ_$(1)))
	$$(call msg,FUZZLD,$$@)
	$$(Q)$$(FUZZ_CC) $$(FUZZ_CFLAGS) -fsanitize=fuzzer -pthread $$(FUZZ_LDFLAGS) -o $$@ $$^ $$(PROTOBUF_C_LIBS) $$(FUZZ_LDLIBS)
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call fuzz_program,$(name))))

# --- The driver's, with many runs per second: no sanitizers and no guidance (fast.c) --------

FUZZ_FAST := $(patsubst %.c,$(FUZZ_B)/without/%.o,tests/suite/fuzz/fast.c tests/suite/fuzz/heap.c $(FUZZ_driver))
# heap.c implements calloc(). The compiler would replace its code by a call of calloc().
FUZZ_HEAP_CFLAGS := -fno-builtin-malloc -fno-builtin-calloc
FUZZ_FAST_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g \
	-fno-omit-frame-pointer $(FUZZ_HEAP_CFLAGS)

$(FUZZ_B)/without/driver/%.o: driver/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(HOST_DRIVER_CFLAGS) -O2 -fno-omit-frame-pointer $(SHIM_INCLUDES) -MD -MP -c -o $@ $<

$(FUZZ_B)/without/shim/%.o: shim/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(FUZZ_FAST_CFLAGS) $(FUZZ_KERNEL) -MD -MP -c -o $@ $<

$(FUZZ_B)/without/tests/%.o: tests/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(FUZZ_FAST_CFLAGS) $(FUZZ_KERNEL) -MD -MP -c -o $@ $<

$(FUZZ_B)/fast: $(FUZZ_FAST)
	$(call msg,LD,$@)
	$(Q)$(CC) -g -pthread -o $@ $^

MORE_BUILDS += $(FUZZ_B)/fast
MORE_UNIT_TESTS += tests/suite/fuzz/test-fast

# --- Running them --------------------------------------------------------------------

MORE_UNIT_TESTS += tests/suite/fuzz/replay
ifneq ($(shell command -v $(FUZZ_CC)),)
MORE_BUILDS += $(FUZZ_PROGRAMS)
endif

TIME ?= 60

SEQUENCES ?= 100000000
FAST_SEED ?= 1

CELLS_SEED ?= $(shell date +%s)

.PHONY: fuzz run-fuzz fuzz-driver-fast run-fuzz-driver-fast fuzz-cells run-fuzz-cells
fuzz-driver-fast: setup
	+@$(MAKE) run-fuzz-driver-fast

run-fuzz-driver-fast: $(FUZZ_B)/fast
	@$< --count $(SEQUENCES) --seed $(FAST_SEED) --found $(FUZZ_B)/fast-found \
		$(wildcard tests/suite/fuzz/driver/corpus tests/suite/fuzz/driver/crashes $(FUZZ_B)/work/driver)

fuzz-cells: setup
	+@$(MAKE) run-fuzz-cells

run-fuzz-cells: $(DAEMON_B)/fuzz/cells $(IPCBUSD_ASAN)
	@ASAN_OPTIONS=detect_leaks=1 $< --daemon $(IPCBUSD_ASAN) --seconds $(TIME) \
	  --seed $(CELLS_SEED) --found $(DAEMON_B)/fuzz/found

# The fuzzers of the daemon and of channels take as long as each of the others.
fuzz: setup
	+@$(MAKE) run-fuzz
ifeq ($(FUZZERS),)
	+@$(MAKE) run-fuzz-cells run-fuzz-channels TIME=$$(($(TIME) / $(words $(FUZZ_NAMES)) + 1))
endif

run-fuzz: $(FUZZ_PROGRAMS)
	@tests/suite/fuzz/run --time $(TIME) $(FUZZERS)
