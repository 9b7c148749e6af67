// SPDX-License-Identifier: MIT
/* Direct channels as a route beside the bus: see conn/route.h. */
#include "channel-client.h"
#include "channel-server.h"

/* Handles the death of a watched proxy: a server's door, or the object that a client sent. */
static void proxy_died(struct ipc *ipc, const struct ipc_proxy *proxy)
{
	channels_client_died(ipc, proxy);
	channels_server_died(ipc, proxy);
}

/* Ends all channels at the last return of ipc_run(), unless the program may serve in its loop. */
static void end(struct ipc *ipc)
{
	if (atomic_load(&ipc->pool.loops) && atomic_load(&ipc->channels))
		backlog_ring(ipc);
	else
		channels_end(ipc);
}

const struct route channels_route = {
	.of_proxy = channel_of_proxy,
	.has_asked = channel_has_asked,
	.call = channel_call,
	.reserve_async = channel_reserve_async,
	.send_async = channel_send_async,
	.cancel_async = channel_cancel_async,
	.async_is_late = channel_async_is_late,
	.oneway = channel_oneway,
	.use_bus = channel_use_bus,
	.used_bus = channel_used_bus,
	.object_died = channel_object_died,
	.proxy_died = proxy_died,
	.leave = channel_leave,
	.close = channel_close,
	.exchange = channels_exchange,
	.release = channel_buffer_release,
	.is_served = channels_serve,
	.n_served = channels_viewed,
	.arm = channels_arm,
	.awake = channels_awake,
	.ready = channels_ready,
	.end = end,
	.free_view = channels_view_free,
	.serve = channel_serve,
	.take_message = channel_take_message,
	.nests = channel_nests,
	.call_canceled = channel_call_canceled,
	.call_pidfd = channel_call_pidfd,
	.join_canceled = channel_join_canceled,
	.drop = channel_event_drop,
	.run = turn_run,
	.run_or_park = turn_run_or_park,
	.keep_turn = turn_keep,
	.leave_turn = turn_leave,
	.has_work = channels_have_work,
	.end_object = channels_end_object,
};
