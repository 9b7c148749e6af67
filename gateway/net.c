// SPDX-License-Identifier: MIT
/*
 * The engine and its server, on gRPC's C core: see net.h and net-private.h.
 */
#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "net-private.h"

/* --- Counting ----------------------------------------------------------------------- */

static void add(uint64_t *number, uint64_t n)
{
	__atomic_add_fetch(number, n, __ATOMIC_RELAXED);
}

void net_count_begin(struct net_counts *counts)
{
	add(&counts->open, 1);
}

void net_count_end(struct net_counts *counts, int code)
{
	add(&counts->ended[code >= 0 && code < NET_CODES ? code : NET_UNKNOWN], 1);
	add(&counts->open, (uint64_t)-1);
}

void net_call_count(struct net_call *call, struct net_counts *counts)
{
	call->counts = counts;
	net_count_begin(counts);
}

const struct net_counts *net_uncounted(const struct net *net)
{
	return &net->uncounted;
}

/* --- Accepting ---------------------------------------------------------------------------- */

/* Requests a call from the core. If memory is short, the core queues new calls, and accept_done()
 * of the next call requests again. */
static void ask(struct acceptor *acceptor)
{
	struct net *net = acceptor->net;
	struct net_call *call = net_call_new(net);

	acceptor->call = NULL;
	if (!call)
		return;
	acceptor->call = call;
	if (grpc_server_request_call(net->server, &call->call, &call->details, &call->metadata,
				     net->queue, net->queue, &acceptor->op) != GRPC_CALL_OK)
		acceptor->call = net_call_unref(call);
}

static void begin(struct net *net, struct net_call *call)
{
	const struct net_status no_memory = {
		.code = NET_RESOURCE_EXHAUSTED,
		.message = "the gateway has no memory",
	};

	net_call_accepted(call);
	__atomic_add_fetch(&net->open, 1, __ATOMIC_RELAXED);
	call->path = grpc_slice_to_c_string(call->details.method);
	if (call->path)
		net->accept(call, net->userdata);
	else
		net_call_finish(call, &no_memory);
}

static void accept_done(struct op *op, bool ok)
{
	struct acceptor *acceptor = container_of(op, struct acceptor, op);
	struct net *net = acceptor->net;
	struct net_call *call = acceptor->call;

	acceptor->call = NULL;
	/* The server has stopped. */
	if (!ok) {
		net_call_unref(call);
		return;
	}
	ask(acceptor);
	for (size_t i = 0; i < ACCEPTS; i++)
		if (!net->acceptors[i].call)
			ask(&net->acceptors[i]);
	begin(net, call);
}

/* --- The engine --------------------------------------------------------------------------- */

/* A queue that was shut down takes no ops, so the last call must be over. Runs on the thread in
 * net_run(). */
void net_end_queue(struct net *net)
{
	bool last;

	pthread_mutex_lock(&net->lock);
	last = net->server_over && !net->calls;
	pthread_mutex_unlock(&net->lock);
	if (last)
		grpc_completion_queue_shutdown(net->queue);
}

static void stopped(struct op *op, bool ok)
{
	struct net *net = container_of(op, struct net, stopped);

	(void)ok;
	pthread_mutex_lock(&net->lock);
	net->server_over = true;
	pthread_mutex_unlock(&net->lock);
	net_end_queue(net);
}

