/* SPDX-License-Identifier: MIT */
/*
 * A connection in the main loop of GLib. The program links glib itself; libipc does not
 * use it.
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

/* Events of the connection that are handled before other sources get their turn. */
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
 * Serve the connection in the loop of context (NULL: the default context) with this
 * priority. Handlers and callbacks run in that loop. Returns the source's id, for
 * g_source_remove(), or 0 if ipc_get_fd() fails: the connection belongs to another process,
 * or no more files can be opened.
 *
 * The source holds a reference of the connection. It removes itself when ipc_process()
 * fails, such as in a child process after fork().
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
