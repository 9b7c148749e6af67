// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounts: see account.h. They keep one user from using up the daemon's fds. Each of the following
 * has a limit:
 *
 * - connections, from accept() until they are closed
 * - threads that have a stack in the daemon
 * - files that the user sent and that are being closed. Files in messages are not charged here: the
 *   driver charges them to the sender or, in a reply, to the caller (user_files).
 * - files in flight in the queues of the user's sockets. The kernel has one limit for all files in
 *   flight that the daemon sent. It counts them until the client receives them or closes its end,
 *   whatever the daemon does with its own end.
 *
 * A client may claim to have received a file and leave it in its queue. So the account asks the
 * kernel for the size of the queue (SIOCOUTQ). All messages have the same size, so the size gives
 * the number of unread messages, which are the last that were sent. The kernel does not report when
 * a client reads a message. So the daemon measures a queue when its user is at the limit, and each
 * second after its connection has ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "account.h"
#include "closer.h"
#include "ipcbus-daemon.h"
#include "socket.h"

/* Each user's connections may take 1/PART of the daemon's fds and maps, but always MIN_CONNECTIONS.
 * The user's files in messages may take as many fds again, and so may the files that are being
 * closed. A connection takes eight fds: socket, pidfd, area, region, two timerfds, and bell and
 * status if it is the first connection of its uid. Its area, its region, and a stack with a guard
 * page are four maps. A thread takes a stack with a guard page. */
#define PART		16
#define FDS_OF_CONNECTION 8
#define MAPS_OF_CONNECTION 4
#define MAPS_OF_THREAD	2
#define MIN_CONNECTIONS 64
#define MIN_FILES	64	/* fds of a message */
#define MAX_FILES	16384

/* WELCOME is the first message and has no fd. The reply to HELLO is the second and has five. Each
 * other message has a single fd, or counts as if it had. */
#define BEFORE_HELLO 1
#define OTHERS_OF_HELLO (IPCBUSD_MAX_FDS - 1)
/* Seconds that a sender waits until its user's files are closed. The first tick comes after less
 * than a second, so the sender waits up to a second more. */
#define MAX_WAIT 1
/* Turns of an account per round of events. */
#define TURNS	4

/**
 * struct account - account of a payer: payer.c
 * @next: in the list of all accounts (accounts_lock)
 * @uid: constant
 * @holders: number of connections, files and flights (accounts_lock)
 * @connections: (accounts_lock)
 * @threads: threads with a stack (accounts_lock)
 * @closing_files: files that the user sent and that are being closed (accounts_lock)
 * @waits: senders that wait for @closing_files to fall (accounts_lock)
 * @closer: owned by closer.c
 * @round: round in which @turns were taken (main thread)
 * @turns: (main thread)
 * @lock: protects the rest. Never take accounts_lock while holding it.
 * @flights: all flights of the account
 * @in_flight: the sum of their fds
 * @ended: number of flights that have ended
 */
struct account {
	struct account *next;
	uint32_t uid;
	unsigned int holders;
	unsigned int connections;
	unsigned int threads;
	unsigned int closing_files;
	struct account_wait *waits;
	struct closer closer;
	uint64_t round;
	unsigned int turns;
	pthread_mutex_t lock;
	struct flight *flights;
	unsigned int in_flight;
	unsigned int ended;
};

/**
 * struct flight - a connection, and the fds in flight to its client
 * @next: in the list of the account
 * @account: holds a reference
 * @socket: the daemon's end
 * @sent: number of messages sent, including WELCOME
 * @fds: upper bound of the fds that the client has not received
 * @ended: the daemon sends no more messages
 */
struct flight {
	struct flight *next;
	struct account *account;
	int socket;
	uint64_t sent;
	unsigned int fds;
	bool ended;
};

static pthread_mutex_t accounts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct account *accounts;
/* For connections if the account of the payer could not be allocated. */
static struct account fallback_account = { .holders = 1 };
static struct {
	unsigned int connections;
	unsigned int threads;
	unsigned int files;
} limits;
/* Size of a message in a queue, or 0 if the kernel does not report sizes. */
static int message_size;
static int timer_fd = -1;
static bool timer_runs;

