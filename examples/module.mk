# SPDX-License-Identifier: MIT
#
# The examples, built with the tree: echo, and story with the demo. Each also
# has a Makefile of its own that builds it against an installed libipc, as a
# user would; tests/install does that.

EXAMPLES := $(B)/examples
ECHO_STUBS := $(EXAMPLES)/echo/echo.ipc.o $(EXAMPLES)/echo/echo.pb-c.o
STORY_STUBS := $(EXAMPLES)/story/story.ipc.o $(EXAMPLES)/story/story.pb-c.o
STORY_SERVER := server log where
STORY_CLIENT := client names call oneway callback fd pages death
STORY_PROGRAMS := $(addprefix $(EXAMPLES)/story/,server client newer)

$(EXAMPLES)/%.o: examples/%.c | $(IPC_SHARED_HEADERS) $(EXAMPLES)/echo/echo.ipc.h \
		$(EXAMPLES)/story/story.ipc.h $(EXAMPLES)/story/newer.ipc.h
	$(call msg,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(IPC_STUB_CFLAGS) -I$(@D) -MMD -MP -c -o $@ $<

$(EXAMPLES)/echo/server: $(EXAMPLES)/echo/server.o $(ECHO_STUBS)
$(EXAMPLES)/echo/client: $(EXAMPLES)/echo/client.o $(ECHO_STUBS)
$(EXAMPLES)/story/server: $(STORY_SERVER:%=$(EXAMPLES)/story/%.o) $(STORY_STUBS)
$(EXAMPLES)/story/client: $(STORY_CLIENT:%=$(EXAMPLES)/story/%.o) $(STORY_STUBS)
$(EXAMPLES)/story/newer: $(addprefix $(EXAMPLES)/story/newer,.o .ipc.o .pb-c.o)

EXAMPLE_PROGRAMS := $(EXAMPLES)/echo/server $(EXAMPLES)/echo/client $(STORY_PROGRAMS)

# Not $(LIBIPC), which is only set further on.
$(EXAMPLE_PROGRAMS): | $(B)/libipc/libipc.so
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../libipc) -o $@ $^ \
	  $(LIBIPC) $(PROTOBUF_C_LIBS)

# What `make demo` needs, and no more.
.PHONY: demo-programs
demo-programs: $(STORY_PROGRAMS) $(B)/servicemanager/servicemanager \
  $(B)/tests/bench/bench $(B)/driver/$(KERNEL)/ipcbus.ko $(B)/tests.list

ALL += $(EXAMPLE_PROGRAMS)
GUEST_RAW_TESTS += examples/story/test-native
GUEST_FILES += $(EXAMPLE_PROGRAMS) examples/story/demo examples/story/native $(B)/tests/bench/bench
