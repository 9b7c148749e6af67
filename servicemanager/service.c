// SPDX-License-Identifier: MIT
/*
 * The handlers. Each checks what the caller sent, asks or changes the registry
 * and answers. None of them calls anybody, so none can be kept waiting.
 *
 * What is kept for a name is a struct owner, and for a call of Wait() that is
 * not answered yet a struct waiter; both embed what the registry links.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "registry.h"
#include "service.h"
#include "servicemanager.ipc.h"

/* A Wait() is kept with its request, which stays in our region. */
#define WAIT_PAYLOAD_MAX 512

#define BAD_NAME "a name is 1 to 127 letters, digits and any of _ . / -"

struct service {
	struct ipc *ipc;
	struct registry *registry;
	struct ipc_object *object;
	struct waiter *waiters; /* all of them */
	int epoll;
	bool verbose;
};

struct owner {
	struct registry_entry entry;
	struct service *service;
	struct ipc_proxy *proxy;
	uint64_t death;
	bool dropped; /* no longer in the registry; its death watch frees it */
};

struct waiter {
	struct registry_waiter entry;
	struct waiter *next, **link; /* in service.waiters */
	struct ipc_call *call;
	int pidfd; /* of the caller, or -1 if it cannot be seen from here */
};

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

static void say(const struct service *service, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Names and interfaces were checked: nothing odd gets onto the terminal. */
static void say(const struct service *service, const char *format, ...)
{
	va_list args;

	if (!service->verbose)
		return;

	va_start(args, format);
	fputs("servicemanager: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* --- Owners -------------------------------------------------------------------- */

static void owner_free(struct owner *owner)
{
	ipc_proxy_unref(owner->proxy);
	free(owner);
}

/* The owner is not in the registry, or not any more. */
static void owner_drop(struct owner *owner)
{
	if (owner->death && ipc_proxy_off_death(owner->proxy, owner->death) < 0) {
		/* It died just now and owner_died() is about to come. */
		owner->dropped = true;
		return;
	}

	owner_free(owner);
}

static void owner_died(struct ipc_proxy *proxy, void *userdata)
{
	struct owner *owner = userdata;

	(void)proxy;
	if (!owner->dropped) {
		registry_remove(owner->service->registry, &owner->entry);
		say(owner->service, "%s is gone: its owner died (pid %d, uid %u)",
		    owner->entry.name, owner->entry.pid, owner->entry.uid);
	}

	owner_free(owner);
}

/* Takes the proxy over, also when it fails. */
static int owner_new(struct service *service, struct ipc_call *call, const char *name,
		     const char *interface, struct ipc_proxy *proxy, struct owner **ret_owner)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	int r;

	if (!owner) {
		ipc_proxy_unref(proxy);
		return -ENOMEM;
	}

	strcpy(owner->entry.name, name);
	strcpy(owner->entry.interface, interface);
	owner->entry.pid = ipc_call_pid(call);
	owner->entry.uid = ipc_call_uid(call);
	owner->service = service;
	owner->proxy = proxy;
	r = ipc_proxy_on_death(proxy, owner_died, owner, &owner->death);
	if (r < 0) {
		owner_free(owner);
		return r;
	}

	*ret_owner = owner;
	return 0;
}

/* --- Waiters -------------------------------------------------------------------- */

static void waiter_free(struct waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next)
		waiter->next->link = waiter->link;

	/* This takes it out of the epoll as well. */
	if (waiter->pidfd >= 0)
		close(waiter->pidfd);
	ipc_call_unref(waiter->call);
	free(waiter);
}

/*
 * The driver does not tell the receiver of a call that the caller has died, so
 * its process is watched. Where that cannot be done, because the pid cannot be
 * seen here, the waiter stays until the name comes; the limits bound that.
 */
static int waiter_watch(struct service *service, struct waiter *waiter)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = waiter };
	pid_t pid = ipc_call_pid(waiter->call);

	if (!pid)
		return 0;

	waiter->pidfd = pidfd_open(pid, /* flags= */ 0);
	if (waiter->pidfd < 0)
		return errno == ENOSYS || errno == EPERM ? 0 : -errno;

	return epoll_ctl(service->epoll, EPOLL_CTL_ADD, waiter->pidfd, &event) < 0 ? -errno : 0;
}

static int waiter_new(struct service *service, struct ipc_call *call, const char *name,
		      struct waiter **ret_waiter)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int r;

	if (!waiter)
		return -ENOMEM;

	strcpy(waiter->entry.name, name);
	waiter->entry.uid = ipc_call_uid(call);
	waiter->call = ipc_call_ref(call);
	waiter->pidfd = -1;
	waiter->link = &service->waiters;
	waiter->next = service->waiters;
	if (waiter->next)
		waiter->next->link = &waiter->next;
	service->waiters = waiter;

	r = waiter_watch(service, waiter);
	if (r < 0) {
		waiter_free(waiter);
		return r;
	}

	*ret_waiter = waiter;
	return 0;
}

