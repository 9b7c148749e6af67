/* SPDX-License-Identifier: MIT */
/*
 * The gRPC client of grpc.c, for other servers. bench.h describes the functions.
 */
#ifndef BENCH_GRPC_H
#define BENCH_GRPC_H

#include "bench.h"

#include <grpc/grpc.h>

/**
 * struct grpc_state - state of the client or of the server
 * @address: of the socket
 * @queue: receives the completions of operations
 * @channel: the client's
 * @method: of @channel
 */
struct grpc_state {
	char address[64];
	grpc_completion_queue *queue;
	grpc_channel *channel;
	void *method;
};

int bench_grpc_connect(struct bench_case *c);
int bench_grpc_round(struct bench_case *c);

#endif /* BENCH_GRPC_H */
