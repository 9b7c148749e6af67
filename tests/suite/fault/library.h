/* SPDX-License-Identifier: MIT */
/*
 * A connection on the fake device with objects of every kind: a peer to call, two objects that are
 * called, and messages to this side. Also the walk through all points at which an operation on it
 * can fail.
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

#define CALL 100	/* the number of the served call */
#define HANDLES 9	/* number of handles that arrive with a cargo */
#define DATA	20	/* handles of the remote side of a stream */
#define CONTROL	21

extern struct ipc *ipc;
extern struct test *peer;
extern struct ipc_object *object, *other;
extern struct ipc_call *kept;
extern struct ipc_call **keep_crates;	/* not NULL: keeps the next Ship call here */
extern struct ipc_stream *opened;	/* opened by the remote side; of the last handler */
extern struct ipc_error error;
extern Ipc__Test__EchoReply *echoed;	/* by the last call_echo() */
extern int handled;			/* number of handled calls and oneways */
extern int destroyed;			/* number of destroyed objects */
extern int carry_fd;			/* closed by end(), unless negative */

extern const struct test_ops ops;
/* How the handler ends the next Echo. */
extern enum way { REPLY, KEEP, RAISE, EXPLAIN } way;

/* Fails unless @r is a possible result of a refused operation. */
void assert_may(int r);

int send_reply(struct ipc_call *call, const char *text);
void on_destroy(void *userdata);

/* Queue an event for the next wait. */
void push(struct ipcbus_event event, const ProtobufCMessage *message,
	  const struct ipcbus_object *objects, unsigned int n);
void push_reply(const char *text);
struct ipcbus_event request_event(uint32_t kind, const char *method);
void push_request(uint32_t kind, const char *method, const char *text);
/* Handles, an object that returns home, and a file. */
void push_cargo(struct ipcbus_event event);
/* Queues the remote side of a stream: in a reply, or in an open of this method (if not 0). */
void push_stream_end(struct ipcbus_event event, uint32_t method);
bool is_waiting(void);
/* act_process() handles an event, as an act or before an act; process_all() handles all. */
int act_process(void);
void process_all(void);

void begin(void);
int call_echo(const char *text);
/* Checks calls in both directions, closes, and checks that no object is left. */
void end(void);

/*
 * prepare sets up the state for the act. finish checks the result, and repeats the operation if it
 * failed. Each run is between begin() and end().
 */
struct scenario {
	const char *name;
	void (*prepare)(void);
	int (*act)(void);
	void (*finish)(int r);
};

/* Prints TAP. Returns the exit status. */
int library_walk(const struct scenario *scenarios, size_t n);

#endif /* TESTS_FAIL_LIBRARY_H */
