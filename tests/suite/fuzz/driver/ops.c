// SPDX-License-Identifier: MIT
/*
 * The operations of a sequence: each makes its arguments from bytes, calls the driver, and passes
 * the result to judge.c. See world.h; called by fuzz.c.
 */
#include "ipcbus-monitor.h"
#include "world.h"

/* --- Damage -------------------------------------------------------------------------- */

/* Damages a byte of the arguments, or makes a step fail. */
static bool mischief_begin(struct thread *t, void *args, size_t size)
{
	struct mischief *m = &t->mischief;

	if (m->fail)
		shim_fail_nth(m->fail_kind, m->at % 12 + 1);
	/* Set before other threads can see the effects. */
	if (m->corrupt || (m->fail && m->fail_kind == SHIM_FAIL_COPY))
		world.any_odd = t->proc->lossy = true;
	if (!m->corrupt)
		return false;
	m->corrupt = false;
	if (m->where % 4 == 1)
		((u8 *)t->objects)[m->at * 2 % (4 * sizeof(*t->objects))] ^= m->value | 1;
	else if (m->where % 4 == 2)
		((u8 *)t->iov)[m->at % (8 * sizeof(*t->iov))] ^= m->value | 1;
	else
		((u8 *)args)[m->at % size] ^= m->value | 1;
	return true;
}

/* Returns whether the ioctl's effect and its result may differ. */
static bool mischief_end(struct thread *t, bool *ret_failed)
{
	bool copy = false;

	*ret_failed = false;
	if (t->mischief.fail) {
		copy = shim_failed(SHIM_FAIL_COPY);
		*ret_failed = shim_failed(t->mischief.fail_kind);
		shim_fail_nth(t->mischief.fail_kind, 0);
		t->mischief.fail = false;
	}
	return copy;
}

/* Runs an ioctl with its own structure, possibly damaged. */
static int control(struct thread *t, unsigned int cmd, void *args, size_t size, bool *ret_odd)
{
	bool odd = mischief_begin(t, args, size), failed;
	int ret;

	/* A freeze polls until its timeout, which takes only virtual time. */
	if (cmd == IPCBUS_IOC_FREEZE)
		((struct ipcbus_freeze *)args)->timeout_ms %= 64;
	ret = shim_ioctl(t->proc->fd, cmd, args);
	odd |= mischief_end(t, &failed);
	odd |= failed;
	if (odd)
		world.any_odd = t->proc->lossy = true;
	judge_errno(ret, odd);
	*ret_odd = odd;
	return ret;
}

/* --- Exchange ------------------------------------------------------------------------- */

static void forget_freed(struct proc *proc)
{
	for (unsigned int i = 0; i < proc->n_held;)
		if (proc->held[i].freeing)
			proc->held[i] = proc->held[--proc->n_held];
		else
			i++;
}

/* Forgets a call that was or may have been replied to. Returns its deadline. */
static u64 forget_call(struct proc *proc, u64 id)
{
	u64 deadline = 0;

	for (unsigned int i = 0; i < proc->n_calls; i++) {
		if (proc->calls[i].id != id)
			continue;
		deadline = proc->calls[i].deadline;
		proc->calls[i--] = proc->calls[--proc->n_calls];
	}
	return deadline;
}

static void push(struct thread *t, struct message *m)
{
	if (t->n_stack == MAX_STACK)
		t->astray = true;
	else
		t->stack[t->n_stack++] = m;
}

/* The ioctl reported failure, so it made no call. */
static void unpush(struct thread *t, const struct message *m)
{
	if (t->n_stack && t->stack[t->n_stack - 1] == m)
		t->n_stack--;
}

static u32 flags_of(u8 how)
{
	static const u32 flags[] = {
		0, IPCBUS_WAIT, IPCBUS_WAIT | IPCBUS_SERVE,
		IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};

	return flags[how & 3];
}

struct exchange {
	struct ipcbus_exchange *x;
	struct message *m;
	u64 ids[32];
	unsigned int n_ids;
	u32 life;
	u64 call;
	u64 deadline;	/* ... of which */
	bool odd;
};

