/* SPDX-License-Identifier: MIT */
/*
 * One row for each connection to a bus, for stats and status.
 */
#ifndef IPCCTL_STATS_H
#define IPCCTL_STATS_H

#include <jansson.h>

/* An array of objects: pid, process, threads, busy, max_threads, queued, queued_ms,
 * nodes, handles, buffers, used, size, held, held_ms. NULL: no memory. */
json_t *stats_rows(const json_t *state);

/* Prints such rows as a table or JSON, and takes the reference. Returns an enum status. */
int stats_put(json_t *rows);

#endif
