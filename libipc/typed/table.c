// SPDX-License-Identifier: MIT
/*
 * The walk over a message by its descriptor, and the object table of a message on both sides. See
 * message.h and table.h.
 */
#include <errno.h>
#include <string.h>

#include "core/object.h"
#include "core/proxy.h"
#include "shm/memfd.h"
#include "table.h"

static int walk(const ProtobufCMessage *message, struct visitor *visitor, unsigned int depth);

static int walk_one(const ProtobufCMessage *message, struct visitor *visitor, unsigned int depth)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	int r;

	if (type == &ipc__object__descriptor)
		return visitor->object ?
			       visitor->object(visitor, &((Ipc__Object *)message)->id) : 0;
	if (type == &ipc__fd__descriptor)
		return visitor->fd ? visitor->fd(visitor, &((Ipc__Fd *)message)->fd) : 0;
	r = visitor->message ? visitor->message(visitor, message) : 0;
	if (r == 0)
		r = walk(message, visitor, depth);
	if (r == 0 && type == &ipc__memory__descriptor && visitor->memory)
		r = visitor->memory(visitor, (Ipc__Memory *)message);
	return r;
}

static int walk_repeated(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			 struct visitor *visitor, unsigned int depth)
{
	size_t n = *(const size_t *)field_at(message, field->quantifier_offset);
	ProtobufCMessage *const *items =
		*(ProtobufCMessage *const *const *)field_at(message, field->offset);
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!items[i])
			return -EBADMSG;
		r = walk_one(items[i], visitor, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int walk_single(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       struct visitor *visitor, unsigned int depth)
{
	const ProtobufCMessage *item;

	/* Members of a oneof share their memory: skip the members that are not set. */
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)field_at(message, field->quantifier_offset) != field->id)
		return 0;

	item = *(ProtobufCMessage *const *)field_at(message, field->offset);
	return item ? walk_one(item, visitor, depth + 1) : 0;
}

static int walk(const ProtobufCMessage *message, struct visitor *visitor, unsigned int depth)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	int r;

	if (depth > MESSAGE_MAX_DEPTH)
		return -EBADMSG;

	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			r = walk_repeated(message, field, visitor, depth);
		else
			r = walk_single(message, field, visitor, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

int message_walk(const ProtobufCMessage *message, struct visitor *visitor)
{
	return walk_one(message, visitor, /* depth= */ 0);
}

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

	return table_append_node(builder->table, builder->ipc, *id, *id);
}

/* The tag of a fd is its number in the sender. */
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

struct claims {
	unsigned int n;
	void **fields;		/* uint64_t *id or int32_t *fd that is bound to each; NULL: free */
	struct ipc_raw_entry entries[];
};

int claims_take_more(struct message *message, struct ipc *ipc, const struct ipcbus_event *event)
{
	unsigned int n = event->object_count;
	struct claims *claims;
	size_t taken;
	int r;

	claims = arena_alloc(&message->arena, sizeof(*claims) + n * sizeof(claims->entries[0]) +
				      n * sizeof(claims->fields[0]));
	if (!claims) {
		event_refuse(ipc, event);
		return -ENOMEM;
	}
	claims->fields = memset(&claims->entries[n], 0, n * sizeof(claims->fields[0]));
	r = entries_take(claims->entries, &taken, ipc, event);
	claims->n = (unsigned int)taken;
	message->claims = claims;
	if (r < 0)
		claims_release(message);
	return r;
}

/* Binds the field to the first free claim, which it returns, or NULL. */
static const struct ipc_raw_entry *claim_bind(struct claims *claims, bool is_fd, uint64_t tag,
					      void *field)
{
	for (unsigned int i = 0; claims && i < claims->n; i++) {
		const struct ipc_raw_entry *entry = &claims->entries[i];

		if (claims->fields[i] || entry->tag != tag || (entry->type == IPC_RAW_FD) != is_fd)
			continue;
		claims->fields[i] = field;
		return entry;
	}
	return NULL;
}

struct binder {
	struct visitor visitor;
	struct ipc *ipc;
	struct message *message;	/* its claims are NULL: no object came */
};

static int bind_object(struct visitor *visitor, uint64_t *id)
{
	struct binder *binder = (struct binder *)visitor;
	const struct ipc_raw_entry *entry;

	if (!*id)
		return 0;

	entry = claim_bind(binder->message->claims, /* is_fd= */ false, *id, id);
	if (!entry)
		return -EBADMSG;
	if (entry->type == IPC_RAW_PROXY)
		*id = ipc_proxy_id(entry->proxy);
	else if (ipc_object_id(entry->object, id) < 0)
		*id = 0; /* the object was ended in the meantime */
	return 0;
}

static int bind_fd(struct visitor *visitor, int32_t *fd)
{
	struct binder *binder = (struct binder *)visitor;
	const struct ipc_raw_entry *entry;

	if (*fd < 0)
		return -EBADMSG;

	entry = claim_bind(binder->message->claims, /* is_fd= */ true, (uint64_t)*fd, fd);
	if (!entry)
		return -EBADMSG;
	*fd = entry->fd;
	return 0;
}

/* Its size cannot change any more, so ipc_memory_take() need not look again. */
static int bind_memory(struct visitor *visitor, Ipc__Memory *memory)
{
	struct binder *binder = (struct binder *)visitor;
	size_t *sum = &binder->message->file_bytes;
	size_t size, max;
	int r;

	if (!memory->fd)
		return 0;
	r = memory_check(memory->fd->fd, /* seals= */ 0, &size);
	if (r < 0)
		return r;
	max = atomic_load_explicit(&binder->ipc->message_max, memory_order_relaxed);
	if (size > max || *sum > max - size)
		return -EMSGSIZE;
	*sum += size;
	return 0;
}

/* Releases the claims that no field is bound to. */
static void claims_trim(struct claims *claims)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < claims->n; i++) {
		if (!claims->fields[i]) {
			entry_release(&claims->entries[i]);
			continue;
		}
		claims->entries[n] = claims->entries[i];
		claims->fields[n++] = claims->fields[i];
	}
	claims->n = n;
}

int claims_bind(struct ipc *ipc, struct message *message)
{
	struct binder binder = {
		.visitor = { .object = bind_object, .fd = bind_fd, .memory = bind_memory },
		.ipc = ipc,
		.message = message,
	};
	int r;

	r = message_walk(message->root, &binder.visitor);
	if (r < 0)
		return r;

	if (message->claims)
		claims_trim(message->claims);
	return 0;
}

void claims_release_more(struct message *message)
{
	struct claims *claims = message->claims;

	message->claims = NULL;
	for (unsigned int i = 0; i < claims->n; i++) {
		struct ipc_raw_entry *entry = &claims->entries[i];
		const int32_t *fd = entry->type == IPC_RAW_FD ? claims->fields[i] : NULL;

		if (!fd || *fd >= 0)
			entry_release(entry);
	}
}
