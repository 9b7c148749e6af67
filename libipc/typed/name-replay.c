// SPDX-License-Identifier: MIT
/*
 * Replaying to servicemanager what it is to know of this connection, because
 * there is another one (dispatch.c) or because a watch has missed something
 * (name-watch.c): all that is *due*, a struct standing of each name and watch.
 *
 * What fails for want of something stays due and is tried again later; what fails
 * otherwise, or too often, the user is notified. Either way the next manager hears of all.
 *
 * The clock is a call that nobody replies to, Wait() for a name that nobody has: the
 * driver ends it in time, whatever loop the program has. That it ends in another way
 * means that there is no clock to be had.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "name.h"

#define NEVER_NAME	"ipc.never"
#define RETRY_USEC	100000ULL
#define RETRY_MAX_USEC	10000000ULL
#define TRIES_MAX	10

static bool may_pass(int r)
{
	return r == -ENOMEM || r == -EAGAIN || r == -EDQUOT || r == -ENOSPC || r == -ETIMEDOUT ||
	       r == -EHOSTDOWN;
}

/* Without a manager there is one to come, who will be notified of all. */
bool standing_settle(struct standing *standing, int r, bool last)
{
	if (!standing->due)
		return false;

	standing->due = may_pass(r) && !last;
	standing->failure = standing->due || r == -ENOTCONN ? 0 : r;
	return standing->due;
}

/* Is there more to do later? */
static bool try_locked(struct ipc *ipc, struct service_manager *manager)
{
	bool last = ++names_of(ipc)->tries > TRIES_MAX, later = false;

	for (struct name *name = names_of(ipc)->list; name; name = name->next) {
		int r = name->standing.due ? name_register_locked(manager, name) : 0;

		later |= standing_settle(&name->standing, r, last);
	}
	later |= name_watches_send_locked(ipc, manager, last);
	if (!later)
		names_of(ipc)->tries = 0;
	return later;
}

/* --- The clock ------------------------------------------------------------------- */

static void try_again(struct ipc *ipc);

static void on_clock(int r, Ipc__Manager__WaitReply *reply, const struct ipc_error *error,
		     void *userdata)
{
	struct ipc *ipc = userdata;

	(void)reply, (void)error;
	if (r == -EOWNERDEAD || r == -ECANCELED)
		return;
	if (r != -ETIMEDOUT) {
		pthread_mutex_lock(&names_of(ipc)->lock);
		names_of(ipc)->tries = TRIES_MAX;
		pthread_mutex_unlock(&names_of(ipc)->lock);
	}
	try_again(ipc);
}

static int start_clock_locked(struct ipc *ipc, struct service_manager *manager)
{
	Ipc__Manager__WaitRequest request = IPC__MANAGER__WAIT_REQUEST__INIT;
	uint64_t usec = RETRY_USEC << names_of(ipc)->tries;
	struct ipc_options options = {
		.timeout_usec = usec < RETRY_MAX_USEC ? usec : RETRY_MAX_USEC,
	};

	request.name = (char *)NEVER_NAME;
	return service_manager_wait_async(manager, &options, &request, on_clock, ipc,
					  /* ret_id= */ NULL);
}

/* --- What could not be replayed --------------------------------------------------------- */

/* Of any name or watch. */
static int take_failure(struct ipc *ipc, char pattern[NAME_PATTERN_SIZE], struct names *ret_names)
{
	int r = 0;

	pthread_mutex_lock(&names_of(ipc)->lock);
	for (struct name *name = names_of(ipc)->list; name && r == 0; name = name->next) {
		r = name->standing.failure;
		name->standing.failure = 0;
		if (r < 0)
			strcpy(pattern, name->text);
	}
	if (r == 0)
		r = name_watches_take_failure_locked(ipc, pattern);
	ret_names->failure_cb = names_of(ipc)->failure_cb;
	ret_names->failure_userdata = names_of(ipc)->failure_userdata;
	pthread_mutex_unlock(&names_of(ipc)->lock);
	return r;
}

static void report(struct ipc *ipc)
{
	char pattern[NAME_PATTERN_SIZE];
	struct names names;
	int r;

	while ((r = take_failure(ipc, pattern, &names)) < 0)
		if (names.failure_cb)
			names.failure_cb(ipc, pattern, r, names.failure_userdata);
}

int ipc_on_replay_failure(struct ipc *ipc, ipc_replay_failure_cb cb, void *userdata)
{
	int r;

	if (!ipc)
		return -EINVAL;
	r = names_make(ipc);
	if (r < 0)
		return r;

	pthread_mutex_lock(&names_of(ipc)->lock);
	names_of(ipc)->failure_cb = cb;
	names_of(ipc)->failure_userdata = userdata;
	pthread_mutex_unlock(&names_of(ipc)->lock);
	return 0;
}

/* --- Replaying ------------------------------------------------------------------------- */

/* Without a clock it is the last try. */
static void try_again(struct ipc *ipc)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;

	if (manager_get(ipc, &manager) < 0)
		return;

	pthread_mutex_lock(&names_of(ipc)->lock);
	while (try_locked(ipc, manager) && start_clock_locked(ipc, manager) < 0)
		names_of(ipc)->tries = TRIES_MAX;
	pthread_mutex_unlock(&names_of(ipc)->lock);
	report(ipc);
}

void names_replay(struct ipc *ipc)
{
	pthread_mutex_lock(&names_of(ipc)->lock);
	names_of(ipc)->tries = 0;
	for (struct name *name = names_of(ipc)->list; name; name = name->next)
		name->standing.due = true;
	name_watches_due_locked(ipc);
	pthread_mutex_unlock(&names_of(ipc)->lock);
	try_again(ipc);
}

void names_later(struct ipc *ipc)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	int r;

	if (manager_get(ipc, &manager) < 0)
		return;

	pthread_mutex_lock(&names_of(ipc)->lock);
	r = start_clock_locked(ipc, manager);
	if (r < 0)
		names_of(ipc)->tries = TRIES_MAX;
	pthread_mutex_unlock(&names_of(ipc)->lock);
	if (r < 0)
		try_again(ipc);
}
