// SPDX-License-Identifier: MIT
/*
 * Compares the driver's results with the operations: errors match the contract; messages arrive
 * once, unchanged, at their target, oneways in order; objects are the same at both ends; and no
 * thread sleeps while it has work. See world.h; called by ops.c and fuzz.c.
 */
#include <linux/ktime.h>

#include "ipcbus-monitor.h"
#include "world.h"

/* --- Errors ---------------------------------------------------------------------------- */

void judge_errno(int ret, bool odd)
{
	switch (ret) {
	case 0:
	case -EINVAL: case -ECHILD: case -ENOBUFS: case -ENOTCONN: case -EBADF: case -EOWNERDEAD:
	case -ESRCH: case -EMSGSIZE: case -ENOSPC: case -EAGAIN: case -EDQUOT: case -ELOOP:
	case -EPERM: case -ENOENT: case -ESTALE: case -EBUSY: case -ETIMEDOUT: case -EINTR:
	case -EHOSTDOWN:
		return;
	case -E2BIG: case -EFAULT: case -ENOTTY: case -ENOMEM: case -EMFILE:
		must(odd, "error %d without a reason", ret);
		return;
	default:
		must(false, "error %d is not in the contract", ret);
	}
}

/* --- Reading the region ----------------------------------------------------------------- */

/* Copies out of the receiver's region, page by page, as a process reads it. */
static bool region_read(struct proc *proc, u64 offset, void *to, size_t size)
{
	struct shim_map *map = proc->map;
	u32 life = proc->life;
	bool all = map;

	must(offset + size <= proc->map_size || !proc->map, "event beyond the region");
	proc->touching++;
	while (size && all) {
		size_t n = min(size, PAGE_SIZE - offset_in_page(offset));
		const void *from = shim_touch(map, offset);

		all = from && proc->map == map && proc->life == life;
		if (all)
			memcpy(to, from, n);
		to = (char *)to + n;
		offset += n;
		size -= n;
	}
	proc->touching--;
	return all;
}

/* --- Messages --------------------------------------------------------------------------- */

static struct node *node_of_cookie(const struct proc *proc, u64 cookie)
{
	struct node *node = &world.nodes[cookie & 0xff];

	must(cookie >> 16 == 0xc00c1e && (cookie & 0xffff) < world.n_nodes, "unknown cookie %llx",
	     (unsigned long long)cookie);
	must(node->proc == proc, "cookie of another process");
	return node;
}

/* A handle arrived: its number must stand for that node, now and before. */
static void handle_arrived(struct proc *proc, u32 number, struct node *node)
{
	struct handle *h;

	must(number, "handle 0 in an object table");
	for (h = proc->handles; h < proc->handles + proc->n_handles; h++) {
		if (h->number != number)
			continue;
		must(!h->node || !node || h->node == node || proc->lossy,
		     "handle %u means two nodes", number);
		h->count++;
		return;
	}
	trace("process %u has handle %u for node %ld\n", proc->index, number,
	      node ? (long)(node - world.nodes) : -1L);
	if (proc->n_handles < MAX_HELD)
		proc->handles[proc->n_handles++] =
			(struct handle){ .number = number, .count = 1, .node = node };
}

static void fd_arrived(struct proc *proc, int fd, const struct file *file)
{
	must(fd >= 3 && fd < SHIM_MAX_FDS && proc->process->file[fd], "fd %d is not there", fd);
	must(!file || proc->process->file[fd] == file, "fd %d is another file", fd);
	if (proc->n_fds < MAX_HELD)
		proc->fds[proc->n_fds++] = fd;
}

static void object_arrived(struct proc *proc, const struct ipcbus_object *o,
			   const struct sent_object *sent)
{
	must(o->type >= IPCBUS_OBJECT_NODE && o->type <= IPCBUS_OBJECT_FD && !o->flags,
	     "an object of type %u", o->type);
	if (sent) {
		must(o->tag == sent->tag, "an object's tag changed");
		must((o->type == IPCBUS_OBJECT_FD) == (sent->type == IPCBUS_OBJECT_FD),
		     "an object became another");
	}
	switch (o->type) {
	case IPCBUS_OBJECT_NODE:
		must(!sent || !sent->node || node_of_cookie(proc, o->cookie) == sent->node,
		     "another node came home");
		break;
	case IPCBUS_OBJECT_HANDLE:
		must(!o->cookie, "a handle with a cookie");
		handle_arrived(proc, o->value, sent ? sent->node : NULL);
		break;
	case IPCBUS_OBJECT_FD:
		must(!o->cookie, "a fd with a cookie");
		fd_arrived(proc, o->value, sent ? sent->file : NULL);
		break;
	}
}

