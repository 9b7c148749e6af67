/* SPDX-License-Identifier: MIT */
/*
 * The processes on a bus, the objects that each of them has, and who holds these: the driver's
 * state, with names.
 */
#ifndef IPCCTL_PEERS_H
#define IPCCTL_PEERS_H

#include <jansson.h>
#include <sys/types.h>

struct names;

/* An array of objects {"pid", "process", "objects"}, one for each process, by pid, without our own
 * process. An object is {"node", "name", "clients"}, with name "" if it has none, and a client
 * {"pid", "process", "handles"}. NULL: no memory. */
json_t *peers_of(struct names *names, const json_t *state);

#endif
