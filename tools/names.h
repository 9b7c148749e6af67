/* SPDX-License-Identifier: MIT */
/*
 * Names for the numbers in records: of the service at a node, the method of a code, and the
 * process of a pid. A number without a name is printed as such.
 */
#ifndef IPCCTL_NAMES_H
#define IPCCTL_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct names;

/* Asks the service manager and the driver and, if describe, the services for their methods. All
 * have 5 seconds. What they do not say is missing. NULL: no memory. */
struct names *names_new(bool describe);
struct names *names_free(struct names *names);

/* The name of the service at a node, or NULL. */
const char *names_service(const struct names *names, uint32_t pid, uint32_t node);

/* "demo.echo", else "PID/NODE". */
void names_target(const struct names *names, uint32_t pid, uint32_t node, char *text, size_t size);

/* "Say", else "0x80001234". */
void names_method(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		  char *text, size_t size);

/* The payload of a record of this kind (enum ipc_record_kind) as JSON. NULL: its type is
 * unknown, or it does not match. */
json_t *names_decode(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		     uint32_t kind, const void *data, size_t size);

/* Looks up the name of a process while it exists, for the functions below. */
void names_note(struct names *names, uint32_t pid);

/* The name only, or NULL. */
const char *names_known(const struct names *names, uint32_t pid);

/* "client(312)", else "312". */
void names_process(struct names *names, uint32_t pid, char *text, size_t size);

#endif
