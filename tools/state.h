/* SPDX-License-Identifier: MIT */
/*
 * The driver's files about a bus (docs/tracing.md): state, and the counters in stats. A
 * line "KIND KEY=VALUE..." becomes an object in the array that the result has under KIND.
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

/* The counters, {"live": N, "total": N} by name. The object is empty for any but the
 * default bus, and for any user but root. Prints what went wrong; returns an enum status. */
int state_counters(json_t **ret_counters);

/* Parses a whole file. NULL: no memory. */
json_t *state_parse(FILE *file);
json_t *counters_parse(FILE *file);

/* Parses one line, which it changes; *ret_kind points into it. NULL: no memory. */
json_t *state_parse_line(char *line, const char **ret_kind);

/* An array of objects: pid, process, threads, busy, max_threads, queued, queued_ms,
 * nodes, handles, buffers, used, size, held, held_ms. NULL: no memory. */
json_t *stats_rows(const json_t *state);

/* Prints such rows as a table or JSON, and takes the reference. Returns an enum status. */
int stats_put(json_t *rows);

#endif
