# SPDX-License-Identifier: MIT
#
# The resources that an unprivileged user can make the kernel hold, compared with the bounds of
# docs/security.md. `make test-budget` tries all ways, `make test` some of them.

BUDGET := $(B)/tests/suite/budget/test-budget

MORE_GUEST_RAW_TESTS += $(BUDGET)
MORE_BUILDS += $(BUDGET)

BUDGET_OBJECTS := $(patsubst %,$(B)/tests/suite/budget/%.o,test-budget couple machine)

$(BUDGET_OBJECTS): $(B)/tests/suite/budget/%.o: tests/suite/budget/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -Itests/suite/kernel -MD -MP -c -o $@ $<

$(BUDGET): $(BUDGET_OBJECTS) $(KTEST_COMMON)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

.PHONY: test-budget run-budget
test-budget: setup
	+@$(MAKE) run-budget

run-budget: all
	@tests/env/vm/run --no-servicemanager -- tests/suite/budget/test-budget --all