static void exchange_build(struct thread *t, struct exchange *e, const u8 *arg)
{
	struct ipcbus_exchange *x = e->x = t->exchange;

	memset(x, 0, sizeof(*x));
	memset(&x->event, 0xee, sizeof(x->event));
	x->size = sizeof(*x);
	t->space = USER_PAYLOAD;
	x->thread = arg[0] & 0x40 ? arg[5] : t->number;
	x->flags = flags_of(arg[5]);
	if (x->flags & IPCBUS_SERVE && arg[0] & 0x20) {
		x->flags |= IPCBUS_MORE;
		x->more = (unsigned long)t->more;
		x->more_count = arg[2] % (IPCBUS_MAX_MORE + 1);
	}
	e->n_ids = free_build(t, x, arg[5] >> 2 | (arg[5] >= 0xf8 ? 0xf0 : 0), e->ids);
	e->m = message_build(t, &x->send, arg);
	e->life = t->life = t->proc->life;
	e->call = x->send.call;
	if (e->m && e->m->kind == IPCBUS_SEND_CALL && !e->m->async)
		push(t, e->m);
	if (e->m)
		e->deadline = forget_call(t->proc, e->call);
}

/* A reply that failed leaves the call open. */
static void call_again(struct proc *proc, const struct exchange *e)
{
	if (e->call && e->m->request && proc->n_calls < MAX_HELD)
		proc->calls[proc->n_calls++] =
			(struct open_call){ e->call, e->deadline, e->m->request, world.clock };
}

static void exchange_settle(struct thread *t, struct exchange *e, int ret)
{
	struct proc *proc = t->proc;

	if (e->odd) {
		t->astray = proc->lossy = world.any_odd = proc->odd_calls = true;
		forget_freed(proc);
	} else {
		free_done(t, e->ids, e->n_ids, &e->x->event, ret);
	}
	if (!e->m)
		return;
	message_done(e->m, ret, e->odd || e->m->odd);
	if (ret && e->m->kind == IPCBUS_SEND_CALL)
		unpush(t, e->m);
	else if (ret)
		call_again(proc, e);
}

static void op_exchange(struct thread *t, const u8 *arg)
{
	struct exchange e;
	bool failed, alone;
	int ret;

	exchange_build(t, &e, arg);
	alone = !t->n_stack && !t->astray;
	e.odd = mischief_begin(t, e.x, offsetof(struct ipcbus_exchange, event));
	/* The call may end before its ioctl does. */
	if (e.odd && e.m)
		e.m->odd = t->proc->odd_calls = true;
	t->waits = e.x->flags & IPCBUS_WAIT && !(e.x->flags & IPCBUS_NONBLOCK);
	t->serves = e.x->flags & IPCBUS_SERVE;
	t->began = ++world.clock;
	t->sending = e.m;
	t->busy = true;
	ret = shim_ioctl(t->proc->fd, IPCBUS_IOC_EXCHANGE, e.x);
	t->waits = t->busy = false;
	t->sending = NULL;
	e.odd |= mischief_end(t, &failed);
	trace("%u: exchange %s%u flags %x -> %d, event %u\n", t->index, e.m ? "message " : "",
	      e.m ? message_number(e.m) : 0, e.x->flags, ret, e.x->event.kind);
	judge_errno(ret, e.odd || failed || (e.m && e.m->odd));
	if (failed)
		world.any_odd = true;
	/* Another thread closed the file in the meantime: the records are of the previous file. */
	if (t->proc->life != e.life) {
		if (e.m)
			message_done(e.m, ret, true);
		t->astray = t->indebted = true;
		return;
	}
	exchange_settle(t, &e, ret);
	if (ret)
		return;
	if (alone && e.x->flags & IPCBUS_WAIT && !e.odd && !failed)
		priority_of_waiter(t, &e.x->event);
	judge_event(t, &e.x->event);
	judge_more(t, e.x);
}

/* --- Nodes and handles ------------------------------------------------------------------ */

static struct node *pick_own(struct proc *proc, u8 pick)
{
	for (unsigned int i = 0; i < world.n_nodes; i++) {
		struct node *node = &world.nodes[(i + pick) % world.n_nodes];

		if (node->proc == proc && node->life == proc->life)
			return node;
	}
	return NULL;
}

