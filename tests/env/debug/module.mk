# SPDX-License-Identifier: MIT
#
# Kernels with checkers: what is built for them, and `make test-uml`,
# `make test-debug`. DEBUG_TESTS run in these kernels alone; mutants.ko is a
# module of bugs that show whether the checkers report them.

DEBUG_DIR := $(B)/tests/env/debug
DEBUG_TESTS += $(DEBUG_DIR)/test-fail $(DEBUG_DIR)/test-regions
ALL += $(DEBUG_DIR)/test-fail $(DEBUG_DIR)/test-regions

$(addprefix $(DEBUG_DIR)/,test-fail.o fail.o test-regions.o kcov.o): $(DEBUG_DIR)/%.o: tests/env/debug/%.c
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Idriver/uapi -MMD -MP -c -o $@ $<

# Symbols are bound at the start: looking one up must not be what fails.
$(DEBUG_DIR)/test-fail: $(DEBUG_DIR)/test-fail.o $(DEBUG_DIR)/fail.o \
		$(B)/tests/suite/kernel/raw.o $(B)/tests/suite/kernel/fixture.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,-z,now -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

$(DEBUG_DIR)/test-regions: $(DEBUG_DIR)/test-regions.o $(DEBUG_DIR)/kcov.o \
		$(B)/tests/suite/kernel/raw.o $(B)/tests/suite/kernel/fixture.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell $(PKG_CONFIG) --libs check)

MUTANTS_KO := $(B)/debug/$(KERNEL)/mutants.ko
MUTANTS_SOURCES := $(wildcard tests/env/debug/mutants/*)

$(MUTANTS_KO): $(MUTANTS_SOURCES) $(call driver_ready,$(KERNEL))
	$(call msg,KBUILD,$@)
	@ln -sfn $(patsubst %,$(CURDIR)/%,$(MUTANTS_SOURCES)) $(@D)
	+$(Q)$(call kbuild,$(KERNEL))
	@touch $@

.PHONY: test-uml test-debug run-test-uml run-test-debug debug-modules

# For one kernel at a time: make KERNEL=kasan debug-modules
debug-modules: $(DRIVER_KO) $(MUTANTS_KO)

test-uml test-debug: setup $(B)/setup-debug.done
	+@$(MAKE) run-$@

run-test-uml: all
	@tests/env/debug/run uml

run-test-debug: all
	@tests/env/debug/run uml kasan kcsan kmsan
