// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that show the state of a bus: see bus.h. ipcbus(4) and docs/tracing.md explain the
 * contents. The files never show kernel pointers. For each proc, a piece of the state is copied
 * under a lock and printed after the lock is dropped. If the bus is in use, the lines of a file are
 * not a consistent snapshot.
 */
#include <linux/debugfs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "bus.h"
#include "calls.h"
#include "deliver.h"
#include "handle.h"
#include "node.h"
#include "proc.h"
#include "stats.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"

/* Maximum number of items copied per lock hold. Of longer queues, only this many are shown. */
#define PIECE	64
/* Maximum number of handles printed per lock hold. */
#define HANDLES_AT_ONCE	8

static unsigned int ms_since(unsigned long stamp)
{
	return jiffies_to_msecs(jiffies - stamp);
}

/* --- Calls -------------------------------------------------------------------- */

/**
 * struct calls - copied data of some calls and oneways to a proc
 * @proc: the target
 * @count: number of rows in use
 * @truncated: there are more calls than rows
 * @row: data of each call or oneway
 */
struct calls {
	struct ipcbus_proc *proc;
	unsigned int count;
	bool truncated;
	struct {
		u64 id;
		u64 parent;
		const char *state;
		unsigned long since;
		int from;
		int from_tid;
		int to_tid;
		u32 node;
		u32 code;
		bool oneway;
	} row[PIECE];
};

/* Converts a pid of ns to the reader's pid namespace; returns 0 if the process is gone. */
static int reader_nr(u32 nr, struct pid_namespace *ns)
{
	int ret;

	rcu_read_lock();
	ret = pid_vnr(find_pid_ns(nr, ns));
	rcu_read_unlock();
	return ret;
}

/* Adds a row. server: the thread that took the call, or NULL; only then is t->server valid. */
static void note(struct calls *calls, const struct ipcbus_transaction *t, const char *state,
		 const struct ipcbus_thread *server)
{
	unsigned int i = calls->count;

	lockdep_assert_held(&calls->proc->lock);
	if (i == PIECE) {
		calls->truncated = true;
		return;
	}
	calls->row[i].id = t->id;
	calls->row[i].parent = t->parent ? t->parent->id : 0;
	calls->row[i].state = state;
	calls->row[i].since = t->since;
	if (t->from) {
		calls->row[i].from = pid_vnr(t->from->tgid);
		calls->row[i].from_tid = pid_vnr(t->from->pid);
	} else {
		calls->row[i].from = reader_nr(t->sender.pid, calls->proc->pid_ns);
		calls->row[i].from_tid = reader_nr(t->sender.tid, calls->proc->pid_ns);
	}
	calls->row[i].to_tid = server ? pid_vnr(server->pid) : 0;
	calls->row[i].node = t->node->id;
	calls->row[i].code = t->code;
	calls->row[i].oneway = t->oneway;
	calls->count++;
}

static void note_work(struct calls *calls, struct ipcbus_work *work)
{
	struct ipcbus_transaction *t = work ? ipcbus_transaction_of(work) : NULL;

	if (t)
		note(calls, t, "queued", NULL);
}

static void note_queue(struct calls *calls, struct list_head *queue)
{
	struct ipcbus_work *work;

	list_for_each_entry(work, queue, entry) {
		note_work(calls, work);
		if (calls->truncated)
			break;
	}
}

/* Tells the reader that calls were omitted. */
static void print_more(struct seq_file *seq, u64 proc)
{
	seq_printf(seq, "more proc=%llu\n", proc);
}

static void print_calls(struct seq_file *seq, struct calls *calls)
{
	unsigned int i;

	for (i = 0; i < calls->count; i++) {
		seq_printf(seq, "message id=%llu kind=%s state=%s from=%d:%d to=%d:%d",
			   calls->row[i].id, calls->row[i].oneway ? "oneway" : "call",
			   calls->row[i].state, calls->row[i].from, calls->row[i].from_tid,
			   pid_vnr(calls->proc->pid), calls->row[i].to_tid);
		seq_printf(seq, " node=%u code=%u ms=%u parent=%llu\n", calls->row[i].node,
			   calls->row[i].code, ms_since(calls->row[i].since),
			   calls->row[i].parent);
		cond_resched();
	}
	if (calls->truncated)
		print_more(seq, calls->proc->number);
}

