/* SPDX-License-Identifier: MIT */
/*
 * Being a monitor of the bus (driver/uapi/ipcbus-monitor.h): an open file of its
 * own, beside libipc, from which records come one by one.
 */
#ifndef IPCCTL_TAP_H
#define IPCCTL_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipcbus-monitor.h"

struct tap;

/**
 * struct record - one record of a monitor
 * @head: the driver's
 * @data: @head.data_kept bytes of the payload
 * @objects: @head.object_count entries
 * @raw: all of it as it came, @raw_size bytes
 */
struct record {
	struct ipcbus_tap head;
	const unsigned char *data;
	const struct ipcbus_tap_object *objects;
	const void *raw;
	size_t raw_size;
};

/* Begins to monitor: flags and pid as in struct ipcbus_monitor, of each payload at most
 * max_data bytes. Says itself what went wrong; an enum status. */
int tap_open(struct tap **ret_tap, unsigned int flags, unsigned int pid, unsigned int max_data);
struct tap *tap_close(struct tap *tap);

/* The next record, which stays until the next call: 1; 0 after timeout_ms (-1: never) or
 * a signal; or -errno. */
int tap_next(struct tap *tap, int timeout_ms, struct record *record);

/* Takes a record apart: 0, or -EBADMSG if it is none. */
int record_parse(struct record *record, const void *raw, size_t size);

/* SIGINT and SIGTERM end what runs for ever: after this tap_stopped() tells. */
void tap_catch_signals(void);
bool tap_stopped(void);

/* Nanoseconds of CLOCK_MONOTONIC, which the driver's times are in. */
uint64_t tap_now(void);

#endif
