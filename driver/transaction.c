// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls, oneways and replies: see transaction.h. Sent by exchange.c, delivered
 * and answered through thread.c.
 */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "handle.h"
#include "message.h"
#include "node.h"
#include "proc.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"

static struct kmem_cache *cache;
static atomic64_t last_id;

int ipcbus_transaction_cache_init(void)
{
	cache = kmem_cache_create("ipcbus_transaction", sizeof(struct ipcbus_transaction), 0,
				  SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT, NULL);
	return cache ? 0 : -ENOMEM;
}

void ipcbus_transaction_cache_done(void)
{
	kmem_cache_destroy(cache);
}

void ipcbus_transaction_free_spare(struct ipcbus_transaction *t)
{
	kmem_cache_free(cache, t);
}

/*
 * Drops a reference. If it was the last, user gets t as its spare one, if it
 * has none. A loop over the parents, not a recursion: a chain may be long.
 */
static void transaction_put(struct ipcbus_transaction *t, struct ipcbus_thread *user)
{
	struct ipcbus_transaction *parent;

	while (t && refcount_dec_and_test(&t->ref)) {
		parent = t->parent;
		if (t->from)
			ipcbus_thread_put(t->from);
		ipcbus_node_put(t->node);
		ipcbus_stat_remove(IPCBUS_STAT_TRANSACTIONS);
		if (user && !user->spare)
			user->spare = t;
		else
			kmem_cache_free(cache, t);
		t = parent;
	}
}

struct ipcbus_transaction **ipcbus_transaction_below(struct ipcbus_transaction *t,
						     struct ipcbus_thread *thread)
{
	return t->from == thread ? &t->from_below : &t->to_below;
}

/* Takes t, which it serves, off the thread's stack; mostly it is on top. */
static void end_serving_locked(struct ipcbus_transaction *t)
{
	if (likely(t->server->top == t))
		t->server->top = t->to_below;
	else
		ipcbus_thread_remove_locked(t->server, t);
}

/* The current thread, as the owner of receiver sees it. */
static __always_inline void identify(struct ipcbus_thread *thread, struct ipcbus_proc *receiver,
				     struct ipcbus_sender *sender)
{
	const struct cred *cred = current_cred();

	if (likely(receiver->pid_ns == thread->proc->pid_ns)) {
		sender->pid = thread->tgid_nr;
		sender->tid = thread->pid_nr;
	} else {
		sender->pid = pid_nr_ns(thread->tgid, receiver->pid_ns);
		sender->tid = pid_nr_ns(thread->pid, receiver->pid_ns);
	}
	if (likely(receiver->user_ns == &init_user_ns)) {
		sender->uid = __kuid_val(cred->euid);
		sender->gid = __kgid_val(cred->egid);
	} else {
		sender->uid = from_kuid_munged(receiver->user_ns, cred->euid);
		sender->gid = from_kgid_munged(receiver->user_ns, cred->egid);
	}
}

static void tell_sender(const struct ipcbus_sender *sender, struct ipcbus_event *event)
{
	event->pid = sender->pid;
	event->tid = sender->tid;
	event->uid = sender->uid;
	event->gid = sender->gid;
}

/*
 * Makes the message's buffer in the receiver's region: reserve, copy, objects.
 * Stays NULL for a call or reply of nothing at all; a oneway always has one,
 * because giving it back is what lets the next one go.
 */
static __always_inline int build(struct ipcbus_proc *sender, struct ipcbus_proc *receiver,
				 bool accept_fds, struct ipcbus_message *message,
				 struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_region *region = &receiver->region;
	int ret;

	if (!message->send->data_size && !message->send->iov_count &&
	    !message->send->object_count && !message->oneway) {
		*ret_buffer = NULL;
		return 0;
	}
	ret = ipcbus_buffer_make(region, message, ret_buffer);
	if (ret || !message->send->object_count)
		return ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_OBJECT);
	ret = ipcbus_objects_take(sender, message, accept_fds, &(*ret_buffer)->objects);
	if (ret)
		ipcbus_buffer_free(region, *ret_buffer);
	return ret;
}