static grpc_server *server_new(const struct net_limits *limits)
{
	grpc_resource_quota *quota = grpc_resource_quota_create("gateway");
	grpc_arg args[] = {
		NET_NO_COMPRESSION,
		NET_INTEGER(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, limits->message_size),
		NET_INTEGER(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits->streams),
		NET_INTEGER(GRPC_ARG_ALLOW_REUSEPORT, 0),
		NET_INTEGER(GRPC_ARG_KEEPALIVE_TIME_MS, NET_KEEPALIVE_MSEC),
		NET_INTEGER(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, NET_KEEPALIVE_MSEC),
		NET_INTEGER(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
			    NET_KEEPALIVE_MSEC / 2),
		{ .type = GRPC_ARG_POINTER,
		  .key = (char *)GRPC_ARG_RESOURCE_QUOTA,
		  .value.pointer = { quota, grpc_resource_quota_arg_vtable() } },
	};
	const grpc_channel_args all = { .num_args = sizeof(args) / sizeof(*args), .args = args };
	grpc_server *server;

	grpc_resource_quota_resize(quota, limits->memory);
	server = grpc_server_create(&all, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

/* Reports of the core contain texts of peers, which the core does not make printable. By default
 * the core reports errors only. */
static void log_core(gpr_log_func_args *args)
{
	log_line("gRPC: %s", args->message);
}

int net_new(struct net **ret_net, const struct net_limits *limits, net_accept accept,
	    void *userdata)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return -ENOMEM;
	gpr_set_log_function(log_core);
	grpc_init();
	net->accept = accept;
	net->userdata = userdata;
	net->stopped.done = stopped;
	pthread_mutex_init(&net->lock, NULL);
	pthread_mutex_init(&net->callbacks, NULL);
	net_young_init(net);
	net->queue = grpc_completion_queue_create_for_next(NULL);
	net->server = server_new(limits);
	grpc_server_register_completion_queue(net->server, net->queue, NULL);
	*ret_net = net;
	return 0;
}

struct net *net_free(struct net *net)
{
	if (!net)
		return NULL;
	/* The core requires that the queue is drained. */
	if (!net->over) {
		net_stop(net);
		net_run(net);
	}
	net_vsock_free(net);
	grpc_server_destroy(net->server);
	grpc_completion_queue_destroy(net->queue);
	for (struct listener *listener = net->listeners, *next; listener; listener = next) {
		next = listener->next;
		free(listener);
	}
	net_pem_done(&net->pem);
	pthread_mutex_destroy(&net->young_lock);
	pthread_mutex_destroy(&net->callbacks);
	pthread_mutex_destroy(&net->lock);
	free(net);
	grpc_shutdown();
	return NULL;
}

int net_listen(struct net *net, const char *address)
{
	bool tls = !strncmp(address, "tls:", 4);
	grpc_server_credentials *credentials;
	int port = net_vsock_listen(net, address);

	if (port)
		return port;
	credentials = tls ? net_tls_credentials(net) : grpc_insecure_server_credentials_create();
	if (!credentials)
		return -ENOMEM;
	port = grpc_server_add_http2_port(net->server, tls ? address + 4 : address, credentials);
	grpc_server_credentials_release(credentials);
	return port > 0 ? port : -EREMOTEIO;
}

/* --- Running ------------------------------------------------------------------------------ */

int net_start(struct net *net)
{
	grpc_server_start(net->server);
	for (size_t i = 0; i < ACCEPTS; i++) {
		net->acceptors[i].net = net;
		net->acceptors[i].op.done = accept_done;
		ask(&net->acceptors[i]);
		if (!net->acceptors[i].call)
			return -ENOMEM;
	}
	return net_vsock_start(net);
}

void net_run(struct net *net)
{
	grpc_event event;

	net->thread = pthread_self();
	for (;;) {
		event = grpc_completion_queue_next(net->queue, net_wait_for_closes(net), NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN) {
			net->over = true;
			return;
		}
		if (event.type != GRPC_OP_COMPLETE)
			continue;
		/* Notice canceled calls before new calls arrive. */
		if (__atomic_load_n(&net->oldest, __ATOMIC_RELAXED))
			net_wait_for_closes(net);
		net_run_op(net, event.tag, event.success);
	}
}

void net_stop(struct net *net)
{
	bool first;

	pthread_mutex_lock(&net->lock);
	first = !net->stopping;
	net->stopping = true;
	pthread_mutex_unlock(&net->lock);
	if (!first)
		return;
	net_vsock_stop(net);
	grpc_server_shutdown_and_notify(net->server, net->queue, &net->stopped);
}

bool net_is_idle(struct net *net)
{
	bool idle;

	pthread_mutex_lock(&net->lock);
	idle = !net->calls;
	pthread_mutex_unlock(&net->lock);
	return idle && !__atomic_load_n(&net->open, __ATOMIC_RELAXED);
}

void net_cancel_all(struct net *net)
{
	grpc_server_cancel_all_calls(net->server);
	net_cancel_calls(net);
}
