/* SPDX-License-Identifier: MIT */
/*
 * Records in a file: pcap with nanoseconds and link type 147 (USER0), so capinfos and
 * editcap can read it. A packet is a record as the driver delivered it (struct
 * ipcbus_monitor_record). The first packet has kind 0 and contains names as JSON. More of
 * kind 0 follow in between, each with the names of processes that are new.
 */
#ifndef IPCCTL_CAPTURE_H
#define IPCCTL_CAPTURE_H

#include <stdint.h>

#include <ipc/monitor.h>

#include "names.h"

struct capture;

/* Opens a file to write or to read. The caller frees the names after capture_close(). Both
 * print what went wrong and return an enum status, as capture_write() does. */
int capture_create(struct capture **ret_capture, const char *path, struct names *names);
int capture_open(struct capture **ret_capture, const char *path, struct names **ret_names);
int capture_write(struct capture *capture, const struct ipc_record *record);

/* The next record, valid until the next call. 1; 0: end of the file; -EBADMSG, -ENOMEM. */
int capture_read(struct capture *capture, struct ipc_record *ret_record);

/* Returns an enum status, because the last writes may fail. NULL is allowed. */
int capture_close(struct capture *capture);

/* Nanoseconds to add to the time of a record for CLOCK_REALTIME. NULL: as of now. */
int64_t capture_offset(const struct capture *capture);

#endif
