/* SPDX-License-Identifier: MIT */
/*
 * Round trips over a pair of fds that are written to and read from: transports to compare ipcbus
 * with. pipe.c and socket.c create the fds. The receiver knows the sizes, so messages have no
 * frame. A read() copies the message out. protobuf.c sends packed messages over them. Client and
 * server are processes with a single thread. All functions return 0 or -errno, and may block.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "bench.h"

/* The largest payload, and space for the frame of a packed message. */
#define STREAM_BUFFER_SIZE (BENCH_MAX_SIZE + 64)

struct iovec;
struct mmsghdr;
struct pollfd;

/**
 * struct stream_state - both ends, inherited by both processes
 * @in: [0] the client reads, [1] the server reads
 * @out: likewise, written
 * @buffer: for received messages, STREAM_BUFFER_SIZE bytes
 * @each: each message of a batch takes a system call; else all of them take one
 * @batch: the messages of a batch in @buffer, BENCH_MAX_BATCH of them
 * @packets: a header for each of them, if messages are packets; else NULL
 * @client_ends: the sockets of several clients; NULL: there is a single client
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

/* For create: must be called after in and out are set. */
int stream_init(struct bench_case *c);
/* For create: creates a pair of sockets of type seqpacket. */
int stream_create_seqpacket(struct bench_case *c);
int stream_serve(struct bench_case *c);
int stream_round(struct bench_case *c);

#endif /* BENCH_STREAM_H */
