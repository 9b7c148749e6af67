/* SPDX-License-Identifier: MIT */
/*
 * The parts of typed.c, for transports that reach the object, or wait, in another way.
 */
#ifndef BENCH_TYPED_H
#define BENCH_TYPED_H

#include "bench.h"

#include "bench.ipc.h"

/* Replies with the size of the payload. */
extern const struct sink_ops bench_sink_ops;

/* The state of a case, or the beginning of it. */
struct typed_state {
	struct ipc *ipc;
	struct sink *sink; /* only in the client */
};

/* Server: opens the bus, and makes an object of these handle 0. Returns 0 or -errno. */
int typed_listen(struct typed_state *s);
/* The functions of a transport: a server in ipc_run(), and a client that blocks. */
int typed_serve(struct bench_case *c);
int typed_connect(struct bench_case *c);
int typed_round(struct bench_case *c);

/* Makes a round of a call case. Returns 0 or -errno. */
int bench_sink_round(struct sink *sink, const struct bench_case *c);

#endif /* BENCH_TYPED_H */
