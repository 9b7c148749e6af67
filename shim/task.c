// SPDX-License-Identifier: MIT
/*
 * Processes, tasks, pids, credentials and namespaces: several simulated processes in one real
 * process. The current task is shim_task. A real thread without a task gets one, in the process of
 * the real process's main thread.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/security.h>

#include "fail.h"
#include "shim.h"

#ifndef MAX_TASKS
#define MAX_TASKS 2048
#endif
#define FIRST_FAKE_PID 5000000	/* above the pids of the real kernel */

_Thread_local struct task_struct *shim_task;

struct user_namespace init_user_ns = { .ref = { { 1 } } };
struct pid_namespace init_pid_ns = { .ref = { { 1 } } };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pids_lock = PTHREAD_MUTEX_INITIALIZER;
static struct task_struct *tasks[MAX_TASKS];
static int n_tasks;
static int last_pid = FIRST_FAKE_PID;
static struct pid *pids;
static struct shim_process *main_process;

/* --- Namespaces ----------------------------------------------------------- */

struct user_namespace *shim_user_ns_new(u32 root)
{
	struct user_namespace *ns = calloc(1, sizeof(*ns));

	BUG_ON(!ns);
	refcount_set(&ns->ref, 1);
	ns->root = root;
	return ns;
}

struct user_namespace *shim_user_ns_owned(u32 owner)
{
	struct user_namespace *ns = shim_user_ns_new(U32_MAX);

	ns->parent = &init_user_ns;
	ns->owner.val = owner;
	ns->owned = true;
	return ns;
}

static bool has_all_ids(const struct user_namespace *ns)
{
	return ns == &init_user_ns || ns->owned;
}

struct user_namespace *get_user_ns(struct user_namespace *ns)
{
	refcount_inc(&ns->ref);
	return ns;
}

void put_user_ns(struct user_namespace *ns)
{
	if (refcount_dec_and_test(&ns->ref))
		free(ns);
}

static u32 munge(const struct user_namespace *ns, u32 id)
{
	if (has_all_ids(ns))
		return id;
	return id == ns->root ? 0 : SHIM_OVERFLOW_ID;
}

u32 from_kuid_munged(struct user_namespace *ns, kuid_t uid)
{
	return munge(ns, uid.val);
}

u32 from_kgid_munged(struct user_namespace *ns, kgid_t gid)
{
	return munge(ns, gid.val);
}

static u32 unmunge(const struct user_namespace *ns, u32 id)
{
	if (has_all_ids(ns))
		return id;
	return id ? U32_MAX : ns->root;
}

kuid_t make_kuid(struct user_namespace *ns, u32 uid)
{
	return (kuid_t){ unmunge(ns, uid) };
}

kgid_t make_kgid(struct user_namespace *ns, u32 gid)
{
	return (kgid_t){ unmunge(ns, gid) };
}

bool kuid_has_mapping(struct user_namespace *ns, kuid_t uid)
{
	return uid.val != U32_MAX && (has_all_ids(ns) || uid.val == ns->root);
}

bool kgid_has_mapping(struct user_namespace *ns, kgid_t gid)
{
	return gid.val != U32_MAX && (has_all_ids(ns) || gid.val == ns->root);
}

struct pid_namespace *shim_pid_ns_new(struct pid_namespace *parent)
{
	struct pid_namespace *ns = calloc(1, sizeof(*ns));

	BUG_ON(!ns);
	refcount_set(&ns->ref, 1);
	ns->parent = get_pid_ns(parent);
	ns->level = parent->level + 1;
	return ns;
}

struct pid_namespace *get_pid_ns(struct pid_namespace *ns)
{
	refcount_inc(&ns->ref);
	return ns;
}

void put_pid_ns(struct pid_namespace *ns)
{
	struct pid_namespace *parent;

	for (; refcount_dec_and_test(&ns->ref); ns = parent) {
		parent = ns->parent;
		free(ns);
	}
}

struct pid_namespace *task_active_pid_ns(struct task_struct *task)
{
	return task->process->pid_ns;
}

/* --- Pids ----------------------------------------------------------------- */

/* Returns a pid with two references: the caller's and, while the number can be found, the number's.
 * nr < 0: the number is -nr, and cannot be found. */
