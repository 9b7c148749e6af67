// SPDX-License-Identifier: MIT
/*
 * Sent messages: bytes of the input select targets, payloads and object tables, usually valid ones.
 * Each message is recorded, for checks at the receiver. See world.h; called by ops.c.
 */
#include <linux/ktime.h>

#include "world.h"

#define PICK_GARBAGE 0xf0 /* from here on, bytes select nonexistent objects */

u32 message_number(const struct message *m)
{
	return m - world.messages + 1;
}

const u8 *payload_of(u32 number)
{
	static u8 pattern[256 + USER_PAYLOAD];

	if (!pattern[1])
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = i + i / 251;
	return pattern + (number * 37 & 255);
}

static struct message *message_new(struct thread *t, enum ipcbus_send_kind kind)
{
	struct message *m = &world.messages[world.n_messages];

	if (world.n_messages == MAX_MESSAGES)
		return NULL;
	world.n_messages++;
	memset(m, 0, offsetof(struct message, objects));
	m->kind = kind;
	m->from = t;
	m->pid = t->pid;
	m->nested = t->took;
	m->limit = t->limit;
	m->life = t->proc->life;
	return m;
}

static u32 size_of(u8 how)
{
	static const u32 sizes[] = { 0, 8, 64, 200, 1000, 4096, 5000, 30000, 65536, 70000 };

	return how < 128 ? how : sizes[how % ARRAY_SIZE(sizes)];
}

/* --- Payload ------------------------------------------------------------------------- */

/* --- Time ---------------------------------------------------------------------------- */

static u64 deadline_of(u8 how)
{
	static const u64 soon = 1000000, late = 3600000000000;
	u64 now = ktime_get_ns();

	switch (how & 7) {
	case 1: case 2: case 3:
		return now + soon * (how >> 3 & 3) + 1;
	case 4:
		return now + late;
	case 5:
		return now;
	case 6:
		return ~0ULL;
	default:
		return 0;
	}
}

/* The call's deadline, its kind (async or of a thread), and its cookie for cancellation. */
static void terms_build(struct message *m, struct ipcbus_send *send, u8 how)
{
	if (m->kind != IPCBUS_SEND_CALL)
		return;
	send->deadline = m->deadline = deadline_of(how);
	m->async = how >> 5 == 1;
	m->cookie = CALL_COOKIE | message_number(m);
	if (!m->async && (how & 0x18) == 0x18)
		m->cookie = how & 4 ? SHARED_COOKIE : 0;
	/* If a cancel of that cookie is running, it may include this message. */
	if (m->cookie == SHARED_COOKIE)
		m->cancels += m->from->proc->canceling;
	send->flags |= m->async ? IPCBUS_SEND_ASYNC : 0;
	send->cookie = m->cookie;
}

/* In parts: some empty, some of a single byte, and the last with the rest. */
static void payload_in_parts(struct thread *t, struct ipcbus_send *send, u8 how)
{
	u64 at = send->data, left = send->data_size;
	unsigned int n = how % 12 + 1;

	for (unsigned int i = 0; i < n; i++) {
		u64 size = i == n - 1 ? left : min(left, (u64)((how >> i % 5) & 15) * 7);

		t->iov[i] = (struct ipcbus_iovec){ .base = at, .size = size };
		at += size;
		left -= size;
	}
	send->flags |= IPCBUS_SEND_IOV;
	send->data = (unsigned long)t->iov;
	send->iov_count = n;
}

static void payload_build(struct thread *t, struct message *m, struct ipcbus_send *send, u8 how,
			  u8 parts)
{
	u8 *at;

	m->size = size_of(how);
	at = t->payload + t->space - m->size;
	memcpy(at, payload_of(message_number(m)), m->size);
	send->data = (unsigned long)at;
	send->data_size = m->size;
	if (parts & 1)
		payload_in_parts(t, send, how ^ parts >> 1);
}

/* --- Objects ------------------------------------------------------------------------- */

static struct node *own_node(struct proc *proc, u8 pick)
{
	struct node *node;

	for (unsigned int i = 0; i < world.n_nodes; i++) {
		node = &world.nodes[(i + pick) % world.n_nodes];
		if (node->proc == proc && node->life == proc->life && node->id)
			return node;
	}
	return NULL;
}

static void object_node(struct proc *proc, struct ipcbus_object *o, struct sent_object *sent,
			u8 pick)
{
	sent->node = own_node(proc, pick);
	o->value = sent->node ? sent->node->id : pick;
	if (pick >= PICK_GARBAGE) {
		o->value = pick * 0x0101010101ULL;
		sent->node = NULL;
	}
}