static void objects_arrived(struct proc *proc, const struct ipcbus_event *ev,
			    const struct message *m)
{
	struct ipcbus_object objects[MAX_OBJECTS];
	u32 life = proc->life;

	must(ev->object_count <= MAX_OBJECTS, "%u objects", ev->object_count);
	must(!m || ev->object_count == m->n_objects, "%u objects of %u arrived", ev->object_count,
	     m ? m->n_objects : 0);
	if (!region_read(proc, ev->objects, objects, ev->object_count * sizeof(*objects)) ||
	    proc->life != life)
		return;
	for (unsigned int i = 0; i < ev->object_count; i++)
		object_arrived(proc, &objects[i], m ? &m->objects[i] : NULL);
}

/* Checks that no two buffers overlap. */
static void held_new(struct proc *proc, const struct ipcbus_event *ev, struct node *oneway)
{
	struct held held = { .id = ev->buffer, .offset = ev->offset, .oneway = oneway };
	u64 table = ev->object_count * sizeof(struct ipcbus_object);

	if (!ev->buffer) {
		must(!ev->data_size && !ev->object_count, "content without a buffer");
		return;
	}
	held.end = max(ev->offset + ev->data_size,
		       table ? ev->objects + table : 0);
	if (ev->label_size)
		held.end = max(held.end, ev->label + ev->label_size + 1);
	for (unsigned int i = 0; i < proc->n_held && !proc->lossy; i++) {
		const struct held *other = &proc->held[i];

		must(other->id != held.id, "one buffer arrived twice");
		must(other->freeing || other->end <= held.offset || held.end <= other->offset ||
			     held.offset == held.end || other->offset == other->end,
		     "buffers overlap");
	}
	if (oneway)
		oneway->held++;
	if (proc->n_held == MAX_HELD)
		proc->lossy = true;
	else
		proc->held[proc->n_held++] = held;
}

/* m: the expected message, or NULL if unknown. */
static void content_arrived(struct thread *t, const struct ipcbus_event *ev, struct message *m,
			    struct node *oneway)
{
	static u8 inbox[MAX_THREADS][USER_PAYLOAD];
	u8 *data = inbox[t->index];
	const struct message *known = m && !m->odd ? m : NULL;
	u32 life = t->proc->life;

	must(!(ev->offset & 7) && !(ev->objects & 7), "content that is not aligned");
	if (known) {
		must(ev->data_size == known->size, "%llu bytes of %u arrived", ev->data_size,
		     known->size);
		if (region_read(t->proc, ev->offset, data, known->size))
			must(m->odd || !memcmp(data, payload_of(message_number(m)), m->size), "message %u arrived changed",
			     message_number(known));
	}
	if (t->proc->life == life)
		objects_arrived(t->proc, ev, m && !m->odd ? m : NULL);
	/* Only from now on may other threads release it. */
	if (t->proc->life == life)
		held_new(t->proc, ev, oneway);
}

static void sender_is(const struct ipcbus_event *ev, const struct message *m)
{
	must(ev->pid == m->pid && ev->tid == m->from->tid, "sender %u/%u instead of %u/%u", ev->pid,
	     ev->tid, m->pid, m->from->tid);
}

static void oneway_in_order(const struct thread *t, struct node *node, const struct message *m)
{
	u32 *last = &node->last[m->from->index];

	must(*last < message_number(m), "oneway %u after %u", message_number(m), *last);
	*last = message_number(m);
	must(!node->held || node->proc->lossy || t->follows, "two oneways of one node at once");
}

/* Returns whether the code may belong to any damaged message of this thread. */
static bool was_damaged(u32 tid)
{
	for (unsigned int i = 0; i < world.n_messages; i++)
		if (world.messages[i].odd && world.messages[i].from->tid == tid)
			return true;
	return false;
}