static void drop_buffer(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer)
{
	if (buffer)
		ipcbus_buffer_free(&receiver->region, buffer);
}

/* --- The answer ------------------------------------------------------------ */

/*
 * Hands the caller its answer; false if it does not wait for one any more. The
 * server's reference stays the server's.
 */
static bool answer(struct ipcbus_transaction *t, struct ipcbus_buffer *reply, u32 kind, s32 error,
		   u32 stage, u32 index)
{
	struct ipcbus_thread *from = t->from;
	bool wanted;

	spin_lock(&from->proc->lock);
	wanted = t->state == IPCBUS_PENDING;
	if (wanted) {
		t->reply = reply;
		t->answer.kind = kind;
		t->answer.error = error;
		t->answer.stage = stage;
		t->answer.index = index;
		t->state = IPCBUS_ANSWERED;
		ipcbus_thread_kick_locked(from);
	}
	spin_unlock(&from->proc->lock);
	return wanted;
}

static void transaction_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	answer(t, NULL, IPCBUS_EVENT_FAILED, error, stage, index);
	transaction_put(t, NULL);
}

void ipcbus_transaction_take_answer(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
				    struct ipcbus_event *event)
{
	struct ipcbus_buffer *buffer = t->reply;
	u32 index = 0;
	int ret = 0;

	event->call = t->id;
	if (buffer && buffer->objects.count)
		ret = ipcbus_buffer_install(thread->proc, buffer, &index);
	if (ret) {
		drop_buffer(thread->proc, buffer);
		event->kind = IPCBUS_EVENT_FAILED;
		event->error = ret;
		event->stage = IPCBUS_STAGE_DELIVER;
		event->index = index;
		transaction_put(t, thread);
		return;
	}
	event->kind = t->answer.kind;
	event->error = t->answer.error;
	event->stage = t->answer.stage;
	event->index = t->answer.index;
	/* The driver's own answers have no sender. */
	if (t->answer.kind != IPCBUS_EVENT_FAILED)
		tell_sender(&t->answer.sender, event);
	if (buffer)
		ipcbus_buffer_deliver(thread->proc, buffer, event);
	transaction_put(t, thread);
}

/* Takes t back before anybody saw it, if it is still queued. */
static bool unqueue(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *target = t->node->proc;
	bool queued, idle = false;

	spin_lock(&target->lock);
	queued = ipcbus_work_unqueue_locked(&t->work);
	if (queued)
		idle = ipcbus_node_end_call_locked(t->node);
	spin_unlock(&target->lock);
	if (idle)
		ipcbus_node_check_idle(t->node);
	return queued;
}

void ipcbus_transaction_abandon(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *caller = t->from->proc;

	if (t->state == IPCBUS_ANSWERED) {
		drop_buffer(caller, t->reply);
	} else if (unqueue(t)) {
		drop_buffer(t->node->proc, t->buffer);
		transaction_put(t, NULL);
	}
	transaction_put(t, NULL);
}

/* --- Delivery -------------------------------------------------------------- */

static void drop_oneway(struct ipcbus_transaction *t)
{
	ipcbus_stat_add(IPCBUS_STAT_LOST);
	ipcbus_stat_remove(IPCBUS_STAT_LOST);
	drop_buffer(t->node->proc, t->buffer);
	ipcbus_node_oneway_done(t->node);
	transaction_put(t, NULL);
}

/* t is off every queue and was not delivered. */
static void refuse(struct ipcbus_transaction *t, int error, u32 stage, u32 index)
{
	if (t->oneway) {
		drop_oneway(t);
		return;
	}
	drop_buffer(t->node->proc, t->buffer);
	transaction_fail(t, error, stage, index);
}

static void transaction_cancel(struct ipcbus_work *work)
{
	refuse(container_of(work, struct ipcbus_transaction, work), -EOWNERDEAD,
	       IPCBUS_STAGE_QUEUE, 0);
}

