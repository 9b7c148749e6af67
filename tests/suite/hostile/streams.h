/* SPDX-License-Identifier: MIT */
/*
 * The protocol of streams, for attackers: a StreamOpen with two objects, and oneways to the two
 * objects of the other side. streams.c attacks services with it, stream-services.c clients.
 */
#ifndef HOSTILE_STREAMS_H
#define HOSTILE_STREAMS_H

#include "hostile.h"

#define STREAMS "victim.streams"
/* The maximum credit that an end may grant. */
#define MOST 16

/* Methods of the two objects of an end. */
enum { MESSAGE = IPC_NUMBER_BUILTIN + 16, END };
enum { CREDIT = IPC_NUMBER_BUILTIN + 16, CANCEL };

/* The two objects of the other side's end. */
struct forged {
	struct ipc_proxy *data, *control;
};

/* Packs a StreamOpen with the entries 1001 and 1002; method 0: for a reply. Returns its size. */
size_t pack_open(uint8_t bytes[64], uint32_t method, uint32_t window);
void close_forged(struct forged *forged);

/* Returns an object for both of our sides. Its messages are discarded. */
struct ipc_object *own_object(struct ipc *ipc);

/* Send a oneway of bytes, and one with a field as in StreamCredit and Stream__Number. */
int say_bytes(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size);
int say_number(struct ipc_proxy *proxy, uint32_t code, uint32_t value);
/* Sends random invalid messages. */
void say_nonsense(struct ipc *ipc, struct forged *forged);

/* Releases all messages to this process. */
void serve_all(struct ipc *ipc);

/* Uses streams of the service correctly. Returns whether that works. */
bool streams_work(struct ipc_proxy *service);

#endif
