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
#include "pidns.h"
#include "socket.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Milliseconds during which the daemon accepts no connections after it ran out of fds or memory. */
#define PAUSE		100
/* Backlog of the listener. The kernel queues the connections of all users in one order, so this
 * bounds how many connections of other users precede a new one. If the backlog is full, a process
 * blocks in connect() with one connection. */
#define BACKLOG		8
/* Maximum number of connections accepted per round of events. Opening the bus takes several rounds,
 * in which other users may connect all the time. */
#define MAX_ACCEPTED	BACKLOG

/**
 * struct connection - a connection as the main thread sees it
 * @pidfd: polled, like the socket of the peer
 * @peer: the process that connected
 * @nonce: the number that the peer must repeat in its HELLO
 * @client: NULL before HELLO
 * @area: watch for the end of the client's address space
 * @closed: freed after this round of events
 * @next: in the list of closed connections, or of connections that wait for WELCOME
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
/* The next connection to be accepted. */
static struct connection *prepared;
/* Accepted connections that wait for their user's turn, in order of arrival. */
static struct connection *waiting, **last_waiting = &waiting;

void connections_init(int epoll, int listening)
{
	epoll_fd = epoll;
	listener = listening;
	socket_refuse_files(listener);
	/* Also sets the backlog of a socket that systemd passed. */
	listen(listener, BACKLOG);
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_again(bool again)
{
	struct epoll_event event = { .events = again ? EPOLLIN : 0 };

	pauses = !again;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, listener, &event);
}

/* --- Identity of the peer -------------------------------------------------------- */

bool connections_are_hidden(void)
{
	uint64_t started;

	return (!kill(1, 0) || errno == EPERM) && pidns_read_start(1, &started);
}

/* Sets the peer's credentials and the user that pays for the connection. */
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

/* Finds the process that connected, according to the kernel. Its pid may already belong to another
 * process: the nonce of welcome() detects that. */
static int identify(struct connection *connection)
{
	struct client_peer *peer = &connection->peer;
	socklen_t size = sizeof(connection->pidfd);

	if (peer->pid <= 0)
		return -ESRCH;
	/* The socket of a daemon with that uid is private: see refuse_ambiguous_users(). */
	if (uid_is_ambiguous(peer->uid) && peer->uid != geteuid())
		return -EOVERFLOW;
	if (getsockopt(peer->socket, SOL_SOCKET, SO_PEERPIDFD, &connection->pidfd, &size)) {
		connection->pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
		if (connection->pidfd < 0)
			return -errno;
	}
	return pidns_read_start(peer->pid, &peer->started);
}

/* Sends a random number that the peer must repeat in its HELLO, where the kernel reports the
 * sender. A process may connect, pass the socket on and end before identify() runs, and another
 * process may get its pid. Returns 0 or -errno. */
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

/* Ends a connection and its client. connections_free() frees it later, because other events of this
 * round may still point to it. */
static void connection_close(struct connection *connection)
{
	if (connection->closed)
		return;
	connection->closed = true;
	connection->next = closed;
	closed = connection;
	if (connection->pidfd >= 0)
		close(connection->pidfd);
	/* The client owns the socket and may need it a little longer. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->peer.socket, NULL);
	area_unwatch(&connection->area);
	if (connection->client)
		client_end(connection->client);
	else if (connection->peer.flight)
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

/* Returns true if the peer has closed its end, so that identifying it would be in vain. */
static bool has_hung_up(const struct connection *connection)
{
	struct pollfd socket = { .fd = connection->peer.socket };

	return poll(&socket, 1, 0) == 1 && socket.revents & POLLHUP;
}

static void begin(struct connection *connection)
{
	int r = has_hung_up(connection) ? -EPIPE : identify(connection);

	if (!r)
		r = watch(connection, connection->peer.socket);
	if (!r)
		r = watch(connection, connection->pidfd);
	if (!r)
		r = welcome(connection);
	if (r == -EPIPE)
		connection_close(connection);
	else if (r)
		refuse(connection, r);
}

/* Gives the socket to the prepared connection and charges the payer. If the connection must be
 * refused, refuses it at once, which costs less than serving it. While earlier
 * connections of the user wait, the user has no turn left in this round. */
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
	if (r || error) {
		refuse(connection, error ? error : r);
	} else if (account_takes_turn(peer->account, round_number)) {
		begin(connection);
	} else {
		*last_waiting = connection;
		last_waiting = &connection->next;
	}
}

