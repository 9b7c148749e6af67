// SPDX-License-Identifier: MIT
/* The transports of bench: ipcbus, and the peers that need no library. */
#include "bench.h"

const struct bench_transport *const bench_transports[] = {
	&bench_ipcbus,
	&bench_alone,
	&bench_handles,
	&bench_procs,
	&bench_queued,
	&bench_fragmented,
	&bench_typed,
	&bench_daemon,
	&bench_daemon_raw,
	&bench_daemon_typed,
	&bench_channels,
	&bench_channels_typed,
	&bench_oneways,
	&bench_daemon_oneways,
	&bench_channels_oneways,
	&bench_calls,
	&bench_daemon_calls,
	&bench_streams,
	&bench_futex,
	&bench_shared,
	&bench_file,
	&bench_pipe,
	&bench_pipe_each,
	&bench_seqpacket,
	&bench_protobuf,
	&bench_stream,
	&bench_binder,
	NULL,
};
