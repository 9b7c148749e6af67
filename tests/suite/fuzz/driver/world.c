// SPDX-License-Identifier: MIT
/*
 * Creates and destroys the processes and threads of a sequence. See world.h; called by fuzz.c.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/security.h>

#include "stats.h"
#include "world.h"

struct world world;

static struct thread blank[MAX_THREADS];
static char *guard;
static long live_before[SHIM_COUNTS];
static struct sigaction old_segv, old_bus;

/* --- Setup --------------------------------------------------------------------------- */

void *bad_address(void)
{
	return guard;
}

/* A fault in a user copy ends the copy. Any other fault is a finding. */
static void on_fault(int sig, siginfo_t *info, void *arg)
{
	greg_t *pc = &((ucontext_t *)arg)->uc_mcontext.gregs[REG_RIP];
	unsigned long fixup = shim_copy_fixup(*pc);
	struct sigaction *old = sig == SIGSEGV ? &old_segv : &old_bus;

	if (fixup) {
		*pc = fixup;
		return;
	}
	if (old->sa_sigaction)
		old->sa_sigaction(sig, info, arg);
	abort();
}

/* Each structure ends at the end of a page, and the next page is unmapped. */
static void *place(char **at, size_t size)
{
	char *end = *at + ALIGN(size, PAGE_SIZE);

	mprotect(end, PAGE_SIZE, PROT_NONE);
	*at = end + PAGE_SIZE;
	return end - ALIGN(size, 8);
}

static void user_memory(struct thread *t, char **at)
{
	t->exchange = place(at, sizeof(*t->exchange));
	t->more = place(at, IPCBUS_MAX_MORE * sizeof(*t->more));
	t->objects = place(at, MAX_OBJECTS * sizeof(*t->objects));
	t->iov = place(at, 16 * sizeof(*t->iov));
	t->free = place(at, 32 * sizeof(*t->free));
	t->payload = place(at, USER_PAYLOAD);
}

