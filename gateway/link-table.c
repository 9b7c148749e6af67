// SPDX-License-Identifier: MIT
/*
 * Objects that cross a link: see link-private.h.
 *
 * The exporter counts how often it has mentioned a number in a frame. The other side counts how
 * often it has received the number, and returns this count when no process on its bus holds the
 * object any more. So a release and a new mention may cross each other.
 *
 * A remote holds no reference to its object. The object lives as long as other processes on the bus
 * hold it, and the remote ends with it. Code that finds a remote in the table must ask the library
 * whether the object still exists, and make a new one otherwise.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../libipc/core/own.h"
#include "link-private.h"

/* --- Exports ------------------------------------------------------------------------------ */

static void export_put(struct export *export)
{
	if (__atomic_sub_fetch(&export->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ipc_proxy_unref(export->proxy);
	free(export);
}

static void watch_over(void *userdata)
{
	export_put(userdata);
}

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	struct export *export = userdata;
	struct link *link = export->link;

	(void)proxy;
	pthread_mutex_lock(&link->lock);
	export->dead = true;
	if (export->mentions)
		link_send_locked(link, &(struct link_frame){ .kind = LINK_DEAD,
							     .target = export->number });
	pthread_mutex_unlock(&link->lock);
}

static struct export *export_new_locked(struct link *link, struct ipc_proxy *proxy)
{
	struct export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	export->link = link;
	export->proxy = ipc_proxy_ref(proxy);
	export->number = ++link->last_export;
	export->refs = 1;
	export->last_waiting = &export->waiting;
	if (map_add(&link->exports, export->number, export) < 0) {
		export_put(export);
		return NULL;
	}
	if (map_add(&link->proxies, (uintptr_t)proxy, export) < 0) {
		map_remove(&link->exports, export->number);
		export_put(export);
		return NULL;
	}
	/* Without a watch, the next call reports the death. */
	if (ipc_proxy_on_death(proxy, on_death, export, &export->death) == 0) {
		export->refs++;
		ipc_slot_set_destroy(export->death, watch_over);
	}
	return export;
}

void export_drop(struct export *export)
{
	struct arrived *next;

	for (struct arrived *arrived = export->waiting; arrived; arrived = next) {
		next = arrived->next;
		arrived_free(arrived);
	}
	ipc_slot_end_async(export->death);
	export_put(export);
}

struct export *table_find_locked(struct link *link, uint64_t number)
{
	struct export *export = map_get(&link->exports, number);

	return export && !export->released ? export : NULL;
}

bool table_drained_locked(struct link *link, struct export *export)
{
	if (!export->released || export->waiting)
		return false;
	map_remove(&link->exports, export->number);
	return true;
}

void table_release(struct link *link, const struct link_frame *frame)
{
	struct export *export;
	bool gone = false;

	pthread_mutex_lock(&link->lock);
	export = map_get(&link->exports, frame->target);
	if (!export || !frame->count || frame->count > export->mentions) {
		link_break_locked(link, "it released an object that it does not hold");
	} else {
		export->mentions -= frame->count;
		gone = !export->mentions;
	}
	if (gone) {
		map_remove(&link->proxies, (uintptr_t)export->proxy);
		/* Oneways that arrived before the release are delivered first. */
		export->released = true;
		gone = table_drained_locked(link, export);
	}
	pthread_mutex_unlock(&link->lock);
	if (gone)
		export_drop(export);
}

/* --- Remotes ------------------------------------------------------------------------------ */

static void remote_free(struct remote *remote)
{
	free(remote->interface);
	free(remote);
}

static void remote_over(void *userdata)
{
	struct remote *remote = userdata;
	struct link *link = remote->link;

	/* Without mentions the remote is not in the table, and the caller holds the lock. */
	if (!remote->mentions) {
		remote_free(remote);
		return;
	}
	pthread_mutex_lock(&link->lock);
	if (map_get(&link->remotes, remote->number) == remote)
		map_remove(&link->remotes, remote->number);
	link_send_locked(link, &(struct link_frame){ .kind = LINK_RELEASE,
						     .target = remote->number,
						     .count = remote->mentions });
	pthread_mutex_unlock(&link->lock);
	remote_free(remote);
}

/* Adds a remote with an object that owns it. On failure the remote is freed. */
static int remote_new_locked(struct link *link, uint64_t number, const char *interface,
			     struct ipc_object **ret_object)
{
	struct remote *remote = calloc(1, sizeof(*remote));
	struct ipc_object *object;
	int r = -ENOMEM;

	if (!remote)
		return r;
	remote->link = link;
	remote->number = number;
	remote->interface = interface ? strdup(interface) : NULL;
	/* Ends of streams cross a link too. */
	remote->ops = (struct ipc_raw_ops){ .interface = remote->interface,
					    .flags = RAW_SERVE_OWN,
					    .serve = remote_serve,
					    .destroy = remote_over };
	if (!interface == !remote->interface)
		r = ipc_raw_object_new(link->ipc, &remote->ops, remote, &object);
	if (r < 0) {
		remote_free(remote);
		return r;
	}
	/* The object owns the remote from here on. */
	r = ipc_object_id(object, &remote->id);
	if (r == 0)
		r = map_add(&link->remotes, number, remote);
	if (r < 0) {
		ipc_object_unref(object);
		return r;
	}
	remote->mentions = 1;
	*ret_object = object;
	return 0;
}

static int remote_take_locked(struct link *link, uint64_t number, const char *interface,
			      struct ipc_object **ret_object)
{
	struct remote *remote = map_get(&link->remotes, number);
	uint64_t id = remote ? remote->id : 0;

	if (remote && ipc_take_object(link->ipc, &id, ret_object) == 0) {
		remote->mentions++;
		return 0;
	}
	/* The object has just ended. */
	if (remote)
		map_remove(&link->remotes, number);
	if (link->remotes.count >= OBJECTS_MAX)
		return -EDQUOT;
	return remote_new_locked(link, number, interface, ret_object);
}

void table_dead(struct link *link, const struct link_frame *frame)
{
	struct ipc_object *object = NULL;
	struct remote *remote;
	uint64_t id;

	pthread_mutex_lock(&link->lock);
	remote = map_get(&link->remotes, frame->target);
	id = remote ? remote->id : 0;
	if (!remote || ipc_take_object(link->ipc, &id, &object) < 0)
		object = NULL;
	pthread_mutex_unlock(&link->lock);
	if (object)
		ipc_object_end(object);
	ipc_object_unref(object);
}

/* --- Objects in frames -------------------------------------------------------------------- */

static int put_proxy_locked(struct link *link, struct ipc_proxy *proxy, struct link_object *object)
{
	struct export *export = map_get(&link->proxies, (uintptr_t)proxy);

	if (!export)
		export = export_new_locked(link, proxy);
	if (!export)
		return -ENOMEM;
	export->mentions++;
	object->number = export->number;
	return 0;
}

int table_put_locked(struct link *link, struct link_frame *frame,
		     const struct ipc_raw_entry *entries, size_t n)
{
	const struct remote *remote;
	size_t new = 0;
	int r;

	frame->n_objects = 0;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].type != IPC_RAW_PROXY && entries[i].type != IPC_RAW_OBJECT)
			return -EPERM;
		new += entries[i].type == IPC_RAW_PROXY &&
		       !map_get(&link->proxies, (uintptr_t)entries[i].proxy);
	}
	if (new && link->exports.count + new > OBJECTS_MAX)
		return -EDQUOT;
	for (size_t i = 0; i < n; i++) {
		struct link_object *object = &frame->objects[frame->n_objects];

		*object = (struct link_object){ .tag = entries[i].tag };
		if (entries[i].type == IPC_RAW_PROXY) {
			r = put_proxy_locked(link, entries[i].proxy, object);
			if (r < 0)
				return r;
		} else if (entries[i].object) {
			remote = ipc_object_userdata(entries[i].object);
			object->number = remote->number;
			object->yours = true;
		} else {
			continue; /* the object ended on its way back */
		}
		frame->n_objects++;
	}
	return 0;
}

