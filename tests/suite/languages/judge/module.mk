# SPDX-License-Identifier: MIT
#
# test-judge: compares messages in all languages with protobuf, with a peer in each language.

JUDGE_S := tests/suite/languages/judge
JUDGE_B := $(B)/$(JUDGE_S)

# protoc-c refuses a proto3 optional, so the plugin makes the messages for C.
JUDGE_C := $(addprefix $(JUDGE_B)/,judge.pb-c.c judge2.pb-c.c judge.ipc.c)
$(JUDGE_C) $(JUDGE_C:.c=.h) &: $(JUDGE_S)/judge.proto $(JUDGE_S)/judge2.proto $(B)/idl/protoc-gen-ipc
	$(call msg,PROTOC,$(JUDGE_B)/judge.ipc.c)
	$(Q)$(PROTOC) -I $(JUDGE_S) -I idl --plugin=protoc-gen-ipc=$(B)/idl/protoc-gen-ipc \
	  --ipc_out=$(JUDGE_B) judge.proto judge2.proto

$(JUDGE_B)/peer.o $(JUDGE_B)/pass.o: $(JUDGE_B)/%.o: $(JUDGE_S)/%.c $(JUDGE_C) | $(LIBIPC_HEADERS)
	$(call msg,CC,$@)
	$(Q)$(LIBIPC_COMPILE) -I$(JUDGE_B)

$(JUDGE_B)/peer: $(JUDGE_B)/peer.o $(JUDGE_B)/pass.o $(JUDGE_C:.c=.o) $(LIBIPC_OBJECTS)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(PROTOBUF_C_LIBS)

JUDGE_CXX = $(CXX) -std=c++17 -O1 -g1 $(IPC_CPP_CFLAGS) -I$(JUDGE_B) -pthread -MD -MP -c -o $@ $<
$(JUDGE_B)/judge.pb.o $(JUDGE_B)/judge2.pb.o: $(JUDGE_B)/%.pb.o: $(JUDGE_B)/%.pb.cc | $(JUDGE_B)/judge2.pb.h
	$(call msg,CXX,$@)
	$(Q)$(JUDGE_CXX)

$(JUDGE_B)/peer-cpp.o: $(JUDGE_S)/peer.cc | $(JUDGE_B)/judge.ipc.hpp $(JUDGE_B)/judge2.pb.h $(IPC_CPP_SHARED)
	$(call msg,CXX,$@)
	$(Q)$(JUDGE_CXX) $(CPP_WARNINGS)

$(JUDGE_B)/peer-cpp: $(addprefix $(JUDGE_B)/,peer-cpp.o judge.pb.o judge2.pb.o) $(CPP_IPC_MESSAGES) | $(LIBIPC)
	$(call msg,LD,$@)
	$(Q)$(CXX) $(LDFLAGS) $(call LIBIPC_RPATH,../../../../libipc) -pthread -o $@ $^ $(LIBIPC) $(IPC_CPP_LIBS)

$(JUDGE_B)/judge_pb2.py: $(JUDGE_S)/judge.proto $(JUDGE_S)/judge2.proto
	$(call msg,PROTOC,$@)
	$(Q)$(PROTOC) -I $(JUDGE_S) --python_out=$(JUDGE_B) judge.proto judge2.proto

TEST_BUILDS += $(JUDGE_B)/peer $(JUDGE_B)/peer-cpp $(JUDGE_B)/judge_pb2.py
UNIT_TESTS += $(JUDGE_S)/test-judge
MORE_UNIT_TESTS += $(JUDGE_S)/test-judge-all