void world_set_up_once(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char *at = mmap(NULL, MAX_THREADS * 64 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	BUG_ON(at == MAP_FAILED);
	for (int i = 0; i < MAX_THREADS; i++)
		user_memory(&blank[i], &at);
	guard = at - PAGE_SIZE;
	sigaction(SIGSEGV, &action, &old_segv);
	sigaction(SIGBUS, &action, &old_bus);
	world.trace = getenv("TRACE") != NULL;
	shim_deterministic();
	(void)current;
	memcpy(live_before, shim_live, sizeof(live_before));
}

/* --- Opening, mapping, closing -------------------------------------------------------- */

int proc_open(struct proc *proc, unsigned int flags)
{
	int fd = shim_open(flags);

	if (fd < 0)
		return fd;
	proc->fd = fd;
	proc->life++;
	/* A mapping may keep the previous file. Its senders may not get space again. */
	for (unsigned int i = 0; i < world.n_procs; i++)
		world.procs[i].refused_at[proc->index] = 0;
	return 0;
}

int proc_map(struct proc *proc, size_t size)
{
	struct shim_map *map;
	int ret = shim_mmap(proc->fd, (void *)0x100000000UL, size, VM_READ, true, 0, &map);

	if (ret)
		return ret;
	proc->map = map;
	proc->map_size = size;
	return 0;
}

void proc_closing(struct proc *proc)
{
	for (unsigned int i = 0; i < world.n_nodes; i++)
		if (world.nodes[i].proc == proc)
			world.nodes[i].dying = true;
	proc->n_handles = proc->n_held = proc->n_calls = 0;
	proc->map = NULL;
	memset(proc->refused_at, 0, sizeof(proc->refused_at));
	proc->refused = proc->space_made = proc->odd_calls = false;
	proc->life++;
}

void proc_gone(struct proc *proc)
{
	for (unsigned int i = 0; i < world.n_nodes; i++)
		if (world.nodes[i].proc == proc)
			world.nodes[i].dying = world.nodes[i].dead = true;
}

struct node *node_create(struct proc *proc, u32 flags, u8 priority)
{
	struct ipcbus_node args = {
		.size = sizeof(args),
		.flags = flags,
		.cookie = 0xc00c1e0000ULL + world.n_nodes,
	};
	struct node *node = &world.nodes[world.n_nodes];

	int prio = priority_of_node(&args, priority);

	if (world.n_nodes == MAX_NODES)
		return NULL;
	/* Recorded before other threads can use it. */
	*node = (struct node){ .proc = proc, .cookie = args.cookie, .life = proc->life };
	world.n_nodes++;
	if (shim_ioctl(proc->fd, IPCBUS_IOC_NODE_CREATE, &args)) {
		node->dead = node->dying = true;
		return NULL;
	}
	must(args.node && args.cookie == node->cookie, "NODE_CREATE: node %llu", args.node);
	node->id = args.node;
	node->prio = prio;
	node->accept_fds = flags & IPCBUS_NODE_ACCEPT_FDS;
	if (flags & IPCBUS_NODE_WANT_LABEL)
		node->label_size = strlen(shim_label) + 1;
	return node;
}

/* --- Begin and end ----------------------------------------------------------------- */

#define FIRST_UID 1000	/* uid of process 0, which is the manager */

static void be_somebody(const struct thread *t)
{
	struct task_struct *before = shim_task;

	shim_task = t->task;
	shim_set_ids(FIRST_UID + t->proc->index, FIRST_UID, NULL);
	shim_task = before;
}

static void thread_begin(unsigned int index)
{
	struct thread *t = &world.threads[index];

	*t = blank[index];
	t->index = index;
	t->proc = &world.procs[index % world.n_procs];
	t->task = get_task_struct(shim_task_new(t->proc->process, 0));
	t->pid = t->proc->process->pid->nr[0];
	t->tid = t->task->pid->nr[0];
	t->own = t->task->normal_prio;
	t->life = 1;
	t->proc->alive++;
	if (world.strangers)
		be_somebody(t);
}

/* Opens and maps the device, and makes process 0 the manager, unless bits prevent it. */
static void prepare(struct proc *proc, size_t region, u8 prepared)
{
	struct task_struct *before = shim_task;
	struct ipcbus_node args = { .size = sizeof(args) };
	struct node *node;

	shim_task = world.threads[proc->index].task;
	if (!(prepared & 1U << proc->index) && !proc_open(proc, O_RDWR)) {
		if (!(prepared & 8U << proc->index))
			proc_map(proc, region);
		node = node_create(proc, IPCBUS_NODE_ACCEPT_FDS, 0);
		if (node && !proc->index && !(prepared & 64)) {
			args.node = node->id;
			*shim_param("manager_uid") = world.strangers ? FIRST_UID : geteuid();
			shim_ioctl(proc->fd, IPCBUS_IOC_SET_MANAGER, &args);
		}
	}
	shim_task = before;
}

void world_begin(unsigned int n_procs, unsigned int n_threads, size_t region, u8 prepared)
{
	bool was = world.trace;

	memset(&world, 0, offsetof(struct world, nodes));
	world.trace = was;
	world.n_procs = n_procs;
	world.n_threads = n_threads;
	world.strangers = prepared & 128;
	shim_boot();
	for (unsigned int i = 0; i < n_procs; i++) {
		world.procs[i].index = i;
		world.procs[i].fd = world.procs[i].dup = -1;
		world.procs[i].process = shim_process_new(0, NULL);
	}
	for (unsigned int i = 0; i < n_threads; i++)
		thread_begin(i);
	for (unsigned int i = 0; i < n_procs; i++)
		prepare(&world.procs[i], region, prepared);
}

void world_end(void)
{
	for (unsigned int i = 0; i < world.n_threads; i++)
		put_task_struct(world.threads[i].task);
	for (unsigned int i = 0; i < world.n_procs; i++)
		shim_process_put(world.procs[i].process);
	/* Queued work keeps its proc until it has run. */
	for (int i = 0; i < 100 && shim_time_passes(); i++)
		;
	rcu_barrier();
	for (int i = 0; i < IPCBUS_STAT_COUNT; i++)
		must(!ipcbus_stat_live(i), "%ld %s are left", ipcbus_stat_live(i),
		     ipcbus_stat_name(i));
	shim_unload();
	for (int i = 0; i < SHIM_COUNTS; i++)
		must(shim_live[i] == live_before[i], "%ld %s are left",
		     shim_live[i] - live_before[i], shim_count_name[i]);
}