static struct node *own_node(struct proc *proc, u64 id)
{
	for (unsigned int i = 0; i < world.n_nodes; i++)
		if (world.nodes[i].proc == proc && world.nodes[i].life == proc->life &&
		    world.nodes[i].id == id)
			return &world.nodes[i];
	return NULL;
}

static void op_create(struct thread *t, const u8 *arg)
{
	u32 flags = (arg[0] & 1 ? IPCBUS_NODE_ACCEPT_FDS : 0) |
		    (arg[0] & 0x40 ? IPCBUS_NODE_WANT_LABEL : 0) |
		    (arg[0] & 0x20 ? IPCBUS_NODE_PRIORITY : 0);
	const struct node *node = node_create(t->proc, flags, arg[1]);

	trace("%u: create -> %ld\n", t->index, node ? (long)node->id : -1);
}

static void op_destroy(struct thread *t, const u8 *arg)
{
	/* A random number may be valid. */
	struct node *node = arg[0] >= 0xf0 ? own_node(t->proc, arg[1]) :
					     pick_own(t->proc, arg[0]);
	struct ipcbus_node args = { .size = sizeof(args) };
	bool was = node && node->dying, odd;
	u64 began = ++world.clock;
	int ret;

	args.node = node ? node->id : arg[1];
	args.flags = arg[2] & 1 ? IPCBUS_NODE_IF_IDLE : 0;
	if (node)
		node->dying = true;
	ret = control(t, IPCBUS_IOC_NODE_DESTROY, &args, sizeof(args), &odd);
	trace("%u: destroy node %llu flags %x -> %d\n", t->index, args.node, args.flags, ret);
	if (node && !ret && !odd) {
		node->dead = true;
		node->dead_at = world.clock;
		space_made(t->proc, began);
	} else if (node && !odd && ret != -ENOENT) {
		node->dying = was || t->proc->life != node->life;
	}
}

static void op_manager(struct thread *t, const u8 *arg)
{
	struct node *node = pick_own(t->proc, arg[0]);
	struct ipcbus_node args = { .size = sizeof(args), .node = node ? node->id : arg[0] };
	bool odd;
	int ret = control(t, IPCBUS_IOC_SET_MANAGER, &args, sizeof(args), &odd);

	trace("%u: set manager %llu -> %d\n", t->index, args.node, ret);
}

static struct handle *pick_handle(struct proc *proc, u8 pick)
{
	return proc->n_handles && pick < 0xf0 ? &proc->handles[pick % proc->n_handles] : NULL;
}

static void op_put(struct thread *t, const u8 *arg)
{
	struct handle *h = pick_handle(t->proc, arg[0]);
	struct ipcbus_handle args = { .size = sizeof(args), .count = arg[1] % 4 };
	u32 number = h ? h->number : arg[0] * 3U, life = t->proc->life;
	bool odd;
	int ret;

	args.handle = number;
	if (h && arg[1] & 0x80)
		args.count = h->count;
	ret = control(t, IPCBUS_IOC_HANDLE_PUT, &args, sizeof(args), &odd);
	trace("%u: put handle %u count %u -> %d\n", t->index, number, args.count, ret);
	if (ret || odd || life != t->proc->life)
		return;
	for (unsigned int i = 0; i < t->proc->n_handles; i++) {
		h = &t->proc->handles[i];
		if (h->number != number)
			continue;
		h->count -= min(h->count, args.count);
		if (!h->count)
			*h = t->proc->handles[--t->proc->n_handles];
	}
}

static void op_watch(struct thread *t, const u8 *arg)
{
	struct handle *h = pick_handle(t->proc, arg[0]);
	struct ipcbus_handle args = { .size = sizeof(args) };
	unsigned int cmd = arg[1] & 1 ? IPCBUS_IOC_WATCH : IPCBUS_IOC_UNWATCH;
	bool odd;
	int ret;

	args.handle = h && arg[1] & 6 ? h->number : arg[0] >= 0xf0 ? arg[0] * 3U : 0;
	if (arg[1] & 0x40)
		args.flags = IPCBUS_WATCH_MANAGER;
	if (cmd == IPCBUS_IOC_WATCH)
		args.cookie = arg[1] & 0x40 ? MANAGER_WATCH_COOKIE : 0x3a7c000000ULL + args.handle;
	ret = control(t, cmd, &args, sizeof(args), &odd);
	trace("%u: %s handle %u flags %x -> %d\n", t->index, arg[1] & 1 ? "watch" : "unwatch",
	      args.handle, args.flags, ret);
}

