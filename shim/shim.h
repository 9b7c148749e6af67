/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel from the view of the driver's tests: processes and tasks, system calls on
 * the device, user memory, leak counters, and the deterministic scheduler. linux/ has the driver's
 * view. The files named below are in this folder, or in tests/env/host/shim. ipcbusd replaces the
 * latter by daemon/kernel.
 *
 * There are two modes. By default threads are real. After shim_deterministic() there is one real
 * thread, and tasks run on fibers that a policy switches at points (point.h).
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

/* shim_boot() loads the driver if necessary. shim_unload() unloads it and asserts that no object
 * leaked. */
void shim_boot(void);
void shim_unload(void);
/* Returns a parameter of the driver, or NULL if there is no such parameter. */
unsigned int *shim_param(const char *name);

/* --- Processes and tasks: task.c ------------------------------------------ */

#ifdef SHIM_LEAN
#define SHIM_MAX_FDS 4	/* ipcbusd has no numbers for files */
#else
#define SHIM_MAX_FDS 1024
#endif

/**
 * struct shim_process - a process with its own address space
 * @ref: its tasks and other holders
 * @rcu: for freeing
 * @leader: group leader of all its tasks, while a task lives
 * @pid: its identity; holds a reference
 * @mm: holds a reference while a task lives
 * @cred: initial credentials of its tasks; holds a reference
 * @pid_ns: namespace of its tasks' numbers; holds a reference
 * @tasks: number of live tasks
 * @killed: its tasks must end
 * @file: its device files by number; NULL if the number is free or belongs to a file of the real
 *	kernel
 * @files: all used numbers are below this
 * @maps: its mappings of the device (mm.c)
 * @unmapped: removed mappings that may still be accessed
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

/* Creates a process without tasks. nr 0: any number. */
struct shim_process *shim_process_new(int nr, struct pid_namespace *ns);
void shim_process_put(struct shim_process *process);

/* Creates a task of the process, which becomes current on the thread that runs it. nr 0: any
 * number. nr < 0: its number is -nr, but a lookup of the number does not find the task, and other
 * tasks may have the same number. */
struct task_struct *shim_task_new(struct shim_process *process, int nr);
/* Ends the current task. The last task of a process closes the process's files. */
void shim_task_exit(void);
/* Simulates execve() by the current task, which must be the only one of its process: the process
 * gets a new address space and keeps its files. */
void shim_exec(void);
/* Sends a signal to the task, which ends interruptible sleep. */
void shim_signal(struct task_struct *task);
/* Credentials of the current task. */
const struct cred *shim_get_current_cred(void);
void shim_put_cred(const struct cred *cred);
void shim_set_ids(u32 euid, u32 egid, struct user_namespace *ns);
/* Scheduling attributes: priority.c. */
void shim_set_nice(struct task_struct *task, int nice);
/* Returns -EPERM if the task's group has no realtime runtime. */
int shim_set_policy(struct task_struct *task, unsigned int policy, unsigned int rt);
/* Moves the task to the group without realtime runtime, or back. If the task is realtime, returns
 * -EINVAL. */
int shim_set_group(struct task_struct *task, bool never_realtime);
struct user_namespace *shim_user_ns_new(u32 root);
/* A namespace below the first with the ids of the first, and with that owner. */
struct user_namespace *shim_user_ns_owned(u32 owner);
struct pid_namespace *shim_pid_ns_new(struct pid_namespace *parent);
/* Sets the numbers of a pid in the first namespace and each namespace below it, down to its own. */
void shim_pid_set(struct pid *pid, const int *nr);
/* Must be called after fork(): recreates the main task of the real process. */
void shim_task_refork(void);

/* Calls fn for all live tasks until it returns true. For rcu.c. */
bool shim_any_task(bool (*fn)(struct task_struct *task, void *arg), void *arg);

/* --- Time: time.c ---------------------------------------------------------- */

