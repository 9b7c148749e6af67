/* SPDX-License-Identifier: MIT */
/*
 * The object and the call of typed.c, for transports that reach the object in another way.
 */
#ifndef BENCH_TYPED_H
#define BENCH_TYPED_H

#include "bench.h"

#include "bench.ipc.h"

/* Replies with the size of the payload. */
extern const struct sink_ops bench_sink_ops;

/* Makes an object of these, and makes it handle 0 of the bus. Returns 0 or -errno. */
int bench_become_manager(struct ipc *ipc);

/* Makes a round of a call case. Returns 0 or -errno. */
int bench_sink_round(struct sink *sink, const struct bench_case *c);

#endif /* BENCH_TYPED_H */
