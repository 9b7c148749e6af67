// SPDX-License-Identifier: MIT
/*
 * client COUNT WIDTH HEIGHT: receives COUNT frames and checks each pixel.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "checksum.h"
#include "frames.ipc.h"

#define TIMEOUT_USEC 10000000

static bool is_sound(const Frames__Frame *frame, uint32_t number)
{
	size_t n = (size_t)frame->width * frame->height;

	return frame->number == number && frame->pixels.len == n * sizeof(uint32_t) &&
	       checksum(frame->pixels.data, n) == frame->checksum;
}

static int watch(struct frames_camera *camera, const Frames__WatchRequest *request)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	unsigned int seen = 0, damaged = 0;
	const Frames__Frame *frame;
	int r;

	r = frames_camera_watch_open(camera, /* options= */ NULL, request, &stream, &error);
	if (r < 0)
		return ipc_print_error("watch", r, &error);
	/* Each receive frees the previous frame. */
	while ((r = frames_camera_watch_receive(stream, TIMEOUT_USEC, &frame, &error)) > 0)
		if (!is_sound(frame, ++seen))
			damaged++;
	if (r < 0)
		return ipc_print_error("watch", r, &error);
	printf("%u frames of %u x %u, %u damaged\n", seen, request->width, request->height,
	       damaged);
	return damaged || seen != request->count;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(frames_camera_unref) struct frames_camera *camera = NULL;
	Frames__WatchRequest request = FRAMES__WATCH_REQUEST__INIT;
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: client COUNT WIDTH HEIGHT\n");
		return 2;
	}
	request.count = (uint32_t)atoi(argv[1]);
	request.width = (uint32_t)atoi(argv[2]);
	request.height = (uint32_t)atoi(argv[3]);
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = frames_camera_wait(ipc, "demo.camera", IPC_NEVER, &camera);
	if (r < 0)
		return ipc_print_error("find demo.camera", r, NULL);
	return watch(camera, &request);
}
