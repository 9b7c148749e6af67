# SPDX-License-Identifier: MIT
#
# Builds for kernels with checkers, and `make test-debug`, `make test-debug-more` and `make
# test-debug-all`.

.PHONY: test-debug test-debug-more test-debug-all run-test-debug run-test-debug-more \
	run-test-debug-all debug-modules

# For a single kernel: make KERNEL=kasan debug-modules
debug-modules: $(DRIVER_KO)

test-debug test-debug-more test-debug-all: setup $(B)/setup-debug.done
	+@$(MAKE) run-$@

run-test-debug: tests
	@tests/env/debug/run uml

run-test-debug-more: tests
	@tests/env/debug/run --part kasan kcsan kmsan

run-test-debug-all: tests
	@tests/env/debug/run uml kasan kcsan kmsan