/* Returns whether the event matches the message that its code names. */
static bool is_likely(const struct message *m, const struct ipcbus_event *ev)
{
	if (m->odd)
		return false;
	return !world.any_odd ||
	       (m->from->tid == ev->tid && m->size == ev->data_size && !m->delivered &&
		(m->kind == IPCBUS_SEND_ONEWAY) == (ev->kind == IPCBUS_EVENT_ONEWAY) &&
		(!m->target || m->target->cookie == ev->cookie) && !was_damaged(ev->tid));
}

/* Returns a message that may be replaced; NULL: there are several candidates. */
static struct message *replacing_message(const struct ipcbus_event *ev)
{
	struct message *found = NULL;
	unsigned int n = 0;

	for (unsigned int i = 0; i < world.n_messages; i++) {
		struct message *m = &world.messages[i];

		if (!m->replaces || m->odd || m->delivered || m->state == MESSAGE_FAILED ||
		    m->from->tid != ev->tid || m->size != ev->data_size ||
		    (message_number(m) & 1) != (ev->code & 1) ||
		    (m->target && m->target->cookie != ev->cookie))
			continue;
		found = m;
		n++;
	}
	must(n || world.any_odd, "unknown code %x", ev->code);
	return n == 1 && !world.any_odd ? found : NULL;
}

static struct message *message_of_code(const struct ipcbus_event *ev)
{
	u32 number = ev->code - CODE_BASE;

	if ((ev->code & ~1U) == CODE_REPLACE)
		return replacing_message(ev);
	if (number && number <= world.n_messages && is_likely(&world.messages[number - 1], ev))
		return &world.messages[number - 1];
	must(world.any_odd, "unknown code %x", ev->code);
	return NULL;
}

static void call_taken(struct thread *t, const struct ipcbus_event *ev, const struct message *m)
{
	struct proc *proc = t->proc;

	t->took = true;
	if (ev->deadline && (!t->limit || ev->deadline < t->limit))
		t->limit = ev->deadline;
	if (proc->n_calls < MAX_HELD)
		proc->calls[proc->n_calls++] = (struct open_call){
			ev->call, ev->deadline, (struct message *)m, world.clock
		};
	if (!m || world.any_odd)
		return;
	must(ev->deadline <= m->deadline || !m->deadline, "call %u has a later deadline than it was sent with",
	     message_number(m));
	must(ev->deadline || !m->deadline, "call %u lost its deadline", message_number(m));
	must(ev->deadline == m->deadline || (m->limit && ev->deadline >= m->limit),
	     "call %u has an unknown deadline", message_number(m));
}

/* A message that was taken before is delivered anyway. */
static bool may_get_messages(const struct node *node, const struct thread *t)
{
	return !node->dead || node->dead_at >= t->began;
}

static void request_arrived(struct thread *t, const struct ipcbus_event *ev)
{
	bool oneway = ev->kind == IPCBUS_EVENT_ONEWAY;
	struct node *node = node_of_cookie(t->proc, ev->cookie);
	struct message *m = message_of_code(ev);

	must(may_get_messages(node, t), "message to a node that is destroyed");
	must(!!ev->call != oneway, "a call's number where there is none, or the reverse");
	if (m) {
		must(m->kind == (oneway ? IPCBUS_SEND_ONEWAY : IPCBUS_SEND_CALL) && !m->delivered &&
			     m->state != MESSAGE_FAILED,
		     "message %u arrived, which it should not", message_number(m));
		must(!m->target || m->target == node, "message %u arrived elsewhere",
		     message_number(m));
		must(!m->must_cancel || m->canceled_at > t->began || world.any_odd,
		     "message %u arrived, and was cancelled", message_number(m));
		sender_is(ev, m);
		if (oneway)
			oneway_in_order(t, node, m);
		m->delivered = true;
		m->taken_by = t->proc;
		m->call = ev->call;
		if (!oneway)
			priority_of_call(t, m, node);
	}
	if (!oneway)
		call_taken(t, ev, m);
	content_arrived(t, ev, m, oneway ? node : NULL);
}

/* --- How calls end ------------------------------------------------------------------------ */

/* Returns the earliest time at which the call may expire; 0: never. */
static u64 earliest_end(const struct message *m)
{
	if (m->limit && (!m->deadline || m->limit < m->deadline))
		return m->limit;
	return m->deadline;
}

static bool may_have_expired(const struct message *m)
{
	return earliest_end(m) && ktime_get_ns() >= earliest_end(m);
}

