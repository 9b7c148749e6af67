// SPDX-License-Identifier: MIT
/*
 * server: sends each client its samples as fast as it takes them. Nothing here knows that the
 * stream goes through shared memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "samples.ipc.h"

/* One client, and what it gets. */
struct recording {
	uint32_t sent;
	uint32_t count;
};

static Samples__Sample sample_at(uint32_t number)
{
	/* A coarse sine: no need for libm. */
	static const double wave[] = { 0, 0.7071, 1, 0.7071, 0, -0.7071, -1, -0.7071 };
	Samples__Sample sample = SAMPLES__SAMPLE__INIT;

	sample.number = number;
	sample.value = wave[number % 8];
	sample.peak = number % 8 == 2;
	return sample;
}

/* Until the ring is full; then it comes again. */
static void on_writable(struct ipc_stream *stream, void *userdata)
{
	struct recording *recording = userdata;
	int r = 0;

	while (r == 0 && recording->sent < recording->count) {
		Samples__Sample sample = sample_at(recording->sent);

		r = samples_sensor_push_record(stream, /* timeout_usec= */ 0, &sample);
		recording->sent += r == 0;
	}
	if (r != -EAGAIN)
		ipc_stream_end(stream);
}

static const struct ipc_stream_ops recording_ops = {
	.size = sizeof(recording_ops),
	.on_writable = on_writable,
	.destroy = free,
};

static int record(struct ipc_stream *stream, const Samples__RecordRequest *request, void *userdata)
{
	struct recording *recording;
	int r;

	(void)userdata;
	if (request->count > 1000000000)
		return ipc_stream_fail(stream, -EINVAL, "samples.TooMany", "at most a billion");
	recording = calloc(1, sizeof(*recording));
	if (!recording)
		return -ENOMEM;
	recording->count = request->count;
	r = ipc_stream_set_ops(stream, &recording_ops, recording);
	if (r < 0) {
		free(recording);
		return r;
	}
	on_writable(stream, recording);
	return 0;
}

static const struct samples_sensor_ops ops = { .record = record };

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	r = ipc_open(&ipc, /* device= */ NULL);
	if (r < 0)
		return ipc_fail_open(/* device= */ NULL, r);
	r = samples_sensor_register(ipc, "demo.samples", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_fail("register demo.samples", r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_fail("serve demo.samples", r, NULL) : 0;
}
