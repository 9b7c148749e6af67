/* SPDX-License-Identifier: MIT */
/*
 * The driver's files about a bus (docs/tracing.md). A line "KIND KEY=VALUE..." becomes an object in
 * the array of that kind.
 */
#ifndef IPCCTL_STATE_H
#define IPCCTL_STATE_H

#include <jansson.h>
#include <stdio.h>

/* Reads a file ("state") of the bus of the options. Prints what went wrong; returns an enum
 * status. */
int state_read(const char *name, json_t **ret_state);

/* Opens such a file as it is. NULL: this user may not, or there is none. */
FILE *state_open(const char *name);

/* Parses a whole file. NULL: no memory. */
json_t *state_parse(FILE *file);

/* An array of objects: pid, process, threads, busy, max_threads, queued, queued_ms,
 * nodes, handles, buffers, used, size, held, held_ms. NULL: no memory. */
json_t *stats_rows(const json_t *state);

/* Prints such rows as a table or JSON, and takes the reference. Returns an enum status. */
int stats_put(json_t *rows);

#endif