/* Notes the calls for the next thread from *at on only. Returns false if there is none. */
static bool note_thread(struct calls *calls, u64 *at)
{
	struct ipcbus_proc *proc = calls->proc;
	struct ipcbus_thread *thread;
	unsigned long number = *at;

	/* Threads are freed after a grace period. */
	rcu_read_lock();
	thread = xa_find(&proc->pool.threads, &number, ULONG_MAX, XA_PRESENT);
	if (thread) {
		spin_lock(&proc->lock);
		note_work(calls, thread->given);
		note_queue(calls, &thread->work);
		spin_unlock(&proc->lock);
	}
	rcu_read_unlock();
	*at = number + 1;
	return thread;
}

/* Notes the oneways that are queued behind another oneway of the next node from *at on. Returns
 * false if there is none. */
static bool note_node(struct calls *calls, u64 *at)
{
	struct ipcbus_proc *proc = calls->proc;
	struct ipcbus_node_entry *node;
	unsigned long id = *at;

	rcu_read_lock();
	node = xa_find(&proc->nodes, &id, IPCBUS_MAX_NUMBER, XA_PRESENT);
	if (node) {
		spin_lock(&proc->lock);
		note_queue(calls, &node->oneways);
		spin_unlock(&proc->lock);
	}
	rcu_read_unlock();
	*at = (u64)id + 1;
	return node;
}

/* Notes the open calls of a tree, from the call *at on. Returns false at the end. */
static bool note_open(struct calls *calls, u32 tree, u64 *at)
{
	struct ipcbus_proc *proc = calls->proc;
	struct ipcbus_transaction *t;

	spin_lock(&proc->lock);
	while ((t = ipcbus_open_next_locked(proc, tree, *at)) && calls->count < PIECE) {
		note(calls, t, t->canceled ? "canceled" : "served", t->server);
		*at = t->call + 1;
	}
	spin_unlock(&proc->lock);
	return t;
}

enum { CALLS_OF_PROC, CALLS_OF_THREADS, CALLS_OF_NODES, CALLS_OPEN };

/* Notes the next calls. Returns false at the end. */
static bool note_next(struct calls *calls, struct ipcbus_place *place)
{
	bool more = false;

	switch (place->part) {
	case CALLS_OF_PROC:
		spin_lock(&calls->proc->lock);
		note_queue(calls, &calls->proc->work.list);
		spin_unlock(&calls->proc->lock);
		break;
	case CALLS_OF_THREADS:
		more = note_thread(calls, &place->at);
		break;
	case CALLS_OF_NODES:
		more = note_node(calls, &place->at);
		break;
	default:
		more = note_open(calls, place->part - CALLS_OPEN, &place->at);
	}
	if (!more) {
		place->part++;
		place->at = 0;
	}
	return place->part < CALLS_OPEN + IPCBUS_OPEN_TREES;
}

static bool transactions_show(struct seq_file *seq, struct ipcbus_proc *proc,
			      struct ipcbus_place *place)
{
	struct calls *calls;
	bool more;

	calls = kmalloc(sizeof(*calls), GFP_KERNEL);
	if (!calls) {
		print_more(seq, proc->number);
		return false;
	}
	calls->proc = proc;
	calls->count = 0;
	calls->truncated = false;
	do {
		more = note_next(calls, place);
		cond_resched();
	} while (more && !calls->count);
	print_calls(seq, calls);
	kfree(calls);
	return more;
}

/* --- Procs -------------------------------------------------------------------- */

