// SPDX-License-Identifier: MIT
/*
 * Names of services: calls of the service manager behind handle 0, through the stub that
 * is generated from its .proto file. See name.h.
 *
 * A thread holds names->lock while it sends a registration and waits for the manager's reply. Any
 * other thread that registers or ends a name waits for it. Callbacks run without the lock. Lookups
 * do not take it.
 *
 * A malformed name fails here, without a call. manager_result() translates failures at the manager.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/deadline.h"
#include "base/sized.h"
#include "conn/thread.h"
#include "core/request.h"
#include "name.h"

#define NAME_MAX_SIZE	127

size_t name_length(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");
}

bool name_pattern_is_valid(const char *pattern)
{
	size_t size = pattern ? name_length(pattern) : 0;

	return pattern && size <= NAME_PATTERN_SIZE - 3 &&
	       !strcmp(pattern + size, size && !pattern[size] ? "" : "*");
}

int manager_result(int r)
{
	return r == -EOWNERDEAD ? -ENOTCONN : r;
}

/* --- Options -------------------------------------------------------------------------- */

static __thread struct ipc_cancellation *thread_cancellation;

struct ipc_cancellation *ipc_raw_set_names_cancellation(struct ipc_cancellation *cancellation)
{
	struct ipc_cancellation *before = thread_cancellation;

	thread_cancellation = cancellation;
	return before;
}

struct ipc_options names_options(struct names *names)
{
	struct ipc_options options = { .cancellation = thread_cancellation };
	struct thread *t;

	/* A handler cleans up after the end of its call. Other calls would fail then. */
	if (thread_get(names->ipc, &t) == 0 && t->serving && ipc_call_is_canceled(t->serving))
		options.flags = IPC_DETACHED;
	return options;
}

/* --- The replay --------------------------------------------------------------------- */

struct event {
	char text[NAME_PATTERN_SIZE];
	enum ipc_registration_event kind;
	int error;
	struct registration *lost;
};

static void call_back(struct ipc_slot *slot, const void *data)
{
	ipc_registration_cb cb = (ipc_registration_cb)((struct callback *)slot)->cb;
	const struct event *event = data;
	int error = event->kind == IPC_REGISTRATION_FAILED ? event->error : 0;

	cb(slot->ipc, event->text, event->kind, error, slot->userdata);
}

/* Takes the next event off a registration, and a registration that has lost its name off the list.
 * Returns false if there is none. */
static bool take_event(struct names *names, struct event *event)
{
	struct registration *i;

	*event = (struct event){ 0 };
	pthread_mutex_lock(&names->lock);
	i = names_first_locked(names);
	while (i && !i->acquired && !i->failure)
		i = names_next_locked(i);
	if (i) {
		strcpy(event->text, i->text);
		event->kind = IPC_REGISTRATION_ACQUIRED;
	}
	if (i && i->acquired) {
		i->acquired = false;
	} else if (i) {
		event->kind = IPC_REGISTRATION_FAILED;
		event->error = i->failure;
		i->failure = 0;
	}
	if (event->error == -ESTALE) {
		event->kind = IPC_REGISTRATION_LOST;
		slots_remove(&i->slot);
		event->lost = i;
	}
	pthread_mutex_unlock(&names->lock);
	return i;
}

/* Reports the events singly, because the callbacks run without the lock. */
void names_report(struct names *names)
{
	struct event event;

	while (take_event(names, &event)) {
		if (event.lost)
			slot_drop(&event.lost->slot);
		if (slots_call(names->ipc, &names->event_slots, call_back, &event))
			continue;
		/* A closing connection cancels its calls. */
		if (event.error && event.error != -ECANCELED)
			ipc_log(LOG_WARNING, "ipc: %s: %s%s", event.text,
				event.lost ? "" : "cannot register again: ",
				ipc_strerror(event.error));
	}
}

int ipc_on_registration(struct ipc *ipc, ipc_registration_cb cb, void *userdata,
			struct ipc_slot **ret_slot)
{
	struct names *names;
	int r;

	if (!cb)
		return -EINVAL;
	r = names_get(ipc, &names);
	if (r < 0)
		return r;
	return slots_add(ipc, &names->event_slots, (void (*)(void))cb, userdata, ret_slot);
}

void registration_resend_locked(struct registration *registration)
{
	int r = registration->type->send(registration);

	/* If there is no manager, the next manager gets all registrations. */
	registration->failure = r == -ENOTCONN ? 0 : r;
}

