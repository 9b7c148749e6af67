/* SPDX-License-Identifier: MIT */
/*
 * The server of stream.proto for the whole-program tests that use streams. What it
 * reports by Look is of the stream that it last dealt with.
 */
#ifndef E2E_STREAMS_H
#define E2E_STREAMS_H

#include "fixture.h"
#include "stream.ipc.h"

#define SECONDS(n) ((uint64_t)(n)*1000000)

/* With callbacks; and with handlers that wait, for a pool. */
extern const struct streams_ops streams_handlers, waiting_streams_handlers;

/* Serves an object with them as the bus's manager: server_options.prepare. */
int prepare_streams(struct ipc *ipc);
int prepare_waiting_streams(struct ipc *ipc);

#endif /* E2E_STREAMS_H */
