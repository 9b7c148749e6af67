/* SPDX-License-Identifier: MIT */
/*
 * The processes of a case, for both harnesses: main.c counts instructions in a guest, native.c
 * measures time on the running machine.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include "bench.h"

/* Called in the client after it has connected: measures and prints. Returns 0 or -errno. */
typedef int bench_client(struct bench_case *c, const void *userdata);

/*
 * Runs the case: forks the client, which starts the daemon and the server, waits until the server
 * is ready, starts the processes beside them, connects, and calls client. The client ends all of
 * these processes before itself. Returns 0, -errno of the client, which the caller prints,
 * -ETIMEDOUT after a minute, or -EINTR if a signal killed the client.
 */
int bench_pair_run(struct bench_case *c, bench_client *client, const void *userdata);

/* Returns whether list, names separated by commas, contains name. NULL contains all names. */
bool bench_listed(const char *list, const char *name);

#endif /* BENCH_PAIR_H */