/* The call could not be delivered after all. */
static void undo_serving(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	bool idle;

	spin_lock(&thread->proc->lock);
	hash_del(&t->open);
	end_serving_locked(t);
	/* The call below may have been answered while this one hid it. */
	ipcbus_thread_kick_locked(thread);
	idle = ipcbus_node_end_call_locked(t->node);
	spin_unlock(&thread->proc->lock);
	if (idle)
		ipcbus_node_check_idle(t->node);
}

static bool refuse_delivery(struct ipcbus_transaction *t, struct ipcbus_thread *thread, int error,
			    u32 stage, u32 index)
{
	if (!t->oneway)
		undo_serving(t, thread);
	refuse(t, error, stage, index);
	return false;
}

static bool transaction_deliver(struct ipcbus_work *work, struct ipcbus_thread *thread,
				struct ipcbus_event *event)
{
	struct ipcbus_transaction *t = container_of(work, struct ipcbus_transaction, work);
	struct ipcbus_buffer *buffer = t->buffer;
	u32 index = 0;
	int ret = 0;

	if (READ_ONCE(t->node->dead))
		return refuse_delivery(t, thread, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	if (buffer && buffer->objects.count)
		ret = ipcbus_buffer_install(thread->proc, buffer, &index);
	if (ret)
		return refuse_delivery(t, thread, ret, IPCBUS_STAGE_DELIVER, index);

	event->cookie = t->node->cookie;
	event->code = t->code;
	tell_sender(&t->sender, event);
	if (t->oneway) {
		event->kind = IPCBUS_EVENT_ONEWAY;
		buffer->node = ipcbus_node_get(t->node);
		ipcbus_buffer_deliver(thread->proc, buffer, event);
		transaction_put(t, thread);
		return true;
	}
	event->kind = IPCBUS_EVENT_CALL;
	event->flags = t->accept_fds ? IPCBUS_EVENT_ACCEPT_FDS : 0;
	event->call = t->id;
	if (buffer)
		ipcbus_buffer_deliver(thread->proc, buffer, event);
	return true;
}

static const struct ipcbus_work_ops transaction_ops = {
	.deliver = transaction_deliver,
	.cancel = transaction_cancel,
};

struct ipcbus_transaction *ipcbus_transaction_of(struct ipcbus_work *work)
{
	if (work->ops != &transaction_ops)
		return NULL;
	return container_of(work, struct ipcbus_transaction, work);
}

void ipcbus_transaction_taken_locked(struct ipcbus_work *work, struct ipcbus_thread *thread)
{
	struct ipcbus_transaction *t = ipcbus_transaction_of(work);

	lockdep_assert_held(&thread->proc->lock);
	if (!t || t->oneway)
		return;
	t->server = thread;
	t->to_below = thread->top;
	thread->top = t;
	hash_add(thread->proc->open, &t->open, t->id);
}

/* --- Calls and oneways ------------------------------------------------------ */

/* The node behind the handle, in a state in which it can take a message. */
static struct ipcbus_node_entry *find_target(struct ipcbus_proc *proc,
					     struct ipcbus_message *message)
{
	struct ipcbus_node_entry *node;
	int ret = 0;

