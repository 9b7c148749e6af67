// SPDX-License-Identifier: MIT
/* Finding, checking and listing names: see name.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/sized.h"
#include "name.h"

/* The result of a request that the manager may keep. When the manager exits, it fails such requests
 * with the cause -ENOTCONN. */
static int kept_result(int r, const struct ipc_error *error)
{
	return error->cause ?: r;
}

/* --- Finding -------------------------------------------------------------------- */

struct find {
	struct name_call base;
	bool waits;			/* for the name, until base.deadline */
	bool is_wait;			/* -ETIMEDOUT instead of -ENOENT */
	char *interface;		/* "": any */
	struct ipc_proxy *proxy;	/* that was found and not reported yet, or NULL */
};

static struct find *find_of(struct name_call *call)
{
	return (struct find *)call;
}

/* Returns the microseconds until a deadline, at least 1, because 0 means that no timeout is set. */
static uint64_t left_until(uint64_t deadline)
{
	return deadline ? time_until(deadline) ?: 1 : IPC_NEVER;
}

static int find_send(struct name_call *call)
{
	Ipc__Manager__GetRequest request = IPC__MANAGER__GET_REQUEST__INIT;
	struct find *find = find_of(call);

	if (find->waits)
		call->options.timeout_usec = left_until(call->deadline);
	request.name = call->text;
	request.interface = find->interface;
	return name_call_request(call, find->waits ? "Wait" : "Get", &request.base);
}

/* If the manager ends in the meantime, waits for the next manager. */
static int find_take(struct name_call *call, int r, ProtobufCMessage *message,
		     const struct ipc_error *error)
{
	Ipc__Manager__GetReply *reply = (Ipc__Manager__GetReply *)message;
	struct find *find = find_of(call);

	r = kept_result(r, error);
	if (r == 0)
		r = reply->object ? ipc_take_proxy(call->slot.ipc, &reply->object->id,
						   &find->proxy) :
				    -ENOENT;
	if (r == 0)
		r = proxy_set_name(find->proxy, call->text, find->interface);
	if (r == -ENOTCONN && find->waits)
		return name_call_park(call);
	return r == -ENOENT && find->is_wait ? -ETIMEDOUT : r;
}

static void find_report(struct name_call *call, int r)
{
	struct find *find = find_of(call);
	struct ipc_proxy *proxy = r == 0 ? find->proxy : NULL;

	if (r == 0)
		find->proxy = NULL;
	((ipc_proxy_cb)call->cb)(r, proxy, call->slot.userdata);
}

static void find_done(struct name_call *call)
{
	struct find *find = find_of(call);

	ipc_proxy_unref(find->proxy);
	free(find->interface);
}

static const struct name_call_type find_type = {
	.slot = NAME_CALL_TYPE(struct find),
	.send = find_send,
	.take = find_take,
	.report = find_report,
	.done = find_done,
};

static int find_new(struct ipc *ipc, const char *name, const char *interface,
		    const struct ipc_options *options, ipc_proxy_cb cb, void *userdata,
		    struct find **ret_find)
{
	struct name_call *call;
	int r;

	r = name_call_new_for(ipc, name, &find_type, options, (void (*)(void))cb, userdata, &call);
	if (r < 0)
		return r;
	find_of(call)->interface = strdup(interface ?: "");
	if (!find_of(call)->interface) {
		slot_drop(&call->slot);
		return -ENOMEM;
	}
	*ret_find = find_of(call);
	return 0;
}

int ipc_proxy_get_async(struct ipc *ipc, const char *name, const char *interface,
			const struct ipc_options *options, ipc_proxy_cb cb, void *userdata,
			struct ipc_slot **ret_slot)
{
	struct find *find;
	int r;

	r = find_new(ipc, name, interface, options, cb, userdata, &find);
	return r < 0 ? r : name_call_start(&find->base, ret_slot);
}

int ipc_proxy_wait_async(struct ipc *ipc, const char *name, const char *interface,
			 uint64_t timeout_usec, const struct ipc_options *options, ipc_proxy_cb cb,
			 void *userdata, struct ipc_slot **ret_slot)
{
	struct find *find;
	int r;

	if (options && options->timeout_usec)
		return -EINVAL;
	r = find_new(ipc, name, interface, options, cb, userdata, &find);
	if (r < 0)
		return r;
	find->is_wait = true;
	find->waits = timeout_usec;
	find->base.deadline = timeout_usec ? deadline_after(timeout_usec) : 0;
	return name_call_start(&find->base, ret_slot);
}

struct found {
	int r;
	struct ipc_proxy **ret_proxy;
};

static void store_proxy(int r, struct ipc_proxy *proxy, void *userdata)
{
	struct found *found = userdata;

	found->r = r;
	if (r == 0)
		*found->ret_proxy = proxy;
}

int ipc_proxy_get(struct ipc *ipc, const char *name, const char *interface,
		  struct ipc_proxy **ret_proxy)
{
	struct found found = { .ret_proxy = ret_proxy };
	int r = -EINVAL;

	if (ret_proxy)
		r = ipc_proxy_get_async(ipc, name, interface, &name_blocks, store_proxy, &found,
					/* ret_slot= */ NULL);
	return r < 0 ? r : found.r;
}

int ipc_proxy_wait(struct ipc *ipc, const char *name, const char *interface,
		   uint64_t timeout_usec, struct ipc_proxy **ret_proxy)
{
	struct found found = { .ret_proxy = ret_proxy };
	int r = -EINVAL;

	if (ret_proxy)
		r = ipc_proxy_wait_async(ipc, name, interface, timeout_usec, &name_blocks,
					 store_proxy, &found, /* ret_slot= */ NULL);
	return r < 0 ? r : found.r;
}

