// SPDX-License-Identifier: MIT
/*
 * The transports of bench-peers: ipcbus in C++, and peers with large libraries. They are in a
 * separate program, so that their libraries do not change the figures of `bench`.
 */
#include "bench.h"

const struct bench_transport *const bench_transports[] = {
	&bench_cpp,
	&bench_dbus_direct,
	&bench_dbus_broker,
	&bench_grpc,
	NULL,
};
