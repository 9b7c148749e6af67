/* SPDX-License-Identifier: MIT */
/*
 * The server of shared.proto, with callbacks and with handlers that wait, and the numbers that both
 * sides send.
 */
#ifndef E2E_SHARED_SERVER_H
#define E2E_SHARED_SERVER_H

#include "fixture.h"
#include "shared.ipc.h"

#define SECONDS(n) ((uint64_t)(n)*1000000)

/* Serves an object with them as the bus's manager: server_options.prepare. */
int prepare_sharing(struct ipc *ipc);
int prepare_waiting_sharing(struct ipc *ipc);
/* The services Old and Newer in place of Sharing. */
int prepare_old_sharing(struct ipc *ipc);
int prepare_newer_sharing(struct ipc *ipc);

/* Every field of a number with this value, and whether one that came is like that. */
Shared__Number number_of(uint64_t value);
bool number_is(const Shared__Number *number, uint64_t value);

#endif /* E2E_SHARED_SERVER_H */