/* Begins the waiting connections of users that have a turn. */
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

/* If no fd is left for a connection, closes the spare fd to accept and refuse it. If there is no
 * spare fd or no memory, pauses accepting. */
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

/* --- Messages of the peer -------------------------------------------------------- */

/* Returns true if the process has ended: then its pidfd is readable. */
static bool is_dead(const struct connection *connection)
{
	struct pollfd pidfd = { .fd = connection->pidfd, .events = POLLIN };

	return poll(&pidfd, 1, 0) == 1;
}

/* Returns true if the process of the pidfd sent the message. While that process lives, no other
 * process can have its pid. */
static bool is_from_peer(const struct connection *connection,
			 const struct ipcbusd_message *message, int sender)
{
	return sender == connection->peer.pid && message->nonce == connection->nonce &&
	       !is_dead(connection);
}

static void administer(const struct ipcbusd_message *message, struct ipcbusd_message *reply)
{
	char name[sizeof(message->name) + 1] = "";
	uint64_t now = 0;

	memcpy(name, message->name, sizeof(message->name));
	if (message->kind == IPCBUSD_SET) {
		reply->error = admin_set(name, message->number, &reply->number);
	} else if (message->kind == IPCBUSD_ADVANCE) {
		reply->error = admin_advance(message->size, &now);
		reply->size = now;
	} else {
		reply->size = admin_fail((int)message->number, message->size);
	}
}

/* Gives the flight to a thread that replies. Until then the payer pays for it, also if the peer
 * closes its end. */
static int read_file(struct connection *connection, const char *name)
{
	struct client_peer *peer = &connection->peer;
	int r;

	/* Afterwards another file may have the number of the socket. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, peer->socket, NULL);
	r = admin_read(peer->flight, peer->socket, name);
	if (r)
		return r;
	peer->flight = NULL;
	peer->socket = -1;
	return 0;
}

/* Handles a request of an administrator: root, or the user that runs the daemon. A connection has
 * a single request. */
static void take_admin(struct connection *connection, const struct ipcbusd_message *message,
		       int sender)
{
	struct ipcbusd_message reply = { .kind = message->kind };

	if (!is_from_peer(connection, message, sender))
		reply.error = -ESRCH;
	else if (connection->peer.uid && connection->peer.uid != geteuid())
		reply.error = -EACCES;
	else if (message->kind == IPCBUSD_READ)
		reply.error = read_file(connection, message->name);
	else
		administer(message, &reply);
	if (connection->peer.flight)
		socket_send(connection->peer.socket, &reply, NULL, 0);
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

/* Returns false if the connection must be closed: the message is not valid here, or it is BYE. */
static bool take_message(struct connection *connection, const struct ipcbusd_message *message,
			 int fd, int sender)
{
	if (message->kind == IPCBUSD_HELLO && !connection->client && fd < 0)
		return take_hello(connection, message, sender);
	if (message->kind >= IPCBUSD_READ && message->kind <= IPCBUSD_FAIL &&
	    !connection->client && fd < 0)
		take_admin(connection, message, sender);
	if (!connection->client)
		return false;
	if (message->kind == IPCBUSD_MAP && fd < 0)
		return client_map(connection->client, message->size);
	if (message->kind != IPCBUSD_SEND_FD || fd < 0)
		return false;
	return client_give_fd(connection->client, message->number, fd);
}

/* Receives a single message, so that other connections get their turn. */
static void receive(struct connection *connection)
{
	struct ipcbusd_message message;
	int fd, sender, r;

	r = socket_receive(connection->peer.socket, &message, &fd, &sender);
	if (fd >= 0)
		account_take_file(connection->peer.account);
	if (r == -EAGAIN)
		return;
	if (r == 1 && take_message(connection, &message, fd, sender))
		return;
	/* Unless the fd was handed to a cell, close it here. */
	if (fd >= 0 && (r != 1 || message.kind != IPCBUSD_SEND_FD || !connection->client))
		close_later(fd, connection->peer.account);
	connection_close(connection);
}

void connection_event(struct connection *connection)
{
	/* If this is not the user's turn, the event is reported again in the next round. */
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

/* Closes connections whose process called exec() while another process holds a copy of the
 * socket. */
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