static int queued(int socket)
{
	int size = 0;

	return ioctl(socket, SIOCOUTQ, &size) ? 0 : size;
}

static int measure(void)
{
	struct ipcbusd_message message = { 0 };
	int pair[2], size = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return 0;
	if (!socket_send(pair[0], &message, NULL, 0))
		size = queued(pair[0]);
	close(pair[0]);
	close(pair[1]);
	return size;
}

static void init(struct account *account, uint32_t uid)
{
	account->uid = uid;
	pthread_mutex_init(&account->lock, NULL);
	closer_init(&account->closer);
	account->next = accounts;
	accounts = account;
}

static unsigned int part(uint64_t of_all, unsigned int least, unsigned int at_most)
{
	return of_all > at_most ? at_most : of_all < least ? least : (unsigned int)of_all;
}

int accounts_init(uint64_t fds, unsigned int maps, unsigned int *ret_files)
{
	unsigned int connections;

	maps /= PART;
	connections = part(fds / PART / FDS_OF_CONNECTION, MIN_CONNECTIONS, IPCBUSD_CLIENTS);
	limits.connections = part(maps / MAPS_OF_CONNECTION, MIN_CONNECTIONS, connections);
	limits.threads = maps / MAPS_OF_THREAD;
	limits.files = part(fds / PART, MIN_FILES, MAX_FILES);
	*ret_files = limits.files;
	init(&fallback_account, UINT32_MAX);
	message_size = measure();
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return timer_fd;
}

/* --- Accounts ------------------------------------------------------------------------ */

static void put_locked(struct account *account)
{
	struct account **link = &accounts;

	if (--account->holders)
		return;
	while (*link != account)
		link = &(*link)->next;
	*link = account->next;
	closer_done(&account->closer);
	pthread_mutex_destroy(&account->lock);
	free(account);
}

void account_put(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	put_locked(account);
	pthread_mutex_unlock(&accounts_lock);
}

void account_hold(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	account->holders++;
	pthread_mutex_unlock(&accounts_lock);
}

/* Returns the account with a new reference, or NULL if memory is short. */
static struct account *get_locked(uint32_t uid)
{
	struct account *account = accounts;

	while (account && account->uid != uid)
		account = account->next;
	if (!account) {
		account = calloc(1, sizeof(*account));
		if (!account)
			return NULL;
		init(account, uid);
	}
	account->holders++;
	return account;
}

int account_add_thread(struct account *account)
{
	bool fits;

	pthread_mutex_lock(&accounts_lock);
	fits = account->threads < limits.threads;
	account->threads += fits;
	pthread_mutex_unlock(&accounts_lock);
	return fits ? 0 : -EDQUOT;
}

void account_remove_thread(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	account->threads--;
	pthread_mutex_unlock(&accounts_lock);
}

/* --- Files that a client sent -------------------------------------------------------- */

void account_take_file(struct account *account)
{
	account_hold(account);
}

void account_begin_close(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	account->closing_files++;
	pthread_mutex_unlock(&accounts_lock);
}

void account_end_close(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	account->closing_files--;
	for (struct account_wait *wait = account->waits; wait; wait = wait->next)
		wait->wake(wait->arg);
	put_locked(account);
	pthread_mutex_unlock(&accounts_lock);
}

void account_begin_memory(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	account->connections++;
	account->holders++;
	pthread_mutex_unlock(&accounts_lock);
}

void account_end_memory(struct account *account)
{
	pthread_mutex_lock(&accounts_lock);
	account->connections--;
	put_locked(account);
	pthread_mutex_unlock(&accounts_lock);
}

void account_wait_begin(struct account *account, struct account_wait *wait)
{
	pthread_mutex_lock(&accounts_lock);
	wait->next = account->waits;
	account->waits = wait;
	pthread_mutex_unlock(&accounts_lock);
	accounts_look_later();
}

