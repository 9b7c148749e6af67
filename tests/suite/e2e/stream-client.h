/* SPDX-License-Identifier: MIT */
/*
 * What the tests of streams share: the server of streams.h in a process of its own, and
 * this process's connection to it.
 */
#ifndef E2E_STREAM_CLIENT_H
#define E2E_STREAM_CLIENT_H

#include "streams.h"

extern struct ipc *ipc;
extern struct streams *streams;
extern pid_t server;

/* With a server of so many threads, whose handlers wait for streams if there is more than one;
 * of none: by its fd; BY_WAIT: with ipc_wait_event(). */
#define BY_WAIT 1000u
void begin(unsigned int threads);
void end(void);
/* This side again, with 256 KiB: space is what lacks then, and not credit. */
void with_small_region(void);

struct ipc_stream *open_count(uint32_t n, uint32_t usec, int32_t code, const char *text);
/* All numbers to the end: what receive says there. */
int count_all(struct ipc_stream *stream, uint64_t want, struct ipc_error *error);
/* Until the server has so many handlers, and that was how the last one ended. */
void look_until(uint32_t n_handlers, int error);

#endif /* E2E_STREAM_CLIENT_H */