static int reply_wait(struct ipc_call *call, const struct owner *owner)
{
	Ipc__Manager__WaitReply reply = IPC__MANAGER__WAIT_REPLY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;

	object.id = ipc_proxy_id(owner->proxy);
	reply.object = &object;
	return service_manager_reply_wait(call, &reply);
}

static void answer_waiters(struct service *service, const struct owner *owner)
{
	struct registry_waiter *entry;

	while ((entry = registry_take_waiter(service->registry, owner->entry.name))) {
		struct waiter *waiter = container_of(entry, struct waiter, entry);
		int r;

		r = reply_wait(waiter->call, owner);
		if (r < 0)
			ipc_call_errno(waiter->call, -r, "the object cannot be handed over");
		waiter_free(waiter);
	}
}

void service_event(struct service *service, void *data)
{
	struct waiter *waiter = data;

	say(service, "a process that waited for %s ended", waiter->entry.name);
	registry_unwait(service->registry, &waiter->entry);
	waiter_free(waiter);
}

/* --- Handlers -------------------------------------------------------------------- */

static const char *add_problem(const Ipc__Manager__AddRequest *request)
{
	if (!registry_name_is_valid(request->name))
		return BAD_NAME;
	if (!registry_interface_is_valid(request->interface))
		return "an interface is up to 255 letters, digits and any of _ .";
	if (!request->object || !request->object->id)
		return "there is no object to add";

	return NULL;
}

/* A limit gets a text; what else can happen here needs none. */
static int answer_failure(struct ipc_call *call, int r, const char *what)
{
	if (r != -EDQUOT)
		return r;

	return ipc_call_errno(call, EDQUOT, "there are too many %s, yours or all together", what);
}

static int answer_taken(struct ipc_call *call, const struct registry_entry *entry)
{
	return ipc_call_errno(call, EEXIST, "%s belongs to a living object of uid %u", entry->name,
			      entry->uid);
}

static int handle_add(struct ipc_call *call, const Ipc__Manager__AddRequest *request,
		      void *userdata)
{
	const char *problem = add_problem(request);
	struct service *service = userdata;
	struct registry_entry *old;
	struct ipc_proxy *proxy;
	struct owner *owner;
	int r;

	if (problem)
		return ipc_call_errno(call, EINVAL, "%s", problem);

	r = ipc_take_proxy(service->ipc, &request->object->id, &proxy);
	if (r == -EXDEV)
		return ipc_call_errno(call, EINVAL, "servicemanager itself cannot be added");
	if (r < 0)
		return r;

	r = owner_new(service, call, request->name, request->interface, proxy, &owner);
	if (r < 0)
		return r;

	r = registry_add(service->registry, &owner->entry, &old);
	if (r < 0) {
		owner_drop(owner);
		if (r == -EEXIST)
			return answer_taken(call, registry_find(service->registry, request->name));
		return answer_failure(call, r, "names");
	}

	say(service, "%s is there: %s (pid %d, uid %u)", owner->entry.name,
	    *owner->entry.interface ? owner->entry.interface : "an object", owner->entry.pid,
	    owner->entry.uid);
	if (old)
		owner_drop(container_of(old, struct owner, entry));
	answer_waiters(service, owner);
	return service_manager_reply_add(call);
}

static int answer_unknown(struct ipc_call *call)
{
	return ipc_call_errno(call, ENOENT, "nobody has that name");
}

static int handle_get(struct ipc_call *call, const Ipc__Manager__GetRequest *request,
		      void *userdata)
{
	Ipc__Manager__GetReply reply = IPC__MANAGER__GET_REPLY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	struct service *service = userdata;
	struct registry_entry *entry;

	if (!registry_name_is_valid(request->name))
		return ipc_call_errno(call, EINVAL, BAD_NAME);

	entry = registry_find(service->registry, request->name);
	if (!entry)
		return answer_unknown(call);

	object.id = ipc_proxy_id(container_of(entry, struct owner, entry)->proxy);
	reply.object = &object;
	return service_manager_reply_get(call, &reply);
}

/* The call stays open until somebody has the name. */
static int keep_waiting(struct service *service, struct ipc_call *call, const char *name)
{
	struct waiter *waiter;
	size_t size;
	int r;

	ipc_call_payload(call, &size);
	if (size > WAIT_PAYLOAD_MAX)
		return -EMSGSIZE;

	r = waiter_new(service, call, name, &waiter);
	if (r < 0)
		return r;

	r = registry_wait(service->registry, &waiter->entry);
	if (r < 0) {
		waiter_free(waiter);
		return answer_failure(call, r, "waiting calls");
	}

	say(service, "pid %d, uid %u waits for %s", ipc_call_pid(call), ipc_call_uid(call), name);
	return 0;
}

