# SPDX-License-Identifier: MIT
#
# <ipc/ipc.hpp> and what protoc --ipc_out=lang=cpp writes, on ipcbusd, compiled by g++ and clang++
# with sanitizers. NAME.COMPILER is test-NAME.cc by one of them; `plain` is g++ without
# exceptions, and `fast` is optimized, for the guest.

CPP_S := tests/suite/languages/cpp
CPP_B := $(B)/$(CPP_S)
CPP_WARNINGS := -Wall -Wextra -Wpedantic -Werror
CPP_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CPP_FLAGS := -g1 $(CPP_WARNINGS) $(IPC_CPP_CFLAGS) -I$(CPP_B) -pthread
CPP_gcc := $(CXX) -std=c++17 $(CPP_FLAGS) $(CPP_SANITIZERS)
CPP_clang := clang++ -std=c++20 $(CPP_FLAGS) $(CPP_SANITIZERS)
CPP_fast := $(CXX) -std=c++17 -O2 $(CPP_FLAGS)
CPP_plain := $(CXX) -std=c++17 -O2 $(CPP_FLAGS) -fno-exceptions

CPP_COMPILERS := gcc plain $(if $(shell command -v clang++),clang)
CPP_PROGRAMS := results.plain $(foreach compiler,$(filter-out plain,$(CPP_COMPILERS)),\
	$(addsuffix .$(compiler),bytes callbacks codec exit restart results typed large))

CPP_STUBS := $(addprefix $(CPP_B)/,desk.ipc.hpp plain.ipc.hpp plain2.ipc.hpp)

# cpp_with COMPILER
define cpp_with
$(CPP_B)/%.$(1).o: $(CPP_S)/test-%.cc | $(CPP_STUBS) $(IPC_CPP_SHARED)
	$$(call msg,CXX,$$@)
	$$(Q)$$(CPP_$(1)) -MD -MP -c -o $$@ $$<

$(CPP_B)/%.$(1): $(CPP_B)/%.$(1).o | $(LIBIPC)
	$$(call msg,LD,$$@)
	$$(Q)$$(CPP_$(1)) $$(LDFLAGS) $$(call LIBIPC_RPATH,../../../../libipc) -o $$@ \
	  $$(filter %.o,$$^) $$(LIBIPC) $$(IPC_CPP_LIBS)
endef
$(foreach compiler,gcc plain clang fast,$(eval $(call cpp_with,$(compiler))))
.PRECIOUS: $(CPP_B)/%.o

# What protoc makes, for all of them.
CPP_IPC_MESSAGES := $(CPP_B)/ipc.pb.o $(CPP_B)/options.pb.o
CPP_MESSAGES := $(CPP_B)/desk.pb.o $(CPP_IPC_MESSAGES)
$(addprefix $(CPP_B)/,desk.pb.o plain.pb.o plain2.pb.o): $(CPP_B)/%.pb.o: $(CPP_B)/%.pb.cc | $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(CXX) -std=c++17 -O1 $(IPC_CPP_CFLAGS) -MD -MP -c -o $@ $<
$(CPP_B)/ipc.pb.o $(CPP_B)/options.pb.o: $(CPP_B)/%.o: $(IPC_CPP_B)/ipc/%.cc | $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(CXX) -std=c++17 -O1 $(IPC_CPP_CFLAGS) -MD -MP -c -o $@ $<
$(foreach name,typed large,$(foreach compiler,gcc clang fast,$(CPP_B)/$(name).$(compiler))): \
	$(CPP_MESSAGES)
$(CPP_B)/codec.gcc $(CPP_B)/codec.clang: $(CPP_B)/plain.pb.o $(CPP_B)/plain2.pb.o $(CPP_IPC_MESSAGES)

CPP_TESTS := $(CPP_PROGRAMS:%=$(CPP_B)/%)
$(CPP_B)/programs: FORCE
	$(Q)mkdir -p $(@D) && echo $(CPP_PROGRAMS) >$@

MORE_BUILDS += $(CPP_TESTS) $(CPP_B)/programs
MORE_UNIT_TESTS += $(CPP_S)/test-cpp
