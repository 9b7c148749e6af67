/* SPDX-License-Identifier: MIT */
/*
 * What people call things: the service at a node, the method behind a code, the
 * process with a pid. Numbers where nobody knows better.
 */
#ifndef IPCCTL_NAMES_H
#define IPCCTL_NAMES_H

#include <jansson.h>
#include <stdint.h>

struct names;

/* Asks the service manager, the services and the driver; what cannot be known is left
 * out. NULL: no memory. */
struct names *names_new(void);
struct names *names_free(struct names *names);

/* The same from and to JSON, for files. names_from_json(): NULL is no memory. */
json_t *names_to_json(const struct names *names);
struct names *names_from_json(const json_t *json);

/* The service at a node, or NULL. */
const char *names_service(const struct names *names, uint32_t pid, uint32_t node);

/* "demo.echo", else "PROCESS/NODE". */
void names_target(const struct names *names, uint32_t pid, uint32_t node, char *text, size_t size);

/* "Say", else "0x80001234". */
void names_method(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		  char *text, size_t size);

/* More names of processes, by pid as text; those known before stay. */
void names_learn(struct names *names, const json_t *processes);

/* What is in a payload that a record of that kind (enum ipc_record_kind) has, as JSON; NULL
 * where nobody knows. */
json_t *names_decode(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		     uint32_t kind, const void *data, size_t size);

/* Takes the name of a process while it is there, for those below. Names that came from
 * JSON are of another time, so nothing is looked up for them. */
void names_note(struct names *names, uint32_t pid);

/* The name alone, or NULL. */
const char *names_known(const struct names *names, uint32_t pid);

/* "client(312)", else "312". */
void names_process(struct names *names, uint32_t pid, char *text, size_t size);

#endif