static int handle_wait(struct ipc_call *call, const Ipc__Manager__WaitRequest *request,
		       void *userdata)
{
	struct service *service = userdata;
	struct registry_entry *entry;

	if (!registry_name_is_valid(request->name))
		return ipc_call_errno(call, EINVAL, BAD_NAME);

	entry = registry_find(service->registry, request->name);
	if (entry)
		return reply_wait(call, container_of(entry, struct owner, entry));

	return keep_waiting(service, call, request->name);
}

/* --- Listing ------------------------------------------------------------------------ */

struct listing {
	Ipc__Manager__Entry *entries;
	Ipc__Manager__Entry **pointers;
	size_t count;
};

static void listing_done(struct listing *listing)
{
	free(listing->entries);
	free(listing->pointers);
}

static void listing_fill(struct listing *listing, const struct registry *registry,
			 const char *prefix)
{
	struct registry_entry *entry;
	size_t position = 0;

	while ((entry = registry_next(registry, prefix, &position))) {
		Ipc__Manager__Entry *line = &listing->entries[listing->count];

		ipc__manager__entry__init(line);
		line->name = entry->name;
		line->interface = entry->interface;
		line->pid = (uint32_t)entry->pid;
		line->uid = entry->uid;
		listing->pointers[listing->count++] = line;
	}
}

static int listing_init(struct listing *listing, const struct registry *registry,
			const char *prefix)
{
	size_t position = 0, count = 0;

	while (registry_next(registry, prefix, &position))
		count++;

	listing->count = 0;
	listing->entries = calloc(count + 1, sizeof(*listing->entries));
	listing->pointers = calloc(count + 1, sizeof(*listing->pointers));
	if (!listing->entries || !listing->pointers) {
		listing_done(listing);
		return -ENOMEM;
	}

	listing_fill(listing, registry, prefix);
	return 0;
}

static int handle_list(struct ipc_call *call, const Ipc__Manager__ListRequest *request,
		       void *userdata)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	struct service *service = userdata;
	struct listing listing;
	int r;

	if (!registry_prefix_is_valid(request->prefix))
		return ipc_call_errno(call, EINVAL, "no name has that prefix: " BAD_NAME);

	r = listing_init(&listing, service->registry, request->prefix);
	if (r < 0)
		return r;

	reply.entries = listing.pointers;
	reply.n_entries = listing.count;
	r = service_manager_reply_list(call, &reply);
	listing_done(&listing);
	return r;
}

/* --- Removing ----------------------------------------------------------------------- */

static int handle_remove(struct ipc_call *call, const Ipc__Manager__RemoveRequest *request,
			 void *userdata)
{
	struct service *service = userdata;
	struct registry_entry *entry;

	if (!registry_name_is_valid(request->name))
		return ipc_call_errno(call, EINVAL, BAD_NAME);

	entry = registry_find(service->registry, request->name);
	if (!entry)
		return answer_unknown(call);
	if (registry_may_remove(entry, ipc_call_uid(call)) < 0)
		return ipc_call_errno(call, EPERM, "%s belongs to uid %u", entry->name, entry->uid);

	say(service, "%s is gone: removed by pid %d, uid %u", entry->name, ipc_call_pid(call),
	    ipc_call_uid(call));
	registry_remove(service->registry, entry);
	owner_drop(container_of(entry, struct owner, entry));
	return service_manager_reply_remove(call);
}

/* --- The service ---------------------------------------------------------------------- */

static const struct service_manager_ops ops = {
	.add = handle_add,
	.get = handle_get,
	.wait = handle_wait,
	.list = handle_list,
	.remove = handle_remove,
};

int service_new(struct ipc *ipc, int epoll, bool verbose, struct service **ret_service)
{
	struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;

	service->ipc = ipc;
	service->epoll = epoll;
	service->verbose = verbose;
	service->registry = registry_new();
	r = service->registry ? 0 : -ENOMEM;
	if (r == 0)
		r = service_manager_object_new(ipc, &ops, service, /* destroy= */ NULL,
					       &service->object);
	if (r == 0)
		r = ipc_set_manager(ipc, service->object);
	if (r < 0) {
		service_free(service);
		return r;
	}

	*ret_service = service;
	return 0;
}

struct service *service_free(struct service *service)
{
	struct registry_entry *entry;
	size_t position = 0;

	if (!service)
		return NULL;

	while (service->waiters) {
		registry_unwait(service->registry, &service->waiters->entry);
		ipc_call_errno(service->waiters->call, ENOTCONN, "servicemanager ends");
		waiter_free(service->waiters);
	}

	while (service->registry && (entry = registry_next(service->registry, "", &position))) {
		registry_remove(service->registry, entry);
		owner_drop(container_of(entry, struct owner, entry));
		position = 0;
	}

	registry_free(service->registry);
	ipc_object_unref(service->object);
	free(service);
	return NULL;
}