/* --- Threads, files, memory ----------------------------------------------------------------- */

static void monitor(struct thread *t, const u8 *arg)
{
	struct ipcbus_monitor args = { .size = sizeof(args), .flags = arg[0] & 7 };
	bool odd;
	int ret;

	if (args.flags)
		args.max_data = arg[2] * 8;
	if (args.flags && arg[3] & 0x40)
		args.pid = pid_nr(world.procs[arg[3] % world.n_procs].process->pid);
	ret = control(t, IPCBUS_IOC_MONITOR, &args, sizeof(args), &odd);
	trace("%u: monitors %x -> %d\n", t->index, args.flags, ret);
}

static void op_threads(struct thread *t, const u8 *arg)
{
	if (arg[1] >= 0xe0 || arg[1] & 3) {
		monitor(t, arg);
		return;
	}
	for (unsigned int i = 0; i < t->n_stack; i++)
		t->stack[i]->left = true;
	judge_errno(shim_ioctl(t->proc->fd, IPCBUS_IOC_THREAD_EXIT, NULL), false);
	trace("%u: thread exit\n", t->index);
	t->n_stack = 0;
	t->number = 0;
}

static void ask_node(struct thread *t, const u8 *arg)
{
	struct node *node = pick_own(t->proc, arg[1]);
	struct ipcbus_node_info info = { .size = sizeof(info) };
	bool odd;
	int ret;

	info.node = node ? node->id : arg[1];
	ret = control(t, IPCBUS_IOC_NODE_INFO, &info, sizeof(info), &odd);
	if (!ret && !odd)
		must(info.oneways <= info.pending, "%u oneways of %u messages", info.oneways,
		     info.pending);
	trace("%u: node %llu -> %d\n", t->index, (unsigned long long)info.node, ret);
}

static void ask_caller(struct thread *t, const u8 *arg)
{
	struct ipcbus_sender_info caller = { .size = sizeof(caller) };
	struct proc *proc = t->proc;
	bool odd;
	int ret;

	if (arg[0] & 1 && proc->n_calls)
		caller.call = proc->calls[arg[1] % proc->n_calls].id;
	else if (proc->n_held)
		caller.buffer = proc->held[arg[1] % proc->n_held].id;
	ret = control(t, IPCBUS_IOC_SENDER_INFO, &caller, sizeof(caller), &odd);
	if (!ret && !odd)
		must(caller.flags || !caller.pid, "unknown pid %u", caller.pid);
	trace("%u: caller -> %d, flags %u\n", t->index, ret, caller.flags);
}

static void op_info(struct thread *t, const u8 *arg)
{
	struct ipcbus_info info = { .size = sizeof(info) };
	bool odd;

	if (arg[0] & 0x80) {
		(arg[0] & 2 ? ask_node : ask_caller)(t, arg);
		return;
	}
	switch (arg[0] % 4) {
	case 0:
		control(t, IPCBUS_IOC_INFO, &info, sizeof(info), &odd);
		break;
	case 1:
		shim_ioctl(t->proc->fd, IPCBUS_IOC_INFO + arg[1] % 16, bad_address());
		t->proc->lossy |= arg[1] % 16 == 10;
		t->astray |= arg[1] % 16 == 10;
		break;
	case 2:
		control(t, IPCBUS_IOC_INFO, &info, sizeof(info) - 1, &odd);
		break;
	default:
		free(shim_debugfs_read((const char *const[]){ "stats", "state", "pages", "nodes" }
					       [arg[1] % 4]));
	}
}

