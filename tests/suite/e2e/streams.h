/* SPDX-License-Identifier: MIT */
/*
 * The server of stream.proto for the whole-program tests of streams. Look reports on the last
 * stream that changed.
 */
#ifndef E2E_STREAMS_H
#define E2E_STREAMS_H

#include "fixture.h"
#include "stream.ipc.h"

#define SECONDS(n) ((uint64_t)(n)*1000000)

/* Handlers with callbacks, and handlers that wait, for a pool. */
extern const struct streams_ops streams_handlers, waiting_streams_handlers;

/* For server_options.prepare: serve an object with these handlers as the bus's manager. */
int prepare_streams(struct ipc *ipc);
int prepare_waiting_streams(struct ipc *ipc);

#endif /* E2E_STREAMS_H */