void table_sent_locked(struct link *link, const struct link_frame *frame)
{
	const struct export *export;

	for (size_t i = 0; i < frame->n_objects; i++) {
		if (frame->objects[i].yours)
			continue;
		export = map_get(&link->exports, frame->objects[i].number);
		if (export && export->dead)
			link_send_locked(link, &(struct link_frame){ .kind = LINK_DEAD,
								     .target = export->number });
	}
}

static int take_locked(struct link *link, const struct link_object *object, const char *interface,
		       struct ipc_raw_entry *entry)
{
	const struct export *export;
	int r;

	*entry = (struct ipc_raw_entry){ .tag = object->tag };
	if (object->yours) {
		export = table_find_locked(link, object->number);
		if (!export)
			return -EPROTO;
		entry->type = IPC_RAW_PROXY;
		entry->proxy = ipc_proxy_ref(export->proxy);
		return 0;
	}
	if (!object->number)
		return -EPROTO;
	entry->type = IPC_RAW_OBJECT;
	r = remote_take_locked(link, object->number, interface, &entry->object);
	if (r < 0)
		link_send_locked(link, &(struct link_frame){ .kind = LINK_RELEASE,
							     .target = object->number,
							     .count = 1 });
	return r;
}

int table_take(struct link *link, const struct link_frame *frame, const char *interface,
	       struct entries *ret_entries)
{
	int r = 0, failed;

	ret_entries->n = 0;
	if (!frame->n_objects)
		return 0;
	pthread_mutex_lock(&link->lock);
	for (size_t i = 0; i < frame->n_objects && r != -EPROTO; i++) {
		failed = link->broken ? -EPROTO :
					take_locked(link, &frame->objects[i], interface,
						    &ret_entries->all[ret_entries->n]);
		if (failed < 0)
			r = failed;
		else
			ret_entries->n++;
	}
	pthread_mutex_unlock(&link->lock);
	if (r < 0)
		entries_release(ret_entries);
	return r;
}

void entries_release(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++) {
		if (entries->all[i].type == IPC_RAW_OBJECT)
			ipc_object_unref(entries->all[i].object);
		else
			ipc_proxy_unref(entries->all[i].proxy);
	}
	entries->n = 0;
}

void table_drop(struct link *link)
{
	struct export *export;
	uint64_t number;

	while ((export = map_first(&link->exports, &number))) {
		map_remove(&link->exports, number);
		export_drop(export);
	}
	map_done(&link->exports);
	map_done(&link->proxies);
}
