# SPDX-License-Identifier: MIT
#
# The guide (docs/). Its programs are blocks of its pages, extracted and built as a reader would
# build them. test-here runs the blocks that only need a compiler, and test-guide in the guest runs
# the blocks that need a bus. tests/suite/static/guide checks links, anchors, and that no block is
# left out. `make guide` writes HTML with Sphinx.

GUIDE := $(B)/docs/guide
# PAGE:PROTO of the pages with a server and a client.
GUIDE_BUILT := deadlines:slow oneways:meter errors:shelf
GUIDE_PAGES := $(wildcard docs/*.md docs/guide/*.md)

# page PAGE PROTO
define guide_page
$(GUIDE)/$(1)/$(2).proto $(GUIDE)/$(1)/server.c $(GUIDE)/$(1)/client.c &: \
		docs/guide/$(1).md tests/suite/guide/extract
	$$(call msg,EXTRACT,$$@)
	$$(Q)tests/suite/guide/extract $$< $$(@D)

$(GUIDE)/$(1)/$(2).pb-c.c $(GUIDE)/$(1)/$(2).pb-c.h $(GUIDE)/$(1)/$(2).ipc.c \
$(GUIDE)/$(1)/$(2).ipc.h &: $(GUIDE)/$(1)/$(2).proto $(B)/idl/protoc-gen-ipc
	$$(call msg,PROTOC,$$@)
	$$(Q)$$(PROTOC) -I $$(<D) -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --ipc_out=$$(@D) $$<

$(GUIDE)/$(1)/server.o $(GUIDE)/$(1)/client.o: $(GUIDE)/$(1)/%.o: $(GUIDE)/$(1)/%.c \
		| $(GUIDE)/$(1)/$(2).ipc.h $(IPC_SHARED_HEADERS)
	$$(call msg,CC,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(IPC_STUB_CFLAGS) -I$$(@D) -MD -MP -c -o $$@ $$<

$(GUIDE)/$(1)/server $(GUIDE)/$(1)/client: %: %.o $(GUIDE)/$(1)/$(2).ipc.o \
	$(GUIDE)/$(1)/$(2).pb-c.o

GUIDE_PROGRAMS += $(GUIDE)/$(1)/server $(GUIDE)/$(1)/client
endef

GUIDE_PROGRAMS :=
$(foreach page,$(GUIDE_BUILT),$(eval $(call guide_page,$(firstword $(subst :, ,$(page))),$(lastword $(subst :, ,$(page))))))

$(GUIDE_PROGRAMS): | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call LIBIPC_RPATH,../../../libipc) -pthread -o $@ $^ \
	  $(LIBIPC) $(PROTOBUF_C_LIBS)

MORE_BUILDS += $(GUIDE_PROGRAMS)
MORE_GUEST_TESTS += tests/suite/guide/test-guide
GUEST_FILES += $(GUIDE_PROGRAMS) $(GUIDE_PAGES) tests/suite/guide/extract
MORE_UNIT_TESTS += tests/suite/guide/test-here tests/suite/guide/test-html

# --- HTML --------------------------------------------------------------------------

.PHONY: guide
guide: $(B)/setup-guide.done
	@VERSION=$(VERSION) scripts/guide $(B)/guide
	@echo "$(B)/guide/index.html"
