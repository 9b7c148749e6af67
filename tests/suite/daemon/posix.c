// SPDX-License-Identifier: MIT
/*
 * The device of the programs of tests/suite/kernel on a bus of ipcbusd: they are linked with these
 * functions instead of the C library's (--wrap), and are otherwise unchanged. Differences between
 * cases are in cases.c.
 *
 * An open device is a link of libipc, identified by the fd of its socket, which may have copies.
 * The memory of an ioctl's pointers is copied into the send area. If only a part of it is readable,
 * that part is placed at the end of the area. If none of it is readable, the daemon gets the
 * pointer unchanged, and must refuse it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>


#define DEVICE	"/dev/ipcbus"
#define DEBUGFS "/sys/kernel/debug/ipcbus/"
#define MAX_FDS 4096
#define PAGE	4096

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long request, ...);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __real_epoll_ctl(int fd, int op, int other, struct epoll_event *event);
int __real_select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout);
pid_t __real_fork(void);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
int __real_stat(const char *path, struct stat *st);
int __real_chmod(const char *path, mode_t mode);

/* Cells and the send area are internal to the library, and its sockets are not devices. */
#define poll  __real_poll
#define close __real_close
#include "../../../libipc/device/device-daemon.c"
#include "../../../libipc/device/device-open.c"
#undef poll
#undef close

int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_ioctl(int fd, unsigned long request, ...);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_ctl(int fd, int op, int other, struct epoll_event *event);
int __wrap_select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout);
pid_t __wrap_fork(void);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_chmod(const char *path, mode_t mode);
/* For cases.c: returns the previous value or -errno; returns the daemon's pid. */
int set_parameter(const char *name, unsigned int value);
pid_t daemon_pid(void);

static struct daemon_link *links[MAX_FDS];
/* Per device: running ioctls, number of children at its open, and whether it was closed. */
static struct {
	unsigned int running;
	unsigned int children;
	bool given;
} more_of[MAX_FDS];

static struct daemon_link *link_at(int fd)
{
	return fd >= 0 && fd < MAX_FDS ? __atomic_load_n(&links[fd], __ATOMIC_ACQUIRE) : NULL;
}

/* Also accepts a copy of the fd. */
static struct daemon_link *link_of(int fd)
{
	struct daemon_link *link = link_at(fd);
	struct stat st, other;