bool proc_is_alive(const struct proc *proc, u32 life)
{
	return !proc->killed && proc->alive && proc->life == life;
}

bool judge_is_open(const struct message *m)
{
	const struct thread *from = m->from;
	bool waits = m->async;

	for (unsigned int i = 0; i < from->n_stack; i++)
		waits |= from->stack[i] == m;
	return waits && m->state == MESSAGE_SENT && !m->odd && !m->ended && !m->tried &&
	       !m->deadline && !m->nested && !m->n_objects && !m->left && !from->astray &&
	       (m->async || !from->done) && proc_is_alive(from->proc, m->life) &&
	       m->target && !m->target->dying &&
	       proc_is_alive(m->target->proc, m->target->life) && !world.any_odd;
}

bool judge_nobody_waits(const struct message *m)
{
	return m->cancels || may_have_expired(m) || m->left || m->ended || m->from->done ||
	       m->from->astray || !proc_is_alive(m->from->proc, m->life) ||
	       (m->nested && !m->async) || m->odd || world.any_odd;
}

bool message_can_arrive(const struct message *m)
{
	return !m->odd && !m->replaces && !m->delivered && m->state != MESSAGE_FAILED &&
	       m->target && !m->target->dying && m->target->life == m->target->proc->life;
}

void judge_sent(const struct message *m, int ret)
{
	bool oneway = m->kind == IPCBUS_SEND_ONEWAY;

	if (m->odd || world.any_odd)
		return;
	judge_quotas();
	must(ret != -EAGAIN || oneway, "EAGAIN for message %u", message_number(m));
	must(ret != -EINTR, "EINTR for message %u", message_number(m));
	must(ret != -ETIMEDOUT || may_have_expired(m), "message %u timed out too early",
	     message_number(m));
}

/* Finds a message by its cookie; NULL: unknown. */
static struct message *message_of_cookie(const struct ipcbus_event *ev)
{
	u32 number = ev->cookie;

	if (ev->cookie >> 32 != CALL_COOKIE >> 32 || !number || number > world.n_messages)
		return NULL;
	return &world.messages[number - 1];
}

static void sync_ended(struct thread *t, const struct ipcbus_event *ev, const struct message *m)
{
	must(m->kind == IPCBUS_SEND_CALL && !m->async, "message %u ended as a call",
	     message_number(m));
	must(ev->cookie == m->cookie, "the end of message %u has cookie %llx", message_number(m),
	     ev->cookie);
	(void)t;
}

static void async_ended(struct thread *t, const struct message *m)
{
	must(m->from->proc == t->proc && m->life == t->proc->life,
	     "async message %u ends elsewhere", message_number(m));
	must(t->serves && (!t->n_stack || t->astray), "async message %u ends in thread %u",
	     message_number(m), t->index);
}

static void ended_so(const struct message *m, const struct ipcbus_event *ev)
{
	u32 number = message_number(m);
	bool failed = ev->kind == IPCBUS_EVENT_FAILED;

	must(!m->ended, "message %u ends twice", number);
	must(m->state != MESSAGE_FAILED, "message %u ends, and was not sent", number);
	must(!m->must_cancel || (failed && ev->error == -ECANCELED),
	     "message %u was cancelled, and ends otherwise", number);
	if (!failed)
		return;
	if (ev->error == -ETIMEDOUT)
		must(may_have_expired(m), "message %u timed out too early", number);
	if (ev->error == -ECANCELED)
		must(m->cancels || (m->nested && !m->async && !m->detached),
		     "message %u ECANCELED without a cancel", number);
	if (ev->error == -ETIMEDOUT || ev->error == -ECANCELED)
		must(ev->stage == IPCBUS_STAGE_REPLY, "message %u ends at stage %u", number,
		     ev->stage);
}

/* Removes the ended call from the thread's stack or the process; NULL: unknown. */
static struct message *ended(struct thread *t, const struct ipcbus_event *ev)
{
	struct message *m = message_of_cookie(ev);
	bool async = m && m->async && !(m->odd && t->proc->odd_calls);