static struct pid *pid_new(int nr, struct pid_namespace *ns)
{
	struct pid *pid = calloc(1, sizeof(*pid) + (ns->level + 1) * sizeof(*pid->nr));

	BUG_ON(!pid);
	refcount_set(&pid->ref, nr < 0 ? 1 : 2);
	pid->ns = get_pid_ns(ns);
	pid->nr[0] = nr < 0 ? -nr : nr ? nr : __atomic_add_fetch(&last_pid, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 1; i <= ns->level; i++)
		pid->nr[i] = pid->nr[0] - FIRST_FAKE_PID;
	shim_count(SHIM_PIDS, 1);
	if (nr < 0)
		return pid;
	pthread_mutex_lock(&pids_lock);
	pid->next = pids;
	pids = pid;
	pthread_mutex_unlock(&pids_lock);
	return pid;
}

void shim_pid_set(struct pid *pid, const int *nr)
{
	pthread_mutex_lock(&pids_lock);
	memcpy(pid->nr, nr, (pid->ns->level + 1) * sizeof(*nr));
	pthread_mutex_unlock(&pids_lock);
}

struct pid *get_pid(struct pid *pid)
{
	if (pid)
		refcount_inc(&pid->ref);
	return pid;
}

/* Frees at once, as in the kernel: only a number that can be found waits for RCU. */
void put_pid(struct pid *pid)
{
	if (!pid || !refcount_dec_and_test(&pid->ref))
		return;
	shim_count(SHIM_PIDS, -1);
	put_pid_ns(pid->ns);
	free(pid);
}

static void put_number(struct rcu_head *head)
{
	put_pid(container_of(head, struct pid, rcu));
}

/* The owner of the number has ended: removes the number from the lookup. */
static void pid_detach(struct pid *pid)
{
	struct pid **link;

	pthread_mutex_lock(&pids_lock);
	for (link = &pids; *link && *link != pid; link = &(*link)->next)
		;
	if (*link)
		*link = pid->next;
	else
		pid = NULL;
	pthread_mutex_unlock(&pids_lock);
	if (pid)
		call_rcu(&pid->rcu, put_number);
}

struct pid *find_pid_ns(int nr, struct pid_namespace *ns)
{
	struct pid *pid;

	shim_rcu_check("find_pid_ns");
	pthread_mutex_lock(&pids_lock);
	for (pid = pids; pid; pid = pid->next)
		if (nr && pid_nr_ns(pid, ns) == nr)
			break;
	pthread_mutex_unlock(&pids_lock);
	return pid;
}

struct pid *find_get_pid(int nr)
{
	struct pid *pid;

	rcu_read_lock();
	pid = find_pid_ns(nr, task_active_pid_ns(current));
	if (pid && !refcount_inc_not_zero(&pid->ref))
		pid = NULL;
	rcu_read_unlock();
	return pid;
}

int pid_nr(struct pid *pid)
{
	return pid ? pid->nr[0] : 0;
}

int pid_nr_ns(struct pid *pid, struct pid_namespace *ns)
{
	struct pid_namespace *at = pid ? pid->ns : NULL;

	while (at && at->level > ns->level)
		at = at->parent;
	return at == ns ? pid->nr[ns->level] : 0;
}

int pid_vnr(struct pid *pid)
{
	return pid_nr_ns(pid, current->process->pid_ns);
}

/* Returns the process with the number while a task of it lives, else NULL. */
static struct shim_process *find_process(int nr)
{
	struct shim_process *found = NULL;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_tasks && !found; i++)
		if (tasks[i]->process->pid->nr[0] == nr)
			found = tasks[i]->process;
	pthread_mutex_unlock(&lock);
	return found;
}

struct task_struct *pid_task(struct pid *pid, enum pid_type type)
{
	struct shim_process *process;

	shim_rcu_check("pid->task");
	if (type == PIDTYPE_PID)
		return __atomic_load_n(&pid->task, __ATOMIC_ACQUIRE);
	process = find_process(pid->nr[0]);
	return process ? &process->leader : NULL;
}

/* --- Credentials ---------------------------------------------------------- */

static struct cred *cred_new(u32 euid, u32 egid, struct user_namespace *ns)
{
	struct cred *cred = calloc(1, sizeof(*cred));

