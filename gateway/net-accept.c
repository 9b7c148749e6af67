// SPDX-License-Identifier: MIT
/*
 * How many connections clients have: see net.h. The core of gRPC 1.51 accepts as many as come, and
 * when one accept4() fails for want of files, it never listens again at that address. It calls the
 * C library for that, so the function of that name here takes the place of the library's. It closes
 * what is too much, and reports no error that passes.
 *
 * The core does not say when it closes a connection. The number of a socket's inode does: what has
 * another one, or none, is not the connection that was accepted. Each that comes looks at a few
 * others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "net-private.h"

/* So many are looked at for each that comes. */
#define LOOKS 64

/* The table of connections grows by so many. */
#define TABLE_STEP 256

/* Where connections come from, as peers.h has it. */
struct origin {
	uint64_t family;
	uint64_t network; /* an address of IPv4, 64 bits of one of IPv6, a virtual machine */
	unsigned int count;
	struct connection *first, *last;
};

struct connection {
	struct origin *origin;
	struct connection *next, *before;
	int fd;
	ino_t inode;
};

static struct {
	pthread_mutex_t lock; /* of all of it */
	struct net_connection_limits limits;
	void *origins;		 /* a tree of tsearch(3) */
	struct connection **all; /* by the numbers of their files */
	size_t size, next;	 /* where to look next */
	unsigned int count;
	int reserve; /* a file to close when there may be no more */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER, .reserve = -1 };

/* --- Where they come from ----------------------------------------------------------------- */

static struct origin origin_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	struct origin origin = { .family = address->ss_family };

	if (address->ss_family == AF_INET) {
		origin.network = in->sin_addr.s_addr;
	} else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		origin.family = AF_INET;
		memcpy(&origin.network, &in6->sin6_addr.s6_addr[12], 4);
	} else if (address->ss_family == AF_INET6) {
		memcpy(&origin.network, &in6->sin6_addr, sizeof(origin.network));
	} else if (address->ss_family == AF_VSOCK) {
		origin.network = net_vsock_cid(address);
	}
	return origin;
}

static int compare(const void *a, const void *b)
{
	const struct origin *one = a, *other = b;

	if (one->family != other->family)
		return one->family < other->family ? -1 : 1;
	return (one->network > other->network) - (one->network < other->network);
}

/* NULL: no memory. */
static struct origin *find_locked(const struct origin *wanted)
{
	struct origin *const *found = tfind(wanted, &table.origins, compare);
	struct origin *origin;

	if (found)
		return *found;
	origin = malloc(sizeof(*origin));
	if (!origin)
		return NULL;
	*origin = *wanted;
	if (tsearch(origin, &table.origins, compare))
		return origin;
	free(origin);
	return NULL;
}

static void drop_if_empty_locked(struct origin *origin)
{
	if (origin->count)
		return;
	tdelete(origin, &table.origins, compare);
	free(origin);
}

/* --- Connections ---------------------------------------------------------------------------- */

static void append_locked(struct connection *connection)
{
	struct origin *origin = connection->origin;

	connection->next = NULL;
	connection->before = origin->last;
	if (origin->last)
		origin->last->next = connection;
	else
		origin->first = connection;
	origin->last = connection;
}

static void take_out_locked(struct connection *connection)
{
	struct origin *origin = connection->origin;

	if (connection->before)
		connection->before->next = connection->next;
	else
		origin->first = connection->next;
	if (connection->next)
		connection->next->before = connection->before;
	else
		origin->last = connection->before;
}

/* Its origin stays, also without connections. */
static void forget_locked(struct connection *connection)
{
	take_out_locked(connection);
	connection->origin->count--;
	table.all[connection->fd] = NULL;
	table.count--;
	free(connection);
}

static bool is_open(const struct connection *connection)
{
	struct stat status;

	return fstat(connection->fd, &status) == 0 && S_ISSOCK(status.st_mode) &&
	       status.st_ino == connection->inode;
}

/* Forgets some that are closed: of all, and of this origin. */
static void look_locked(struct origin *origin)
{
	struct connection *connection;
	struct origin *other;

	for (size_t i = 0; i < LOOKS && i < table.size; i++) {
		table.next = (table.next + 1) % table.size;
		connection = table.all[table.next];
		if (!connection || is_open(connection))
			continue;
		other = connection->origin;
		forget_locked(connection);
		if (other != origin)
			drop_if_empty_locked(other);
	}
	for (unsigned int i = origin->count < LOOKS ? origin->count : LOOKS; i; i--) {
		connection = origin->first;
		if (is_open(connection)) {
			take_out_locked(connection);
			append_locked(connection);
		} else {
			forget_locked(connection);
		}
	}
}

