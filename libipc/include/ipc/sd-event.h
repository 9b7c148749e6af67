/* SPDX-License-Identifier: MIT */
/*
 * A connection in the event loop of libsystemd. The program links libsystemd itself;
 * libipc does not use it.
 *
 *	r = ipc_attach_event(ipc, event, SD_EVENT_PRIORITY_NORMAL, NULL);
 *	...
 *	r = sd_event_loop(event);
 *	if (r < 0)
 *		return ipc_print_error("serve", r, NULL);
 */
#ifndef IPC_SD_EVENT_H
#define IPC_SD_EVENT_H

#include <stdint.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

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
#define IPC_EVENTS_AT_ONCE	32

static inline int ipc_event_dispatch(sd_event_source *source, int fd, uint32_t events,
				     void *userdata)
{
	int r = 1;

	(void)source;
	(void)fd;
	(void)events;
	for (int i = 0; r > 0 && i < IPC_EVENTS_AT_ONCE; i++)
		r = ipc_process((struct ipc *)userdata);
	return r < 0 ? r : 0;
}

static inline void ipc_event_destroy(void *userdata)
{
	ipc_unref((struct ipc *)userdata);
}

/*
 * Serve the connection in the loop with this priority. Handlers and callbacks run in the
 * loop. Returns 0, or the negative errno of ipc_get_fd() or sd_event_add_io().
 *
 * The source holds a reference of the connection. If ret_source is NULL, the loop owns the
 * source; otherwise the caller unrefs it. If ipc_process() fails, the loop ends, and
 * sd_event_loop() returns the negative errno. The usual reason is that ipcbusd has ended
 * (-ECONNRESET). With sd_event_source_set_exit_on_failure(source, 0) the loop goes on without the
 * source.
 */
static inline int ipc_attach_event(struct ipc *ipc, sd_event *event, int64_t priority,
				   sd_event_source **ret_source)
{
	sd_event_source *source;
	int fd, r;

	fd = ipc_get_fd(ipc);
	if (fd < 0)
		return fd;
	r = sd_event_add_io(event, &source, fd, EPOLLIN, ipc_event_dispatch, ipc);
	if (r < 0)
		return r;

	ipc_ref(ipc);
	sd_event_source_set_destroy_callback(source, ipc_event_destroy);
	r = sd_event_source_set_priority(source, priority);
	if (r >= 0)
		r = sd_event_source_set_exit_on_failure(source, 1);
	if (r >= 0 && !ret_source)
		r = sd_event_source_set_floating(source, 1);
	if (r < 0 || !ret_source)
		sd_event_source_unref(source);
	else
		*ret_source = source;
	return r < 0 ? r : 0;
}

#ifdef __cplusplus
}
#endif

#ifdef IPC_CPP_C_HPP
} /* namespace c */
} /* namespace ipc */
#endif

#endif /* IPC_SD_EVENT_H */
