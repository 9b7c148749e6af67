/* SPDX-License-Identifier: MIT */
/*
 * A connection in the event loop of libsystemd. The program links libsystemd
 * itself; libipc does not need it.
 *
 *	r = ipc_attach_event(ipc, event, SD_EVENT_PRIORITY_NORMAL, NULL);
 *	...
 *	return sd_event_loop(event);
 */
#ifndef IPC_SD_EVENT_H
#define IPC_SD_EVENT_H

#include <ipc/ipc.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Others in the loop get their turn after so many events of the connection. */
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
 * Handlers and callbacks of the connection run in the loop from now on. The source
 * keeps a reference of the connection. It is the loop's if ret_source is NULL, else
 * the caller's to unref. A failure of ipc_process() switches the source off, as
 * any handler's does (sd_event_source_set_exit_on_failure()). 0 or -errno.
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

#endif /* IPC_SD_EVENT_H */