	if (!async && t->astray) {
		t->n_stack = 0;
		return NULL;
	}
	/* A damaged call may have become an async call. */
	if (!async && !t->n_stack && t->proc->odd_calls)
		return NULL;
	if (!async) {
		must(t->n_stack, "the end of no call");
		m = t->stack[--t->n_stack];
	}
	if (m->odd || world.any_odd)
		return m;
	if (async)
		async_ended(t, m);
	else
		sync_ended(t, ev, m);
	ended_so(m, ev);
	m->ended = true;
	m->error_of_end = ev->error;
	return m;
}

/* Returns the attempted reply that matches the event. */
static struct message *find_reply(const struct message *request, const struct ipcbus_event *ev)
{
	enum ipcbus_send_kind kind =
		ev->kind == IPCBUS_EVENT_REPLY ? IPCBUS_SEND_REPLY : IPCBUS_SEND_ERROR;

	/* If an attempt was damaged, either may match. */
	if (world.any_odd)
		return NULL;
	for (unsigned int i = 0; i < world.n_messages; i++) {
		struct message *m = &world.messages[i];

		if (m->request == request && m->kind == kind && m->state != MESSAGE_FAILED &&
		    !m->odd && !m->delivered && m->size == ev->data_size &&
		    m->n_objects == ev->object_count && m->pid == ev->pid &&
		    m->from->tid == ev->tid && (u32)-ev->error == m->error)
			return m;
	}
	must(false, "a reply that was never sent");
	return NULL;
}

static void reply_arrived(struct thread *t, const struct ipcbus_event *ev)
{
	struct message *request = ended(t, ev), *m = NULL;

	if (request && !request->odd) {
		must(request->kind == IPCBUS_SEND_CALL, "an reply to something else");
		must(request->delivered || world.any_odd, "a reply to a call that was never delivered");
		m = find_reply(request, ev);
	}
	if (m)
		m->delivered = true;
	content_arrived(t, ev, m, NULL);
}

static void failure_arrived(struct thread *t, const struct ipcbus_event *ev)
{
	const struct message *request = ended(t, ev);

	must(ev->error < 0 && ev->stage >= IPCBUS_STAGE_RELEASE && ev->stage <= IPCBUS_STAGE_REPLY,
	     "FAILED with error %d at stage %u", ev->error, ev->stage);
	must(!ev->buffer && !ev->call && !ev->pid && !ev->tid && !ev->uid && !ev->gid,
	     "FAILED notifies too much");
	if (!request || request->odd || world.any_odd || ev->error != -EOWNERDEAD)
		return;
	must(!request->target || request->target->dying || request->target->proc->killed ||
		     request->target->proc->alive == 0 || request->taken_by,
	     "EOWNERDEAD, and the owner lives");
}

static bool is_bare(const struct ipcbus_event *ev)
{
	struct ipcbus_event bare = { .kind = ev->kind, .flags = ev->flags, .thread = ev->thread };

	if (ev->kind == IPCBUS_EVENT_CANCELED)
		bare.call = ev->call;
	if (ev->kind != IPCBUS_EVENT_NONE && ev->kind != IPCBUS_EVENT_INTERRUPTED)
		bare.cookie = ev->cookie;
	return !memcmp(&bare, ev, sizeof(bare));
}

static void dead_arrived(const struct thread *t, const struct ipcbus_event *ev)
{
	u32 number = ev->cookie & 0xffffff;

	must(ev->cookie >> 24 == 0x3a7c || world.any_odd, "DEAD for an unknown watch");
	for (unsigned int i = 0; i < t->proc->n_handles && number; i++) {
		const struct handle *h = &t->proc->handles[i];

		must(h->number != number || !h->node || h->node->dying || h->node->proc->killed ||
			     h->node->proc->alive == 0 || world.any_odd,
		     "DEAD, and the node lives");
	}
}

static void record_arrived(struct thread *t, const struct ipcbus_event *ev)
{
	struct ipcbus_monitor_record record;
	u32 life = t->proc->life;

	must(!(ev->offset & 7) && ev->data_size >= sizeof(record) && !ev->object_count,
	     "a record of %llu bytes", ev->data_size);
	if (region_read(t->proc, ev->offset, &record, sizeof(record))) {
		u32 table = record.object_count * sizeof(struct ipcbus_record_object);

		must(record.size == sizeof(record) && record.kind >= IPCBUS_RECORD_CALL &&
			     record.kind <= IPCBUS_RECORD_FAILED && !record.reserved,
		     "a record of kind %u", record.kind);
		must(record.data_kept <= record.data_size &&
			     record.objects + table == ev->data_size,
		     "a record that does not add up");
	}
	if (t->proc->life == life)
		held_new(t->proc, ev, NULL);
}