/* The replay. */
static void names_manager_came(struct ipc *ipc)
{
	struct names *names = atomic_load(&ipc->names);
	struct ipc_cancellation *of_thread;

	if (!names)
		return;
	/* It is for the names that this thread uses, not for those of the connection. */
	of_thread = ipc_raw_set_names_cancellation(NULL);
	pthread_mutex_lock(&names->lock);
	for (struct registration *i = names_first_locked(names); i; i = names_next_locked(i))
		registration_resend_locked(i);
	pthread_mutex_unlock(&names->lock);
	ipc_raw_set_names_cancellation(of_thread);
	names_report(names);
}

static void end_registration_names(struct ipc_slot *slot, const void *event)
{
	struct registration *registration = registration_of(slot);

	(void)event;
	if (registration->type->bus_ended)
		registration->type->bus_ended(registration);
}

static void names_bus_ended(struct ipc *ipc)
{
	struct names *names = atomic_load(&ipc->names);

	if (names)
		slots_call(ipc, &names->list, end_registration_names, /* event= */ NULL);
}

/* IPCBUS_EVENT_MANAGER comes whenever the bus gets a manager, and at once if it has a manager.
 * Fails with -EOPNOTSUPP if the driver is too old. */
static int watch_manager_locked(struct names *names)
{
	struct ipcbus_handle watch = { .flags = IPCBUS_WATCH_MANAGER };
	int r = names->watches_manager ?
			0 : device_request(&names->ipc->device, IPCBUS_IOC_WATCH, &watch);

	names->watches_manager = r == 0;
	return r;
}

/* The report of the current or next manager starts the replay. If the bus refuses the watch, the
 * program is notified like of a failed replay. */
static void names_bus_came_back(struct ipc *ipc)
{
	struct names *names = atomic_load(&ipc->names);
	int r;

	if (!names)
		return;
	pthread_mutex_lock(&names->lock);
	names->watches_manager = false;
	r = !TAILQ_EMPTY(&names->list) ? watch_manager_locked(names) : 0;
	for (struct registration *i = names_first_locked(names); i; i = names_next_locked(i))
		i->failure = r == -ECONNRESET ? 0 : r;
	pthread_mutex_unlock(&names->lock);
	names_report(names);
}

/* --- The names of a connection ------------------------------------------------------ */

static void names_close(struct ipc *ipc)
{
	struct names *names = ipc->names;

	if (!names)
		return;
	slots_close(&names->list);
	ipc_object_unref(names->registrant);
	slots_close(&names->event_slots);
	pthread_mutex_destroy(&names->lock);
	free(names);
}

