# SPDX-License-Identifier: MIT
#
# The examples, built with the tree, and the story, built with the demo. Each folder also has its
# own Makefile, which builds the example against an installed libipc. tests/suite/install tests
# these. test-examples runs the examples in the guest.

EXAMPLES := $(B)/examples
STORY_STUBS := $(EXAMPLES)/story/story.ipc.o $(EXAMPLES)/story/story.pb-c.o
STORY_SERVER := server log where
STORY_CLIENT := client names call oneway callback fd pages death
STORY_PROGRAMS := $(addprefix $(EXAMPLES)/story/,server client newer)

# A server, a client and a .proto file with the name of the folder.
EXAMPLE_NAMES := echo chat files frames fanout clock journal
EXAMPLE_HEADERS := $(foreach name,$(EXAMPLE_NAMES),$(EXAMPLES)/$(name)/$(name).ipc.h) \
	$(EXAMPLES)/testing/shop.ipc.h

$(EXAMPLES)/%.o: examples/%.c | $(IPC_SHARED_HEADERS) $(EXAMPLE_HEADERS) \
		$(EXAMPLES)/story/story.ipc.h $(EXAMPLES)/story/newer.ipc.h
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(@D) -MD -MP -c -o $@ $<

# C++ examples: greet, and the examples that Python and Rust also have.
CPP_EXAMPLES := chat clock frames files
CPP_EXAMPLE_COMPILE = $(CXX) -std=c++17 -O2 -g -Wall -Wextra -Werror $(IPC_CPP_CFLAGS) \
	-I$(EXAMPLES)/cpp $(CPP_EXAMPLES:%=-I$(EXAMPLES)/%) -MD -MP -c -o $@ $<
CPP_EXAMPLE_SHARED := $(addprefix $(EXAMPLES)/cpp/,ipc.pb.o options.pb.o)

$(EXAMPLES)/%.o: examples/%.cc | $(EXAMPLES)/cpp/greet.ipc.hpp $(foreach name,$(CPP_EXAMPLES), \
		$(EXAMPLES)/$(name)/$(name).ipc.hpp)
	$(call msg,CXX,$@)
	$(Q)$(CPP_EXAMPLE_COMPILE)

$(EXAMPLES)/%.pb.o: $(EXAMPLES)/%.pb.cc | $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(CPP_EXAMPLE_COMPILE)

$(EXAMPLES)/cpp/ipc.pb.o $(EXAMPLES)/cpp/options.pb.o: $(EXAMPLES)/cpp/%.o: $(IPC_CPP_B)/ipc/%.cc \
		| $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(CPP_EXAMPLE_COMPILE)

# example NAME STUB
define example
$(EXAMPLES)/$(1)/server: $(EXAMPLES)/$(1)/server.o $(EXAMPLES)/$(1)/$(2).ipc.o \
	$(EXAMPLES)/$(1)/$(2).pb-c.o
$(EXAMPLES)/$(1)/client: $(EXAMPLES)/$(1)/client.o $(EXAMPLES)/$(1)/$(2).ipc.o \
	$(EXAMPLES)/$(1)/$(2).pb-c.o
endef

$(foreach name,$(EXAMPLE_NAMES),$(eval $(call example,$(name),$(name))))
CPP_EXAMPLE_PROGRAMS := $(addprefix $(EXAMPLES)/cpp/,server client $(foreach name,$(CPP_EXAMPLES), \
	$(name)_server $(name)_client))
$(CPP_EXAMPLE_PROGRAMS): %: %.o $(CPP_EXAMPLE_SHARED)
$(EXAMPLES)/cpp/server $(EXAMPLES)/cpp/client: $(EXAMPLES)/cpp/greet.pb.o
$(foreach name,$(CPP_EXAMPLES),$(eval $(EXAMPLES)/cpp/$(name)_server $(EXAMPLES)/cpp/$(name)_client: \
	$(EXAMPLES)/$(name)/$(name).pb.o))

$(EXAMPLES)/journal/server: $(EXAMPLES)/journal/file.o
$(EXAMPLES)/journal/reader: $(EXAMPLES)/journal/reader.o $(EXAMPLES)/journal/file.o
$(EXAMPLES)/story/server: $(STORY_SERVER:%=$(EXAMPLES)/story/%.o) $(STORY_STUBS)
$(EXAMPLES)/story/client: $(STORY_CLIENT:%=$(EXAMPLES)/story/%.o) $(STORY_STUBS)
$(EXAMPLES)/story/newer: $(addprefix $(EXAMPLES)/story/newer,.o .ipc.o .pb-c.o)

# raw uses bytes and has no .proto file.
$(EXAMPLES)/raw/server: $(EXAMPLES)/raw/server.o
$(EXAMPLES)/raw/client: $(EXAMPLES)/raw/client.o

EXAMPLE_PROGRAMS := $(foreach name,$(EXAMPLE_NAMES) raw,$(EXAMPLES)/$(name)/server \
	$(EXAMPLES)/$(name)/client) $(CPP_EXAMPLE_PROGRAMS) $(EXAMPLES)/journal/reader $(STORY_PROGRAMS)

# The guest has neither a C++ library nor protobuf for C++, so link both statically.
$(CPP_EXAMPLE_PROGRAMS): EXAMPLE_LIBS := $(IPC_CPP_LIBS) -lstdc++ -lm
$(EXAMPLES)/cpp/server $(EXAMPLES)/cpp/client: EXAMPLE_LIBS := -static-libgcc -Wl,-Bstatic \
	-lprotobuf -lstdc++ -Wl,-Bdynamic -lm -pthread

$(EXAMPLE_PROGRAMS): | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $^ \
	  $(LIBIPC) $(PROTOBUF_C_LIBS) $(EXAMPLE_LIBS)

# A program and its test.
$(EXAMPLES)/testing/test-shop: $(addprefix $(EXAMPLES)/testing/,test-shop.o shop.o shop.ipc.o \
		shop.pb-c.o) $(LIBIPC_TEST_A) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $^ $(LIBIPC) \
	  $(PROTOBUF_C_LIBS) $(CHECK_LIBS)

# The programs that `make demo` needs.
.PHONY: demo-daemon demo-guest demo-native
DEMO_PROGRAMS := $(STORY_PROGRAMS) $(B)/servicemanager/servicemanager $(B)/bench/bench
demo-daemon: $(DEMO_PROGRAMS) $(IPCBUSD)
demo-guest demo-native: $(DEMO_PROGRAMS) $(B)/driver/$(KERNEL)/ipcbus.ko $(B)/tests.list

TEST_BUILDS += $(EXAMPLE_PROGRAMS) $(EXAMPLES)/testing/test-shop
MORE_GUEST_TESTS += examples/test-examples
MORE_GUEST_RAW_TESTS += examples/story/test-native
UNIT_TESTS += examples/story/test-daemon examples/testing/test-here
GUEST_FILES += $(EXAMPLE_PROGRAMS) examples/story/demo examples/story/native $(B)/bench/bench