static void op_map(struct thread *t, const u8 *arg)
{
	struct proc *proc = t->proc;
	struct shim_map *map = proc->map;

	if (map && arg[0] & 1 && !proc->touching) {
		size_t pages = proc->map_size >> PAGE_SHIFT, first = 0, n = pages;

		if (arg[0] & 6) {
			first = arg[1] % pages;
			n = min(pages - first, arg[2] % 4UL + 1);
		}
		/* Only a part was unmapped: the rest goes with the process. */
		proc->map = NULL;
		proc->lossy = true;
		trace("%u: munmap %zu pages from %zu\n", t->index, n, first);
		shim_munmap(map, first, n);
		return;
	}
	if (!map && proc->fd >= 0)
		trace("%u: mmap -> %d\n", t->index,
		      proc_map(proc, (size_t)(arg[1] % 64 + (arg[2] & 1)) << PAGE_SHIFT));
}

static void op_open(struct thread *t, const u8 *arg)
{
	struct proc *proc = t->proc;
	int fd = proc->fd;

	if (fd < 0) {
		proc_open(proc, arg[0] & 1 ? O_RDWR | O_NONBLOCK : O_RDWR);
		t->n_stack = 0;
		if (proc->fd >= 0 && !(arg[0] & 2))
			proc_map(proc, 64 << PAGE_SHIFT);
		trace("%u: open\n", t->index);
	} else if (arg[0] & 0x30) {
		/* A duplicate fd is closed, which flushes the file. */
		int dup = shim_dup(fd, -1);

		trace("%u: dup and close\n", t->index);
		if (dup >= 0)
			shim_close(dup);
	} else {
		trace("%u: close\n", t->index);
		proc->unseen |= proc->copies && !proc->map;
		proc_closing(proc);
		proc->fd = -1;
		shim_close(fd);
	}
}

static void op_file(struct thread *t, const u8 *arg)
{
	struct proc *proc = t->proc;

	if (arg[1] >= 0xe0) {
		op_priority(t, arg);
		return;
	}
	if (arg[0] & 1 && proc->n_fds) {
		int fd = proc->fds[--proc->n_fds];

		shim_close(fd);
	} else if (proc->n_fds < 8) {
		int fd = shim_plain_file();

		if (fd >= 0)
			proc->fds[proc->n_fds++] = fd;
	}
}

/* As after fork(): another process has the file, and uses it. */
static void op_inherit(struct thread *t, const u8 *arg)
{
	struct proc *from = &world.procs[arg[0] % world.n_procs];
	struct ipcbus_node args = { .size = sizeof(args), .cookie = 1 };
	struct shim_map *map;
	struct file *file;
	int ret;

	if (from == t->proc || from->fd < 0 || from->process->file[from->fd] == NULL ||
	    t->proc->process->file[200])
		return;
	file = from->process->file[from->fd];
	file->ref.refs.counter++; /* without a scheduling point in between */
	from->copies++;
	t->proc->process->file[200] = file;
	t->proc->process->files = 201;
	ret = shim_ioctl(200, IPCBUS_IOC_NODE_CREATE, &args);
	must(ret == -ECHILD, "from another process NODE_CREATE says %d", ret);
	ret = shim_mmap(200, (void *)0x200000000UL, PAGE_SIZE, VM_READ, true, 0, &map);
	must(ret < 0, "another process can map the region");
	if (arg[1] & 1 && t->proc->process->file[200] == file) {
		shim_close(200);
		from->copies--;
	}
}

/* --- Time, and early ends ---------------------------------------------------------------- */

static void op_time(struct thread *t, const u8 *arg)
{
	unsigned int n = arg[0] % 4 + 1;

	while (n-- && shim_time_passes())
		trace("%u: a timer ends\n", t->index);
}

/* Picks a call of this process, the newest first. */
static struct message *pick_call(const struct proc *proc, u8 pick)
{
	for (unsigned int i = world.n_messages; i--;) {
		struct message *m = &world.messages[i];

		if (m->kind == IPCBUS_SEND_CALL && m->from->proc == proc && m->cookie && !pick--)
			return m;
	}
	return NULL;
}

/* From here on, a call with the cookie may end as canceled. */
static void cancel_begins(const struct proc *proc, u64 cookie)
{
	for (unsigned int i = 0; i < world.n_messages; i++)
		if (world.messages[i].from->proc == proc && world.messages[i].cookie == cookie)
			world.messages[i].cancels++;
}

