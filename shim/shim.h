/* SPDX-License-Identifier: MIT */
/*
 * The kernel that the driver believes to be in, as its tests see it: processes
 * and tasks, system calls on the device, user memory, counters of all that can
 * leak, and the deterministic scheduler. Implemented by the .c files here, one
 * noun each; the driver's side of them is in linux/.
 *
 * Two ways of running. By default threads are real ones. After
 * shim_deterministic() there is one real thread, and tasks run on fibers,
 * switched at points (point.h) as a policy chooses.
 */
#pragma once

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fail.h"

/* --- Once: boot.c --------------------------------------------------------- */

/* Loads the driver if it is not; unloads it and asserts that nothing is left. */
void shim_boot(void);
void shim_unload(void);
/* A parameter of the driver's; NULL: it has none of that name. */
unsigned int *shim_param(const char *name);

/* --- Processes and tasks: task.c ------------------------------------------ */

#define SHIM_MAX_FDS 1024

/**
 * struct shim_process - one process, with an address space of its own
 * @ref: its tasks, and who holds it
 * @rcu: frees it
 * @leader: what all its tasks name as their leader, as long as one lives
 * @pid: its identity; counted
 * @mm: counted, as long as a task lives
 * @cred: what its tasks begin with; counted
 * @pid_ns: for its tasks' numbers; counted
 * @tasks: that live
 * @killed: its tasks are to end
 * @file: its device files by number; NULL: none, or a file of the real kernel's
 * @files: no number from this on has one
 * @maps: its mappings of the device (mm.c)
 * @unmapped: those that are gone, but maybe still looked at
 */
struct shim_process {
	refcount_t ref;
	struct rcu_head rcu;
	struct task_struct leader;
	struct pid *pid;
	struct mm_struct *mm;
	struct cred *cred;
	struct pid_namespace *pid_ns;
	atomic_t tasks;
	struct signal_struct signal;
	bool killed;
	struct file *file[SHIM_MAX_FDS];
	int files;
	struct list_head maps;
	struct list_head unmapped;
};

/* Another process; its first task is still to be made. nr 0: any number. */
struct shim_process *shim_process_new(int nr, struct pid_namespace *ns);
void shim_process_put(struct shim_process *process);

/* A task of the process; it becomes current where it runs. nr 0: any number. nr < 0: its
 * number is -nr, and nobody finds it by that: other tasks may have the same. */
struct task_struct *shim_task_new(struct shim_process *process, int nr);
/* The current task ends; the last of a process closes what that has. */
void shim_task_exit(void);
/* The current task, the only one of its process, executes another program: it has another
 * address space, and its files. */
void shim_exec(void);
/* A signal for the task: it wakes up from interruptible sleep. */
void shim_signal(struct task_struct *task);
/* Other credentials for the current task. */
const struct cred *shim_get_current_cred(void);
void shim_put_cred(const struct cred *cred);
void shim_set_ids(u32 euid, u32 egid, struct user_namespace *ns);
/* What a task is scheduled by: priority.c. */
void shim_set_nice(struct task_struct *task, int nice);
/* -EPERM: its group has no realtime runtime. */
int shim_set_policy(struct task_struct *task, unsigned int policy, unsigned int rt);
/* The task comes to the group that has none, or back. -EINVAL: it is realtime. */
int shim_set_group(struct task_struct *task, bool never_realtime);
struct user_namespace *shim_user_ns_new(u32 root);
/* One below the first that has its ids, and that owner. */
struct user_namespace *shim_user_ns_owned(u32 owner);
struct pid_namespace *shim_pid_ns_new(struct pid_namespace *parent);
/* Its numbers, in the first namespace and each below it, down to its own. */
void shim_pid_set(struct pid *pid, const int *nr);
/* The main task of the real process again, after a fork(). */
void shim_task_refork(void);

/* All living tasks, for rcu.c: calls fn until it returns true. */
bool shim_any_task(bool (*fn)(struct task_struct *task, void *arg), void *arg);

/* --- Time: time.c ---------------------------------------------------------- */

