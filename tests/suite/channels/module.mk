# SPDX-License-Identifier: MIT
#
# Direct channels: libipc/shm/channel.c, channel-wait.c and channel-ring.c, unchanged, with
# hostile peers (hostile.c) and under the explorer (model.h, ../explore/policy.h).
#
#   make fuzz-channels TIME=60            hostile peers; CHANNELS_SEED=, also a part of make fuzz
#   make test-kills KILLS=10000           processes that are killed in calls, on a bus of ipcbusd
#   make model-channels MODEL_COUNT=10000000 FROM=1   interleavings of the wait protocol

CHANNELS_S := tests/suite/channels
CHANNELS_B := $(B)/tests/suite/channels
# No sanitizers: they do not know the model's memory, and reduce the number of interleavings.
CHANNELS_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -fno-strict-aliasing -I$(CHANNELS_S) -Ilibipc
CHANNELS_FILES := channel channel-wait channel-ring
CHANNELS_MODEL := $(addprefix $(CHANNELS_B)/,$(CHANNELS_FILES:%=shm/%.o) fibers.o memory.o model.o \
	policy.o scenarios.o streams.o)

$(addprefix $(CHANNELS_B)/,fibers.o model.o policy.o): CHANNELS_CFLAGS += $(SHIM_INCLUDES)

$(CHANNELS_B)/%.o: $(CHANNELS_S)/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(CHANNELS_CFLAGS) -MD -MP -c -o $@ $<

$(CHANNELS_B)/policy.o: tests/suite/explore/policy.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(CHANNELS_CFLAGS) -MD -MP -c -o $@ $<

$(CHANNELS_B)/shm/%.o: libipc/shm/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(CHANNELS_CFLAGS) -include $(CHANNELS_S)/seams.h -MD -MP -c -o $@ $<

$(CHANNELS_B)/model: $(CHANNELS_MODEL)
	$(call msg,LD,$@)
	$(Q)$(CC) -g -o $@ $^

# --- Hostile peers ----------------------------------------------------------------------------

CHANNELS_HOSTILE := $(CHANNELS_B)/asan/hostile $(CHANNELS_B)/tsan/hostile

$(CHANNELS_B)/asan/%: CHANNELS_SANITIZER := $(HOST_asan)
$(CHANNELS_B)/tsan/%: CHANNELS_SANITIZER := $(HOST_tsan)

CHANNELS_HOSTILE_FILES := $(addprefix $(CHANNELS_S)/,hostile.c hostile-rings.c hostile.h) \
	$(CHANNELS_FILES:%=libipc/shm/%.c) $(CHANNELS_FILES:%=libipc/shm/%.h) \
	$(addprefix libipc/shm/channel-,parts.h peer.h)

$(CHANNELS_HOSTILE): %/hostile: $(CHANNELS_HOSTILE_FILES)
	$(call msg,CC,$@)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -O1 -g -fno-strict-aliasing -Ilibipc $(CHANNELS_SANITIZER) \
	  -pthread -o $@ $(filter %.c,$^)

CHANNELS_SEED ?= $(shell date +%s)

.PHONY: fuzz-channels run-fuzz-channels
fuzz-channels: setup
	+@$(MAKE) run-fuzz-channels

run-fuzz-channels: $(CHANNELS_HOSTILE)
	@for program in $^; do \
	  $$program --seconds $$(($(TIME) / 2 + 1)) --seed $(CHANNELS_SEED) || exit 1; \
	done

# --- The wait protocol ------------------------------------------------------------------------

MODEL_COUNT ?= 10000000

.PHONY: model-channels run-model-channels
model-channels: setup
	+@$(MAKE) run-model-channels

run-model-channels: $(CHANNELS_B)/model
	@$< --count $(MODEL_COUNT) --from $(or $(FROM),1)

# --- Clients and servers that are killed ------------------------------------------------------

$(CHANNELS_B)/kills.o: $(CHANNELS_S)/kills.c | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE)

$(CHANNELS_B)/kills: $(CHANNELS_B)/kills.o $(DAEMON_B)/bus.o $(LIBIPC_OBJECTS)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(PROTOBUF_C_LIBS)

.PHONY: run-channel-kills
run-test-kills: run-channel-kills
run-channel-kills: $(CHANNELS_B)/kills $(IPCBUSD_ASAN)
	@$< --daemon $(IPCBUSD_ASAN) --kills $(KILLS)

# --- Seccomp filters ---------------------------------------------------------------------------

$(CHANNELS_B)/filtered: $(CHANNELS_B)/filtered.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

TEST_BUILDS += $(CHANNELS_B)/model $(CHANNELS_B)/asan/hostile $(CHANNELS_B)/filtered
UNIT_TESTS += $(CHANNELS_B)/model $(CHANNELS_B)/asan/hostile $(CHANNELS_S)/test-filtered
MORE_BUILDS += $(CHANNELS_B)/tsan/hostile $(CHANNELS_B)/kills
MORE_UNIT_TESTS += $(CHANNELS_B)/tsan/hostile $(CHANNELS_B)/kills $(CHANNELS_S)/mutants
