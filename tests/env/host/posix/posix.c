// SPDX-License-Identifier: MIT
/*
 * The C library's functions for programs to which the device is a file in /dev: open, close, ioctl,
 * mmap, poll and similar. posix.syms renames the undefined symbols of a program, so that unchanged
 * sources call these functions. Calls that are not about the device go to the real functions. A
 * device file has a real fd: a placeholder reserves its number. The region is real memory, which
 * the signal handler fills page by page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/file.h>
#include <linux/security.h>

#include "posix.h"

/* <fcntl.h> conflicts with the kernel's asm/fcntl.h; <sys/mount.h> includes it too. */
int open(const char *path, int flags, ...);
int mount(const char *source, const char *where, const char *type, unsigned long flags,
	  const void *options);
int fcntl(int fd, int cmd, ...);

#define F_DUPFD_CLOEXEC 1030
#define MS_REMOUNT 32
#define MNT_DETACH 2
#define DEVICE "/dev/ipcbus"
#define MAX_MAPS 256

/* The thread is in a system call. A killed thread first leaves the system call. */
static _Thread_local int inside;

#define ASIDE(expr)                                                           \
	({                                                                    \
		int r_;                                                       \
									      \
		inside++;                                                     \
		r_ = (expr);                                                  \
		inside--;                                                     \
		end_if_killed();                                              \
		r_;                                                           \
	})

static void end_if_killed(void);

static int in_flight;