static void object_handle(struct proc *proc, struct ipcbus_object *o, struct sent_object *sent,
			  u8 pick)
{
	const struct handle *h = &proc->handles[pick % (proc->n_handles ?: 1)];

	if (pick >= PICK_GARBAGE || !proc->n_handles) {
		o->value = pick & 1 ? pick : pick * 0x010101010101ULL;
		return;
	}
	o->value = h->number;
	sent->node = h->node;
}

static void object_fd(struct proc *proc, struct ipcbus_object *o, struct sent_object *sent, u8 pick)
{
	o->value = proc->n_fds ? (u64)proc->fds[pick % proc->n_fds] : pick;
	if (pick == 0xff)
		o->value = proc->fd; /* the device itself: refused */
	else if (pick >= PICK_GARBAGE)
		o->value = (u64)pick << 8 * (pick % 5);
	else if (o->value < SHIM_MAX_FDS && proc->alive == 1) /* no other thread changes it */
		sent->file = proc->process->file[o->value];
}

static void objects_build(struct thread *t, struct message *m, struct ipcbus_send *send, u8 how)
{
	static const u8 counts[] = { 0, 0, 0, 1, 1, 2, 4, MAX_OBJECTS };

	m->n_objects = counts[how & 7];
	for (unsigned int i = 0; i < m->n_objects; i++) {
		struct ipcbus_object *o = &t->objects[i];
		struct sent_object *sent = &m->objects[i];
		u8 pick = (how >> 3) * 9 + i * 5;

		*o = (struct ipcbus_object){ .type = (how / 8 + i) % 3 + 1,
					     .tag = message_number(m) * 1000ULL + i };
		*sent = (struct sent_object){ .type = o->type, .tag = o->tag };
		if (o->type == IPCBUS_OBJECT_NODE)
			object_node(t->proc, o, sent, pick);
		else if (o->type == IPCBUS_OBJECT_HANDLE)
			object_handle(t->proc, o, sent, pick);
		else
			object_fd(t->proc, o, sent, pick);
	}
	send->objects = m->n_objects ? (unsigned long)t->objects : 0;
	send->object_count = m->n_objects;
}

/* --- Targets --------------------------------------------------------------------------- */

static void target_handle(struct thread *t, struct message *m, struct ipcbus_send *send, u8 pick)
{
	struct proc *proc = t->proc;

	if (pick >= PICK_GARBAGE) {
		send->handle = pick & 1 ? pick * 257 : pick - PICK_GARBAGE;
	} else if (pick & 1 && proc->n_handles) {
		const struct handle *h = &proc->handles[pick / 2 % proc->n_handles];

		send->handle = h->number;
		m->target = h->node;
	}
}

static void target_call(struct thread *t, struct message *m, struct ipcbus_send *send, u8 pick)
{
	struct proc *proc = t->proc;
	const struct open_call *call;

	if (pick >= PICK_GARBAGE || !proc->n_calls) {
		/* A proc counts its calls from 1. */
		send->call = (u64)(pick - PICK_GARBAGE) << 32;
		return;
	}
	call = &proc->calls[pick % 4 ? proc->n_calls - 1 : pick / 4 % proc->n_calls];
	send->call = call->id;
	m->request = call->message;
	if (m->request)
		m->request->tried = true;
}

struct message *message_build(struct thread *t, struct ipcbus_send *send, const u8 *arg)
{
	enum ipcbus_send_kind kind = arg[0] % 5;
	struct message *m;

	*send = (struct ipcbus_send){ .kind = kind };
	if (kind == IPCBUS_SEND_NONE)
		return NULL;
	m = message_new(t, kind);
	if (!m) {
		send->kind = IPCBUS_SEND_NONE;
		return NULL;
	}
	m->prio = t->task->normal_prio;
	if (kind == IPCBUS_SEND_CALL || kind == IPCBUS_SEND_ONEWAY) {
		target_handle(t, m, send, arg[1]);
		send->code = CODE_BASE | message_number(m);
		if (kind == IPCBUS_SEND_CALL && arg[0] & 0x80)
			send->flags = IPCBUS_SEND_ACCEPT_FDS;
		/* Directed to a thread. No thread listens. */
		if (kind == IPCBUS_SEND_CALL && arg[0] >= 0xf0)
			send->call = arg[1] + 1U;
		if (kind == IPCBUS_SEND_CALL && arg[0] & 0x20) {
			send->flags |= IPCBUS_SEND_DETACHED;
			m->detached = true;
			m->limit = 0;
		}
		m->replaces = kind == IPCBUS_SEND_ONEWAY && arg[0] & 0x80;
		if (m->replaces) {
			send->flags = IPCBUS_SEND_REPLACE;
			send->code = CODE_REPLACE | (message_number(m) & 1);
		}
		terms_build(m, send, arg[3] >> 1);
	} else {
		target_call(t, m, send, arg[1]);
		m->error = kind == IPCBUS_SEND_ERROR ? message_number(m) : 0;
		send->code = m->error;
	}
	if (arg[0] & 0x40)
		send->flags |= IPCBUS_SEND_CLEAR;
	payload_build(t, m, send, arg[2], arg[3]);
	objects_build(t, m, send, arg[4]);
	trace("%u: message %u of kind %u to handle %u (node %ld) or call %llu, %u bytes, %u objects\n",
	      t->index, message_number(m), kind, send->handle,
	      m->target ? (long)(m->target - world.nodes) : -1L, send->call, m->size,
	      m->n_objects);
	if (m->deadline || m->cookie)
		trace("%u: ... deadline %llu cookie %llx%s\n", t->index, send->deadline, send->cookie,
		      m->async ? ", async" : "");
	return m;
}