	BUG_ON(!cred);
	refcount_set(&cred->ref, 1);
	cred->euid.val = euid;
	cred->egid.val = egid;
	cred->user_ns = get_user_ns(ns);
	shim_count(SHIM_CREDS, 1);
	return cred;
}

static struct cred *get_cred(const struct cred *cred)
{
	refcount_inc((refcount_t *)&cred->ref);
	return (struct cred *)cred;
}

void shim_put_cred(const struct cred *cred)
{
	if (!refcount_dec_and_test((refcount_t *)&cred->ref))
		return;
	put_user_ns(cred->user_ns);
	shim_count(SHIM_CREDS, -1);
	free((void *)cred);
}

const struct cred *shim_get_current_cred(void)
{
	return get_cred(current->cred);
}

void shim_set_ids(u32 euid, u32 egid, struct user_namespace *ns)
{
	const struct cred *old = current->cred;

	current->cred = cred_new(euid, egid, ns ? ns : old->user_ns);
	shim_put_cred(old);
}

/* --- Labels --------------------------------------------------------------- */

const char *shim_label = "shim (unconfined)";

void security_current_getsecid_subj(u32 *secid)
{
	*secid = shim_label ? 1 : 0;
}

int security_secid_to_secctx(u32 secid, char **text, u32 *size)
{
	BUG_ON(secid != 1);
	*text = shim_fail_now(SHIM_FAIL_ALLOC) ? NULL : strdup(shim_label);
	if (!*text)
		return -ENOMEM;
	/* Some modules count the terminating zero. */
	*size = strlen(*text) + 1;
	return 0;
}

void security_release_secctx(char *text, u32 size)
{
	(void)size;
	free(text);
}

/* --- Address spaces ------------------------------------------------------- */

static struct mm_struct *mm_new(void)
{
	struct mm_struct *mm = calloc(1, sizeof(*mm));

	BUG_ON(!mm);
	refcount_set(&mm->mm_count, 1);
	mutex_init(&mm->mmap_lock);
	INIT_LIST_HEAD(&mm->notifiers);
	shim_count(SHIM_MMS, 1);
	return mm;
}

void mmgrab(struct mm_struct *mm)
{
	refcount_inc(&mm->mm_count);
}

void mmdrop(struct mm_struct *mm)
{
	if (!refcount_dec_and_test(&mm->mm_count))
		return;
	shim_count(SHIM_MMS, -1);
	free(mm);
}

/* --- Processes ------------------------------------------------------------ */

struct shim_process *shim_process_new(int nr, struct pid_namespace *ns)
{
	struct shim_process *process = calloc(1, sizeof(*process));
	static u64 started;

	BUG_ON(!process);
	refcount_set(&process->ref, 1);
	process->leader.start_boottime = __atomic_add_fetch(&started, 1, __ATOMIC_RELAXED);
	process->leader.signal = &process->signal;
	process->leader.process = process;
	process->pid = pid_new(nr, ns ? ns : &init_pid_ns);
	process->pid_ns = get_pid_ns(process->pid->ns);
	process->mm = mm_new();
	process->cred = cred_new(geteuid(), getegid(), &init_user_ns);
	INIT_LIST_HEAD(&process->maps);
	INIT_LIST_HEAD(&process->unmapped);
	return process;
}

static void process_free(struct rcu_head *rcu)
{
	free(container_of(rcu, struct shim_process, rcu));
}

void shim_process_put(struct shim_process *process)
{
	if (!refcount_dec_and_test(&process->ref))
		return;
	shim_maps_free(process);
	shim_put_cred(process->cred);
	pid_detach(process->pid);
	put_pid(process->pid);
	put_pid_ns(process->pid_ns);
	call_rcu(&process->rcu, process_free);
}

static void close_all(struct shim_process *process)
{
	for (int fd = 0; fd < process->files; fd++)
		if (process->file[fd])
			shim_close(fd);
}

/* --- Tasks ---------------------------------------------------------------- */

static void list_task(struct task_struct *task)
{
	pthread_mutex_lock(&lock);
	BUG_ON(n_tasks == MAX_TASKS);
	tasks[n_tasks++] = task;
	pthread_mutex_unlock(&lock);
}