int account_may_send(struct account *account, const struct account_wait *wait)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&accounts_lock);
	if (account->closing_files < limits.files)
		r = 0;
	else if (wait && wait->seconds > MAX_WAIT)
		r = -EDQUOT;
	pthread_mutex_unlock(&accounts_lock);
	return r;
}

void account_wait_end(struct account *account, struct account_wait *wait)
{
	struct account_wait **link = &account->waits;

	pthread_mutex_lock(&accounts_lock);
	while (*link != wait)
		link = &(*link)->next;
	*link = wait->next;
	pthread_mutex_unlock(&accounts_lock);
}

/* Wakes the senders that have waited for MAX_WAIT seconds. Called each second. Returns true if some
 * senders continue to wait. */
static bool wake_waits(struct account *account)
{
	bool more = false;

	pthread_mutex_lock(&accounts_lock);
	for (struct account_wait *wait = account->waits; wait; wait = wait->next) {
		if (++wait->seconds > MAX_WAIT)
			wait->wake(wait->arg);
		else
			more = true;
	}
	pthread_mutex_unlock(&accounts_lock);
	return more;
}

struct closer *account_closer(struct account *account)
{
	return &account->closer;
}

/* --- Files in flight to a client ----------------------------------------------------- */

static uint64_t unread_messages(int socket)
{
	return message_size ? (queued(socket) + message_size - 1) / message_size : 0;
}

/* Uncounts the files that the client of a flight has received in the meantime. The number never
 * rises here, because an unread fd was counted when it was sent. */
static void look_locked(struct flight *flight)
{
	uint64_t unread = unread_messages(flight->socket);
	unsigned int fds = (unsigned int)unread;

	if (unread && unread + BEFORE_HELLO >= flight->sent)
		fds += OTHERS_OF_HELLO;
	if (fds >= flight->fds)
		return;
	flight->account->in_flight -= flight->fds - fds;
	flight->fds = fds;
}

static void look_at_all_locked(struct account *account)
{
	for (struct flight *flight = account->flights; flight; flight = flight->next)
		look_locked(flight);
}

struct flight *flight_new(void)
{
	return calloc(1, sizeof(struct flight));
}

int flight_begin(struct flight *flight, uint32_t payer, int socket)
{
	struct account *account;
	bool fits;

	pthread_mutex_lock(&accounts_lock);
	account = get_locked(payer);
	if (!account) {
		account = &fallback_account;
		account->holders++;
	}
	fits = ++account->connections <= limits.connections &&
	       account->closing_files < 2 * limits.files;
	pthread_mutex_unlock(&accounts_lock);
	flight->account = account;
	flight->socket = socket;
	flight->sent = BEFORE_HELLO;
	pthread_mutex_lock(&account->lock);
	flight->next = account->flights;
	account->flights = flight;
	pthread_mutex_unlock(&account->lock);
	if (account == &fallback_account)
		return -ENOMEM;
	return fits ? 0 : -EDQUOT;
}

struct account *flight_account(struct flight *flight)
{
	return flight->account;
}

bool account_takes_turn(struct account *account, uint64_t round)
{
	if (account->round != round) {
		account->round = round;
		account->turns = 0;
	}
	return account->turns++ < TURNS;
}

/* Only RECEIVE_FD is limited: HELLO and MAP are answered once per connection, and the number of
 * connections is limited. */
static bool is_one_too_many_locked(struct account *account, const struct ipcbusd_message *message)
{
	if (message->kind != IPCBUSD_RECEIVE_FD || account->in_flight < limits.files)
		return false;
	look_at_all_locked(account);
	return account->in_flight >= limits.files;
}

int flight_send(struct flight *flight, struct ipcbusd_message *message, const int *fds,
		size_t n_fds)
{
	struct account *account = flight->account;
	int r = -EDQUOT;

	pthread_mutex_lock(&account->lock);
	if (!is_one_too_many_locked(account, message))
		r = socket_send(flight->socket, message, fds, n_fds);
	if (!r) {
		flight->sent++;
		flight->fds += (unsigned int)n_fds;
		account->in_flight += (unsigned int)n_fds;
	}
	pthread_mutex_unlock(&account->lock);
	return r;
}