/* Whatever had this file before is closed. */
static bool make_space_locked(int fd, struct origin *origin)
{
	struct connection **all, *old;
	struct origin *other;
	size_t size;

	if ((size_t)fd >= table.size) {
		size = ((size_t)fd / TABLE_STEP + 1) * TABLE_STEP;
		all = reallocarray(table.all, size, sizeof(*all));
		if (!all)
			return false;
		memset(all + table.size, 0, (size - table.size) * sizeof(*all));
		table.all = all;
		table.size = size;
	}
	old = table.all[fd];
	other = old ? old->origin : NULL;
	if (old)
		forget_locked(old);
	if (other && other != origin)
		drop_if_empty_locked(other);
	return true;
}

static bool add_locked(int fd, struct origin *origin)
{
	struct connection *connection;
	struct stat status;

	if (!make_space_locked(fd, origin) || fstat(fd, &status) < 0)
		return false;
	look_locked(origin);
	if (table.count >= table.limits.all || origin->count >= table.limits.peer)
		return false;
	connection = malloc(sizeof(*connection));
	if (!connection)
		return false;
	*connection = (struct connection){ .origin = origin, .fd = fd, .inode = status.st_ino };
	append_locked(connection);
	table.all[fd] = connection;
	origin->count++;
	table.count++;
	return true;
}

/* Whether the connection may stay. */
static bool admit(int fd, const struct sockaddr_storage *address)
{
	const struct origin wanted = origin_of(address);
	struct origin *origin;
	bool may = false;

	pthread_mutex_lock(&table.lock);
	origin = find_locked(&wanted);
	if (origin) {
		may = add_locked(fd, origin);
		drop_if_empty_locked(origin);
	}
	pthread_mutex_unlock(&table.lock);
	return may;
}

/* --- Accepting -------------------------------------------------------------------------------- */

void net_limit_connections(const struct net_connection_limits *limits)
{
	pthread_mutex_lock(&table.lock);
	table.limits = *limits;
	if (table.reserve < 0)
		table.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&table.lock);
}

static int accept_one(int fd, struct sockaddr_storage *address, socklen_t *size, int flags)
{
	*size = sizeof(*address);
	memset(address, 0, sizeof(*address));
	return (int)syscall(SYS_accept4, fd, address, size, flags);
}

/* The process may have no more files. A client that waits sees the end of its connection, and the
 * core learns of those that come later. False: none waits. */
static bool refuse_one(int fd)
{
	struct sockaddr_storage address;
	socklen_t size;
	int new = -1;

	pthread_mutex_lock(&table.lock);
	if (table.reserve >= 0)
		close(table.reserve);
	new = accept_one(fd, &address, &size, SOCK_CLOEXEC);
	if (new >= 0)
		close(new);
	table.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pthread_mutex_unlock(&table.lock);
	return new >= 0;
}

static void refused(const char *why)
{
	static struct log_limit limit;

	metrics_refused(REFUSED_CONNECTIONS);
	log_others(&limit, "refused a connection: %s", why);
}

/* The descriptor, or -1 with errno EAGAIN, or with what cannot pass. */
static int accept_next(int fd, struct sockaddr_storage *address, socklen_t *size, int flags)
{
	int new = accept_one(fd, address, size, flags);
	bool again;

	if (new >= 0) {
		if (admit(new, address))
			return new;
		close(new);
		refused("there are too many, or too many of this peer");
		errno = EINTR;
	} else if (errno == EMFILE || errno == ENFILE) {
		again = refuse_one(fd);
		if (again)
			refused("the gateway may have no more files");
		errno = again ? EINTR : EAGAIN;
	} else if (errno == ENOBUFS || errno == ENOMEM) {
		errno = EAGAIN;
	} else if (errno != EAGAIN && errno != EBADF && errno != EINVAL && errno != ENOTSOCK &&
		   errno != EFAULT) {
		/* The connection has ended meanwhile, in whatever way. */
		errno = EINTR;
	}
	return -1;
}

/* What the core calls; net-vsock.c too. */
int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	struct sockaddr_storage from;
	socklen_t from_size;
	int new;

	do
		new = accept_next(fd, &from, &from_size, flags);
	while (new < 0 && errno == EINTR);
	if (new >= 0 && address && size) {
		memcpy(address, &from, *size < from_size ? *size : from_size);
		*size = from_size;
	}
	return new;
}