/* Deterministic mode: runs the earliest delayed work on the calling task. */
bool shim_time_passes(void);
/* Advances the virtual clock to @when if it is earlier. */
void shim_time_reaches(u64 when);
/* Starts the virtual clock. Called at each boot under the scheduler. */
void shim_time_begins(void);

/* --- System calls on the device: file.c, mm.c ----------------------------- */

/* These functions act for the current task and return a result or -errno. */
int shim_open(unsigned int flags);
int shim_close(int fd);
int shim_dup(int fd, int to);
/* Passes the file to another process. Returns the file's number there. */
int shim_give(int fd, struct shim_process *process);
int shim_ioctl(int fd, unsigned int cmd, void *arg);
/* Waits up to timeout_ms, or forever if it is -1, for one of the events. Returns all that
 * occurred. */
int shim_poll(int fd, u32 events, int timeout_ms);
/* Returns the current process's device file with that number, with a reference, or NULL. */
struct file *shim_file_of(int fd);
/* Returns the fdinfo of the current process's file with that number, or NULL. */
char *shim_fdinfo_read(int fd);
/* Opens a file that belongs to no driver. */
int shim_plain_file(void);

/* Operations on file numbers. By default they use the lowest free number. posix.c and ipcbusd
 * replace them. */
struct shim_fd_ops {
	int (*get)(void);			/* returns a new number or -errno */
	void (*put)(int fd);
	struct file *(*foreign)(int fd);	/* a file of the real kernel */
	int (*receive)(struct file *file);
	void (*done)(struct file *file);
};

extern const struct shim_fd_ops *shim_fd_ops;

/* Creates a file; only foreign() may call it. done() ends it. */
struct file *shim_file_new(const struct file_operations *fops, unsigned int flags);

/* --- Mounted file systems of the driver's: mount.c ------------------------ */

/* remount: changes the existing mount. */
int shim_mount(const char *name, const char *where, const char *options, bool remount);
/* lazy: open files of the mount stay usable. */
int shim_umount(const char *where, bool lazy);
/* Returns the inode of a path under a mount, with a reference to the mount, or NULL. */
struct inode *shim_lookup(const char *path);
/* Opens an inode with ipcbus_fops; takes ownership of the reference. */
int shim_open_at(struct inode *inode, unsigned int flags);
/* Returns the text of a file, or NULL if it has none. The caller must free the text. */
char *shim_file_read(struct inode *inode);
void shim_super_put(struct super_block *sb);

/* Returns the text of a debugfs file, or NULL if there is no such file. The caller must free the
 * text. */
char *shim_debugfs_read(const char *name);

/**
 * struct shim_map - a mapping of a device file
 * @link: in the list of its process
 * @shared: in the list of its address_space
 * @vma: the vma that the driver sees; holds a reference to the file
 * @at: address in real memory, or NULL if the mapping is only simulated
 * @pages: pages that were faulted in; holds references
 * @gone: pages that were unmapped again
 */
struct shim_map {
	struct list_head link;
	struct list_head shared;
	struct vm_area_struct vma;
	char *at;
	struct page **pages;
	bool *gone;
};

/* at: address of the mapping in real memory, or NULL. */
int shim_mmap(int fd, void *at, size_t size, unsigned int prot, bool shared, u64 offset,
	      struct shim_map **ret);
/* Unmaps some pages. After the last page, drops the reference to the file. Only the map's own
 * process may call it. */
void shim_munmap(struct shim_map *map, size_t first, size_t count);
/* Makes the mapping simulated from now on. Returns its previous address in real memory. */
char *shim_map_leave(struct shim_map *map);
/* Faults in the page at index. Returns the page, or NULL for SIGBUS. */
struct page *shim_fault(struct shim_map *map, size_t index);
/* Returns the bytes that a user reads at offset, up to the end of the page, or NULL for SIGBUS. */
const void *shim_touch(struct shim_map *map, size_t offset);
/* Maps the page at index of a map in real memory. If page is NULL, unmaps it. Called under a lock.
 * posix.c sets it. */