static int result(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

bool posix_is_device(int fd)
{
	struct file *file = shim_file_of(fd);

	if (file)
		fput(file);
	return file;
}

/* --- Numbers -------------------------------------------------------------- */

static int placeholder_get(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void placeholder_put(int fd)
{
	close(fd);
}

static struct file *foreign_file(int fd)
{
	int flags = fcntl(fd, F_GETFL), real;
	struct file *file;

	if (flags < 0 || flags & O_PATH)
		return NULL;
	real = fcntl(fd, F_DUPFD_CLOEXEC, IN_FLIGHT);
	if (real < 0)
		return NULL;
	__atomic_add_fetch(&in_flight, 1, __ATOMIC_RELAXED);
	file = shim_file_new(NULL, flags);
	file->real = real;
	return file;
}

static int foreign_receive(struct file *file)
{
	int fd = fcntl(file->real, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static void foreign_done(struct file *file)
{
	close(file->real);
	__atomic_sub_fetch(&in_flight, 1, __ATOMIC_RELAXED);
}

static const struct shim_fd_ops real_fd_ops = {
	.get = placeholder_get,
	.put = placeholder_put,
	.foreign = foreign_file,
	.receive = foreign_receive,
	.done = foreign_done,
};

int posix_in_flight(void)
{
	return __atomic_load_n(&in_flight, __ATOMIC_RELAXED);
}

/* --- Files ---------------------------------------------------------------- */

static int open_mounted(struct inode *inode, int flags)
{
	int fd;

	if (inode->i_fop->unlocked_ioctl)
		return result(ASIDE(shim_open_at(inode, flags)));
	fd = posix_text_file("mounted", shim_file_read(inode));
	shim_super_put(inode->i_sb);
	return fd;
}

int host_mount(const char *source, const char *where, const char *type, unsigned long flags,
	       const void *options)
{
	if (strcmp(type ?: "ipcbus", "ipcbus"))
		return mount(source, where, type, flags, options);
	shim_boot();
	return result(ASIDE(shim_mount("ipcbus", where, options ?: "", flags & MS_REMOUNT)));
}

int host_umount2(const char *where, int flags)
{
	return result(ASIDE(shim_umount(where, flags & MNT_DETACH)));
}

int host_open(const char *path, int flags, ...)
{
	struct inode *inode;
	va_list args;
	mode_t mode;

	if (!strcmp(path, DEVICE)) {
		shim_boot();
		return result(ASIDE(shim_open(flags)));
	}
	if (posix_is_file(path))
		return ASIDE(posix_open_file(path));
	inode = shim_lookup(path);
	if (inode)
		return open_mounted(inode, flags);
	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return open(path, flags, mode);
}

int host_close(int fd)
{
	posix_close_file(fd);
	posix_close_polled(fd);
	return posix_is_device(fd) ? result(ASIDE(shim_close(fd))) : close(fd);
}

int host_dup(int fd)
{
	return posix_is_device(fd) ? result(shim_dup(fd, -1)) : dup(fd);
}

int host_dup3(int fd, int to, int flags)
{
	bool is = posix_is_device(fd);
	int r;

	if (!is && posix_is_device(to))
		host_close(to);
	r = dup3(fd, to, flags);
	return r < 0 || !is ? r : result(ASIDE(shim_dup(fd, to)));
}

static int device_fcntl(int fd, int cmd, long arg)
{
	struct file *file;

	if (cmd == F_DUPFD_CLOEXEC || cmd == F_DUPFD)
		return result(shim_dup(fd, -1));
	if (cmd != F_SETFL && cmd != F_GETFL)
		return fcntl(fd, cmd, arg);
	file = shim_file_of(fd);
	if (cmd == F_SETFL)
		__atomic_store_n(&file->f_flags, (file->f_flags & ~O_NONBLOCK) | (arg & O_NONBLOCK),
				 __ATOMIC_RELAXED);
	arg = file->f_flags;
	fput(file);
	return cmd == F_GETFL ? arg : 0;
}

int host_fcntl(int fd, int cmd, ...)
{
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	return posix_is_device(fd) ? device_fcntl(fd, cmd, arg) : fcntl(fd, cmd, arg);
}

int host_ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;
	int r;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	if (!posix_is_device(fd))
		return ioctl(fd, cmd, arg);
	r = ASIDE(shim_ioctl(fd, cmd, arg));
	return result(r);
}

/* --- Memory --------------------------------------------------------------- */

static pthread_mutex_t map_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shim_map *maps[MAX_MAPS];

static struct shim_map *map_at(const void *at)
{
	struct shim_map *map = NULL;

	pthread_mutex_lock(&map_lock);
	for (int i = 0; i < MAX_MAPS && !map; i++)
		if (maps[i] && (unsigned long)at >= maps[i]->vma.vm_start &&
		    (unsigned long)at < maps[i]->vma.vm_end)
			map = maps[i];
	pthread_mutex_unlock(&map_lock);
	return map;
}

static void map_replace(struct shim_map *old, struct shim_map *new)
{
	int i = 0;

	pthread_mutex_lock(&map_lock);
	while (i < MAX_MAPS && maps[i] != old)
		i++;
	BUG_ON(i == MAX_MAPS);
	maps[i] = new;
	pthread_mutex_unlock(&map_lock);
}

static void *device_mmap(size_t size, int prot, int flags, int fd, off_t offset)
{
	struct shim_map *map;
	void *at;
	int r;

	if (offset % PAGE_SIZE) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return at;
	r = ASIDE(shim_mmap(fd, at, size, prot, (flags & MAP_TYPE) != MAP_PRIVATE, offset, &map));
	if (r) {
		munmap(at, size);
		errno = -r;
		return MAP_FAILED;
	}
	map_replace(NULL, map);
	return at;
}

void *host_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (fd < 0 || !posix_is_device(fd))
		return mmap(at, size, prot, flags, fd, offset);
	return device_mmap(size, prot, flags, fd, offset);
}

static bool covers(const struct shim_map *map, size_t first, size_t n)
{
	size_t count = (map->vma.vm_end - map->vma.vm_start) >> PAGE_SHIFT;

	for (size_t i = 0; i < count; i++)
		if ((i < first || i >= first + n) && !map->gone[i])
			return false;
	return true;
}

int host_munmap(void *at, size_t size)
{
	struct shim_map *map = map_at(at);
	size_t first, n = ALIGN(size, PAGE_SIZE) >> PAGE_SHIFT;

	if (!map)
		return munmap(at, size);
	/* Reset before unmapping, because another thread may get the address at once. Unmap only
	 * after the driver has no page left to remove from it. */
	first = ((unsigned long)at - map->vma.vm_start) >> PAGE_SHIFT;
	if (covers(map, first, n))
		map_replace(map, NULL);
	inside++;
	shim_munmap(map, first, n);
	BUG_ON(munmap(at, size));
	inside--;
	end_if_killed();
	return 0;
}

int host_mprotect(void *at, size_t size, int prot)
{
	struct shim_map *map = map_at(at);
	size_t first, i;

	if (!map)
		return mprotect(at, size, prot);
	if ((prot & PROT_WRITE && !(map->vma.vm_flags & VM_MAYWRITE)) ||
	    (prot & PROT_EXEC && !(map->vma.vm_flags & VM_MAYEXEC)))
		return result(-EACCES);
	map->vma.vm_flags = (map->vma.vm_flags & ~VM_READ) | (prot & PROT_READ);
	first = ((unsigned long)at - map->vma.vm_start) >> PAGE_SHIFT;
	for (i = first; i < first + (ALIGN(size, PAGE_SIZE) >> PAGE_SHIFT); i++)
		if (map->pages[i])
			mprotect(map->at + (i << PAGE_SHIFT), PAGE_SIZE, prot);
	return 0;
}

static void unmap_all(struct shim_map *map)
{
	size_t count = (map->vma.vm_end - map->vma.vm_start) >> PAGE_SHIFT;
	char *at = shim_map_leave(map);

	for (size_t first = 0, end; first < count; first = end + 1) {
		for (end = first; end < count && !map->gone[end]; end++)
			;
		if (end > first)
			munmap(at + (first << PAGE_SHIFT), (end - first) << PAGE_SHIFT);
	}
}

/* The real memory is unmapped as the process ends. Another thread may get the addresses at once, so
 * the driver, which removes its pages later, must not find them there. */
static void forget_maps(struct shim_process *process)
{
	struct shim_map *map;

	pthread_mutex_lock(&map_lock);
	list_for_each_entry(map, &process->maps, link)
		for (int i = 0; i < MAX_MAPS; i++)
			if (maps[i] == map) {
				maps[i] = NULL;
				unmap_all(map);
			}
	pthread_mutex_unlock(&map_lock);
}

/* --- Faults --------------------------------------------------------------- */

static struct sigaction before[2];	/* previous handlers of SIGSEGV and SIGBUS */

static struct sigaction *action_of(int sig)
{
	return &before[sig == SIGBUS];
}

/* Does not use mmap(), which the thread sanitizer treats as a write: another thread may be reading
 * there. */
static void make_real(struct shim_map *map, size_t index, struct page *page)
{
	void *at = map->at + (index << PAGE_SHIFT);
	long r;

	if (page)
		r = syscall(SYS_mmap, at, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED,
			    shim_frames_fd(), page_to_pfn(page) << PAGE_SHIFT);
	else
		r = syscall(SYS_mmap, at, PAGE_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	BUG_ON(r == -1);
}

/* Maps the page of a faulting access. Returns 0 if the access may continue, or the signal. */
static int map_page(struct shim_map *map, const char *at)
{
	size_t index = (at - map->at) >> PAGE_SHIFT;

	if (map->gone[index] || !(map->vma.vm_flags & VM_READ))
		return SIGSEGV;
	return shim_fault(map, index) ? 0 : SIGBUS;
}

/* Calls the previous handler, of the program or of a sanitizer. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	struct sigaction *action = action_of(sig);

	if (action->sa_flags & SA_SIGINFO) {
		action->sa_sigaction(sig, info, context);
	} else if (action->sa_handler == SIG_DFL) {
		sigaction(sig, action, NULL);
		raise(sig);
	} else {
		action->sa_handler(sig);
	}
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct shim_map *map = map_at(info->si_addr);
	unsigned long go_on;
	bool is_write = regs[REG_ERR] & 2;

	if (map && !is_write) {
		sig = map_page(map, info->si_addr);
		if (!sig)
			return;
	}
	go_on = shim_copy_fixup(regs[REG_RIP]);
	if (go_on)
		regs[REG_RIP] = go_on;
	else
		pass_on(sig, info, context);
}

/* The real kernel reads the data, and gets EFAULT at a page that no fault has mapped. */
ssize_t host_write(int fd, const void *data, size_t size)
{
	const char *at = (const char *)data - offset_in_page(data);
	const char *end = (const char *)data + size;
	struct shim_map *map;

	for (; at < end; at += PAGE_SIZE) {
		map = map_at(at);
		if (map)
			map_page(map, at);
	}
	return write(fd, data, size);
}

int host_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
	if (sig != SIGSEGV && sig != SIGBUS)
		return sigaction(sig, action, old);
	if (old)
		*old = *action_of(sig);
	if (action)
		*action_of(sig) = *action;
	return 0;
}

/* The signals of faults must never be blocked. */
int host_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t others;

	if (!set)
		return pthread_sigmask(how, NULL, old);
	others = *set;
	if (how != SIG_UNBLOCK) {
		sigdelset(&others, SIGSEGV);
		sigdelset(&others, SIGBUS);
		sigdelset(&others, SIGUSR2);
	}
	return pthread_sigmask(how, &others, old);
}

/* --- Poll: see poll.c ------------------------------------------------------- */

int posix_poll_device(int fd, short events, int timeout_ms)
{
	return ASIDE(shim_poll(fd, events, timeout_ms));
}

/* --- Threads -------------------------------------------------------------- */

#define MAX_THREADS 2048

struct posix_thread {
	pthread_t thread;
	struct shim_process *process;
	struct task_struct *task;
	void *(*fn)(void *);
	void *arg;
	int rounds;
	bool killed;
	sigjmp_buf end;
};

static _Thread_local struct posix_thread *self;
static pthread_key_t thread_key;
static pthread_mutex_t thread_lock = PTHREAD_MUTEX_INITIALIZER;
static struct posix_thread *threads[MAX_THREADS];

static void end_if_killed(void)
{
	if (self && !inside && __atomic_load_n(&self->killed, __ATOMIC_ACQUIRE))
		siglongjmp(self->end, 1);
}

/* The thread waits for something other than the device, so it may be ended. Elsewhere a thread may
 * hold shared locks, such as those of the C library, so it continues until it waits or calls the
 * device. */
static _Thread_local volatile sig_atomic_t waiting;

static void on_kill(int sig)
{
	(void)sig;
	if (waiting)
		end_if_killed();
}

#define WAIT(call)                                                            \
	({                                                                    \
		typeof(call) r_;                                              \
									      \
		waiting++;                                                    \
		end_if_killed();                                              \
		r_ = (call);                                                  \
		waiting--;                                                    \
		r_;                                                           \
	})

ssize_t host_read(int fd, void *data, size_t size)
{
	return WAIT(read(fd, data, size));
}

int host_pause(void)
{
	return WAIT(pause());
}

int host_pthread_join(pthread_t thread, void **result)
{
	return WAIT(pthread_join(thread, result));
}

/* Other destructors may still call the device, so they must run first. */
static void thread_end(void *arg)
{
	struct posix_thread *thread = arg;
	struct shim_process *process = thread->process;

	if (thread->rounds++ < 2) {
		pthread_setspecific(thread_key, thread);
		return;
	}
	pthread_mutex_lock(&thread_lock);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i] == thread)
			threads[i] = NULL;
	pthread_mutex_unlock(&thread_lock);
	if (atomic_read(&process->tasks) == 1)
		forget_maps(process);
	shim_task_exit();
	shim_process_put(process);
	free(thread);
}

