/* SPDX-License-Identifier: MIT */
/*
 * Records in a file. It is a pcap file with nanoseconds and link type 147 (USER0),
 * so capinfos and editcap work with it; a packet is a record as the driver gave it
 * (struct ipcbus_monitor_record). The first is of kind 0: JSON of what numbers are called. More of
 * them come in between, each with the names of processes that are seen for the first time.
 */
#ifndef IPCCTL_CAPTURE_H
#define IPCCTL_CAPTURE_H

#include <stdint.h>

#include <ipc/monitor.h>

#include "names.h"

struct capture;

/* To write and to read; the names are the caller's to free, after the end. Each says itself
 * what went wrong: an enum status. */
int capture_create(struct capture **ret_capture, const char *path, struct names *names);
int capture_open(struct capture **ret_capture, const char *path, struct names **ret_names);
int capture_write(struct capture *capture, const struct ipc_record *record);

/* The next record, until the next call: 1, 0 at the end, -EBADMSG, -ENOMEM. */
int capture_read(struct capture *capture, struct ipc_record *ret_record);

/* A status: what was written may not be on the disk. NULL is allowed. */
int capture_close(struct capture *capture);

/* What is to be added to records' times for CLOCK_REALTIME, in ns; of NULL now's. */
int64_t capture_offset(const struct capture *capture);

#endif