/* Returns the length of a queue, at most PIECE, and the age of the oldest message in that part. */
static unsigned int queue_length(struct list_head *queue, unsigned int *ret_ms)
{
	struct ipcbus_transaction *t;
	struct ipcbus_work *work;
	unsigned int count = 0;

	*ret_ms = 0;
	list_for_each_entry(work, queue, entry) {
		t = ipcbus_transaction_of(work);
		if (t)
			*ret_ms = max(*ret_ms, ms_since(t->since));
		if (++count == PIECE)
			break;
	}
	return count;
}

static bool show_proc(struct seq_file *seq, struct ipcbus_proc *proc, u64 *unused)
{
	unsigned int queued, ms;
	bool frozen;

	spin_lock(&proc->lock);
	frozen = proc->freeze.frozen;
	queued = queue_length(&proc->work.list, &ms);
	spin_unlock(&proc->lock);
	seq_printf(seq, "proc proc=%llu pid=%d nodes=%d handles=%u", proc->number,
		   pid_vnr(proc->pid), atomic_read(&proc->node_count),
		   READ_ONCE(proc->handle_count));
	seq_printf(seq, " queued=%u oldest_ms=%u frozen=%d\n", queued, ms, frozen);
	return false;
}

static const char *thread_state(const struct ipcbus_thread *thread, u64 *ret_call,
				unsigned long *ret_since)
{
	const struct ipcbus_transaction *t = thread->top;

	lockdep_assert_held(&thread->proc->lock);
	*ret_call = t ? t->id : 0;
	*ret_since = t ? t->since : READ_ONCE(thread->since);
	if (t && t->from == thread)
		return "calling";
	if (t)
		return "serving";
	return READ_ONCE(thread->asleep) ? "idle" : "away";
}

static void show_thread(struct seq_file *seq, struct ipcbus_thread *thread)
{
	struct ipcbus_proc *proc = thread->proc;
	unsigned long since;
	const char *state;
	u64 call;

	spin_lock(&proc->lock);
	state = thread_state(thread, &call, &since);
	spin_unlock(&proc->lock);
	seq_printf(seq, "thread proc=%llu thread=%u tid=%d state=%s call=%llu ms=%u\n",
		   proc->number, thread->number, pid_vnr(thread->pid), state, call,
		   ms_since(since));
}

static bool show_threads(struct seq_file *seq, struct ipcbus_proc *proc, u64 *at)
{
	struct ipcbus_thread *thread;
	unsigned long number = *at;
	int i;

	for (i = 0; i < PIECE; i++) {
		/* Threads are freed after a grace period. */
		rcu_read_lock();
		thread = xa_find(&proc->pool.threads, &number, ULONG_MAX, XA_PRESENT);
		if (thread)
			show_thread(seq, thread);
		rcu_read_unlock();
		if (!thread)
			return false;
		*at = ++number;
		cond_resched();
	}
	return true;
}

/* Copied data of a node. queued: oneways behind the current oneway, at most PIECE. */
struct node_row {
	int refs;
	u32 pending;
	bool busy;
	unsigned int busy_ms;
	unsigned int queued;
	unsigned int oldest_ms;
};

/* Copies the properties of a node for printing. The node may be dead, with node->proc NULL. */
static void copy_node(struct ipcbus_proc *proc, struct ipcbus_node_entry *node,
		      struct node_row *row)
{
	spin_lock(&proc->lock);
	row->refs = atomic_read(&node->remote);
	row->pending = node->pending;
	row->busy = node->oneway_busy;
	row->busy_ms = node->oneway_busy ? ms_since(node->oneway_since) : 0;
	row->queued = queue_length(&node->oneways, &row->oldest_ms);
	spin_unlock(&proc->lock);
}