/* Deterministic: the earliest delayed work is done now, by who calls. */
bool shim_time_passes(void);
/* The virtual clock is at least there. */
void shim_time_reaches(u64 when);
/* Under the scheduler, with each boot. */
void shim_time_begins(void);

/* --- System calls on the device: file.c, mm.c ----------------------------- */

/* All act for the current task and return a result or -errno. */
int shim_open(unsigned int flags);
int shim_close(int fd);
int shim_dup(int fd, int to);
/* Gives another process the file. Returns the number that it has there. */
int shim_give(int fd, struct shim_process *process);
int shim_ioctl(int fd, unsigned int cmd, void *arg);
/* Waits for one of the events that long, -1: for ever; all there are. */
int shim_poll(int fd, u32 events, int timeout_ms);
/* The current process's device file with that number, counted, or NULL. */
struct file *shim_file_of(int fd);
/* What /proc says about the current process's file with that number, or NULL. */
char *shim_fdinfo_read(int fd);
/* A file of no driver's, with a number of its own. */
int shim_plain_file(void);

/* How numbers of files are found: the lowest, unless replaced by posix.c. */
struct shim_fd_ops {
	int (*get)(void);			/* a new one, or -errno */
	void (*put)(int fd);
	struct file *(*foreign)(int fd);	/* of the real kernel's */
	int (*receive)(struct file *file);
	void (*done)(struct file *file);
};

extern const struct shim_fd_ops *shim_fd_ops;

/* A new file that only foreign() makes; done() undoes it. */
struct file *shim_file_new(const struct file_operations *fops, unsigned int flags);

/* --- Mounted file systems of the driver's: mount.c ------------------------ */

/* remount: changes the one that is there. */
int shim_mount(const char *name, const char *where, const char *options, bool remount);
/* lazy: whoever has a file open there may go on. */
int shim_umount(const char *where, bool lazy);
/* What a path under a mount leads to, with a reference of the mount, or NULL. */
struct inode *shim_lookup(const char *path);
/* Opens that, which ipcbus_fops are for; takes over the reference. */
int shim_open_at(struct inode *inode, unsigned int flags);
/* Text of a file; the caller frees it. NULL: none. */
char *shim_file_read(struct inode *inode);
void shim_super_put(struct super_block *sb);

/* Text of a debugfs file; the caller frees it. NULL: no such file. */
char *shim_debugfs_read(const char *name);

/**
 * struct shim_map - a mapping of a device file
 * @link: in its process's
 * @shared: in its address_space's
 * @vma: what the driver sees; counts the file
 * @at: where it is in real memory, or NULL where it is only imagined
 * @pages: those that were faulted in, counted
 * @gone: those that were unmapped again
 */
struct shim_map {
	struct list_head link;
	struct list_head shared;
	struct vm_area_struct vma;
	char *at;
	struct page **pages;
	bool *gone;
};

/* at: where it is to be, in real memory, or NULL. */
int shim_mmap(int fd, void *at, size_t size, unsigned int prot, bool shared, u64 offset,
	      struct shim_map **ret);
/* Of some pages; the last of them lets the file go. By the map's own process. */
void shim_munmap(struct shim_map *map, size_t first, size_t count);
/* From now on it is only imagined; returns where it was in real memory. */
char *shim_map_leave(struct shim_map *map);
/* The page behind the map's page index, as a fault gives it, or NULL: SIGBUS. */
struct page *shim_fault(struct shim_map *map, size_t index);
/* What a user reads at offset, until the end of the page; NULL: SIGBUS. */
const void *shim_touch(struct shim_map *map, size_t offset);
/* Makes real what is mapped at index of a map that is in real memory, or NULL:
 * nothing any more. Called under a lock; set by posix.c. */
extern void (*shim_map_hook)(struct shim_map *map, size_t index, struct page *page);
/* The pages' own file, to map them again, and where in it a page is. */
int shim_frames_fd(void);
void shim_mm_exit(struct shim_process *process);
/* Nobody runs in the address space any more. */
void shim_notify_release(struct mm_struct *mm);
void shim_maps_free(struct shim_process *process);
/* Memory is short: at most nr pages are asked for; ~0UL: all that come. */
unsigned long shim_shrink(unsigned long nr);

