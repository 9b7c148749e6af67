/* SPDX-License-Identifier: MIT */
/*
 * Being a monitor of the bus (<ipc/monitor.h>): a connection of its own, on which
 * records come one by one. And the time, and what ends that which runs for ever.
 */
#ifndef IPCCTL_TAP_H
#define IPCCTL_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ipc/monitor.h>

struct tap;

/* What is done with a record, which is the library's: 0, or what tap_run() is to end
 * with: an enum status, TAP_ENOUGH. */
typedef int (*tap_cb)(const struct ipc_record *tap, void *userdata);
#define TAP_ENOUGH (-1)

/* Begins to monitor: flags are IPC_MONITOR_*, of the process pid or, if that is 0, of
 * all, and of each payload at most max_data bytes. Says itself what went wrong; an enum
 * status. */
int tap_open(struct tap **ret_tap, unsigned int flags, pid_t pid, size_t max_data, tap_cb cb,
	     void *userdata);
struct tap *tap_close(struct tap *tap);

/* Has cb called for each record that comes before the time until (of tap_now(); 0: no
 * end), a signal, or the end that cb makes. Says itself what went wrong; an enum status. */
int tap_run(struct tap *tap, uint64_t until);

/* SIGINT and SIGTERM end what runs for ever: after this tap_stopped() tells. */
void tap_catch_signals(void);
bool tap_stopped(void);

/* Nanoseconds of CLOCK_MONOTONIC, which the driver's times are in. */
uint64_t tap_now(void);

#endif
