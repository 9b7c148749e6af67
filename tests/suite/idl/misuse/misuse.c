// SPDX-License-Identifier: MIT
/*
 * The context of a statement of tests/suite/idl/misuse/cases: test-compile defines STATEMENT. All
 * names it may use are defined here. It uses the services of the golden files.
 */
#include "echo.ipc.h"
#include "streams.ipc.h"

int say(struct ipc_call *call, const Echo__SayRequest *request, void *userdata);
int log_line(struct ipc_call *call, const Echo__LogRequest *request, void *userdata);
int upload(struct ipc_stream *stream, void *userdata);
void said(int result, Echo__SayReply *reply, const struct ipc_error *error, void *userdata);
void watched(int result, const struct ipc_error *error, void *userdata);

extern struct ipc *ipc;
extern struct ipc_call *call;
extern struct ipc_stream *stream;
extern struct ipc_error *error;
extern struct echo *an_echo;
extern struct streams_clock *a_clock;
extern struct echo_ops echo_handlers;
extern struct streams_clock_ops streams_clock_handlers;
extern Echo__SayRequest *say_request;
extern Echo__LogRequest *log_request;
extern Echo__SayReply *say_reply;
extern Streams__Tick *tick;
extern Streams__Chunk *chunk;
extern Streams__Total *total;
extern const Streams__Tick *next_tick;

void misuse(void);
void misuse(void)
{
	STATEMENT;
}
