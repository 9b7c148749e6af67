# SPDX-License-Identifier: MIT
#
# <ipc/ipc.hpp> on ipcbusd, compiled by g++ and clang++ with sanitizers. NAME.COMPILER is
# test-NAME.cc by one of them; `plain` is g++ without exceptions.

CPP_B := $(B)/tests/suite/languages/cpp
CPP_WARNINGS := -Wall -Wextra -Wpedantic -Werror
CPP_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CPP_FLAGS := -g1 $(CPP_WARNINGS) -Ilibipc/include -pthread
CPP_gcc := $(CXX) -std=c++17 $(CPP_FLAGS) $(CPP_SANITIZERS)
CPP_clang := clang++ -std=c++20 $(CPP_FLAGS) $(CPP_SANITIZERS)
CPP_plain := $(CXX) -std=c++17 -O2 $(CPP_FLAGS) -fno-exceptions

CPP_COMPILERS := gcc plain $(if $(shell command -v clang++),clang)
CPP_PROGRAMS := $(filter-out bytes.plain,$(foreach compiler,$(CPP_COMPILERS),\
	$(addsuffix .$(compiler),bytes results)))

# cpp_with COMPILER
define cpp_with
$(CPP_B)/%.$(1).o: tests/suite/languages/cpp/test-%.cc
	$$(call msg,CXX,$$@)
	$$(Q)$$(CPP_$(1)) -MMD -MP -c -o $$@ $$<

$(CPP_B)/%.$(1): $(CPP_B)/%.$(1).o | $(LIBIPC)
	$$(call msg,LD,$$@)
	$$(Q)$$(CPP_$(1)) $$(LDFLAGS) $$(call LIBIPC_RPATH,../../../../libipc) -o $$@ $$^ $$(LIBIPC)
endef
$(foreach compiler,gcc plain clang,$(eval $(call cpp_with,$(compiler))))
.PRECIOUS: $(CPP_B)/%.o

CPP_TESTS := $(CPP_PROGRAMS:%=$(CPP_B)/%)
$(CPP_B)/programs: FORCE
	$(Q)mkdir -p $(@D) && echo $(CPP_PROGRAMS) >$@

ALL += $(CPP_TESTS) $(CPP_B)/programs
UNIT_TESTS += tests/suite/languages/cpp/test-cpp
