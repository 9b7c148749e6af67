# SPDX-License-Identifier: MIT
#
# Direct channels: libipc/core/channel.c, unchanged, in the explorer's way (model.h,
# ../explore/policy.h).
#
#   make model-channels MODEL_COUNT=10000000 FROM=1   so many interleavings of the wait protocol

CHANNELS_S := tests/suite/channels
CHANNELS_B := $(B)/tests/suite/channels
# No sanitizers: they do not know the model's memory, and cost most of the interleavings.
CHANNELS_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -fno-strict-aliasing -I$(CHANNELS_S) -Ilibipc
CHANNELS_MODEL := $(addprefix $(CHANNELS_B)/,channel.o fibers.o memory.o model.o policy.o \
	scenarios.o)

$(addprefix $(CHANNELS_B)/,fibers.o model.o policy.o): CHANNELS_CFLAGS += $(SHIM_INCLUDES)

$(CHANNELS_B)/%.o: $(CHANNELS_S)/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(CHANNELS_CFLAGS) -MD -MP -c -o $@ $<

$(CHANNELS_B)/policy.o: tests/suite/explore/policy.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(CHANNELS_CFLAGS) -MD -MP -c -o $@ $<

$(CHANNELS_B)/channel.o: libipc/core/channel.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(CHANNELS_CFLAGS) -include $(CHANNELS_S)/seams.h -MD -MP -c -o $@ $<

$(CHANNELS_B)/model: $(CHANNELS_MODEL)
	$(call msg,LD,$@)
	$(Q)$(CC) -g -o $@ $^

# --- The wait protocol ------------------------------------------------------------------------

MODEL_COUNT ?= 10000000

.PHONY: model-channels run-model-channels
model-channels: setup
	+@$(MAKE) run-model-channels

run-model-channels: $(CHANNELS_B)/model
	@$< --count $(MODEL_COUNT) --from $(or $(FROM),1)

TEST_BUILDS += $(CHANNELS_B)/model
UNIT_TESTS += $(CHANNELS_B)/model
MORE_UNIT_TESTS += $(CHANNELS_S)/mutants
