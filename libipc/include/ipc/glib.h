/* SPDX-License-Identifier: MIT */
/*
 * A connection in the main loop of GLib. The program links glib itself; libipc does not
 * use it.
 *
 *	int error = 0;
 *
 *	if (!ipc_attach_glib(ipc, loop, G_PRIORITY_DEFAULT, &error))
 *		...
 *	g_main_loop_run(loop);
 *	if (error < 0)
 *		return ipc_print_error("serve", error, NULL);
 */
#ifndef IPC_GLIB_H
#define IPC_GLIB_H

#include <glib-unix.h>

#ifndef IPC_CPP_C_HPP
#include <ipc/ipc.h>
#else /* After <ipc/ipc.hpp>, the C functions are in ipc::c. */
namespace ipc {
namespace c {
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Events of the connection that are handled before other sources get their turn. */
#define IPC_GLIB_AT_ONCE	32

typedef void (*ipc_glib_failed_cb)(struct ipc *ipc, int error, gpointer userdata);

/* Only the inline functions of this header use it, so it can grow. */
struct ipc_glib_source {
	struct ipc *ipc;
	ipc_glib_failed_cb failed;
	gpointer userdata;
	GMainLoop *loop;	/* or NULL */
	int *error;		/* or NULL */
};

static inline gboolean ipc_glib_dispatch(gint fd, GIOCondition condition, gpointer data)
{
	struct ipc_glib_source *source = (struct ipc_glib_source *)data;
	int r = 1;

	(void)fd;
	(void)condition;
	for (int i = 0; r > 0 && i < IPC_GLIB_AT_ONCE; i++)
		r = ipc_process(source->ipc);
	if (r >= 0)
		return G_SOURCE_CONTINUE;
	if (source->error)
		*source->error = r;
	if (source->loop)
		g_main_loop_quit(source->loop);
	if (source->failed)
		source->failed(source->ipc, r, source->userdata);
	return G_SOURCE_REMOVE;
}

static inline void ipc_glib_destroy(gpointer data)
{
	struct ipc_glib_source *source = (struct ipc_glib_source *)data;

	ipc_unref(source->ipc);
	if (source->loop)
		g_main_loop_unref(source->loop);
	g_free(source);
}

static inline guint ipc_glib_attach(const struct ipc_glib_source *model, GMainContext *context,
				    gint priority)
{
	int fd = ipc_get_fd(model->ipc);
	struct ipc_glib_source *data;
	GSource *source;
	guint id;

	if (fd < 0)
		return 0;
	data = g_new(struct ipc_glib_source, 1);
	*data = *model;
	ipc_ref(data->ipc);
	if (data->loop)
		g_main_loop_ref(data->loop);
	source = g_unix_fd_source_new(fd, G_IO_IN);
	g_source_set_priority(source, priority);
	g_source_set_callback(source, (GSourceFunc)(void (*)(void))ipc_glib_dispatch, data,
			      ipc_glib_destroy);
	id = g_source_attach(source, context);
	g_source_unref(source);
	return id;
}

/*
 * Serve the connection in the loop, with this priority. Handlers and callbacks run in that loop.
 * Returns the source's id, for g_source_remove(), or 0 if loop is NULL or ipc_get_fd() fails: the
 * connection belongs to another process, or no more files can be opened.
 *
 * If ipc_process() fails, the loop quits and the source removes itself. The usual reason is that
 * ipcbusd has ended (-ECONNRESET). *ret_error is set to the negative errno before that; ret_error
 * may be NULL. It must be valid as long as the source.
 *
 * The source holds a reference of the connection and one of the loop.
 */
static inline guint ipc_attach_glib(struct ipc *ipc, GMainLoop *loop, gint priority,
				    int *ret_error)
{
	const struct ipc_glib_source model = { ipc, NULL, NULL, loop, ret_error };

	return loop ? ipc_glib_attach(&model, g_main_loop_get_context(loop), priority) : 0;
}

/*
 * The same for a program without a GMainLoop of its own, such as a GApplication: serve the
 * connection in the loop of context (NULL: the default context). If ipc_process() fails, failed
 * runs once in that loop with the negative errno, and the source removes itself. failed should end
 * the program's loop. With NULL, a program without a bus goes on without an error.
 */
static inline guint ipc_attach_glib_context(struct ipc *ipc, GMainContext *context, gint priority,
					    ipc_glib_failed_cb failed, gpointer userdata)
{
	const struct ipc_glib_source model = { ipc, failed, userdata, NULL, NULL };

	return ipc_glib_attach(&model, context, priority);
}

#ifdef __cplusplus
}
#endif

#ifdef IPC_CPP_C_HPP
} /* namespace c */
} /* namespace ipc */
#endif

#endif /* IPC_GLIB_H */
