/* SPDX-License-Identifier: MIT */
/*
 * A connection in the main loop of GLib. The program links glib itself; libipc
 * does not need it.
 *
 *	id = ipc_attach_glib(ipc, NULL, G_PRIORITY_DEFAULT);
 *	...
 *	g_main_loop_run(loop);
 */
#ifndef IPC_GLIB_H
#define IPC_GLIB_H

#include <glib-unix.h>
#include <ipc/ipc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Others in the loop get their turn after so many events of the connection. */
#define IPC_GLIB_AT_ONCE	32

static inline gboolean ipc_glib_dispatch(gint fd, GIOCondition condition, gpointer data)
{
	int r = 1;

	(void)fd;
	(void)condition;
	for (int i = 0; r > 0 && i < IPC_GLIB_AT_ONCE; i++)
		r = ipc_process((struct ipc *)data);
	return r < 0 ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static inline void ipc_glib_destroy(gpointer data)
{
	ipc_unref((struct ipc *)data);
}

/*
 * Handlers and callbacks of the connection run in the loop of that context (NULL:
 * the default one) from now on. The source keeps a reference of the connection; it
 * ends with g_source_remove() of the number that is returned, or by itself when
 * ipc_process() fails, as after a fork(). 0: not a connection of this process.
 */
static inline guint ipc_attach_glib(struct ipc *ipc, GMainContext *context, gint priority)
{
	int fd = ipc_get_fd(ipc);
	GSource *source;
	guint id;

	if (fd < 0)
		return 0;
	source = g_unix_fd_source_new(fd, G_IO_IN);
	g_source_set_priority(source, priority);
	g_source_set_callback(source, (GSourceFunc)(void (*)(void))ipc_glib_dispatch, ipc_ref(ipc),
			      ipc_glib_destroy);
	id = g_source_attach(source, context);
	g_source_unref(source);
	return id;
}

#ifdef __cplusplus
}
#endif

#endif /* IPC_GLIB_H */