/* --- What can leak -------------------------------------------------------- */

enum shim_count {
	SHIM_ALLOCS,
	SHIM_PAGES,
	SHIM_FILES,
	SHIM_PIDS,
	SHIM_TASKS,
	SHIM_CREDS,
	SHIM_MMS,
	SHIM_MAPS,
	SHIM_INODES,
	SHIM_COUNTS,
};

extern long shim_live[SHIM_COUNTS];
extern const char *const shim_count_name[SHIM_COUNTS];

static inline void shim_count(enum shim_count what, long n)
{
	__atomic_fetch_add(&shim_live[what], n, __ATOMIC_RELAXED);
}

/* --- Reports -------------------------------------------------------------- */

/* Called with the text before the program ends by shim_panic(); may be NULL. */
extern void (*shim_panic_hook)(const char *text);
void shim_say(const char *format, ...) __printf(1, 2);

/* --- User memory: user.c -------------------------------------------------- */

/* For a signal handler: if pc is in a user copy, where to go on; else 0. */
unsigned long shim_copy_fixup(unsigned long pc);

/* --- The clock: time.c ----------------------------------------------------- */

/* Stops the clock of real threads, before the driver is loaded. From here on it moves by
 * shim_clock_advance() alone. */
void shim_clock_stop(void);
bool shim_clock_is_stopped(void);
/* Moves it, and returns once delayed work that has become due was done. One thread at a time. */
void shim_clock_advance(u64 by);
/* By how many nanoseconds the machine's clock is ahead of one that was stopped. */
u64 shim_clock_ahead(void);
/* When so many ticks have passed. As a clock that is stopped has no ticks, nothing is rounded up
 * there: who waits for a time looks at it when it has come. */
u64 shim_ticks_from_now(unsigned long ticks);

/* --- RCU: rcu.c ----------------------------------------------------------- */

/* Deterministic: objects are freed as late as allowed, not as early. */
extern bool shim_rcu_late;

/* --- The deterministic scheduler: sched.c --------------------------------- */

#define SHIM_MAX_FIBERS 8

/**
 * struct shim_choice - who may run now
 * @n: how many may
 * @ids: who, ascending
 * @running: who runs now, or -1 if that one cannot go on
 * @step: number of the point, from 0
 * @point: what the current one is about to do, or did
 */
struct shim_choice {
	int n;
	int ids[SHIM_MAX_FIBERS];
	int running;
	unsigned long step;
	const struct shim_point *point;
};

/**
 * struct shim_policy - who runs
 * @choose: one of the choice's ids; called where the running one cannot go on, and at each
 *	    point
 * @stays: called at a point, before @choose: true: the one with this id, which runs, goes on;
 *	   or NULL
 * @data: for both
 * @fine: asks at fine points too
 */
struct shim_policy {
	int (*choose)(void *data, const struct shim_choice *choice);
	bool (*stays)(void *data, int running);
	void *data;
	bool fine;
};

/* As a constant expression it leaves nothing to link, also in a build without optimization. */
#ifdef SHIM_LEAN
#define shim_is_deterministic false
#else
extern bool shim_is_deterministic;
#endif

/* From here on, for good: one real thread. Before the driver is loaded. */
void shim_deterministic(void);
/* A task that runs fn on a fiber, as part of the next run. */
void shim_spawn(struct task_struct *task, const char *name, void (*fn)(void *), void *arg);
/* Runs all until they end; all that is left asleep is a panic: a deadlock. */
void shim_run(const struct shim_policy *policy);
/* The calling fiber waits for somebody to call shim_fibers_ready(what). */
void shim_fiber_wait(const void *what, const char *why);
void shim_fibers_ready(const void *what);
const char *shim_fiber_name(int id);
/* How many times one was switched from to another since the run began. */
unsigned long shim_steps(void);

/* Random numbers that a seed repeats. */
void shim_seed(u64 seed);
u32 shim_random(void);
