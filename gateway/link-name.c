// SPDX-License-Identifier: MIT
/*
 * Names across a link: see link-private.h.
 *
 * The side that uses a name sends FIND, with the index in its list of uses plus 1 as id. The side
 * that shares the name watches it, and sends NAME at once and with each change. The using side
 * registers the latest object. A worker does that, because a call of the service manager blocks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link-private.h"
#include "log.h"

/* A name of the other side that is registered here. */
struct used {
	struct job job;
	const struct use *use;
	struct ipc_object *object;	/* to register; NULL: the name is free there */
	bool changed;
	bool working;
	struct ipc_slot *slot;		/* used by the worker only */
};

/* A name of this side that the other side uses. */
struct watched {
	struct job job;
	struct watched *next;
	uint64_t id;
	char *name;
	bool refused;	/* by the policy; not watched */
	struct ipc_slot *slot;
};

struct names {
	struct used *used;
	struct watched *watched;
	size_t n_watched;
};

/* --- Names of the other side -------------------------------------------------------------- */

static void put(struct used *used, struct ipc_object *object)
{
	struct link *link = used->job.link;
	unsigned int flags;
	int r;

	if (object) {
		/* The object of this link that has the name now. */
		flags = used->slot ? IPC_NAME_REPLACE : 0;
		used->slot = ipc_slot_detach(used->slot);
		r = ipc_register_name_with(link->ipc, used->use->name, object, flags, &used->slot);
		if (r < 0)
			log_line("cannot register %s: %s", used->use->name, ipc_strerror(r));
		else
			log_line("%s is %s of %s", used->use->name, used->use->remote,
				 link->peer->target);
	} else if (used->slot) {
		used->slot = ipc_slot_end(used->slot);
		log_line("unregistered %s: %s has lost it", used->use->name, link->peer->target);
	}
}

static bool used_run(struct job *job)
{
	struct used *used = (struct used *)job;
	struct link *link = job->link;
	struct ipc_object *object;

	pthread_mutex_lock(&link->lock);
	while (used->changed && !link->broken) {
		used->changed = false;
		object = ipc_object_ref(used->object);
		pthread_mutex_unlock(&link->lock);
		put(used, object);
		ipc_object_unref(object);
		pthread_mutex_lock(&link->lock);
	}
	used->working = false;
	pthread_mutex_unlock(&link->lock);
	return false;
}

void name_arrived(struct link *link, const struct link_frame *frame)
{
	char interface[256];
	struct ipc_object *old = NULL;
	struct entries entries;
	struct used *used;
	int r;

	snprintf(interface, sizeof(interface), "%.*s", (int)frame->text_size, frame->text ?: "");
	r = frame->n_objects > 1 ? -EPROTO :
				   table_take(link, frame, *interface ? interface : NULL, &entries);
	if (r == 0 && entries.n && entries.all[0].type != IPC_RAW_OBJECT) {
		entries_release(&entries);
		r = -EPROTO;
	}
	if (r == -EPROTO || !link->peer || !frame->id || frame->id > link->peer->n_uses) {
		if (r == 0)
			entries_release(&entries);
		link_break(link, "it sent a name that was not requested");
		return;
	}
	used = &link->names->used[frame->id - 1];
	if (r < 0 || frame->error)
		log_line("cannot use %s of %s: %s", used->use->remote, link->peer->target,
			 ipc_strerror(r < 0 ? r : -(int)frame->error));
	pthread_mutex_lock(&link->lock);
	old = used->object;
	used->object = r == 0 && entries.n ? entries.all[0].object : NULL;
	used->changed = true;
	if (!used->working)
		used->working = link_work_locked(link, &used->job) == 0;
	if (!used->working)
		link_break_locked(link, "no memory");
	pthread_mutex_unlock(&link->lock);
	ipc_object_unref(old);
}

void names_want(struct link *link)
{
	for (size_t i = 0; link->peer && i < link->peer->n_uses; i++)
		link_send(link,
			  &(struct link_frame){ .kind = LINK_FIND,
					.id = i + 1,
					.text = link->peer->uses[i].remote,
					.text_size = strlen(link->peer->uses[i].remote) });
}

/* --- Names of this side ------------------------------------------------------------------- */

static void refuse(struct link *link, uint64_t id, int error)
{
	link_send(link,
		  &(struct link_frame){ .kind = LINK_NAME, .id = id, .error = (uint32_t)error });
}

static void changed(struct ipc *ipc, enum ipc_name_change change, const struct ipc_name_info *info,
		    struct ipc_proxy *proxy, void *userdata)
{
	struct watched *watched = userdata;
	struct link *link = watched->job.link;
	struct ipc_raw_entry entry = { .type = IPC_RAW_PROXY, .proxy = proxy };
	struct link_frame frame = { .kind = LINK_NAME, .id = watched->id };
	int r;