int names_get(struct ipc *ipc, struct names **ret_names)
{
	struct names *names, *other = NULL;
	int r = ipc_check(ipc);

	if (r < 0)
		return r;
	/* While the bus is away, the call of the manager fails. */
	thread_reconnect(ipc);
	*ret_names = atomic_load(&ipc->names);
	if (likely(*ret_names))
		return 0;

	names = calloc(1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	names->ipc = ipc;
	names->manager = (struct ipc_proxy){ .refs = 1, .ipc = ipc, .handle = MANAGER_HANDLE };
	pthread_mutex_init(&names->lock, NULL);
	TAILQ_INIT(&names->list);
	TAILQ_INIT(&names->event_slots);
	*ret_names = names;

	/* Another thread may have set it in the meantime. */
	if (!atomic_compare_exchange_strong(&ipc->names, &other, names)) {
		*ret_names = other;
		pthread_mutex_destroy(&names->lock);
		free(names);
	}
	return 0;
}

int names_get_for(struct ipc *ipc, const char *name, struct names **ret_names)
{
	size_t size = name ? name_length(name) : 0;

	if (!size || size > NAME_MAX_SIZE || name[size])
		return -EINVAL;
	return names_get(ipc, ret_names);
}

int registration_send_locked(struct registration *registration)
{
	int r = watch_manager_locked(registration->names);

	return r < 0 ? r : registration->type->send(registration);
}

void registration_add_locked(struct registration *registration)
{
	ipc_lock(registration->slot.ipc);
	slots_append_locked(&registration->names->list, &registration->slot);
	ipc_unlock(registration->slot.ipc);
}

void registration_end(struct ipc_slot *slot)
{
	struct registration *registration = registration_of(slot);
	struct names *names = registration->names;
	bool listed;

	/* In a forked child, another thread may have held the lock at the fork, and it is never
	 * released. */
	if (slot->ipc->foreign)
		return;
	pthread_mutex_lock(&names->lock);
	listed = slots_remove(slot);
	if (listed)
		registration->type->withdraw(registration);
	pthread_mutex_unlock(&names->lock);
	if (listed)
		slot_drop(slot);
}

/* --- Finding -------------------------------------------------------------------- */

/* manager_result() of a call that the manager may keep. The manager reports -ENOTCONN when it
 * exits. */
static int kept_result(int r, const struct ipc_error *error)
{
	return error->cause ?: manager_result(r);
}

/* service_manager_get_with() or service_manager_wait_with() */
typedef int (*find_method)(struct service_manager *manager, const struct ipc_options *options,
			   const Ipc__Manager__GetRequest *request,
			   Ipc__Manager__GetReply **ret_reply, struct ipc_error *error);

/* timeout_usec: 0: that of the connection */
static int find_by(find_method method, struct names *names, const char *name,
		   const char *interface, uint64_t timeout_usec, struct ipc_proxy **ret_proxy)
{
	ipc_auto(service_manager_get_reply_free) Ipc__Manager__GetReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	/* A call with options can be interrupted. */
	struct ipc_options options = names_options(names);
	struct ipc_proxy *proxy;
	int r;

	options.timeout_usec = timeout_usec;
	request.name = (char *)name;
	request.interface = (char *)(interface ?: "");
	r = method(names_manager(names), &options, &request, &reply, &error);
	if (r < 0)
		return kept_result(r, &error);
	r = reply->object ? ipc_take_proxy(names->ipc, &reply->object->id, &proxy) : -ENOENT;
	if (r < 0)
		return r;
	r = proxy_set_name(proxy, name, request.interface);
	if (r < 0)
		ipc_proxy_unref(proxy);
	else
		*ret_proxy = proxy;
	return r;
}

int ipc_proxy_get(struct ipc *ipc, const char *name, const char *interface,
		  struct ipc_proxy **ret_proxy)
{
	struct names *names;
	int r = ret_proxy ? names_get_for(ipc, name, &names) : -EINVAL;

	return r < 0 ? r : find_by(service_manager_get_with, names, name, interface,
				   /* timeout_usec= */ 0, ret_proxy);
}

/* Returns the microseconds until a deadline, at least 1, because 0 means that no timeout is set. */
static uint64_t left_until(uint64_t deadline)
{
	return deadline ? time_until(deadline) ?: 1 : IPC_NEVER;
}

#define LOOK_USEC	500000

/* As device_wait_manager(). Looks now and then whether the thread's cancellation was canceled. */
static int wait_for_manager(struct ipc *ipc, uint64_t deadline)
{
	uint64_t left, most = thread_cancellation ? LOOK_USEC : IPC_NEVER;
	int r;

	do {
		if (ipc_cancellation_is_canceled(thread_cancellation))
			return -ECANCELED;
		left = left_until(deadline);
		r = device_wait_manager(ipc->path, left < most ? left : most);
	} while (r == 0 && left > most);
	return r;
}

/* If the manager ends in the meantime, waits for the next manager. */
int ipc_proxy_wait(struct ipc *ipc, const char *name, const char *interface,
		   uint64_t timeout_usec, struct ipc_proxy **ret_proxy)
{
	uint64_t deadline = deadline_after(timeout_usec);
	struct names *names;
	int r;

	if (!timeout_usec) {
		r = ipc_proxy_get(ipc, name, interface, ret_proxy);
		return r == -ENOENT ? -ETIMEDOUT : r;
	}
	r = ret_proxy ? names_get_for(ipc, name, &names) : -EINVAL;
	if (r < 0)
		return r;
	while ((r = find_by(service_manager_wait_with, names, name, interface,
			    left_until(deadline), ret_proxy)) == -ENOTCONN) {
		r = wait_for_manager(ipc, deadline);
		if (r == 0)
			return -ENOTCONN;
		if (r == -EINTR)
			r = request_interrupted(ipc);
		if (r < 0)
			return r;
	}
	return r;
}

/* --- Listing ---------------------------------------------------------------------- */

int name_info_take(const Ipc__Manager__Entry *entry, struct ipc_name_info *ret_info)
{
	if (!entry || strlen(entry->name) >= sizeof(ret_info->name) ||
	    strlen(entry->interface) >= sizeof(ret_info->interface))
		return -EBADMSG;

	*ret_info = (struct ipc_name_info){
		.size = sizeof(*ret_info),
		.pid = (pid_t)entry->pid,
		.uid = entry->uid,
	};
	strcpy(ret_info->name, entry->name);
	strcpy(ret_info->interface, entry->interface);
	return 0;
}

int ipc_check_name(struct ipc *ipc, const char *name, struct ipc_name_info *ret_info)
{
	ipc_auto(service_manager_check_reply_free) Ipc__Manager__CheckReply *reply = NULL;
	Ipc__Manager__CheckRequest request = IPC__MANAGER__CHECK_REQUEST__INIT;
	struct ipc_options options;
	struct ipc_name_info info;
	struct names *names;
	int r;

	r = names_get_for(ipc, name, &names);
	if (r < 0)
		return r;
	request.name = (char *)name;
	options = names_options(names);
	r = service_manager_check_with(names_manager(names), &options, &request, &reply,
				       /* error= */ NULL);
	if (r < 0)
		return manager_result(r);
	r = name_info_take(reply->entry, &info);
	if (r == 0 && ret_info)
		r = sized_return(ret_info, sizeof(info), &info);
	return r;
}

/* Appends the entries of a reply to the n infos, which may move. Returns how many there are. */
static int infos_take(const Ipc__Manager__ListReply *reply, struct ipc_name_info **infos, int n)
{
	struct ipc_name_info *more;
	int r = 0;

	if (reply->n_entries > (size_t)(INT_MAX - 1 - n))
		return -EBADMSG;
	more = reallocarray(*infos, (size_t)n + reply->n_entries + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*infos = more;
	for (size_t i = 0; i < reply->n_entries && r == 0; i++)
		r = name_info_take(reply->entries[i], &more[(size_t)n + i]);
	return r < 0 ? r : n + (int)reply->n_entries;
}

/*
 * Returns a single block of memory with n pointers and their structures, or NULL if out of memory.
 * The caller must free() it. Takes ownership of infos. Programs use the pointers, because a program
 * that was compiled earlier does not know the size of the structure.
 */
static struct ipc_name_info **infos_point(struct ipc_name_info *infos, int n)
{
	size_t size = (size_t)n * sizeof(*infos);
	size_t first = ((size_t)n + 1) * sizeof(infos);
	struct ipc_name_info **block = realloc(infos, first + size);

	if (!block) {
		free(infos);
		return NULL;
	}
	infos = memmove((char *)block + first, block, size);
	for (int i = 0; i < n; i++)
		block[i] = &infos[i];
	block[n] = NULL;
	return block;
}

int ipc_list_names(struct ipc *ipc, const char *pattern, struct ipc_name_info ***ret_infos)
{
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	char prefix[NAME_PATTERN_SIZE];
	struct ipc_name_info *infos = NULL, **pointers;
	struct ipc_options options;
	struct names *names;
	bool more = true;
	int r;

	if (!ret_infos || !name_pattern_is_valid(pattern))
		return -EINVAL;
	r = names_get(ipc, &names);
	*(char *)mempcpy(prefix, pattern, name_length(pattern)) = '\0';
	request.prefix = prefix;
	while (r >= 0 && more) {
		ipc_auto(service_manager_list_reply_free) Ipc__Manager__ListReply *reply = NULL;
		ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
		int n = r;

		if (n)
			request.after = infos[n - 1].name;
		options = names_options(names);
		r = service_manager_list_with(names_manager(names), &options, &request, &reply,
					      &error);
		r = kept_result(r, &error);
		if (r < 0)
			break;
		/* A page without an entry ends the list, whatever the manager says. */
		more = reply->more && reply->n_entries;
		r = infos_take(reply, &infos, n);
		/* A name is the first that begins with itself. */
		if (r >= 0 && !strcmp(pattern, prefix)) {
			r = r && !strcmp(infos[0].name, pattern);
			more = false;
		}
	}
	if (r < 0) {
		free(infos);
		return r;
	}

	pointers = infos_point(infos, r);
	if (!pointers)
		return -ENOMEM;
	*ret_infos = pointers;
	return r;
}

const struct names_ops names_ops = {
	.manager_came = names_manager_came,
	.bus_ended = names_bus_ended,
	.bus_came_back = names_bus_came_back,
	.close = names_close,
	.get = ipc_proxy_get,
};
