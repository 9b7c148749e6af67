// SPDX-License-Identifier: MIT
/*
 * client COUNT: takes COUNT samples and prints how many there were, and how many peaks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "samples.ipc.h"

#define TIMEOUT_USEC 10000000

static int record(struct samples_sensor *sensor, uint32_t count)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Samples__RecordRequest request = SAMPLES__RECORD_REQUEST__INIT;
	const Samples__Sample *sample;
	uint32_t n = 0, peaks = 0;
	int r;

	request.count = count;
	r = samples_sensor_record_open(sensor, /* options= */ NULL, &request, &stream, &error);
	if (r < 0)
		return ipc_fail("open", r, &error);
	/* The sample is a copy, which the stream owns until the next receive. */
	while ((r = samples_sensor_record_receive(stream, TIMEOUT_USEC, &sample, &error)) > 0) {
		if (sample->number != n++)
			return ipc_fail("a sample is missing", -EPROTO, NULL);
		peaks += sample->peak != 0;
	}
	if (r < 0)
		return ipc_fail("receive", r, &error);
	printf("%u samples, %u peaks, %s\n", n, peaks,
	       ipc_stream_is_shared(stream) ? "in shared memory" : "in an ordinary stream");
	return 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(samples_sensor_unref) struct samples_sensor *sensor = NULL;
	int r;

	r = ipc_open(&ipc, /* device= */ NULL);
	if (r < 0)
		return ipc_fail_open(/* device= */ NULL, r);
	r = samples_sensor_await(ipc, "demo.samples", IPC_NEVER, &sensor);
	if (r < 0)
		return ipc_fail("find demo.samples", r, NULL);
	return record(sensor, argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000);
}
