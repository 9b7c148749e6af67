// SPDX-License-Identifier: MIT
/*
 * The object table of a message, for both sides. See table.h; called by
 * blob.c to send, by rpc.c and serve.c to receive.
 */
#include <errno.h>
#include <unistd.h>

#include "core/object.h"
#include "core/proxy.h"
#include "table.h"
#include "walk.h"

/* --- Sending ------------------------------------------------------------------ */

struct table_builder {
	struct visitor visitor;
	struct table *table;
	struct ipc *ipc;
};

static int build_object(struct visitor *visitor, uint64_t *id)
{
	struct table_builder *builder = (struct table_builder *)visitor;

	if (!*id)
		return 0;
	if (!id_is_object(*id))
		return table_append(builder->table, IPCBUS_OBJECT_HANDLE, id_handle(*id), *id);

	return table_append_node(builder->table, builder->ipc, id_node(*id), *id);
}

/* A fd's tag is its number. */
static int build_fd(struct visitor *visitor, int32_t *fd)
{
	struct table_builder *builder = (struct table_builder *)visitor;

	if (*fd < 0)
		return -EBADF;
	return table_append(builder->table, IPCBUS_OBJECT_FD, (uint64_t)*fd, (uint64_t)*fd);
}

int table_build(struct table *table, struct ipc *ipc, const ProtobufCMessage *message)
{
	struct table_builder builder = {
		.visitor = { .object = build_object, .fd = build_fd },
		.table = table,
		.ipc = ipc,
	};
	int r;

	table->n = 0;
	r = message_walk(message, &builder.visitor);
	if (r < 0)
		table_unsent(table, ipc);
	return r;
}

/* --- Receiving ---------------------------------------------------------------- */

struct claim {
	struct ipc_raw_entry entry;
	void *field;			/* uint64_t *id or int32_t *fd; NULL: none yet */
};

struct claims {
	unsigned int n;
	struct claim claims[];
};

/* The number that the field gets; 0 for an object that ended meanwhile. */
static uint64_t claim_id(const struct claim *claim)
{
	if (claim->entry.type == IPC_RAW_PROXY)
		return ipc_proxy_id(claim->entry.proxy);
	return ipc_object_id(claim->entry.object);
}

/* Whether nobody took it out of its field. */
static bool claim_is_kept(const struct claim *claim)
{
	if (!claim->field)
		return true;
	if (claim->entry.type == IPC_RAW_FD)
		return *(int32_t *)claim->field >= 0;
	return *(uint64_t *)claim->field != 0;
}

int claims_take_more(struct message *message, struct ipc *ipc, const struct ipcbus_event *event)
{
	const struct ipcbus_object *objects = event_objects(ipc, event);
	unsigned int n = event->object_count;
	struct claims *claims;
	int r;

	claims = arena_alloc(&message->arena, sizeof(*claims) + n * sizeof(claims->claims[0]));
	if (!claims) {
		objects_refuse(ipc, objects, n);
		return -ENOMEM;
	}

	message->claims = claims;
	for (claims->n = 0; claims->n < n; claims->n++) {
		claims->claims[claims->n].field = NULL;
		r = entry_take(&claims->claims[claims->n].entry, ipc, &objects[claims->n]);
		if (r < 0) {
			objects_refuse(ipc, &objects[claims->n + 1], n - claims->n - 1);
			claims_release(message);
			return r;
		}
	}
	return 0;
}

static struct claim *claim_find(struct claims *claims, bool is_fd, uint64_t tag)
{
	if (!claims)
		return NULL;

	for (unsigned int i = 0; i < claims->n; i++) {
		struct claim *claim = &claims->claims[i];

		if (!claim->field && claim->entry.tag == tag &&
		    (claim->entry.type == IPC_RAW_FD) == is_fd)
			return claim;
	}
	return NULL;
}

int claims_take_fd(struct claims *claims, uint64_t tag)
{
	struct claim *claim = claim_find(claims, /* is_fd= */ true, tag);
	int fd;

	if (!claim)
		return -ENOENT;
	fd = claim->entry.fd;
	*claim = claims->claims[--claims->n];
	return fd;
}

struct binder {
	struct visitor visitor;
	struct claims *claims;		/* NULL: none came */
};

static int bind_object(struct visitor *visitor, uint64_t *id)
{
	struct binder *binder = (struct binder *)visitor;
	struct claim *claim;

	if (!*id)
		return 0;

	claim = claim_find(binder->claims, /* is_fd= */ false, *id);
	if (!claim)
		return -EBADMSG;
	claim->field = id;
	*id = claim_id(claim);
	return 0;
}

static int bind_fd(struct visitor *visitor, int32_t *fd)
{
	struct binder *binder = (struct binder *)visitor;
	struct claim *claim;

	if (*fd < 0)
		return -EBADMSG;

	claim = claim_find(binder->claims, /* is_fd= */ true, (uint64_t)*fd);
	if (!claim)
		return -EBADMSG;
	claim->field = fd;
	*fd = claim->entry.fd;
	return 0;
}

/* Releases what no field took. */
static void claims_trim(struct claims *claims)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < claims->n; i++) {
		if (claims->claims[i].field)
			claims->claims[n++] = claims->claims[i];
		else
			entry_release(&claims->claims[i].entry);
	}
	claims->n = n;
}

int claims_bind(struct message *message)
{
	struct binder binder = {
		.visitor = { .object = bind_object, .fd = bind_fd },
		.claims = message->claims,
	};
	int r;

	r = message_walk(message->root, &binder.visitor);
	if (r < 0)
		return r;

	if (message->claims)
		claims_trim(message->claims);
	return 0;
}

void claims_release(struct message *message)
{
	struct claims *claims = message->claims;

	if (likely(!claims))
		return;

	message->claims = NULL;
	for (unsigned int i = 0; i < claims->n; i++)
		if (claim_is_kept(&claims->claims[i]))
			entry_release(&claims->claims[i].entry);
}