/* A single call has the cookie: checks the result of CANCEL. */
static void canceled(struct message *m, bool was_open, int ret)
{
	if (!ret) {
		must(!m->ended || m->error_of_end == -ECANCELED,
		     "CANCEL of message %u, which ended otherwise", message_number(m));
		m->must_cancel = true;
		m->canceled_at = ++world.clock;
	} else {
		must(!was_open || m->cancels != 1 || !judge_is_open(m),
		     "CANCEL does not find message %u", message_number(m));
	}
}

static void op_cancel(struct thread *t, const u8 *arg)
{
	struct message *m = arg[0] < 0xf0 ? pick_call(t->proc, arg[0] % 8) : NULL;
	struct ipcbus_cancel args = { .size = sizeof(args), .cookie = m ? m->cookie : arg[1] % 3 };
	bool open = m && judge_is_open(m), odd;
	u64 cookie = args.cookie;
	int ret;

	cancel_begins(t->proc, cookie);
	t->proc->canceling += cookie == SHARED_COOKIE;
	ret = control(t, IPCBUS_IOC_CANCEL, &args, sizeof(args), &odd);
	t->proc->canceling -= cookie == SHARED_COOKIE;
	trace("%u: cancel %llx -> %d\n", t->index, (unsigned long long)cookie, ret);
	if (m && m->life == t->proc->life && cookie != SHARED_COOKIE && !world.any_odd)
		canceled(m, open, ret);
}

static const struct open_call *find_call(const struct proc *proc, u64 id)
{
	for (unsigned int i = 0; i < proc->n_calls; i++)
		if (proc->calls[i].id == id)
			return &proc->calls[i];
	return NULL;
}

static void op_call_info(struct thread *t, const u8 *arg)
{
	struct ipcbus_call_info args = { .size = sizeof(args), .call = arg[1] };
	struct proc *proc = t->proc;
	const struct open_call *call = NULL;
	struct message *m;
	u32 life = proc->life;
	u64 began = ++world.clock;
	bool odd, knows;
	int ret;

	if (proc->n_calls && arg[0] < 0xf0)
		call = &proc->calls[arg[0] % proc->n_calls];
	if (call)
		args.call = call->id;
	m = call ? call->message : NULL;
	knows = m && m->notified;
	ret = control(t, IPCBUS_IOC_CALL_INFO, &args, sizeof(args), &odd);
	trace("%u: call %llu -> %d, flags %x\n", t->index, args.call, ret, args.flags);
	if (!call || odd || world.any_odd || life != proc->life || proc->fd < 0)
		return;
	call = find_call(proc, args.call);
	/* While a reply is being sent, the call is not open, and the reply may fail. */
	if (!call || call->since >= began)
		return;
	must(!ret, "call %llu is open, and CALL_INFO says %d", args.call, ret);
	must(args.deadline == call->deadline, "call %llu has another deadline", args.call);
	must(!(args.flags & ~IPCBUS_CALL_CANCELED), "flags %x of a call", args.flags);
	must(!knows || args.flags, "notified that call %llu has no caller, although it has", args.call);
	must(!args.flags || !m || judge_nobody_waits(m), "call %llu is not cancelled", args.call);
}

/* A send may have been refused already, without the record knowing it. */
static bool some_thread_sends(const struct proc *proc)
{
	for (unsigned int i = 0; i < world.n_threads; i++)
		if (world.threads[i].proc == proc && world.threads[i].sending)
			return true;
	return false;
}

static void op_poll(struct thread *t, const u8 *arg)
{
	static const u32 asked[] = { EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLIN, EPOLLOUT };
	struct proc *proc = t->proc;
	u32 events = asked[arg[0] % 4], life = proc->life;
	bool space_made = proc->space_made && !proc->polling, sends = some_thread_sends(proc);
	unsigned int refusals = proc->refusals;
	int ret;

	t->polls = events;
	proc->polling++;
	ret = shim_poll(proc->fd, events, arg[1] & 1 ? -1 : 0);
	proc->polling--;
	t->polls = 0;
	trace("%u: poll for %x -> %x\n", t->index, events, ret);
	if (ret < 0 || ret & EPOLLERR || !(events & EPOLLOUT) || life != proc->life)
		return;
	if (ret & EPOLLOUT) {
		proc->space_made = false;
		proc->refusals++;
		memset(proc->refused_at, 0, sizeof(proc->refused_at));
	} else if (!world.any_odd) {
		must(!space_made || refusals != proc->refusals, "space was made, and poll does not say so");
		must(proc->refused || sends || some_thread_sends(proc),
		     "poll reports no space, although no send was refused");
	}
}

