// SPDX-License-Identifier: MIT
/*
 * The loop of GLib.
 */
#include <errno.h>
#include <ipc/glib.h>

#include "loops.h"

static int run(struct ipc *ipc, bool (*done)(void *userdata), void *userdata)
{
	GMainContext *context = g_main_context_new();
	guint id = ipc_attach_glib(ipc, context, G_PRIORITY_DEFAULT);
	GSource *source;

	if (!id || ipc_attach_glib(NULL, context, 0))
		return -EINVAL;
	while (!done(userdata))
		g_main_context_iteration(context, /* may_block= */ TRUE);
	source = g_main_context_find_source_by_id(context, id);
	if (!source)
		return -EPIPE;
	g_source_destroy(source);
	g_main_context_unref(context);
	return 0;
}

int main(void)
{
	return test_loop("loop-glib", run);
}
