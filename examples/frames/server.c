// SPDX-License-Identifier: MIT
/*
 * demo.camera: sends pictures of a moving pattern. A picture may be larger than the viewer's
 * region.
 */
#include <errno.h>
#include <stdlib.h>

#include "checksum.h"
#include "frames.ipc.h"

#define SIDE_MAX	8192
/* If a viewer receives nothing for this time, its stream ends. */
#define SEND_TIMEOUT_USEC 10000000

static void take_picture(uint32_t *pixels, size_t n, uint32_t number)
{
	for (size_t i = 0; i < n; i++)
		pixels[i] = (uint32_t)i * 2654435761U + number;
}

static int send_frames(struct ipc_stream *stream, const Frames__WatchRequest *request,
		       uint32_t *pixels)
{
	size_t n = (size_t)request->width * request->height;
	Frames__Frame frame = FRAMES__FRAME__INIT;
	int r = 0;

	frame.width = request->width;
	frame.height = request->height;
	frame.pixels.data = (uint8_t *)pixels;
	frame.pixels.len = n * sizeof(*pixels);
	while (frame.number < request->count && r == 0) {
		take_picture(pixels, n, ++frame.number);
		frame.checksum = checksum(pixels, n);
		/* The pixels must not change until the function returns. */
		r = frames_camera_send_watch(stream, SEND_TIMEOUT_USEC, &frame);
	}
	return r;
}

static int watch(struct ipc_stream *stream, const Frames__WatchRequest *request, void *userdata)
{
	uint32_t *pixels;
	int r;

	(void)userdata;
	if (!request->width || request->width > SIDE_MAX || !request->height ||
	    request->height > SIDE_MAX)
		return ipc_stream_fail(stream, 0, "camera.BadSize", "%u x %u is not a valid size",
				       request->width, request->height);
	pixels = malloc((size_t)request->width * request->height * sizeof(*pixels));
	if (!pixels)
		return -ENOMEM;
	r = send_frames(stream, request, pixels);
	free(pixels);
	return r;
}

static const struct frames_camera_ops ops = { .watch = watch };

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	/* Each viewer occupies a thread, and the last thread must serve: an eighth viewer gets
	 * -EDEADLK. */
	r = ipc_set_threads(ipc, 8);
	if (r < 0)
		return ipc_print_error("set threads", r, NULL);
	r = frames_camera_register(ipc, "demo.camera", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.camera", r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_print_error("serve demo.camera", r, NULL) : 0;
}
