/* SPDX-License-Identifier: MIT */
/*
 * The fixture of the stream tests: the server of streams.h in its own process, and this process's
 * connection to it.
 */
#ifndef E2E_STREAM_CLIENT_H
#define E2E_STREAM_CLIENT_H

#include "streams.h"

extern struct ipc *ipc;
extern struct streams *streams;
extern pid_t server;

/*
 * Starts a server with this many threads. Handlers wait for streams if there are several. 0:
 * serves by its fd; BY_WAIT: serves with ipc_wait_event().
 */
#define BY_WAIT 1000u
void begin(unsigned int threads);
void end(void);
/* Reopens this side with 256 KiB. Space is then the limit instead of credit. */
void with_small_region(void);

struct ipc_stream *open_count(uint32_t n, uint32_t usec, int32_t code, const char *text);
/* Receives all numbers to the end. Returns the final result of receive. */
int count_all(struct ipc_stream *stream, uint64_t want, struct ipc_error *error);
/* Waits until the server has this many handlers, and the last handler ended with @error. */
void look_until(uint32_t n_handlers, int error);

#endif /* E2E_STREAM_CLIENT_H */
