# SPDX-License-Identifier: MIT
#
# The cost of each operation if other processes have created n objects of a kind, up to the limits.

COST_PROG := $(B)/tests/suite/cost/cost
COST_OBJECTS := $(patsubst %,$(B)/tests/suite/cost/%.o,main ops world clock)

MORE_BUILDS += $(COST_PROG)
MORE_UNIT_TESTS += tests/suite/cost/test-sample

$(COST_OBJECTS): $(B)/tests/suite/cost/%.o: tests/suite/cost/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MD -MP -c -o $@ $<

$(COST_PROG): $(COST_OBJECTS)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^

.PHONY: test-cost
test-cost: setup
	+@$(MAKE) $(JOBS) $(COST_PROG) $(DRIVER_KO)
	@tests/suite/cost/run --most 100000 --timeout 1800
