// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections: see connection.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "account.h"
#include "client.h"
#include "closer.h"
#include "connection.h"
#include "ipcbus-daemon.h"
#include "socket.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* How long to accept no connection if no fd can be had, in milliseconds. */
#define PAUSE		100
/* How many to accept in a round of events. */
#define MAX_ACCEPTED	64
/* Of the listener. The kernel keeps one order for all users, so this bounds how many connections of
 * another user come first. Beyond it a process waits in connect(), with one connection each. */
#define BACKLOG		16

/**
 * struct connection - what the main thread knows of one
 * @pidfd: polled, as the socket of the peer is
 * @peer: who it is
 * @nonce: what the peer is to say in its HELLO
 * @client: NULL before HELLO
 * @area: the client's, which says that its address space has ended
 * @closed: it is to be freed after this round of events
 * @next: in the list of those, or of those that wait for WELCOME
 */
struct connection {
	int pidfd;
	struct client_peer peer;
	uint64_t nonce;
	struct client *client;
	struct area_watch area;
	bool closed;
	struct connection *next;
};

static int epoll_fd, listener;
static int spare_fd = -1;
static bool pauses;
static uint64_t round_number;
static struct connection *closed;
/* The next one to be accepted. */
static struct connection *prepared;
/* Accepted, and waiting for their user's turn; in the order in which they came. */
static struct connection *waiting, **last_waiting = &waiting;

void connections_init(int epoll, int listening)
{
	epoll_fd = epoll;
	listener = listening;
	socket_refuse_files(listener);
	/* Also if it is systemd's, with another backlog. */
	listen(listener, BACKLOG);
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_again(bool again)
{
	struct epoll_event event = { .events = again ? EPOLLIN : 0 };

	pauses = !again;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, listener, &event);
}

/* --- Who connects ---------------------------------------------------------------- */

/* When the process began, in ticks. In the file of its first thread, because that of the process is
 * a sum over all threads. */
int read_start(int pid, uint64_t *ret_start)
{
	char path[64], text[1024], *at;
	unsigned long long ticks = 0;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
	file = fopen(path, "re");
	/* The last two: /proc hides the process. */
	if (!file)
		return errno == ENOENT || errno == EPERM || errno == EACCES ? -ESRCH : -errno;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	/* The name may have spaces and brackets. */
	at = strrchr(text, ')');
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (at)
		sscanf(at, "%llu", &ticks);
	*ret_start = ticks;
	return ticks ? 0 : -ESRCH;
}

bool connections_are_hidden(void)
{
	uint64_t started;

	return (!kill(1, 0) || errno == EPERM) && read_start(1, &started);
}

/* Who pays for the connection. */
static void find_payer(struct connection *connection)
{
	struct client_peer *peer = &connection->peer;
	struct ucred ucred = { 0 };
	socklen_t size = sizeof(ucred);

	getsockopt(peer->socket, SOL_SOCKET, SO_PEERCRED, &ucred, &size);
	peer->pid = ucred.pid;
	peer->uid = ucred.uid;
	peer->gid = ucred.gid;
	peer->payer = payer_of(ucred.uid, ucred.pid);
}

/* The process that the kernel says connected. Its number may be another one's by now: welcome()
 * finds out. */
static int identify(struct connection *connection)
{
	struct client_peer *peer = &connection->peer;
	socklen_t size = sizeof(connection->pidfd);

	if (peer->pid <= 0)
		return -ESRCH;
	if (getsockopt(peer->socket, SOL_SOCKET, SO_PEERPIDFD, &connection->pidfd, &size)) {
		connection->pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
		if (connection->pidfd < 0)
			return -errno;
	}
	return read_start(peer->pid, &peer->started);
}

/* A process may connect, pass the socket on and end, and another one gets its number before
 * identify() has looked. So who connected has to repeat a number that nobody knew before, and
 * the kernel says who sends that. */
static int welcome(struct connection *connection)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_WELCOME };

	if (getrandom(&connection->nonce, sizeof(connection->nonce), 0) !=
	    sizeof(connection->nonce))
		return -errno;
	message.nonce = connection->nonce;
	return socket_send(connection->peer.socket, &message, NULL, 0);
}

