// SPDX-License-Identifier: MIT
/*
 * What bench-peers measures: ours in C++, and the peers whose libraries are large. They are a
 * program of their own, so that what they link with changes nothing of what `bench` measures.
 */
#include "bench.h"

const struct bench_transport *const bench_transports[] = {
	&bench_cpp,
	&bench_dbus_direct,
	&bench_dbus_broker,
	&bench_grpc,
	NULL,
};
