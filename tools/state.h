/* SPDX-License-Identifier: MIT */
/*
 * The driver's files about a bus (docs/tracing.md). A line "KIND KEY=VALUE..." becomes an object in
 * the array of that kind.
 */
#ifndef IPCCTL_STATE_H
#define IPCCTL_STATE_H

#include <jansson.h>
#include <stdio.h>

/* Reads a file ("state") of the bus of the options. The caller must release *ret_state. On failure
 * prints an error. Returns an enum status. */
int state_read(const char *name, json_t **ret_state);

/* Opens such a file. If there is none or the user has no permission, returns NULL. */
FILE *state_open(const char *name);

/* Parses a whole file. If memory is short, returns NULL. */
json_t *state_parse(FILE *file);

#endif
