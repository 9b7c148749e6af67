/* SPDX-License-Identifier: MIT */
/*
 * Names for the numbers in records: the service at a node, the method with a number, and the
 * process with a pid. If a number has no name, the number is printed. ipcctl's single thread uses
 * them. Returned strings belong to the names and are valid until names_free().
 */
#ifndef IPCCTL_NAMES_H
#define IPCCTL_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct names;

/* Asks the service manager and the driver and, if describe is set, the services for their methods.
 * All requests together may take 5 seconds. Missing replies are ignored. If memory is short,
 * returns NULL. */
struct names *names_new(bool describe);
struct names *names_free(struct names *names);

/* Returns the name of the service at a node, or NULL. owner: the proc of the node. */
const char *names_service(const struct names *names, uint64_t owner, uint32_t node);

/* Return true if it is known that no service has the name, or describes such a method. */
bool names_lack_service(const struct names *names, const char *name);
bool names_lack_method(const struct names *names, const char *method);

/* Writes the name of the service at a node ("demo.echo"), else "PID/NODE". */
void names_target(const struct names *names, uint64_t owner, uint32_t pid, uint32_t node,
		  char *text, size_t size);

/* Writes the name of a method ("Say"), else "0x80001234". */
void names_method(const struct names *names, uint64_t owner, uint32_t node, uint32_t number,
		  char *text, size_t size);

/* Returns the payload of a record of this kind (enum ipc_record_kind) as JSON. If its type is
 * unknown or does not match, returns NULL. */
json_t *names_decode(const struct names *names, uint64_t owner, uint32_t node, uint32_t number,
		     uint32_t kind, const void *data, size_t size);

/* Looks up the name of a process while it exists, for the functions below. */
void names_note(struct names *names, uint32_t pid);

/* Returns only the name, or NULL. */
const char *names_known(const struct names *names, uint32_t pid);

/* Writes "client(312)", else "312". */
void names_process(struct names *names, uint32_t pid, char *text, size_t size);

#endif
