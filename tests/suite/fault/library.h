/* SPDX-License-Identifier: MIT */
/*
 * A connection on the fake device with something of everything: a peer to call,
 * two objects that are called, and messages to this side; and the walk through
 * all points at which an operation on it can fail.
 */
#ifndef TESTS_FAIL_LIBRARY_H
#define TESTS_FAIL_LIBRARY_H

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/fake-device.h"
#include "tests/method.h"
#include "test.ipc.h"
#include "typed/typed.h"

#define CALL 100	/* the number of the call that is served */
#define HANDLES 9	/* that come with a cargo */
#define DATA	20	/* handles of the other side's end of a stream */
#define CONTROL	21

extern struct ipc *ipc;
extern struct test *peer;
extern struct ipc_object *object, *other;
extern struct ipc_call *kept;
extern struct ipc_call **keep_crates;	/* not NULL: where the next Ship is kept */
extern struct ipc_stream *opened;	/* from there; of the last handler's */
extern struct ipc_error error;
extern Ipc__Test__EchoReply *echoed;	/* by the last call_echo() */
extern int handled;			/* calls and oneways */
extern int destroyed;			/* objects */
extern int carry_fd;			/* closed by end() if it is one */

extern const struct test_ops ops;
/* How the next Echo is replied to. */
extern enum way { REPLY, KEEP, RAISE, EXPLAIN } way;

/* All that may come of what was refused. */
void assert_may(int r);

int send_reply(struct ipc_call *call, const char *text);
void on_destroy(void *userdata);

/* What the next waits return. */
void push(struct ipcbus_event event, const ProtobufCMessage *message,
	  const struct ipcbus_object *objects, unsigned int n);
void push_reply(const char *text);
struct ipcbus_event request_event(uint32_t kind, const char *method);
void push_request(uint32_t kind, const char *method, const char *text);
/* Handles, an object that comes home, and a file. */
void push_cargo(struct ipcbus_event event);
/* The other side's end of a stream: in the reply to an open, or in an open of this method
 * (else 0). */
void push_stream_end(struct ipcbus_event event, uint32_t method);
bool is_waiting(void);
/* Takes one of them, as an act or before one; or all. */
int act_process(void);
void process_all(void);

void begin(void);
int call_echo(const char *text);
/* Works both ways, and nothing is left of it. */
void end(void);

/*
 * prepare brings things to where the act is next; finish looks at what came of
 * it and does again what failed. Each run is between begin() and end().
 */
struct scenario {
	const char *name;
	void (*prepare)(void);
	int (*act)(void);
	void (*finish)(int r);
};

/* Prints TAP; the exit status. */
int library_walk(const struct scenario *scenarios, size_t n);

#endif /* TESTS_FAIL_LIBRARY_H */
