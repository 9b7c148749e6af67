// SPDX-License-Identifier: MIT
/*
 * Wrappers for functions of the C library and the device; see memory.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>

#include "device/device.h"
#include "memory.h"

/* --- Which step fails ---------------------------------------------------------- */

static __thread unsigned int left[MEMORY_KINDS];	/* steps until a failure */
/* number of further steps that fail directly after it */
static __thread unsigned int more;
static __thread bool failed;

void memory_arm(enum memory_kind kind, enum memory_how how, unsigned int nth)
{
	left[kind] = nth;
	more = how == MEMORY_ONCE ? 0 : how == MEMORY_TWICE ? 1 : ~0U;
	failed = false;
}

bool memory_disarm(void)
{
	memset(left, 0, sizeof(left));
	return failed;
}

static bool fails(enum memory_kind kind)
{
	if (!left[kind] || --left[kind])
		return false;
	failed = true;
	if (more) {
		left[kind] = 1;
		more--;
	}
	return true;
}

/* --- Memory ------------------------------------------------------------------- */

static long pieces;

static void *count(void *piece)
{
	if (piece)
		__atomic_add_fetch(&pieces, 1, __ATOMIC_RELAXED);
	return piece;
}

long memory_pieces(void)
{
	return __atomic_load_n(&pieces, __ATOMIC_RELAXED);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *piece, size_t size);
void __real_free(void *piece);
char *__real_strdup(const char *text);
int __real_vasprintf(char **ret_text, const char *format, va_list args);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *piece, size_t size);
void *__wrap_reallocarray(void *piece, size_t n, size_t size);
void __wrap_free(void *piece);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **ret_text, const char *format, va_list args);

void *__wrap_malloc(size_t size)
{
	return fails(MEMORY_HOST) ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails(MEMORY_HOST) ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *piece, size_t size)
{
	if (!piece)
		return __wrap_malloc(size);
	return fails(MEMORY_HOST) ? NULL : __real_realloc(piece, size);
}

void *__wrap_reallocarray(void *piece, size_t n, size_t size)
{
	return __wrap_realloc(piece, n * size);
}

void __wrap_free(void *piece)
{
	if (piece)
		__atomic_sub_fetch(&pieces, 1, __ATOMIC_RELAXED);
	__real_free(piece);
}

char *__wrap_strdup(const char *text)
{
	return fails(MEMORY_HOST) ? NULL : count(__real_strdup(text));
}

/* After a failure, *ret_text is undefined. */
int __wrap_vasprintf(char **ret_text, const char *format, va_list args)
{
	int n;

	*ret_text = (char *)1;
	if (fails(MEMORY_HOST))
		return -1;
	n = __real_vasprintf(ret_text, format, args);
	if (n >= 0)
		count(*ret_text);
	return n;
}

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg)
{
	return fails(MEMORY_HOST) ? EAGAIN : __real_pthread_create(ret, attr, fn, arg);
}

int __real_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags);

int __wrap_pidfd_open(pid_t pid, unsigned int flags)
{
	if (!fails(MEMORY_HOST))
		return __real_pidfd_open(pid, flags);
	errno = ENOMEM;
	return -1;
}

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	if (!fails(MEMORY_HOST))
		return __real_epoll_ctl(epoll, what, fd, event);
	errno = ENOMEM;
	return -1;
}

int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);

int __wrap_memfd_create(const char *name, unsigned int flags)
{
	if (!fails(MEMORY_HOST))
		return __real_memfd_create(name, flags);
	errno = ENOMEM;
	return -1;
}

int __real_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags);

int __wrap_eventfd(unsigned int count, int flags)
{
	if (!fails(MEMORY_HOST))
		return __real_eventfd(count, flags);
	errno = ENOMEM;
	return -1;
}

int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);

int __wrap_timerfd_create(int clock, int flags)
{
	if (!fails(MEMORY_HOST))
		return __real_timerfd_create(clock, flags);
	errno = ENOMEM;
	return -1;
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (!fails(MEMORY_HOST))
		return __real_mmap(at, size, protection, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

/* --- The device --------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long handles;

long memory_handles(void)
{
	return handles;
}

void memory_handle_arrived(void)
{
	handles++;
}

int __real_device_exchange(const struct device *device, uint64_t generation,
			   struct ipcbus_exchange *x);
int __real_device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
			     uint32_t count);
int __real_device_open(struct device *device, const char *path, size_t region_size);
int __real_device_set_poll(struct device *device, unsigned int polls);
int __real_device_request(const struct device *device, unsigned long request, void *arg);
int __wrap_device_exchange(const struct device *device, uint64_t generation,
			   struct ipcbus_exchange *x);
int __wrap_device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
			     uint32_t count);
int __wrap_device_open(struct device *device, const char *path, size_t region_size);
int __wrap_device_set_poll(struct device *device, unsigned int polls);
int __wrap_device_request(const struct device *device, unsigned long request, void *arg);

static void count_handles(const struct device *device, const struct ipcbus_event *event)
{
	const struct ipcbus_object *objects = device_at(device, event->objects);

	for (unsigned int i = 0; i < event->object_count; i++)
		handles += objects[i].type == IPCBUS_OBJECT_HANDLE;
}

/* If the driver knows the thread, waits and empty replies need no memory. */
static bool needs_memory(const struct ipcbus_send *send)
{
	return send->kind == IPCBUS_SEND_CALL || send->kind == IPCBUS_SEND_ONEWAY ||
	       send->data_size || send->object_count;
}

int __wrap_device_exchange(const struct device *device, uint64_t generation,
			   struct ipcbus_exchange *x)
{
	int r;

	x->event.stage = 0;
	if (needs_memory(&x->send) && fails(MEMORY_DRIVER))
		return -ENOMEM;
	pthread_mutex_lock(&lock);
	r = __real_device_exchange(device, generation, x);
	if (!r)
		count_handles(device, &x->event);
	pthread_mutex_unlock(&lock);
	return r;
}

int __wrap_device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
			     uint32_t count)
{
	handles -= count;
	return __real_device_handle_put(device, generation, handle, count);
}

int __wrap_device_open(struct device *device, const char *path, size_t region_size)
{
	if (fails(MEMORY_DRIVER))
		return -ENOMEM;
	return __real_device_open(device, path, region_size);
}

int __wrap_device_request(const struct device *device, unsigned long request, void *arg)
{
	if ((request == IPCBUS_IOC_NODE_CREATE || request == IPCBUS_IOC_WATCH) &&
	    fails(MEMORY_DRIVER))
		return -ENOMEM;
	return __real_device_request(device, request, arg);
}

int __wrap_device_set_poll(struct device *device, unsigned int polls)
{
	/* Polling for fewer events needs no memory. */
	if (polls & ~device->polls && fails(MEMORY_DRIVER))
		return -ENOMEM;
	return __real_device_set_poll(device, polls);
}