	if (link || fd < 0 || fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return link;
	for (int i = 0; i < MAX_FDS; i++) {
		link = link_at(i);
		if (link && !fstat(i, &other) && other.st_ino == st.st_ino)
			return link;
	}
	return NULL;
}

static int result(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

static const char *bus_path(const char *path)
{
	return strcmp(path, DEVICE) ? path : getenv("IPCBUS_BUS");
}

/* --- Memory that may be unmapped ----------------------------------------------------- */

static bool can_read(void *to, uint64_t from, size_t size)
{
	struct iovec here = { to, size }, there = { (void *)(uintptr_t)from, size };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

static bool can_write(uint64_t to, const void *from, size_t size)
{
	struct iovec here = { (void *)from, size }, there = { (void *)(uintptr_t)to, size };

	return process_vm_writev(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* Returns the bytes up to the end of the page, at most @size. */
static size_t in_page(uint64_t at, size_t size)
{
	size_t left = PAGE - at % PAGE;

	return size < left ? size : left;
}

/* Copies readable memory, page by page. Returns the number of bytes. */
static size_t read_some(uint8_t *to, uint64_t from, size_t size)
{
	size_t done = 0, n;

	for (; done < size; done += n) {
		n = in_page(from + done, size - done);
		if (!can_read(to + done, from + done, n))
			break;
	}
	return done;
}

/* Returns the number of writable bytes, without writing. */
static size_t writable(uint64_t to, size_t size)
{
	size_t done = 0, n;

	for (; done < size; done += n) {
		n = in_page(to + done, size - done);
		if (madvise((void *)(uintptr_t)((to + done) & ~(uint64_t)(PAGE - 1)), PAGE,
			    MADV_POPULATE_WRITE))
			break;
	}
	return done;
}

/*
 * The send area of an ioctl. Memory that ends early is placed at the end of the area, where the
 * daemon finds only the existing part. An ioctl has space for a single such block.
 */
struct staged {
	struct daemon_link *link;
	struct daemon_thread *thread;
	uint8_t *at;
	size_t used;
	size_t size;
	bool has_edge;
};

static pthread_mutex_t edge_lock = PTHREAD_MUTEX_INITIALIZER;

/* Returns the address @size bytes before the end of the area. */
static uint8_t *edge(struct staged *staged, size_t size)
{
	pthread_mutex_lock(&edge_lock);
	staged->has_edge = true;
	return staged->link->area + staged->link->size - size;
}

/*
 * Copies the memory at *address into the area. Returns the number of bytes. If there are none, or
 * there is no space, *address stays unchanged.
 */
static size_t stage(struct staged *staged, __u64 *address, size_t size)
{
	uint8_t *to = staged->at + staged->used;
	size_t there;

	if (!size || size > staged->size - staged->used)
		return 0;
	there = read_some(to, *address, size);
	if (!there || (there < size && staged->has_edge))
		return 0;
	staged->used += align8(size);
	if (there < size)
		to = memcpy(edge(staged, there), to, there);
	*address = (uintptr_t)to;
	return there;
}

/* The parts become parts in the send area, so that the driver joins them. */
static void stage_parts(struct staged *staged, struct ipcbus_send *send)
{
	struct ipcbus_iovec *parts;
	size_t there;

	if (send->iov_count > IPCBUS_MAX_IOV)
		return;
	there = stage(staged, &send->data, send->iov_count * sizeof(*parts));
	parts = (void *)(uintptr_t)send->data;
	for (size_t i = 0; i < there / sizeof(*parts); i++)
		stage(staged, &parts[i].base, parts[i].size);
}

static void stage_send(struct staged *staged, struct ipcbus_send *send)
{
	if (send->flags & IPCBUS_SEND_IOV)
		stage_parts(staged, send);
	else
		stage(staged, &send->data, send->data_size);
	if (send->object_count <= IPCBUS_MAX_OBJECTS)
		stage(staged, &send->objects, send->object_count * sizeof(struct ipcbus_object));
}

/* --- Ioctls --------------------------------------------------------------------------- */

/* Returns the space that a message may need in the area, rounded up. */
static size_t space_for(const struct ipcbus_send *send)
{
	size_t size = send->data_size + 8;

	if (send->flags & IPCBUS_SEND_IOV && send->iov_count <= IPCBUS_MAX_IOV)
		size += send->iov_count * (sizeof(struct ipcbus_iovec) + 8);
	if (send->object_count <= IPCBUS_MAX_OBJECTS)
		size += send->object_count * sizeof(struct ipcbus_object) + 8;
	return size;
}

static void begin(struct staged *staged, struct daemon_link *link, unsigned int number, size_t size)
{
	*staged = (struct staged){ .link = link, .thread = &link->thread[number] };
	staged->at = reserve(link, staged->thread, size);
	staged->size = staged->thread->piece_size;
}

static void end(struct staged *staged)
{
	if (staged->has_edge)
		pthread_mutex_unlock(&edge_lock);
	free_large_piece(staged->link, staged->thread);
}

/* The place for events after the first: at the end of the area if not all are writable. */
static uint64_t place_for_more(struct staged *staged, uint64_t to, size_t size)
{
	size_t there = writable(to, size);
	uint8_t *at = staged->at + staged->used;

	if (!there || size > staged->size - staged->used || (there < size && staged->has_edge))
		return to;
	staged->used += align8(size);
	if (there < size)
		at = edge(staged, there);
	/* The daemon refuses pages that were never written. */
	memset(at, 0, there);
	return (uintptr_t)at;
}

static int write_more(const struct ipcbus_exchange *x, uint64_t to)
{
	const void *more = (void *)(uintptr_t)x->more;

	if (!(x->flags & IPCBUS_MORE) || !x->event.more || x->more == to)
		return 0;
	return can_write(to, more, x->event.more * sizeof(struct ipcbus_event)) ? 0 : -EFAULT;
}

/*
 * x is in the cell; to: its address in the program. If the event is not writable there, it is
 * placed so that the area ends too early.
 */
static int run_exchange(struct staged *staged, unsigned int number, struct ipcbus_exchange *x,
			uint64_t to)
{
	size_t inputs = offsetof(struct ipcbus_exchange, event);
	size_t there = writable(to + inputs, sizeof(x->event));
	uint8_t *at;
	int r;

	if (there == sizeof(x->event) || staged->has_edge) {
		r = cell_run(staged->link, number, IPCBUS_IOC_EXCHANGE, x);
		return can_write(to + inputs, &x->event, sizeof(x->event)) ? r : -EFAULT;
	}
	at = memcpy(edge(staged, inputs + there), x, inputs + there);
	return cell_run(staged->link, number, IPCBUS_IOC_EXCHANGE, at);
}

static int do_send(struct daemon_link *link, unsigned int number, struct ipcbus_exchange *x,
		   uint64_t to)
{
	struct ipcbus_exchange before = *x;
	struct staged staged;
	size_t more = 0;
	int r;

	if (x->flags & IPCBUS_MORE && x->more_count <= IPCBUS_MAX_MORE)
		more = x->more_count * sizeof(struct ipcbus_event);
	begin(&staged, link, number,
	      space_for(&x->send) + IPCBUS_MAX_RELEASE * sizeof(uint64_t) + more);
	stage_send(&staged, &x->send);
	if (x->release_count > 1 && x->release_count <= IPCBUS_MAX_RELEASE)
		stage(&staged, &x->release, x->release_count * sizeof(uint64_t));
	if (more)
		x->more = place_for_more(&staged, x->more, more);
	r = run_exchange(&staged, number, x, to) ?: write_more(x, before.more);
	end(&staged);
	return r;
}

/* size: the part of the argument that is in the cell. */
static int run(struct daemon_link *link, unsigned int number, unsigned long request, uint64_t arg,
	       uint32_t size)
{
	void *space = cell_at(link, number)->space;
	int r;

	if (request == IPCBUS_IOC_EXCHANGE && size >= sizeof(struct ipcbus_exchange))
		return do_send(link, number, space, arg);
	r = cell_run(link, number, request, space);
	return can_write(arg, space, size) ? r : -EFAULT;
}

static int forward_ioctl(struct daemon_link *link, unsigned long request, uint64_t arg)
{
	struct ipcbusd_cell *cell;
	unsigned int number;
	uint32_t size;
	size_t there;
	int r;

	if (link->forks != daemon_forks)
		return -ECHILD;
	number = cell_mine(link);
	if (number == NO_CELL)
		return -EDQUOT;
	cell = cell_at(link, number);
	if (request == IPCBUS_IOC_THREAD_EXIT) {
		r = cell_run(link, number, request, NULL);
		forget_cell(link, number);
		return r;
	}
	if (!_IOC_SIZE(request) || !can_read(&size, arg, sizeof(size)))
		return cell_run(link, number, request, (void *)(uintptr_t)arg);
	if (size < sizeof(size))
		size = sizeof(size);
	/* The driver refuses such a size before it reads the argument. */
	if (size > sizeof(cell->space))
		size = _IOC_SIZE(request);
	there = read_some(cell->space, arg, size);
	/* In an exchange, everything after the inputs is output. */
	if (there < size && (request != IPCBUS_IOC_EXCHANGE ||
			     there < offsetof(struct ipcbus_exchange, event)))
		return cell_run(link, number, request, (void *)(uintptr_t)arg);
	return run(link, number, request, arg, size);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct daemon_link *link = link_of(fd);
	unsigned int *running;
	va_list list;
	void *arg;
	int r;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	if (!link)
		return __real_ioctl(fd, request, arg);
	running = &more_of[link->socket].running;
	__atomic_add_fetch(running, 1, __ATOMIC_SEQ_CST);
	r = forward_ioctl(link, request, (uintptr_t)arg);
	__atomic_sub_fetch(running, 1, __ATOMIC_SEQ_CST);
	return result(r);
}

/* --- Files ---------------------------------------------------------------------------- */

/* Children of this process. Each may have copies of the files that were open at the fork. */
static pid_t child[MAX_FDS];
static unsigned int children;

pid_t __wrap_fork(void)
{
	pid_t pid = __real_fork();

	if (!pid)
		children = 0;
	else if (pid > 0 && children < MAX_FDS)
		child[children++] = pid;
	return pid;
}

static bool lives(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

/* Returns whether another process has a copy of the fd. */
static bool is_held(int fd)
{
	for (unsigned int i = more_of[fd].children; i < children; i++)
		if (lives(child[i]))
			return true;
	return more_of[fd].given;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct cmsghdr *header = msg->msg_controllen ? CMSG_FIRSTHDR(msg) : NULL;
	int sent;

	if (header && header->cmsg_type == SCM_RIGHTS) {
		memcpy(&sent, CMSG_DATA(header), sizeof(sent));
		if (link_at(sent))
			more_of[sent].given = true;
	}
	return __real_sendmsg(fd, msg, flags);
}

/* Supports only the system calls that the programs use: an io_uring keeps files. */
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_io_uring_register && b == IORING_REGISTER_FILES &&
	    link_at(*(const int *)c))
		more_of[*(const int *)c].given = true;
	return __real_syscall(number, a, b, c, d, e, f);
}

static int open_bus(void)
{
	struct daemon_link *link = NULL;
	int r = daemon_open(bus_path(DEVICE), &link), fd;

	if (r < 0 || !link)
		return r;
	fd = link->socket;
	if (fd >= MAX_FDS) {
		daemon_close(link, /* mapped= */ true);
		return -EMFILE;
	}
	/*
	 * A signal that arrives during the daemon liveness check does not end a wait. The cases
	 * rely on every signal, and the daemon lives as long as they run, so the check is disabled.
	 */
	for (size_t i = 0; i < IPCBUSD_CELLS; i++)
		link->thread[i].look.tv_sec = INT_MAX;
	/* This unit is reserved for edge(). */
	link->taken[link->units - 1] = 1;
	more_of[fd].running = 0;
	more_of[fd].children = children;
	more_of[fd].given = false;
	__atomic_store_n(&links[fd], link, __ATOMIC_RELEASE);
	/* For epoll. */
	r = daemon_set_poll(link, /* writable= */ false);
	return r < 0 ? r : fd;
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	va_start(list, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(list, mode_t);
	va_end(list);
	if (!strcmp(path, DEVICE))
		return result(open_bus());
	if (!strncmp(path, DEBUGFS, sizeof(DEBUGFS) - 1))
		return result(daemon_open_state(bus_path(DEVICE), path + sizeof(DEBUGFS) - 1));
	return __real_open(path, flags, mode);
}

int __wrap_close(int fd)
{
	struct daemon_link *link = link_at(fd), *twin = link ? NULL : link_of(fd);
	int r;

	if (!link) {
		r = __real_close(fd);
		/* As closing any copy of an fd does. */
		if (twin)
			daemon_wake(twin);
		return r;
	}
	__atomic_store_n(&links[fd], NULL, __ATOMIC_RELEASE);
	/* The file closes when no process has it any more, or at the end of the process. */
	if (link->forks == daemon_forks && is_held(fd)) {
		daemon_wake(link);
		return __real_close(fd);
	}
	while (link->forks == daemon_forks &&
	       __atomic_load_n(&more_of[fd].running, __ATOMIC_SEQ_CST)) {
		daemon_wake(link);
		usleep(1000);
	}
	/* A mapping made by a test stays mapped. */
	link->region = NULL;
	daemon_close(link, /* mapped= */ link->forks == daemon_forks);
	return 0;
}

/* Maps the memfd of the region as the test requests. */
static void *map_region(struct daemon_link *link, void *at, size_t size, int prot, int flags,
			off_t offset)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_MAP, .size = size };
	int fds[IPCBUSD_MAX_FDS], r;
	void *map = MAP_FAILED;

	pthread_mutex_lock(&link->lock);
	r = link->forks == daemon_forks ? socket_send(link->socket, &message, NULL) : -ECHILD;
	if (r == 0)
		r = socket_receive(link->socket, &message, fds);
	pthread_mutex_unlock(&link->lock);
	if (r < 0) {
		errno = -r;
		return MAP_FAILED;
	}
	map = __real_mmap(at, size, prot, flags, fds[0], offset);
	__real_close(fds[0]);
	if (map != MAP_FAILED)
		madvise(map, size, MADV_DONTFORK);
	return map;
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct daemon_link *link = flags & MAP_ANONYMOUS ? NULL : link_of(fd);

	if (!link)
		return __real_mmap(at, size, prot, flags, fd, offset);
	return map_region(link, at, size, prot, flags, offset);
}

int __wrap_stat(const char *path, struct stat *st)
{
	return __real_stat(bus_path(path), st);
}

int __wrap_chmod(const char *path, mode_t mode)
{
	return __real_chmod(bus_path(path), mode);
}

/* --- Parameters ------------------------------------------------------------------------- */

int set_parameter(const char *name, unsigned int value)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_SET, .number = value };
	int fds[IPCBUSD_MAX_FDS], r;

	memcpy(message.name, name, strnlen(name, sizeof(message.name)));
	r = socket_administer(bus_path(DEVICE), &message, fds);
	return r < 0 ? r : (int)message.number;
}

pid_t daemon_pid(void)
{
	struct ucred ucred = { 0 };
	socklen_t size = sizeof(ucred);
	struct daemon_link *link = NULL;

	for (int fd = 0; fd < MAX_FDS && !link; fd++)
		link = link_at(fd);
	if (link)
		getsockopt(link->socket, SOL_SOCKET, SO_PEERCRED, &ucred, &size);
	return ucred.pid;
}

/* --- Poll ----------------------------------------------------------------------------- */

#define MAX_POLLED 16
/* In ms: the daemon sets the fds a moment after the event. */
#define MOMENT	   20

/* Two fds replace the device's fd: for events, and for space, which is readable when there is
 * space. */
static int polled_as(const struct pollfd *fd, struct pollfd *as)
{
	struct daemon_link *link = link_of(fd->fd);
	bool writable = fd->events & (POLLOUT | POLLWRNORM);

	as[0] = *fd;
	as[1] = (struct pollfd){ .fd = -1 };
	if (!link)
		return 0;
	as[0].fd = link->fds[LINK_EVENTS];
	as[0].events &= (short)~(POLLOUT | POLLWRNORM);
	as[1].fd = writable ? link->fds[LINK_WRITABLE] : -1;
	as[1].events = POLLIN;
	/* poll() for other events does not consume a report of space. */
	return daemon_set_poll(link, writable || link->polls & IPCBUSD_POLL_WRITABLE);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct pollfd as[2 * MAX_POLLED];
	int r = 0, ready = 0;

	if (n > MAX_POLLED)
		return __real_poll(fds, n, timeout);
	for (nfds_t i = 0; i < n && !r; i++) {
		r = polled_as(&fds[i], &as[2 * i]);
		if (!timeout && link_of(fds[i].fd))
			timeout = MOMENT;
	}
	if (r < 0)
		return result(r);
	r = __real_poll(as, 2 * n, timeout);
	if (r < 0)
		return r;
	for (nfds_t i = 0; i < n; i++) {
		fds[i].revents = as[2 * i].revents;
		if (as[2 * i + 1].revents & POLLIN) {
			fds[i].revents |= fds[i].events & (POLLOUT | POLLWRNORM);
			daemon_set_poll(link_of(fds[i].fd), /* writable= */ false);
		}
		ready += fds[i].revents != 0;
	}
	return ready;
}

/* Returns the device's fd that is readable when the device is. */
static int event_fd_of(int fd)
{
	struct daemon_link *link = link_of(fd);

	return link ? link->fds[LINK_EVENTS] : fd;
}

int __wrap_epoll_ctl(int fd, int op, int other, struct epoll_event *event)
{
	return __real_epoll_ctl(fd, op, event_fd_of(other), event);
}

int __wrap_select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout)
{
	fd_set as;
	int r;

	FD_ZERO(&as);
	for (int fd = 0; fd < n; fd++)
		if (FD_ISSET(fd, in))
			FD_SET(event_fd_of(fd), &as);
	r = __real_select(FD_SETSIZE, &as, out, other, timeout);
	for (int fd = 0; fd < n; fd++)
		if (!FD_ISSET(event_fd_of(fd), &as))
			FD_CLR(fd, in);
	return r;
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	return __real_epoll_wait(fd, events, max, timeout ? timeout : MOMENT);
}
