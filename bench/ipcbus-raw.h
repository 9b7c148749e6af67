/* SPDX-License-Identifier: MIT */
/*
 * Functions of the raw transport for crowd.c, which measures it on a bus with a load.
 */
#ifndef BENCH_IPCBUS_RAW_H
#define BENCH_IPCBUS_RAW_H

#include "bench.h"

#include "ipcbus.h"

struct daemon_link;

/**
 * struct ipcbus_state - state of the client or of the server
 * @fd: /dev/ipcbus
 * @link: to ipcbusd, instead of @fd
 * @region: the mapping of the region
 * @peer: the other side's handle
 * @x: the exchange, filled in for the next ioctl
 * @sends: a batch
 * @more: further events that arrived with the last event
 * @release: the buffers of all of them
 * @reply: the bytes of a reply
 */
struct ipcbus_state {
	int fd;
	struct daemon_link *link;
	const char *region;
	uint32_t peer;
	struct ipcbus_exchange x;
	struct ipcbus_send sends[BENCH_MAX_BATCH];
	struct ipcbus_event more[BENCH_MAX_BATCH - 1];
	uint64_t release[BENCH_MAX_BATCH];
	char reply[BENCH_REPLY_SIZE];
};

/* Releases the last event's buffer, sends x.send, and waits for an event of the expected kind. */
int ipcbus_exchange(struct ipcbus_state *s, uint32_t expected);
/* Makes x.send the reply to the last event. */
void ipcbus_put_reply(struct ipcbus_state *s);
int ipcbus_create_node(struct ipcbus_state *s, uint64_t *ret_node);
/* Opens the device and becomes the manager; then serves calls until it fails. */
int ipcbus_start(struct bench_case *c);
int ipcbus_serve_calls(struct bench_case *c);
int ipcbus_connect(struct bench_case *c);
int ipcbus_round(struct bench_case *c);

#endif /* BENCH_IPCBUS_RAW_H */