static int watch(struct connection *connection, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Other events of this round may still name it. */
static void connection_close(struct connection *connection)
{
	if (connection->closed)
		return;
	connection->closed = true;
	connection->next = closed;
	closed = connection;
	if (connection->pidfd >= 0)
		close(connection->pidfd);
	/* The client has the socket, and maybe needs it a little longer. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->peer.socket, NULL);
	area_unwatch(&connection->area);
	if (connection->client)
		client_end(connection->client);
	else
		flight_end(connection->peer.flight);
}

static struct connection *connection_new(void)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->pidfd = -1;
	connection->peer.flight = flight_new();
	if (connection->peer.flight)
		return connection;
	free(connection);
	return NULL;
}

static void refuse(struct connection *connection, int error)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_WELCOME, .error = error };

	socket_send(connection->peer.socket, &message, NULL, 0);
	connection_close(connection);
}

/* The prepared connection gets the socket and is charged. If it has to be refused, that is done at
 * once, and takes less than all else. */
static void admit(int socket, int error)
{
	struct connection *connection = prepared;
	struct client_peer *peer = &connection->peer;
	int r;

	prepared = NULL;
	peer->socket = socket;
	socket_ask_for_senders(socket);
	find_payer(connection);
	r = flight_begin(peer->flight, peer->payer, socket);
	peer->account = flight_account(peer->flight);
	/* The daemon's cgroup may be another one than at the last user, or have another limit. */
	if (r == 1)
		admin_update_memory();
	if (r < 0 || error) {
		refuse(connection, error ? error : r);
		return;
	}
	*last_waiting = connection;
	last_waiting = &connection->next;
}

static void begin(struct connection *connection)
{
	int r = identify(connection);

	if (!r)
		r = watch(connection, connection->peer.socket);
	if (!r)
		r = watch(connection, connection->pidfd);
	if (!r)
		r = welcome(connection);
	if (r)
		refuse(connection, r);
}

/* Begins those whose user has a turn. */
static void begin_waiting(void)
{
	struct connection **link = &waiting, *connection;

	while ((connection = *link)) {
		if (!account_takes_turn(connection->peer.account, round_number)) {
			link = &connection->next;
			continue;
		}
		*link = connection->next;
		connection->next = NULL;
		begin(connection);
	}
	last_waiting = link;
}

/* If there is no fd for a connection, the one in reserve serves to refuse it. If that is used up,
 * too, or there is no memory, no connection is accepted for a while. */
static bool accept_one(void)
{
	int socket = -1, error = 0;

	if (!prepared)
		prepared = connection_new();
	if (prepared)
		socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (prepared && socket < 0 && (errno == EMFILE || errno == ENFILE) && spare_fd >= 0) {
		close(spare_fd);
		spare_fd = -1;
		error = -ENFILE;
		socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	if (socket >= 0)
		admit(socket, error);
	else if (!prepared || errno != EAGAIN)
		accept_again(false);
	if (spare_fd < 0)
		spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (spare_fd < 0)
		accept_again(false);
	return socket >= 0 && !pauses;
}

void connections_accept(void)
{
	for (int i = 0; i < MAX_ACCEPTED && accept_one(); i++)
		;
}

/* --- What they say --------------------------------------------------------------- */

/* A pidfd is readable once its process has ended. */
static bool is_dead(const struct connection *connection)
{
	struct pollfd pidfd = { .fd = connection->pidfd, .events = POLLIN };

	return poll(&pidfd, 1, 0) == 1;
}

/* Is the message from the process of the pidfd? While that process lives, no other one can have
 * its number. */
static bool is_from_peer(const struct connection *connection,
			 const struct ipcbusd_message *message, int sender)
{
	return sender == connection->peer.pid && message->nonce == connection->nonce &&
	       !is_dead(connection);
}

#define NO_FD (-1)

/* Returns the fd that goes with the reply, or NO_FD. */
static int administer(const struct ipcbusd_message *message, struct ipcbusd_message *reply)
{
	char name[sizeof(message->name) + 1] = "";
	uint64_t now = 0;
	int fd;

	memcpy(name, message->name, sizeof(message->name));
	if (message->kind == IPCBUSD_SET) {
		reply->error = admin_set(name, message->number, &reply->number);
		return NO_FD;
	}
	if (message->kind == IPCBUSD_ADVANCE) {
		reply->error = admin_advance(message->size, &now);
		reply->size = now;
		return NO_FD;
	}
	if (message->kind == IPCBUSD_FAIL) {
		reply->size = admin_fail((int)message->number, message->size);
		return NO_FD;
	}
	fd = admin_open(name);
	reply->error = fd < 0 ? fd : 0;
	return fd < 0 ? NO_FD : fd;
}

/* What debugfs and the parameters are for the module. For root and the user who runs the daemon;
 * one request a connection. */
static bool take_admin(const struct connection *connection, const struct ipcbusd_message *message,
		       int sender)
{
	struct ipcbusd_message reply = { .kind = message->kind };
	int fd = NO_FD;

	if (!is_from_peer(connection, message, sender))
		reply.error = -ESRCH;
	else if (connection->peer.uid && connection->peer.uid != geteuid())
		reply.error = -EACCES;
	else
		fd = administer(message, &reply);
	socket_send(connection->peer.socket, &reply, &fd, fd != NO_FD);
	if (fd != NO_FD)
		close(fd);
	return false;
}

static bool take_hello(struct connection *connection, const struct ipcbusd_message *message,
		       int sender)
{
	struct ipcbusd_message reply = { .kind = IPCBUSD_HELLO, .error = -ESRCH };

	if (!is_from_peer(connection, message, sender)) {
		socket_send(connection->peer.socket, &reply, NULL, 0);
		return false;
	}
	socket_accept_files(connection->peer.socket);
	connection->client = client_new(&connection->peer, message->base, message->size,
					&connection->area, connection);
	return connection->client;
}

/* False: this is no client of ours, or not any more: BYE. */
static bool take_message(struct connection *connection, const struct ipcbusd_message *message,
			 int fd, int sender)
{
	if (message->kind == IPCBUSD_HELLO && !connection->client && fd < 0)
		return take_hello(connection, message, sender);
	if (message->kind >= IPCBUSD_READ && message->kind <= IPCBUSD_FAIL &&
	    !connection->client && fd < 0)
		return take_admin(connection, message, sender);
	if (!connection->client)
		return false;
	if (message->kind == IPCBUSD_MAP && fd < 0)
		return client_map(connection->client, message->size);
	if (message->kind != IPCBUSD_SEND_FD || fd < 0)
		return false;
	return client_give_fd(connection->client, message->number, fd);
}

/* A message at a time: others have their turn. */
static void receive(struct connection *connection)
{
	struct ipcbusd_message message;
	int fd, sender, r;

	r = socket_receive(connection->peer.socket, connection->peer.account, &message, &fd,
			   &sender);
	if (r == -EAGAIN)
		return;
	if (r == 1 && take_message(connection, &message, fd, sender))
		return;
	/* Unless a slot has got the fd, it is ours to close. */
	if (fd >= 0 && (r != 1 || message.kind != IPCBUSD_SEND_FD || !connection->client))
		close_later(fd, connection->peer.account);
	connection_close(connection);
}

void connection_event(struct connection *connection)
{
	/* If it is not this user's turn, the event comes again in the next round. */
	if (connection->closed ||
	    !account_takes_turn(connection->peer.account, round_number))
		return;
	if (is_dead(connection))
		connection_close(connection);
	else
		receive(connection);
}

int connections_wait(void)
{
	return waiting ? 0 : pauses ? PAUSE : -1;
}

void connections_round(void)
{
	round_number++;
	if (pauses)
		accept_again(true);
	begin_waiting();
}

/* Of a process that goes on as another program, and a copy of whose socket somebody has. */
void connections_close_gone(void)
{
	struct connection *connection;

	while ((connection = areas_next_gone()))
		connection_close(connection);
}

void connections_free(void)
{
	struct connection *connection;

	while ((connection = closed)) {
		closed = connection->next;
		free(connection);
	}
}