static void unlink_locked(struct flight *flight)
{
	struct flight **link = &flight->account->flights;

	while (*link != flight)
		link = &(*link)->next;
	*link = flight->next;
}

/* Frees a flight. Does not block: the peer can send no more, and the queue is empty. */
static void flight_free(struct flight *flight)
{
	struct account *account = flight->account;

	/* Do this first: a client that sees the end may connect again at once. */
	pthread_mutex_lock(&accounts_lock);
	account->connections--;
	pthread_mutex_unlock(&accounts_lock);
	close(flight->socket);
	account_put(account);
	free(flight);
}

/* Looks at all accounts in a second, or when the timer expires that runs already. */
void accounts_look_later(void)
{
	static const struct itimerspec second = { .it_value.tv_sec = 1 };

	if (!__atomic_exchange_n(&timer_runs, true, __ATOMIC_SEQ_CST))
		timerfd_settime(timer_fd, 0, &second, NULL);
}

/* Ends a flight whose messages from the client are drained. If the client still has messages with
 * files to read, shuts the socket down and keeps the flight. */
static void end_drained(struct flight *flight)
{
	struct account *account = flight->account;
	bool is_empty;

	pthread_mutex_lock(&account->lock);
	look_locked(flight);
	is_empty = !flight->fds;
	if (is_empty) {
		unlink_locked(flight);
	} else {
		flight->ended = true;
		account->ended++;
		shutdown(flight->socket, SHUT_RDWR);
	}
	pthread_mutex_unlock(&account->lock);
	if (is_empty)
		flight_free(flight);
	else
		accounts_look_later();
}

void flight_close(struct flight *flight)
{
	/* If the client sent its own end of the socket, that end would keep this end open and the
	 * queue nonempty. */
	socket_drain(flight->socket, /* with_files= */ true);
	end_drained(flight);
}

void flight_end(struct flight *flight)
{
	/* The client can send no more, but does not see the end yet. */
	shutdown(flight->socket, SHUT_RD);
	if (socket_drain(flight->socket, /* with_files= */ false)) {
		end_drained(flight);
		return;
	}
	shutdown(flight->socket, SHUT_RDWR);
	flight_close_later(flight, flight->socket, flight->account);
}

/* Removes the ended flights with empty queues and returns them as a list. If other ended
 * flights remain, sets *ret_more. */
static struct flight *take_empty(struct account *account, bool *ret_more)
{
	struct flight *flight, *next, *empty = NULL;

	pthread_mutex_lock(&account->lock);
	for (flight = account->ended ? account->flights : NULL; flight; flight = next) {
		next = flight->next;
		if (!flight->ended)
			continue;
		look_locked(flight);
		if (flight->fds)
			continue;
		unlink_locked(flight);
		account->ended--;
		flight->next = empty;
		empty = flight;
	}
	*ret_more = account->ended;
	pthread_mutex_unlock(&account->lock);
	return empty;
}

/* Returns true if ended flights with unread messages remain. */
static bool free_empty(struct account *account)
{
	struct flight *flight, *next;
	bool more;

	for (flight = take_empty(account, &more); flight; flight = next) {
		next = flight->next;
		flight_free(flight);
	}
	return more;
}

/* Drops the reference to an account and returns the next with a reference, or the first after
 * NULL. */
static struct account *next_account(struct account *account)
{
	struct account *next;

	pthread_mutex_lock(&accounts_lock);
	next = account ? account->next : accounts;
	if (next)
		next->holders++;
	if (account)
		put_locked(account);
	pthread_mutex_unlock(&accounts_lock);
	return next;
}

void accounts_look(void)
{
	uint64_t times;
	bool more = false;

	(void)!read(timer_fd, &times, sizeof(times));
	__atomic_store_n(&timer_runs, false, __ATOMIC_SEQ_CST);
	for (struct account *account = next_account(NULL); account;
	     account = next_account(account)) {
		more |= free_empty(account);
		more |= wake_waits(account);
		closer_retry(account);
	}
	if (more)
		accounts_look_later();
}