static void *thread_main(void *arg)
{
	struct posix_thread *thread = arg;
	void *volatile r = NULL;

	if (!thread->process)
		thread->process = shim_process_new(gettid(), NULL);
	thread->task = shim_task = shim_task_new(thread->process, gettid());
	thread->thread = pthread_self();
	pthread_mutex_lock(&thread_lock);
	for (int i = 0; i < MAX_THREADS; i++)
		if (!threads[i]) {
			threads[i] = thread;
			break;
		}
	pthread_mutex_unlock(&thread_lock);
	pthread_setspecific(thread_key, thread);
	if (!sigsetjmp(thread->end, 1)) {
		self = thread;
		r = thread->fn(thread->arg);
	}
	/* From here on only the thread itself can end it. */
	self = NULL;
	return r;
}

int posix_thread(pthread_t *ret, const pthread_attr_t *attr, struct shim_process *process,
		 void *(*fn)(void *), void *arg)
{
	struct posix_thread *thread = calloc(1, sizeof(*thread));

	BUG_ON(!thread);
	if (process)
		refcount_inc(&process->ref);
	thread->process = process;
	thread->fn = fn;
	thread->arg = arg;
	return pthread_create(ret, attr, thread_main, thread);
}

int host_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return posix_thread(ret, attr, current->process, fn, arg);
}

