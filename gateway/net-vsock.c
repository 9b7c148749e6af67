// SPDX-License-Identifier: MIT
/*
 * Virtual machines and their host, at "vsock:CID:PORT" addresses: see net.h and net-private.h. The
 * core of gRPC 1.51 does not support such addresses, but takes connected sockets. So each listening
 * address has a thread that accepts, and each channel has a thread that connects, again with
 * back-off when the connection has ended. Without a connection, the channel uses a lame channel of
 * the core, which fails each call with the reason.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/support/alloc.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "net-private.h"

#define BACKLOG 128

/* Delay after an attempt that failed because files or memory are short. */
#define PAUSE_MSEC 100

/* If a connection lasted this long, the server did not refuse it. */
#define LASTING_MSEC 10000

struct vsock_listener {
	struct vsock_listener *next;
	struct net *net;
	int fd;
	int stop; /* an eventfd */
	bool started;
	pthread_t thread;
};

struct vsock_channel {
	struct sockaddr_vm address;
	char *target;
	grpc_channel_args args; /* shallow copies */
	int stop; /* an eventfd */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* protects the members below */
	pthread_cond_t changed;
	grpc_channel *channel; /* NULL: not yet */
};

/* --- Addresses ----------------------------------------------------------------------------- */

static bool is_vsock(const char *address)
{
	return !strncmp(address, "vsock:", 6);
}

/* Parses a 32-bit number before the character end. */
static bool number(const char **at, char end, unsigned int *ret_value)
{
	unsigned long value;
	char *behind;

	if (**at < '0' || **at > '9')
		return false;
	value = strtoul(*at, &behind, 10);
	if (*behind != end || value > UINT_MAX)
		return false;
	*ret_value = (unsigned int)value;
	*at = behind + 1;
	return true;
}

/* Parses "vsock:CID:PORT", where CID may be "any". */
static bool parse(const char *text, struct sockaddr_vm *ret_address)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };

	if (!is_vsock(text))
		return false;
	text += 6;
	if (!strncmp(text, "any:", 4))
		text += 4;
	else if (!number(&text, ':', &address.svm_cid))
		return false;
	if (!number(&text, 0, &address.svm_port))
		return false;
	*ret_address = address;
	return true;
}

/* Waits for a file. Returns true if stop was signaled. */
static bool wait_file(int fd, short events, int stop, int msec)
{
	struct pollfd fds[] = { { .fd = stop, .events = POLLIN }, { .fd = fd, .events = events } };
	int n;

	do
		n = poll(fds, fd < 0 ? 1 : 2, msec);
	while (n < 0 && errno == EINTR);
	return n > 0 && fds[0].revents;
}

static void stop_thread(int stop, pthread_t thread, bool *started)
{
	if (*started) {
		eventfd_write(stop, 1);
		pthread_join(thread, NULL);
		*started = false;
	}
}

/* --- Listening ------------------------------------------------------------------------------ */

/* The core names a connection by the number of its file, "fd:17". If the file was closed in the
 * meantime, the connection no longer has calls. */
char *net_vsock_address(const char *peer)
{
	struct sockaddr_vm address = { 0 };
	socklen_t size = sizeof(address);
	unsigned int fd;
	char *text;

	if (strncmp(peer, "fd:", 3))
		return NULL;
	peer += 3;
	if (!number(&peer, 0, &fd) ||
	    getpeername((int)fd, (struct sockaddr *)&address, &size) < 0 ||
	    address.svm_family != AF_VSOCK)
		address.svm_cid = VMADDR_CID_ANY;
	return asprintf(&text, "vsock:%u:", address.svm_cid) < 0 ? NULL : text;
}

static void take(struct vsock_listener *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	grpc_server_credentials *credentials;

	if (fd < 0) {
			wait_file(-1, 0, listener->stop, PAUSE_MSEC);
		return;
	}
	credentials = grpc_insecure_server_credentials_create();
	grpc_server_add_channel_from_fd(listener->net->server, fd, credentials);
	grpc_server_credentials_release(credentials);
}

static void *run_listener(void *userdata)
{
	struct vsock_listener *listener = userdata;

	while (!wait_file(listener->fd, POLLIN, listener->stop, -1))
		take(listener);
	close(listener->fd);
	listener->fd = -1;
	return NULL;
}

int net_vsock_listen(struct net *net, const char *text)
{
	struct vsock_listener *listener;
	struct sockaddr_vm address;
	socklen_t size = sizeof(address);

	if (!is_vsock(text))
		return 0;
	if (!parse(text, &address))
		return -EINVAL;
	if (!address.svm_port)
		address.svm_port = VMADDR_PORT_ANY;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->net = net;
	listener->stop = eventfd(0, EFD_CLOEXEC);
	listener->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	listener->next = net->vsock;
	net->vsock = listener;
	if (listener->stop < 0 || listener->fd < 0 ||
	    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener->fd, BACKLOG) < 0 ||
	    getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	return address.svm_port > INT_MAX ? INT_MAX : (int)address.svm_port;
}

int net_vsock_start(struct net *net)
{
	int r = 0;

	for (struct vsock_listener *listener = net->vsock; r == 0 && listener;
	     listener = listener->next) {
		r = -pthread_create(&listener->thread, NULL, run_listener, listener);
		listener->started = r == 0;
	}
	return r;
}

void net_vsock_stop(struct net *net)
{
	for (struct vsock_listener *listener = net->vsock; listener; listener = listener->next)
		eventfd_write(listener->stop, 1);
}

