/* SPDX-License-Identifier: MIT */
/*
 * The protocol of streams, for those who keep to no rule of it: a StreamOpen with two objects, and
 * oneways to the two of the other side. streams.c attacks services with it, stream-services.c
 * clients.
 */
#ifndef HOSTILE_STREAMS_H
#define HOSTILE_STREAMS_H

#include "hostile.h"

#define STREAMS "victim.streams"
/* As much credit as an end may grant. */
#define MOST 16

/* Methods of the two objects of an end. */
enum { MESSAGE = 1, END = 2 };
enum { CREDIT = 1, CANCEL = 2 };

/* The two objects of the other side's end, from below. */
struct forged {
	struct ipc_proxy *data, *control;
};

/* A StreamOpen of the entries with tags 1001 and 1002; method 0: a reply to one. Returns its
 * size. */
size_t pack_open(uint8_t bytes[64], uint32_t method, uint32_t window);
void close_forged(struct forged *forged);

/* An object of ours, for both of ours. What comes to it is dropped. */
struct ipc_object *own_object(struct ipc *ipc);

/* A oneway of bytes, and one of a field, as StreamCredit and Stream__Number have it. */
int say_bytes(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size);
int say_number(struct ipc_proxy *proxy, uint32_t code, uint32_t value);
/* Anything else. */
void say_nonsense(struct ipc *ipc, struct forged *forged);

/* What came to this process is released. */
void serve_all(struct ipc *ipc);

/* Uses streams of the service, as a client should. */
bool streams_work(struct ipc_proxy *service);

#endif