static void unlist_task(struct task_struct *task)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_tasks; i++)
		if (tasks[i] == task)
			tasks[i] = tasks[--n_tasks];
	pthread_mutex_unlock(&lock);
}

bool shim_any_task(bool (*fn)(struct task_struct *task, void *arg), void *arg)
{
	bool any = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_tasks && !any; i++)
		any = fn(tasks[i], arg);
	pthread_mutex_unlock(&lock);
	return any;
}

struct task_struct *shim_task_new(struct shim_process *process, int nr)
{
	bool first = atomic_inc_return(&process->tasks) == 1;
	struct task_struct *task = calloc(1, sizeof(*task));

	BUG_ON(!task);
	refcount_set(&task->ref, 1);
	refcount_inc(&process->ref);
	task->process = process;
	task->group_leader = &process->leader;
	shim_set_nice(task, 0);
	task->mm = process->mm;
	task->signal = &process->signal;
	atomic_inc(&process->signal.live);
	atomic_inc(&process->mm->mm_users);
	task->cred = get_cred(process->cred);
	task->pid = first ? get_pid(process->pid) : pid_new(nr, process->pid_ns);
	task->pid->task = task;
	shim_count(SHIM_TASKS, 1);
	list_task(task);
	return task;
}

struct task_struct *shim_task_adopt(void)
{
	bool first = !main_process;

	if (first)
		main_process = shim_process_new(getpid(), NULL);
	shim_task = shim_task_new(main_process, first ? 0 : gettid());
	return shim_task;
}

void shim_task_refork(void)
{
	struct task_struct *task = current;

	pthread_mutex_init(&lock, NULL);
	tasks[0] = task;
	n_tasks = 1;
	atomic_set(&task->process->tasks, 1);
	atomic_set(&task->process->signal.live, 1);
	task->pid->nr[0] = gettid();
	task->process->pid->nr[0] = getpid();
}

struct pid *task_tgid(struct task_struct *task)
{
	return task->process->pid;
}

struct task_struct *get_task_struct(struct task_struct *task)
{
	refcount_inc(&task->ref);
	return task;
}

void put_task_struct(struct task_struct *task)
{
	if (!refcount_dec_and_test(&task->ref))
		return;
	shim_put_cred(task->cred);
	put_pid(task->pid);
	shim_process_put(task->process);
	shim_count(SHIM_TASKS, -1);
	free(task);
}

static void put_ended(struct rcu_head *rcu)
{
	put_task_struct(container_of(rcu, struct task_struct, rcu_end));
}

/* Called after the last task of the process has left the address space. */
static void mm_end(struct shim_process *process)
{
	shim_notify_release(process->mm);
	shim_mm_exit(process);
	mmdrop(process->mm);
}

void shim_exec(void)
{
	struct shim_process *process = current->process;
	struct mm_struct *mm = mm_new();

	BUG_ON(atomic_dec_return(&process->mm->mm_users));
	atomic_inc(&mm->mm_users);
	current->mm = mm;
	shim_point("exec", "");
	mm_end(process);
	process->mm = mm;
}

void shim_task_exit(void)
{
	struct task_struct *task = current;
	struct shim_process *process = task->process;

	__atomic_fetch_or(&task->flags, PF_EXITING, __ATOMIC_RELAXED);
	atomic_dec_return(&process->signal.live);
	shim_point("exit", "");
	task->mm = NULL;
	if (!atomic_dec_return(&process->mm->mm_users)) {
		mm_end(process);
		close_all(process);
	}
	__atomic_store_n(&task->exit_state, EXIT_DEAD, __ATOMIC_RELAXED);
	/* As in the kernel, a task's number is released after its files. */
	__atomic_store_n(&task->pid->task, NULL, __ATOMIC_RELEASE);
	if (task->pid != process->pid)
		pid_detach(task->pid);
	if (!atomic_dec_return(&process->tasks))
		pid_detach(process->pid);
	if (shim_held_by(task)->n || shim_held_by(task)->rcu)
		shim_panic("task: ends with %d locks, in %d sections", shim_held_by(task)->n,
			   shim_held_by(task)->rcu);
	unlist_task(task);
	shim_task = NULL;
	/* RCU readers that found the task may still access it. */
	call_rcu(&task->rcu_end, put_ended);
}