	(void)ipc;
	if (change == IPC_NAME_SETTLED)
		return;
	if (change == IPC_NAME_PRESENT && !proxy) {
		log_line("cannot share %s: the policy does not let the gateway call it",
			 watched->name);
		refuse(link, watched->id, EACCES);
		return;
	}
	if (change == IPC_NAME_PRESENT) {
		frame.text = info->interface;
		frame.text_size = strlen(info->interface);
	}
	pthread_mutex_lock(&link->lock);
	r = table_put_locked(link, &frame, &entry, change == IPC_NAME_PRESENT);
	if (r < 0)
		link_break_locked(link, "%s", ipc_strerror(r));
	link_send_locked(link, &frame);
	table_sent_locked(link, &frame);
	pthread_mutex_unlock(&link->lock);
}

static bool watched_run(struct job *job)
{
	struct watched *watched = (struct watched *)job;
	struct link *link = job->link;
	int r;

	r = ipc_watch_names(link->ipc, watched->name, changed, watched, &watched->slot);
	if (r < 0) {
		log_line("cannot share %s: %s", watched->name, ipc_strerror(r));
		refuse(link, watched->id, -r);
	}
	return false;
}

static bool is_shared(const struct link *link, const char *name)
{
	const struct link_options *options = link_options(link);

	for (size_t i = 0; i < options->n_shared; i++)
		if (!strcmp(options->shared[i], name))
			return true;
	return false;
}

static bool may_use(const struct link *link, const char *name)
{
	return peer_policy_ask(link_options(link)->policy, link->call, PEER_POLICY_CALL, name) ==
	       POLICY_ALLOW;
}

void names_review(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	for (struct watched *watched = link->names->watched; watched && !link->broken;
	     watched = watched->next) {
		if (may_use(link, watched->name) == watched->refused)
			link_break_locked(link, "the policy for %s has changed", watched->name);
	}
	pthread_mutex_unlock(&link->lock);
}

void find_arrived(struct link *link, const struct link_frame *frame)
{
	struct names *names = link->names;
	struct watched *watched;
	char name[128];
	bool refused;

	snprintf(name, sizeof(name), "%.*s", (int)frame->text_size, frame->text ?: "");
	/* Allows each shared name once, and some names that are not shared. */
	if (names->n_watched > 2 * link_options(link)->n_shared + 16) {
		link_break(link, "it requests too many names");
		return;
	}
	names->n_watched++;
	if (!is_shared(link, name)) {
		log_line("%s is not shared", name);
		refuse(link, frame->id, EACCES);
		return;
	}
	watched = calloc(1, sizeof(*watched));
	if (watched)
		watched->name = strdup(name);
	if (!watched || !watched->name) {
		free(watched);
		link_break(link, "no memory");
		return;
	}
	watched->id = frame->id;
	watched->job = (struct job){ .link = link, .run = watched_run };
	/* In the list first: names_review() finds it if the policy changes in the meantime. */
	pthread_mutex_lock(&link->lock);
	watched->next = names->watched;
	names->watched = watched;
	refused = watched->refused = !may_use(link, name);
	if (!refused && link_work_locked(link, &watched->job) < 0)
		link_break_locked(link, "no memory");
	pthread_mutex_unlock(&link->lock);
	if (!refused)
		return;
	log_line("the gateway policy does not let a linked gateway use %s", name);
	refuse(link, frame->id, EACCES);
}

/* --- Setting up --------------------------------------------------------------------------- */

int names_new(struct link *link)
{
	size_t n = link->peer ? link->peer->n_uses : 0;
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->used = calloc(n + 1, sizeof(*names->used));
	if (!names->used) {
		free(names);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		names->used[i].use = &link->peer->uses[i];
		names->used[i].job = (struct job){ .link = link, .run = used_run };
	}
	link->names = names;
	return 0;
}

/* Frees the names. The end of the connection ends the registrations. */
void names_free(struct link *link)
{
	struct names *names = link->names;
	struct watched *next;

	if (!names)
		return;
	for (size_t i = 0; link->peer && i < link->peer->n_uses; i++) {
		ipc_slot_detach(names->used[i].slot);
		ipc_object_unref(names->used[i].object);
	}
	for (struct watched *watched = names->watched; watched; watched = next) {
		next = watched->next;
		ipc_slot_end(watched->slot);
		free(watched->name);
		free(watched);
	}
	free(names->used);
	free(names);
	link->names = NULL;
}