/* --- Space ---------------------------------------------------------------------------- */

/* The receiver refused a oneway. */
static void refused(const struct message *m)
{
	struct proc *sender = m->from->proc;

	sender->refused = true;
	sender->refusals++;
	if (m->target && m->life == sender->life)
		sender->refused_at[m->target->proc->index] = ++world.clock;
}

void space_made(const struct proc *proc, u64 began)
{
	for (unsigned int i = 0; i < world.n_procs; i++) {
		u64 *refused_at = &world.procs[i].refused_at[proc->index];

		if (*refused_at && *refused_at < began) {
			world.procs[i].space_made = true;
			*refused_at = 0;
		}
	}
}

void message_done(struct message *m, int ret, bool maybe)
{
	if (maybe) {
		m->odd = world.any_odd = true;
		return;
	}
	must(!ret || !m->delivered, "message %u arrived, but its ioctl failed with %d",
	     message_number(m), ret);
	m->state = ret ? MESSAGE_FAILED : MESSAGE_SENT;
	judge_sent(m, ret);
	if (ret == -EAGAIN)
		refused(m);
	if (!ret && m->request) {
		m->request->replied = true;
		m->request->replied_at = ++world.clock;
	}
}

/* --- Releasing --------------------------------------------------------------------- */

static u64 pick_held(struct proc *proc, unsigned int from)
{
	for (unsigned int i = 0; i < proc->n_held; i++) {
		struct held *held = &proc->held[(from + i) % proc->n_held];

		if (held->freeing)
			continue;
		held->freeing = true;
		if (held->oneway)
			held->oneway->held--;
		return held->id;
	}
	return 0;
}

/* how: two bits for the number; another adds invalid ids. */
unsigned int free_build(struct thread *t, struct ipcbus_exchange *x, u8 how, u64 ids[32])
{
	static const u8 counts[] = { 0, 1, 3, 20 };
	unsigned int want = counts[how & 3], n = 0;
	u64 id;

	while (n < want && (id = pick_held(t->proc, how >> 3)))
		ids[n++] = id;
	if (how >= PICK_GARBAGE)
		ids[n++] = how & 4 ? how : how * 0x100000001ULL;
	memcpy(t->free, ids, n * sizeof(*ids));
	x->release_count = n;
	x->release = n == 1 ? ids[0] : n ? (unsigned long)t->free : 0;
	return n;
}

static struct held *find_held(struct proc *proc, u64 id)
{
	for (unsigned int i = 0; i < proc->n_held; i++)
		if (proc->held[i].id == id)
			return &proc->held[i];
	return NULL;
}

/* Returns how many of @n buffers were released. */
static unsigned int count_freed(unsigned int n, const struct ipcbus_event *event, int ret)
{
	if (!ret)
		return n;
	if (event->kind != IPCBUS_EVENT_FAILED)
		return 0; /* malformed: the exchange had no effect */
	return event->stage == IPCBUS_STAGE_RELEASE ? event->index : n;
}

void free_done(struct thread *t, const u64 *ids, unsigned int n, const struct ipcbus_event *event,
	       int ret)
{
	struct proc *proc = t->proc;
	unsigned int freed = count_freed(n, event, ret);

	for (unsigned int i = 0; i < n; i++) {
		struct held *held = find_held(proc, ids[i]);

		if (!held)
			continue;
		if (i < freed && held->oneway)
			space_made(proc, t->began);
		if (i < freed) {
			*held = proc->held[--proc->n_held];
			continue;
		}
		held->freeing = false;
		if (held->oneway)
			held->oneway->held++;
	}
}
