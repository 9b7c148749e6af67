// SPDX-License-Identifier: MIT
/*
 * The object table of a message, for both sides. See table.h; called by
 * client.c and call.c to send, by client.c and dispatch.c to receive.
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

int table_append(struct table *table, enum device_object_type type, uint64_t value,
			uint64_t tag)
{
	if (table->n == DEVICE_MAX_OBJECTS)
		return -E2BIG;

	table->objects[table->n++] = (struct device_object){
		.type = type,
		.value = value,
		.tag = tag,
	};
	return 0;
}

static int build_object(struct visitor *visitor, uint64_t *id)
{
	struct table_builder *builder = (struct table_builder *)visitor;
	int r;

	if (!*id)
		return 0;
	if (!id_is_object(*id))
		return table_append(builder->table, DEVICE_OBJECT_HANDLE, id_handle(*id), *id);

	r = table_append(builder->table, DEVICE_OBJECT_NODE, id_node(*id), *id);
	if (r < 0)
		return r;
	r = object_sending(builder->ipc, id_node(*id));
	if (r < 0)
		builder->table->n--;
	return r;
}

/* A fd's tag is its number. */
static int build_fd(struct visitor *visitor, int32_t *fd)
{
	struct table_builder *builder = (struct table_builder *)visitor;

	if (*fd < 0)
		return -EBADF;
	return table_append(builder->table, DEVICE_OBJECT_FD, (uint64_t)*fd, (uint64_t)*fd);
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

void table_unsent(const struct table *table, struct ipc *ipc)
{
	for (unsigned int i = 0; i < table->n; i++)
		if (table->objects[i].type == DEVICE_OBJECT_NODE)
			object_unsent(ipc, table->objects[i].value);
}

/* --- Receiving ---------------------------------------------------------------- */

struct claim {
	enum device_object_type type;
	uint64_t tag;
	void *field;			/* uint64_t *id or int32_t *fd; NULL: none yet */
	union {
		struct ipc_object *object;	/* NULL: it ended meanwhile */
		struct ipc_proxy *proxy;
		int fd;
	};
};

struct claims {
	unsigned int n;
	struct claim claims[];
};

static int claim_take(struct claim *claim, struct ipc *ipc, const struct device_object *object)
{
	*claim = (struct claim){ .type = object->type, .tag = object->tag };
	switch (object->type) {
	case DEVICE_OBJECT_NODE:
		claim->object = object_from_cookie(ipc, object->cookie);
		return 0;
	case DEVICE_OBJECT_HANDLE:
		return proxy_arrived(ipc, (uint32_t)object->value, &claim->proxy);
	case DEVICE_OBJECT_FD:
		claim->fd = (int)object->value;
		return 0;
	}
	return -EPROTO;
}

static void claim_release(struct claim *claim)
{
	switch (claim->type) {
	case DEVICE_OBJECT_NODE:
		ipc_object_unref(claim->object);
		break;
	case DEVICE_OBJECT_HANDLE:
		ipc_proxy_unref(claim->proxy);
		break;
	case DEVICE_OBJECT_FD:
		close(claim->fd);
		break;
	}
}

/* The number that the field gets; 0 for an object that ended meanwhile. */
static uint64_t claim_id(const struct claim *claim)
{
	if (claim->type == DEVICE_OBJECT_HANDLE)
		return ipc_proxy_id(claim->proxy);
	return ipc_object_id(claim->object);
}

/* Whether nobody took it out of its field. */
static bool claim_is_kept(const struct claim *claim)
{
	if (!claim->field)
		return true;
	if (claim->type == DEVICE_OBJECT_FD)
		return *(int32_t *)claim->field >= 0;
	return *(uint64_t *)claim->field != 0;
}

/* For memory that could not be had: what came is given back as it is. */
static void objects_refuse(struct ipc *ipc, const struct device_object *objects, unsigned int n)
{
	struct claim claim;

	for (unsigned int i = 0; i < n; i++)
		if (claim_take(&claim, ipc, &objects[i]) == 0)
			claim_release(&claim);
}

void claims_refuse(struct ipc *ipc, const struct device_event *event)
{
	struct device_object objects[DEVICE_MAX_OBJECTS];

	if (likely(!event->n_objects))
		return;

	device_objects(&ipc->device, event, objects);
	objects_refuse(ipc, objects, event->n_objects);
}

int claims_take(struct message *message, struct ipc *ipc, const struct device_event *event)
{
	struct device_object objects[DEVICE_MAX_OBJECTS];
	struct claims *claims;
	int r;

	if (likely(!event->n_objects))
		return 0;

	device_objects(&ipc->device, event, objects);
	claims = arena_alloc(&message->arena,
			     sizeof(*claims) + event->n_objects * sizeof(claims->claims[0]));
	if (!claims) {
		objects_refuse(ipc, objects, event->n_objects);
		return -ENOMEM;
	}

	message->claims = claims;
	for (claims->n = 0; claims->n < event->n_objects; claims->n++) {
		r = claim_take(&claims->claims[claims->n], ipc, &objects[claims->n]);
		if (r < 0) {
			objects_refuse(ipc, &objects[claims->n + 1],
				       event->n_objects - claims->n - 1);
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

		if (!claim->field && claim->tag == tag &&
		    (claim->type == DEVICE_OBJECT_FD) == is_fd)
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
	fd = claim->fd;
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
	*fd = claim->fd;
	return 0;
}

/* Gives back what no field took. */
static void claims_trim(struct claims *claims)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < claims->n; i++) {
		if (claims->claims[i].field)
			claims->claims[n++] = claims->claims[i];
		else
			claim_release(&claims->claims[i]);
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
			claim_release(&claims->claims[i]);
}