extern void (*shim_map_hook)(struct shim_map *map, size_t index, struct page *page);
/* The file of all pages, to map a page again, and the offset of a page in it. */
int shim_frames_fd(void);
void shim_mm_exit(struct shim_process *process);
/* The last task has left the address space. */
void shim_notify_release(struct mm_struct *mm);
void shim_maps_free(struct shim_process *process);
/* Simulates memory pressure: reclaims at most nr pages, or all that can be reclaimed if nr is
 * ~0UL. */
unsigned long shim_shrink(unsigned long nr);

/* --- Leak counters -------------------------------------------------------- */

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

/* shim_panic() calls this with the text before it ends the program. May be NULL. */
extern void (*shim_panic_hook)(const char *text);
void shim_say(const char *format, ...) __printf(1, 2);

/* --- User memory: user.c -------------------------------------------------- */

/* For a signal handler: if pc is in a user copy, returns the address at which to continue, else
 * 0. */
unsigned long shim_copy_fixup(unsigned long pc);

/* --- The clock: time.c ----------------------------------------------------- */

/* Stops the clock of real threads. From now on only shim_clock_advance() moves it. Must be called
 * before the driver is loaded. */
void shim_clock_stop(void);
bool shim_clock_is_stopped(void);
/* Advances the clock. Returns after all delayed work that became due has run. Only one thread at a
 * time may call it. */
void shim_clock_advance(u64 by);
/* Returns the nanoseconds by which the machine's clock is ahead of a stopped clock. */
u64 shim_clock_ahead(void);
/* Returns the time after so many ticks. A stopped clock has no ticks, so the time is not rounded
 * up: waiting threads check the clock when it has moved. */
u64 shim_ticks_from_now(unsigned long ticks);

/* --- RCU: rcu.c ----------------------------------------------------------- */

/* Deterministic mode: frees objects as late as permitted instead of as early. */
extern bool shim_rcu_late;

/* --- The deterministic scheduler: sched.c --------------------------------- */

#define SHIM_MAX_FIBERS 8

/**
 * struct shim_choice - the fibers that may run now
 * @n: number of fibers
 * @ids: their ids, ascending
 * @running: the current fiber, or -1 if it cannot continue
 * @step: number of the point, from 0
 * @point: the operation of the current fiber at this point
 */
struct shim_choice {
	int n;
	int ids[SHIM_MAX_FIBERS];
	int running;
	unsigned long step;
	const struct shim_point *point;
};

/**
 * struct shim_policy - chooses the fiber to run
 * @choose: returns an id of the choice; called at each point, and when the current fiber cannot
 *	continue
 * @stays: called at a point before @choose: returns true if the current fiber continues; may be
 *	NULL
 * @data: argument of both
 * @fine: use fine points as well
 */
struct shim_policy {
	int (*choose)(void *data, const struct shim_choice *choice);
	bool (*stays)(void *data, int running);
	void *data;
	bool fine;
};

/* A constant expression, so that unused code needs no symbols even in a build without
 * optimization. */
#ifdef SHIM_LEAN
#define shim_is_deterministic false
#else
extern bool shim_is_deterministic;
#endif

/* Switches to a single real thread, permanently. Must be called before the driver is loaded. */
void shim_deterministic(void);
/* Adds a task to the next run, which runs fn on a fiber. */
void shim_spawn(struct task_struct *task, const char *name, void (*fn)(void *), void *arg);
/* Runs all fibers until they end. If only sleeping fibers are left, panics: they are deadlocked. */
void shim_run(const struct shim_policy *policy);
/* The calling fiber waits until shim_fibers_ready(what) is called. */
void shim_fiber_wait(const void *what, const char *why);
void shim_fibers_ready(const void *what);
const char *shim_fiber_name(int id);
/* Number of switches between fibers since the run began. */
unsigned long shim_steps(void);

/* Random numbers, reproducible by a seed. */
void shim_seed(u64 seed);
u32 shim_random(void);
