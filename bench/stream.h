/* SPDX-License-Identifier: MIT */
/*
 * Round trips over a pair of fds that are written to and read from: pipe.c and
 * socket.c set them up. The receiver knows the sizes, so nothing is framed; a
 * message is copied out, since a read() can do nothing else. protobuf.c sends packed
 * messages over them.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "bench.h"

/* The largest payload, and what a message has around it. */
#define STREAM_BUFFER_SIZE (BENCH_MAX_SIZE + 64)

struct iovec;
struct mmsghdr;
struct pollfd;

/**
 * struct stream_state - both ends, inherited by both processes
 * @in: [0] the client reads, [1] the server reads
 * @out: likewise, written
 * @buffer: where messages are read to, STREAM_BUFFER_SIZE bytes
 * @each: each message of a batch takes a system call; else all of them take one
 * @batch: the messages of a batch in @buffer, BENCH_MAX_BATCH of them
 * @packets: a header for each of them, where messages are packets; else NULL
 * @client_ends: the sockets of several clients; NULL: there is one client
 * @server_ends: the other ends of these, which the server polls
 */
struct stream_state {
	int in[2];
	int out[2];
	void *buffer;
	bool each;
	struct iovec *batch;
	struct mmsghdr *packets;
	int *client_ends;
	struct pollfd *server_ends;
};

/* For create, when in and out are there. */
int stream_init(struct bench_case *c);
/* For create: a pair of sockets of type seqpacket. */
int stream_create_seqpacket(struct bench_case *c);
int stream_serve(struct bench_case *c);
int stream_round(struct bench_case *c);

#endif /* BENCH_STREAM_H */