/* --- Other operations ------------------------------------------------------------------ */

/* From then on its threads may sleep although they have work. */
static void op_freeze(struct thread *t, const u8 *arg)
{
	struct proc *proc = &world.procs[arg[0] % world.n_procs];
	struct ipcbus_freeze args = { .size = sizeof(args) };
	bool odd;
	int ret;

	args.flags = arg[2] % 3;
	args.timeout_ms = args.flags ? 0 : arg[5] % 4 * 20;
	args.pid = arg[3] == 0xff ? arg[4] : pid_nr(proc->process->pid);
	proc->frozen = true;
	world.any_odd |= arg[3] == 0xff;
	ret = control(t, IPCBUS_IOC_FREEZE, &args, sizeof(args), &odd);
	world.any_odd |= odd;
	trace("%u: freeze process %u flags %x -> %d, received %x, pending %u\n", t->index,
	      proc->index, args.flags, ret, args.received, args.pending);
}

static void op_signal(struct thread *t, const u8 *arg)
{
	if (arg[1] & 0x80) {
		op_freeze(t, arg);
		return;
	}
	shim_signal(world.threads[arg[0] % world.n_threads].task);
}

static void op_kill(struct thread *t, const u8 *arg)
{
	struct proc *proc = &world.procs[arg[0] % world.n_procs];

	trace("%u: kills process %u\n", t->index, proc->index);
	proc->killed = true;
	for (unsigned int i = 0; i < world.n_threads; i++)
		if (world.threads[i].proc == proc && !world.threads[i].done)
			shim_signal(world.threads[i].task);
}

/* Writes into arguments that another thread is passing to the driver. */
static void op_scribble(struct thread *t, const u8 *arg)
{
	struct thread *victim = &world.threads[arg[0] % world.n_threads];

	(void)t;
	if (!victim->sending)
		return;
	victim->sending->odd = world.any_odd = true;
	if (arg[1] & 1)
		((u8 *)victim->objects)[arg[2] % (4 * sizeof(*victim->objects))] ^= arg[3] | 1;
	else if (arg[1] & 2)
		((u8 *)victim->iov)[arg[2] % (8 * sizeof(*victim->iov))] ^= arg[3] | 1;
	else
		memset(victim->payload + USER_PAYLOAD - 64, arg[3], 64);
}

static void op_mischief(struct thread *t, const u8 *arg)
{
	t->mischief = (struct mischief){
		.corrupt = arg[0] & 1,
		.fail = !(arg[0] & 1),
		.where = arg[1],
		.at = arg[2],
		.value = arg[3],
		.fail_kind = arg[1] % SHIM_FAIL_COUNT,
	};
	trace("%u: next time a byte is wrong, or a step of kind %u fails\n", t->index,
	      t->mischief.fail_kind);
}

/* The number of entries is an operation's weight. Most are exchanges. */
void op_run(struct thread *t, const struct op *op)
{
	static void (*const ops[40])(struct thread *, const u8 *) = {
		op_exchange, op_exchange, op_exchange, op_exchange, op_exchange, op_exchange,
		op_exchange, op_exchange, op_exchange, op_exchange, op_exchange, op_exchange,
		op_create, op_create, op_destroy, op_destroy, op_put, op_put, op_watch, op_watch,
		op_exchange, op_manager, op_threads, op_info, op_map, op_open, op_file, op_inherit,
		op_signal, op_kill, op_scribble, op_mischief,
		op_cancel, op_cancel, op_cancel, op_time, op_time, op_call_info, op_poll, op_poll,
	};

	if (t->life != t->proc->life) {
		t->life = t->proc->life;
		t->n_stack = t->number = 0;
		t->indebted |= t->task->normal_prio != t->own;
		t->astray = t->took = false;
		t->limit = 0;
	}
	world.clock++;
	ops[op->what % ARRAY_SIZE(ops)](t, op->arg);
}
