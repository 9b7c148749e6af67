/* SPDX-License-Identifier: MIT */
/*
 * The driver's files about a bus: state, transactions, failures (docs/tracing.md),
 * and the counters in stats. A line "KIND KEY=VALUE..." becomes an object in the
 * array that the result has under KIND.
 */
#ifndef IPCCTL_STATE_H
#define IPCCTL_STATE_H

#include <jansson.h>
#include <stdio.h>

/* A file of the bus of the options by its name ("state"). Says itself what went wrong;
 * an enum status. */
int state_read(const char *name, json_t **ret_state);

/* The counters: an object of {"live": N, "total": N} by name. The default bus's
 * alone, and for root: else an empty object. */
int state_counters(json_t **ret_counters);

/* What a stream says; NULL: no memory. */
json_t *state_parse(FILE *file);
json_t *counters_parse(FILE *file);

/* One line of it as an object, its kind in *ret_kind, which is within the line; the
 * line is changed. NULL: no memory. */
json_t *state_parse_line(char *line, const char **ret_kind);

/* The number of a key, or 0. */
json_int_t state_number(const json_t *object, const char *key);

/* The array of a kind, or NULL, which foreach takes for an empty one. */
const json_t *state_all(const json_t *state, const char *kind);

#endif