void net_vsock_free(struct net *net)
{
	struct vsock_listener *next;

	for (struct vsock_listener *listener = net->vsock; listener; listener = next) {
		next = listener->next;
		stop_thread(listener->stop, listener->thread, &listener->started);
		if (listener->fd >= 0)
			close(listener->fd);
		if (listener->stop >= 0)
			close(listener->stop);
		free(listener);
	}
}

/* --- Connecting ----------------------------------------------------------------------------- */

/* Connects. The kernel's timeout is 2 s. */
static int try_connect(struct vsock_channel *channel)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&channel->address, sizeof(channel->address)) < 0)
		error = errno;
	if (error == EINPROGRESS) {
		error = ECANCELED;
		if (!wait_file(fd, POLLOUT, channel->stop, -1) &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			error = errno;
	}
	if (!error)
		return fd;
	close(fd);
	return -error;
}

static void set_channel(struct vsock_channel *channel, grpc_channel *new)
{
	grpc_channel *old;

	pthread_mutex_lock(&channel->lock);
	old = channel->channel;
	channel->channel = new;
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
	if (old)
		grpc_channel_destroy(old);
}

static void set_lame(struct vsock_channel *channel, const char *why)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %s", channel->target, why);
	set_channel(channel, grpc_lame_client_channel_create(channel->target,
							     GRPC_STATUS_UNAVAILABLE, text));
}

/* Uses a connection until it ends. The core owns fd, and shuts the connection down before it closes
 * fd. A duplicate of fd reports that. */
static bool use(struct vsock_channel *channel, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	grpc_channel_credentials *credentials;
	bool stop;

	if (copy < 0) {
		close(fd);
		return wait_file(-1, 0, channel->stop, PAUSE_MSEC);
	}
	credentials = grpc_insecure_credentials_create();
	set_channel(channel,
		    grpc_channel_create_from_fd(channel->target, fd, credentials, &channel->args));
	grpc_channel_credentials_release(credentials);
	stop = wait_file(copy, POLLRDHUP, channel->stop, -1);
	if (!stop)
		set_lame(channel, "the connection ended");
	close(copy);
	return stop;
}

static void *run_channel(void *userdata)
{
	struct vsock_channel *channel = userdata;
	unsigned int msec = NET_BACKOFF_MIN_MSEC;
	bool stop = false;
	gpr_timespec begin, lasted;
	int fd;

	while (!stop) {
		fd = try_connect(channel);
		begin = gpr_now(GPR_CLOCK_MONOTONIC);
		if (fd < 0)
			set_lame(channel, strerror(-fd));
		else
			stop = use(channel, fd);
		lasted = gpr_time_sub(gpr_now(GPR_CLOCK_MONOTONIC), begin);
		if (fd >= 0 && gpr_time_to_millis(lasted) > LASTING_MSEC)
			msec = NET_BACKOFF_MIN_MSEC;
		stop = stop || wait_file(-1, 0, channel->stop, (int)msec);
		msec = msec < NET_BACKOFF_MAX_MSEC / 2 ? 2 * msec : NET_BACKOFF_MAX_MSEC;
	}
	return NULL;
}

struct vsock_channel *net_vsock_channel_free(struct vsock_channel *channel)
{
	if (!channel)
		return NULL;
	stop_thread(channel->stop, channel->thread, &channel->started);
	if (channel->channel)
		grpc_channel_destroy(channel->channel);
	if (channel->stop >= 0)
		close(channel->stop);
	pthread_cond_destroy(&channel->changed);
	pthread_mutex_destroy(&channel->lock);
	free(channel->args.args);
	free(channel->target);
	free(channel);
	return NULL;
}

int net_vsock_channel_new(const struct net_channel_options *options, const grpc_channel_args *args,
			  struct vsock_channel **ret_channel)
{
	const size_t size = args->num_args * sizeof(*args->args);
	struct vsock_channel *channel;
	struct sockaddr_vm address;
	int r = -ENOMEM;

	*ret_channel = NULL;
	if (!is_vsock(options->target))
		return 0;
	if (options->pem || !parse(options->target, &address))
		return -EINVAL;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return r;
	pthread_mutex_init(&channel->lock, NULL);
	pthread_cond_init(&channel->changed, NULL);
	channel->address = address;
	channel->target = strdup(options->target);
	channel->args = (grpc_channel_args){ args->num_args, malloc(size) };
	channel->stop = eventfd(0, EFD_CLOEXEC);
	if (channel->stop < 0)
		r = -errno;
	else if (channel->target && channel->args.args)
		r = 0;
	if (r == 0) {
		memcpy(channel->args.args, args->args, size);
		r = -pthread_create(&channel->thread, NULL, run_channel, channel);
		channel->started = r == 0;
	}
	if (r < 0) {
		net_vsock_channel_free(channel);
		return r;
	}
	/* Wait for the first attempt, so that a first call does not fail because it is early. */
	pthread_mutex_lock(&channel->lock);
	while (!channel->channel)
		pthread_cond_wait(&channel->changed, &channel->lock);
	pthread_mutex_unlock(&channel->lock);
	*ret_channel = channel;
	return 0;
}

grpc_channel *net_vsock_hold(struct vsock_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	return channel->channel;
}

void net_vsock_release(struct vsock_channel *channel)
{
	pthread_mutex_unlock(&channel->lock);
}