	ipcbus_message_stage(message, IPCBUS_STAGE_TARGET);
	node = ipcbus_handle_node(proc, message->send->handle);
	if (IS_ERR(node))
		return node;
	if (READ_ONCE(node->dead))
		ret = -EOWNERDEAD;
	else if (node->proc == proc)
		ret = -EINVAL;
	/* With the release in ipcbus_region_map(): the rest of the region is there. */
	else if (!smp_load_acquire(&node->proc->region.size))
		ret = -ENOBUFS;
	if (ret) {
		ipcbus_node_put(node);
		return ERR_PTR(ret);
	}
	return node;
}

/* Takes over the reference of node. */
static __always_inline struct ipcbus_transaction *
transaction_new(struct ipcbus_thread *thread, struct ipcbus_node_entry *node,
		const struct ipcbus_message *message)
{
	struct ipcbus_transaction *t;

	t = thread->spare;
	if (likely(t))
		thread->spare = NULL;
	else
		t = kmem_cache_alloc(cache, GFP_KERNEL);
	if (!t)
		return NULL;
	ipcbus_work_init(&t->work, &transaction_ops);
	refcount_set(&t->ref, 1);
	t->id = atomic64_inc_return(&last_id);
	t->code = message->send->code;
	t->oneway = message->oneway;
	t->accept_fds = message->send->flags & IPCBUS_SEND_ACCEPT_FDS;
	t->depth = 1;
	t->from = NULL;
	t->parent = NULL;
	t->node = node;
	t->buffer = NULL;
	t->state = IPCBUS_PENDING;
	t->reply = NULL;
	INIT_HLIST_NODE(&t->open);
	t->server = NULL;
	identify(thread, node->proc, &t->sender);
	ipcbus_stat_add(IPCBUS_STAT_TRANSACTIONS);
	return t;
}

/* Makes t a call of thread's, inside whatever call the thread is in. */
static int begin_call(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	int ret = 0;

	t->from = ipcbus_thread_get(thread);
	spin_lock(&proc->lock);
	t->parent = thread->top;
	if (t->parent) {
		t->depth = t->parent->depth + 1;
		refcount_inc(&t->parent->ref);
	}
	if (t->depth > IPCBUS_MAX_DEPTH) {
		ret = -ELOOP;
	} else {
		t->from_below = thread->top;
		thread->top = t;
	}
	spin_unlock(&proc->lock);
	if (!ret)
		refcount_inc(&t->ref);
	return ret;
}

/* Undoes begin_call(): nobody else knows t. */
static void end_call(struct ipcbus_transaction *t, struct ipcbus_thread *thread)
{
	spin_lock(&thread->proc->lock);
	ipcbus_thread_remove_locked(thread, t);
	spin_unlock(&thread->proc->lock);
	transaction_put(t, NULL);
}

/*
 * The thread of target that waits deeper in the chain of t, if there is one and
 * it still waits: parents are counted, and what they are in is asked under the
 * target's lock. A thread that ended between two waits will never look.
 */
static struct ipcbus_thread *waiting_in_chain_locked(struct ipcbus_transaction *t,
						     struct ipcbus_proc *target)
{
	struct ipcbus_transaction *p;

	lockdep_assert_held(&target->lock);
	for (p = t->parent; p; p = p->parent)
		if (p->from->proc == target && p->state == IPCBUS_PENDING &&
		    !(READ_ONCE(p->from->task->flags) & PF_EXITING))
			return p->from;
	return NULL;
}

static int queue_call(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *target = t->node->proc;
	struct ipcbus_thread *thread;
	int ret = 0;

	spin_lock(&target->lock);
	if (t->node->dead || target->dead) {
		ret = -EOWNERDEAD;
		goto out;
	}
	t->node->pending++;
	thread = t->parent ? waiting_in_chain_locked(t, target) : NULL;
	if (thread) {
		list_add_tail(&t->work.entry, &thread->work);
		ipcbus_thread_kick_locked(thread);
	} else {
		ipcbus_proc_queue_locked(target, &t->work);
	}
out:
	spin_unlock(&target->lock);
	return ret;
}

static int queue_oneway(struct ipcbus_transaction *t)
{
	struct ipcbus_proc *target = t->node->proc;
	int ret = 0;

	spin_lock(&target->lock);
	if (t->node->dead || target->dead) {
		ret = -EOWNERDEAD;
		goto out;
	}
	t->node->pending++;
	if (t->node->oneway_busy) {
		list_add_tail(&t->work.entry, &t->node->oneways);
	} else {
		t->node->oneway_busy = true;
		ipcbus_proc_queue_locked(target, &t->work);
	}
out:
	spin_unlock(&target->lock);
	return ret;
}

static int send_call(struct ipcbus_thread *thread, struct ipcbus_message *message,
		     struct ipcbus_transaction *t)
{
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_QUEUE);
	ret = begin_call(t, thread);
	if (ret)
		return ret;
	ret = queue_call(t);
	if (ret)
		end_call(t, thread);
	return ret;
}