int host_pthread_kill(pthread_t thread, int sig)
{
	int r = pthread_kill(thread, sig);

	pthread_mutex_lock(&thread_lock);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i] && pthread_equal(threads[i]->thread, thread))
			shim_signal(threads[i]->task);
	pthread_mutex_unlock(&thread_lock);
	return r;
}

void posix_kill(struct shim_process *process)
{
	pthread_mutex_lock(&thread_lock);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i] && threads[i]->process == process) {
			__atomic_store_n(&threads[i]->killed, true, __ATOMIC_RELEASE);
			pthread_kill(threads[i]->thread, SIGUSR2);
			shim_signal(threads[i]->task);
		}
	pthread_mutex_unlock(&thread_lock);
}

/* --- Identity ------------------------------------------------------------- */

pid_t host_getpid(void)
{
	return current->process->pid->nr[0];
}

uid_t host_geteuid(void)
{
	return current->cred->euid.val;
}

int host_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	const struct cred *cred = current->cred;

	(void)ruid, (void)suid;
	if (euid != (uid_t)-1)
		shim_set_ids(euid, cred->egid.val, NULL);
	return 0;
}

int host_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	const struct cred *cred = current->cred;

	(void)rgid, (void)sgid;
	if (egid != (gid_t)-1)
		shim_set_ids(cred->euid.val, egid, NULL);
	return 0;
}

int host_setgroups(size_t n, const gid_t *groups)
{
	(void)n, (void)groups;
	return 0;
}

/* By default it sleeps a second at exit, and each case is a process. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "atexit_sleep_ms=0";
}

/* --- Set-up --------------------------------------------------------------- */

static void __attribute__((constructor)) set_up(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	signal(SIGUSR2, on_kill);
	shim_fd_ops = &real_fd_ops;
	shim_map_hook = make_real;
	/* Allocates a descriptor, so it must come before tests count descriptors. */
	shim_frames_fd();
	sigaction(SIGSEGV, &action, &before[0]);
	sigaction(SIGBUS, &action, &before[1]);
	BUG_ON(pthread_key_create(&thread_key, thread_end));
	pthread_atfork(NULL, NULL, shim_task_refork);
	(void)current;
}
