// SPDX-License-Identifier: MIT
/*
 * The loop of GLib, for the cases of loops.c. The build needs glib-2.0.
 */
#include <errno.h>
#include <ipc/glib.h>

#include "loops.h"

static int run(struct ipc *ipc, bool (*done)(void *userdata), void *userdata)
{
	GMainContext *context = g_main_context_new();
	guint id = ipc_attach_glib_context(ipc, context, G_PRIORITY_DEFAULT, NULL, NULL);
	GSource *source;

	/* Without a connection or a loop, attaching must fail. */
	if (!id || ipc_attach_glib_context(NULL, context, 0, NULL, NULL) ||
	    ipc_attach_glib(ipc, NULL, 0, NULL))
		return -EINVAL;
	while (!done(userdata))
		g_main_context_iteration(context, /* may_block= */ TRUE);
	/* A source that has failed is gone. */
	source = g_main_context_find_source_by_id(context, id);
	if (!source)
		return -EPIPE;
	g_source_destroy(source);
	g_main_context_unref(context);
	return 0;
}

static int run_to_end(struct ipc *ipc)
{
	GMainLoop *loop = g_main_loop_new(NULL, /* is_running= */ FALSE);
	int error = 0;

	if (!ipc_attach_glib(ipc, loop, G_PRIORITY_DEFAULT, &error))
		return -EINVAL;
	g_main_loop_run(loop);
	g_main_loop_unref(loop);
	return error;
}

int main(void)
{
	return test_loop("loop-glib", run, run_to_end);
}
