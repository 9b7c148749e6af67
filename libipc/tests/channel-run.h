/* SPDX-License-Identifier: MIT */
/*
 * A server process on a bus that ipcbusd runs, and a connection to it, for tests of direct
 * channels.
 */
#ifndef IPC_CHANNEL_RUN_H
#define IPC_CHANNEL_RUN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ipc/raw.h>

#include "test-run.h"

/* Bytes of a reply that does not fit into a channel. */
#define LARGE 27000U

/* Methods of the server. */
enum {
	WHERE = 1, ECHO, REPLY_LARGE, FAIL, FAIL_LARGE, SLEEP, CANCELS, ADD, GET_ADDED, WHO, DIE,
	STOP, SET_BACK, GET_BACK, CALL_BACK, CALL_BACK_LATE, CALL_BACK_DETACHED, NUDGE,
	GIVE_OBJECT, GIVE_FILE, FORK,
};

extern struct ipc_test_bus *bus;
extern struct ipc *ipc;
extern struct ipc_proxy *proxy;	/* the server's object */
extern pid_t server;
/* Set it before begin(): the server calls ipc_set_clear(). */
extern int server_is_clear;
/* Of its streams; 0: the default. */
extern uint32_t server_window;

/* The operations of the server's object, for any process that serves. */
extern const struct ipc_raw_ops server_ops;

/* Start the bus, the server with that many threads, and the connection. channels is the value of
 * IPC_CHANNELS. begin_ops() chooses the operations of the server's object. begin() also calls until
 * the proxy has a channel. */
void begin_ops(unsigned int threads, const char *channels, const struct ipc_raw_ops *ops);
void begin_with(unsigned int threads, const char *channels);
void begin(unsigned int threads);
void end(void);
/* Replaces the connection and its proxy by a new connection and proxy. */
void connect_again(void);

/* Replies with a number. For handlers. */
int reply_number(struct ipc_call *call, uint32_t number);

/* Calls a method with a reply that is a number. call_for() returns 0 or -errno; get() fails the
 * test. */
int call_for(uint32_t code, const void *data, size_t size, uint32_t *ret_number);
uint32_t get(uint32_t code);
/* Calls a method with a timeout and discards the reply. */
int call_within(uint32_t code, uint64_t usec);

/* Sends SIGSTOP to the server, and waits until it has stopped. */
void stop_server(void);

/* Returns how many parts of channels the server has mapped. */
unsigned int count_parts(void);

uint64_t now_usec(void);

#endif /* IPC_CHANNEL_RUN_H */
