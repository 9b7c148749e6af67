// SPDX-License-Identifier: MIT
/*
 * The transports of bench-native, raw before typed: ipcbus, then its peers. Some peers need a
 * library that may not be installed.
 */
#include "bench.h"

const struct bench_transport *const bench_transports[] = {
	&bench_spin_ring,
	&bench_shared,
	&bench_pipe,
	&bench_seqpacket,
	&bench_packets_epoll,
	&bench_ipcbus,
	&bench_daemon,
	&bench_channels,
	&bench_protobuf,
	&bench_typed,
	&bench_daemon_typed,
	&bench_channels_typed,
	&bench_channels_epoll,
	&bench_channels_sd_event,
	&bench_channels_client_epoll,
	&bench_channels_both_epoll,
	&bench_dbus_direct,
	&bench_dbus_broker,
#ifdef HAVE_GRPC
	&bench_grpc,
#endif
	NULL,
};

const char *const bench_not_built[] = {
#ifndef HAVE_GRPC
	"grpc: libgrpc-dev",
#endif
	NULL,
};
