/* SPDX-License-Identifier: MIT */
/*
 * Round trips over a pair of fds that are written to and read from: pipe.c and
 * socket.c set them up. The receiver knows the sizes, so nothing is framed; a
 * message is copied out, since a read() can do nothing else.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "bench.h"

/**
 * struct stream_state - both ends, inherited by both processes
 * @in: [0] the client reads, [1] the server reads
 * @out: likewise, written
 * @buffer: where messages are read to
 */
struct stream_state {
	int in[2];
	int out[2];
	void *buffer;
};

int stream_init(struct stream_state *s);
int stream_serve(struct bench_case *c);
int stream_round(struct bench_case *c);

#endif /* BENCH_STREAM_H */