static struct message *message_of_call(const struct proc *proc, u64 id)
{
	for (unsigned int i = 0; i < world.n_messages; i++)
		if (world.messages[i].call == id && world.messages[i].taken_by == proc)
			return &world.messages[i];
	return NULL;
}

/* Arrives once, for a call that is open here and really canceled. */
static void canceled_arrived(const struct thread *t, const struct ipcbus_event *ev)
{
	struct message *m = message_of_call(t->proc, ev->call);
	bool overtakes = false;

	must(ev->call, "CANCELED of no call");
	must(is_bare(ev), "CANCELED with more than it should");
	if (world.any_odd)
		return;
	node_of_cookie(t->proc, ev->cookie);
	if (!m) {
		/* The call's own event may still be on its way to another thread. */
		for (unsigned int i = 0; i < world.n_threads; i++)
			overtakes |= world.threads[i].proc == t->proc && world.threads[i].busy;
		must(overtakes, "CANCELED of call %llu, which is not here", ev->call);
		return;
	}
	must(!m->notified, "CANCELED of call %llu twice", ev->call);
	must(!m->replied || m->replied_at > t->began, "CANCELED of call %llu, which was replied to",
	     ev->call);
	must(judge_nobody_waits(m), "CANCELED of message %u, although a caller waits",
	     message_number(m));
	m->notified = true;
}

void judge_event(struct thread *t, const struct ipcbus_event *event)
{
	const struct ipcbus_event ev = *event;

	t->number = ev.thread;
	trace("%u: got event %u cookie %llx call %llu code %x, %llu bytes, %u objects\n", t->index,
	      ev.kind, ev.cookie, ev.call, ev.code, ev.data_size, ev.object_count);
	must(ev.thread || world.any_odd, "no thread number");
	must(!ev.reserved, "a reserved field");
	must(!ev.more || (ev.kind == IPCBUS_EVENT_ONEWAY && !t->follows), "%u more", ev.more);
	must(!ev.label_size || ev.buffer, "a label of nowhere");
	must(!(ev.flags & ~IPCBUS_EVENT_ACCEPT_FDS), "flags %x", ev.flags);
	switch (ev.kind) {
	case IPCBUS_EVENT_CALL:
	case IPCBUS_EVENT_ONEWAY:
		request_arrived(t, &ev);
		break;
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
		reply_arrived(t, &ev);
		break;
	case IPCBUS_EVENT_FAILED:
		failure_arrived(t, &ev);
		break;
	case IPCBUS_EVENT_DEAD:
		dead_arrived(t, &ev);
		must(is_bare(&ev), "DEAD with more than it should");
		break;
	case IPCBUS_EVENT_IDLE:
		if (!world.any_odd)
			node_of_cookie(t->proc, ev.cookie);
		must(is_bare(&ev), "IDLE with more than it should");
		break;
	case IPCBUS_EVENT_RECORD:
		record_arrived(t, &ev);
		break;
	case IPCBUS_EVENT_MANAGER:
		must(ev.cookie == MANAGER_WATCH_COOKIE || world.any_odd, "MANAGER without a watch");
		must(is_bare(&ev), "MANAGER with more than it should");
		break;
	case IPCBUS_EVENT_CANCELED:
		canceled_arrived(t, &ev);
		break;
	case IPCBUS_EVENT_NONE:
	case IPCBUS_EVENT_INTERRUPTED:
		must(is_bare(&ev), "NONE, with other fields set");
		break;
	default:
		must(false, "event of kind %u", ev.kind);
	}
}

void judge_more(struct thread *t, const struct ipcbus_exchange *x)
{
	struct ipcbus_event first = x->event;
	u32 life = t->proc->life;

	must(first.more <= x->more_count, "%u more instead of %u", first.more, x->more_count);
	for (u32 i = 0; i < first.more && t->proc->life == life; i++) {
		struct ipcbus_event ev = t->more[i];

		must(ev.kind == IPCBUS_EVENT_ONEWAY && ev.cookie == first.cookie,
		     "event %u of another node follows", ev.kind);
		t->follows = true;
		judge_event(t, &ev);
		t->follows = false;
	}
}