/* --- Checking --------------------------------------------------------------------- */

struct check {
	struct name_call base;
	struct ipc_name_info info;
};

static int check_send(struct name_call *call)
{
	Ipc__Manager__CheckRequest request = IPC__MANAGER__CHECK_REQUEST__INIT;

	request.name = call->text;
	return name_call_request(call, "Check", &request.base);
}

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

static int check_take(struct name_call *call, int r, ProtobufCMessage *reply,
		      const struct ipc_error *error)
{
	(void)error;
	if (r < 0)
		return r;
	return name_info_take(((Ipc__Manager__CheckReply *)reply)->entry,
			      &((struct check *)call)->info);
}

static void check_report(struct name_call *call, int r)
{
	const struct ipc_name_info *info = &((struct check *)call)->info;

	((ipc_name_info_cb)call->cb)(r, r == 0 ? info : NULL, call->slot.userdata);
}

static const struct name_call_type check_type = {
	.slot = NAME_CALL_TYPE(struct check),
	.send = check_send,
	.take = check_take,
	.report = check_report,
};

int ipc_check_name_async(struct ipc *ipc, const char *name, const struct ipc_options *options,
			 ipc_name_info_cb cb, void *userdata, struct ipc_slot **ret_slot)
{
	struct name_call *call;
	int r;

	r = name_call_new_for(ipc, name, &check_type, options, (void (*)(void))cb, userdata, &call);
	return r < 0 ? r : name_call_start(call, ret_slot);
}

struct checked {
	int r;
	struct ipc_name_info *ret_info;
};

static void store_info(int r, const struct ipc_name_info *info, void *userdata)
{
	struct checked *checked = userdata;

	if (r == 0 && checked->ret_info)
		r = sized_return(checked->ret_info, sizeof(*info), info);
	checked->r = r;
}

int ipc_check_name(struct ipc *ipc, const char *name, struct ipc_name_info *ret_info)
{
	struct checked checked = { .ret_info = ret_info };
	int r;

	r = ipc_check_name_async(ipc, name, &name_blocks, store_info, &checked,
				 /* ret_slot= */ NULL);
	return r < 0 ? r : checked.r;
}

/* --- Listing ---------------------------------------------------------------------- */

struct list {
	struct name_call base;
	bool is_name;			/* the pattern is a name */
	struct ipc_name_info *infos;	/* of the replies so far */
	int n;
};

static struct list *list_of(struct name_call *call)
{
	return (struct list *)call;
}

static int list_send(struct name_call *call)
{
	Ipc__Manager__ListRequest request = IPC__MANAGER__LIST_REQUEST__INIT;
	struct list *list = list_of(call);

	request.prefix = call->text;
	if (list->n)
		request.after = list->infos[list->n - 1].name;
	return name_call_request(call, "List", &request.base);
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

static int list_take(struct name_call *call, int r, ProtobufCMessage *message,
		     const struct ipc_error *error)
{
	const Ipc__Manager__ListReply *reply = (const Ipc__Manager__ListReply *)message;
	struct list *list = list_of(call);

	r = kept_result(r, error);
	if (r == 0)
		r = infos_take(reply, &list->infos, list->n);
	if (r < 0)
		return r;
	list->n = r;
	/* A name is the first that begins with itself. */
	if (list->is_name)
		return list->n && !strcmp(list->infos[0].name, call->text);
	/* A page without an entry ends the list, whatever the manager says. */
	return reply->more && reply->n_entries ? NAME_AGAIN : list->n;
}

static void list_report(struct name_call *call, int r)
{
	struct ipc_name_info **infos = NULL;
	struct list *list = list_of(call);

	if (r >= 0) {
		infos = infos_point(list->infos, r);
		list->infos = NULL;
	}
	((ipc_names_cb)call->cb)(r < 0 || infos ? r : -ENOMEM, infos, call->slot.userdata);
}

static void list_done(struct name_call *call)
{
	free(list_of(call)->infos);
}

static const struct name_call_type list_type = {
	.slot = NAME_CALL_TYPE(struct list),
	.send = list_send,
	.take = list_take,
	.report = list_report,
	.done = list_done,
};

int ipc_list_names_async(struct ipc *ipc, const char *pattern, const struct ipc_options *options,
			 ipc_names_cb cb, void *userdata, struct ipc_slot **ret_slot)
{
	struct name_call *call;
	struct names *names;
	size_t size;
	int r;

	if (!name_pattern_is_valid(pattern))
		return -EINVAL;
	r = names_get(ipc, &names);
	if (r == 0)
		r = name_call_new(names, &list_type, options, (void (*)(void))cb, userdata, &call);
	if (r < 0)
		return r;
	size = name_length(pattern);
	memcpy(call->text, pattern, size);
	list_of(call)->is_name = !pattern[size];
	return name_call_start(call, ret_slot);
}

struct listed {
	int r;
	struct ipc_name_info ***ret_infos;
};

static void store_infos(int r, struct ipc_name_info **infos, void *userdata)
{
	struct listed *listed = userdata;

	listed->r = r;
	if (r >= 0)
		*listed->ret_infos = infos;
}

int ipc_list_names(struct ipc *ipc, const char *pattern, struct ipc_name_info ***ret_infos)
{
	struct listed listed = { .ret_infos = ret_infos };
	int r = -EINVAL;

	if (ret_infos)
		r = ipc_list_names_async(ipc, pattern, &name_blocks, store_infos, &listed,
					 /* ret_slot= */ NULL);
	return r < 0 ? r : listed.r;
}