static int send_oneway(struct ipcbus_message *message, struct ipcbus_transaction *t)
{
	/* Once queued, t is the receiver's, and with it what keeps the lock. */
	struct ipcbus_node_entry *node = ipcbus_node_get(t->node);
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_QUEUE);
	ret = queue_oneway(t);
	ipcbus_node_put(node);
	return ret;
}

static int send_request(struct ipcbus_thread *thread, struct ipcbus_message *message)
{
	struct ipcbus_node_entry *node;
	struct ipcbus_transaction *t;
	int ret;

	node = find_target(thread->proc, message);
	if (IS_ERR(node))
		return PTR_ERR(node);
	t = transaction_new(thread, node, message);
	if (!t) {
		ipcbus_node_put(node);
		return -ENOMEM;
	}
	ret = build(thread->proc, node->proc, node->flags & IPCBUS_NODE_ACCEPT_FDS, message,
		    &t->buffer);
	if (!ret) {
		ret = message->oneway ? send_oneway(message, t) : send_call(thread, message, t);
		if (ret)
			drop_buffer(node->proc, t->buffer);
	}
	if (ret)
		transaction_put(t, thread);
	return ret;
}

/* --- Replies ---------------------------------------------------------------- */

/* Takes the open call out of the table: only one can answer it. */
static struct ipcbus_transaction *claim(struct ipcbus_proc *proc, u64 id)
{
	struct ipcbus_transaction *t;
	bool idle = false;

	spin_lock(&proc->lock);
	hash_for_each_possible(proc->open, t, open, id) {
		if (t->id != id)
			continue;
		hash_del(&t->open);
		if (t->server)
			end_serving_locked(t);
		idle = ipcbus_node_end_call_locked(t->node);
		break;
	}
	spin_unlock(&proc->lock);
	if (unlikely(idle))
		ipcbus_node_check_idle(t->node);
	return t;
}

/* The reply failed: the call is open again. */
static void unclaim(struct ipcbus_proc *proc, struct ipcbus_transaction *t,
		    struct ipcbus_thread *thread)
{
	spin_lock(&proc->lock);
	hash_add(proc->open, &t->open, t->id);
	t->node->pending++;
	if (t->server == thread) {
		t->to_below = thread->top;
		thread->top = t;
	} else {
		t->server = NULL;
	}
	spin_unlock(&proc->lock);
}

void ipcbus_transactions_release(struct ipcbus_proc *proc)
{
	struct ipcbus_transaction *t;
	struct hlist_node *next;
	int bucket;

	/* No thread is left, so nobody else touches the table. */
	hash_for_each_safe(proc->open, bucket, next, t, open) {
		hash_del(&t->open);
		transaction_fail(t, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	}
}

static int send_reply(struct ipcbus_thread *thread, struct ipcbus_message *message)
{
	bool error = message->send->kind == IPCBUS_SEND_ERROR;
	struct ipcbus_buffer *buffer;
	struct ipcbus_transaction *t;
	struct ipcbus_proc *caller;
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_TARGET);
	t = claim(thread->proc, message->send->call);
	if (!t)
		return -ESRCH;
	caller = t->from->proc;

	ret = build(thread->proc, caller, t->accept_fds, message, &buffer);
	if (ret) {
		unclaim(thread->proc, t, thread);
		return ret;
	}
	identify(thread, caller, &t->answer.sender);
	if (!answer(t, buffer, error ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
		    error ? -(s32)message->send->code : 0, 0, 0))
		drop_buffer(caller, buffer);
	transaction_put(t, thread);
	return 0;
}

int ipcbus_transaction_send(struct ipcbus_thread *thread, struct ipcbus_message *message)
{
	if (message->send->kind == IPCBUS_SEND_CALL || message->send->kind == IPCBUS_SEND_ONEWAY)
		return send_request(thread, message);
	return send_reply(thread, message);
}