static bool show_nodes(struct seq_file *seq, struct ipcbus_proc *proc, u64 *at)
{
	struct ipcbus_node_entry *node;
	unsigned long id = *at;
	struct node_row row;
	int i;

	for (i = 0; i < PIECE; i++) {
		rcu_read_lock();
		node = xa_find(&proc->nodes, &id, IPCBUS_MAX_NUMBER, XA_PRESENT);
		if (node)
			copy_node(proc, node, &row);
		rcu_read_unlock();
		if (!node)
			return false;
		seq_printf(seq, "node proc=%llu node=%lu refs=%d pending=%u", proc->number, id,
			   row.refs, row.pending);
		seq_printf(seq, " busy=%d busy_ms=%u queued=%u oldest_ms=%u\n", row.busy,
			   row.busy_ms, row.queued, row.oldest_ms);
		*at = ++id;
		cond_resched();
	}
	return true;
}

static void show_handle(struct seq_file *seq, struct ipcbus_proc *proc,
			const struct ipcbus_handle_entry *entry)
{
	const struct ipcbus_node_entry *node = entry->node;

	seq_printf(seq, "handle proc=%llu handle=%u count=%u watched=%d", proc->number,
		   entry->number, entry->count, !!entry->watch);
	seq_printf(seq, " owner=%llu pid=%d node=%u dead=%d\n", node->owner,
		   pid_vnr(node->pid), node->id, READ_ONCE(node->dead));
}

static bool show_handles(struct seq_file *seq, struct ipcbus_proc *proc, u64 *at)
{
	struct ipcbus_handle_entry *entry;
	int shown = 0;
	u32 i, end;

	mutex_lock(&proc->handle_lock);
	end = ipcbus_handle_end(proc);
	for (i = 0; i < PIECE && *at < end && shown < HANDLES_AT_ONCE; i++, ++*at) {
		entry = ipcbus_handle_at(proc, *at);
		if (entry) {
			show_handle(seq, proc, entry);
			shown++;
		}
	}
	mutex_unlock(&proc->handle_lock);
	cond_resched();
	return *at < end;
}

static bool show_region(struct seq_file *seq, struct ipcbus_proc *proc, u64 *unused)
{
	struct ipcbus_region_use use;

	ipcbus_region_look(&proc->region, &use);
	seq_printf(seq, "region proc=%llu size=%zu used=%zu buffers=%u quick=%u", proc->number,
		   use.size, use.used, use.buffers, use.quick);
	seq_printf(seq, " oneways=%u oneway_used=%zu held=%u", use.oneways, use.oneway_used,
		   use.held);
	seq_printf(seq, " oldest=0x%llx oldest_ms=%u oldest_from=%llu\n", use.oldest,
		   use.oldest ? ms_since(use.oldest_since) : 0, use.oldest_from);
	return false;
}

/* In the order of output. Each shows a piece from *at on; returns false at the end. */
static bool (*const parts[])(struct seq_file *seq, struct ipcbus_proc *proc, u64 *at) = {
	show_proc, show_threads, show_nodes, show_handles, show_region,
};

static bool state_show(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place)
{
	if (parts[place->part](seq, proc, &place->at))
		return true;
	place->part++;
	place->at = 0;
	return place->part < ARRAY_SIZE(parts);
}

/* --- The files -------------------------------------------------------------- */

const struct ipcbus_file ipcbus_file[] = {
	{ "state", .show = state_show },
	{ "transactions", .show = transactions_show },
	{}
};

/* --- Reading ------------------------------------------------------------------ */

/**
 * struct reading - state of an open file
 * @file: the file
 * @bus: its bus, kept by the opened inode
 * @proc: the current proc, counted; NULL at the end
 * @place: position of the current piece
 * @end: position after the current piece, once it was shown
 * @more: @proc has another piece
 */
struct reading {
	const struct ipcbus_file *file;
	struct ipcbus_bus *bus;
	struct ipcbus_proc *proc;
	struct ipcbus_place place;
	struct ipcbus_place end;
	bool more;
};

static void next_proc(struct reading *reading)
{
	reading->proc = ipcbus_proc_next(reading->bus, reading->proc);
	reading->place = (struct ipcbus_place){};
}

/* Starts reading, or continues at the current position. */
static void *reading_start(struct seq_file *seq, loff_t *pos)
{
	struct reading *reading = seq->private;

	if (!*pos) {
		if (reading->proc)
			ipcbus_proc_put(reading->proc);
		reading->proc = NULL;
		next_proc(reading);
	}
	return reading->proc ? reading : NULL;
}

static void *reading_next(struct seq_file *seq, void *unused, loff_t *pos)
{
	struct reading *reading = seq->private;

	++*pos;
	if (reading->more)
		reading->place = reading->end;
	else
		next_proc(reading);
	return reading->proc ? reading : NULL;
}

static void reading_stop(struct seq_file *seq, void *unused)
{
}

/* Prints the current piece. If the buffer has no space for it, seq_file calls this again for the
 * same piece. */
static int reading_show(struct seq_file *seq, void *unused)
{
	struct reading *reading = seq->private;

	reading->end = reading->place;
	reading->more = reading->file->show(seq, reading->proc, &reading->end);
	return 0;
}

static const struct seq_operations reading_ops = {
	.start = reading_start,
	.next = reading_next,
	.stop = reading_stop,
	.show = reading_show,
};

int ipcbus_files_open(struct file *file, const struct ipcbus_file *which, struct ipcbus_bus *bus)
{
	struct reading *reading;

	reading = __seq_open_private(file, &reading_ops, sizeof(*reading));
	if (!reading)
		return -ENOMEM;
	reading->file = which;
	reading->bus = bus;
	return 0;
}

int ipcbus_files_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct reading *reading = seq->private;

	if (reading->proc)
		ipcbus_proc_put(reading->proc);
	return seq_release_private(inode, file);
}

/* --- debugfs ---------------------------------------------------------------- */

static struct dentry *dir;

static int stats_show(struct seq_file *seq, void *unused)
{
	enum ipcbus_stat stat;

	for (stat = 0; stat < IPCBUS_STAT_COUNT; stat++)
		seq_printf(seq, "%s %lu %lu\n", ipcbus_stat_name(stat),
			   ipcbus_stat_live(stat), ipcbus_stat_total(stat));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int users_show(struct seq_file *seq, void *unused)
{
	ipcbus_users_show(seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(users);

static bool pages_show(struct seq_file *seq, struct ipcbus_proc *proc, struct ipcbus_place *place)
{
	const struct ipcbus_pages *pages = &proc->region.pages;
	unsigned long end;
	bool exists;
	void *frame;

	/* A proc has its pages as long as it is on the bus. */
	mutex_lock(&proc->bus->lock);
	/* Pairs with the release in ipcbus_region_map(). */
	exists = !RB_EMPTY_NODE(&proc->bus_entry) && smp_load_acquire(&proc->region.size);
	end = exists ? min_t(u64, place->at + PIECE, pages->count) : 0;
	for (; place->at < end; place->at++) {
		frame = READ_ONCE(pages->frame[place->at]);
		if (frame)
			seq_printf(seq, "%d 0x%llx 0x%lx\n", pid_vnr(proc->pid),
				   place->at << PAGE_SHIFT, page_to_pfn(virt_to_page(frame)));
	}
	exists = exists && end < pages->count;
	mutex_unlock(&proc->bus->lock);
	return exists;
}

static const struct ipcbus_file pages_file = { .show = pages_show };

static int file_open(struct inode *inode, struct file *file)
{
	return ipcbus_files_open(file, inode->i_private, &ipcbus_default_bus);
}

static const struct file_operations file_fops = {
	.owner = THIS_MODULE,
	.open = file_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = ipcbus_files_release,
};

void ipcbus_debugfs_init(void)
{
	const struct ipcbus_file *file;

	/* Errors need no handling: the files are missing then. */
	dir = debugfs_create_dir("ipcbus", NULL);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_file("users", 0400, dir, NULL, &users_fops);
	debugfs_create_file("pages", 0400, dir, (void *)&pages_file, &file_fops);
	for (file = ipcbus_file; file->name; file++)
		debugfs_create_file(file->name, 0400, dir, (void *)file, &file_fops);
}

void ipcbus_debugfs_done(void)
{
	debugfs_remove(dir);
}
