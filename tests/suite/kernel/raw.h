/* SPDX-License-Identifier: MIT */
/*
 * The driver's contract as functions, for the tests in this folder.
 *
 * Three layers: only the dev_*() functions touch the device, and a build of the driver in user
 * space replaces only these. Each raw_*() function fills in one UAPI structure and returns the
 * result of the ioctl. Functions marked "must" fail the running test if the driver behaves
 * differently, and report the line of the test.
 *
 * The functions do not retry or hide errors, and do not depend on a particular test.
 */
#ifndef TESTS_KERNEL_RAW_H
#define TESTS_KERNEL_RAW_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipcbus.h"

/* The debugfs folder of the default bus. */
#define DEBUGFS "/sys/kernel/debug/ipcbus"

/* A proc: an open device and, usually, its mapped region. */
struct raw {
	int fd;
	const uint8_t *map;
	size_t size;
};

/* The line of a test that called a "must" function. */
struct raw_place {
	const char *file;
	int line;
};

extern __thread struct raw_place raw_place;

/* A function, so that two calls in a single expression are ordered. */
static inline void raw_here(const char *file, int line)
{
	raw_place = (struct raw_place){ file, line };
}

#define RAW_HERE(call) (raw_here(__FILE__, __LINE__), call)

#define raw_assert(cond, ...)                                                     \
	do {                                                                      \
		if (!(cond))                                                      \
			_ck_assert_failed(raw_place.file, raw_place.line, #cond,  \
					  __VA_ARGS__);                           \
	} while (0)

/* Returns "EBADF" for -EBADF, and the decimal number for an unknown error. */
const char *errname(int r);

#define assert_result(expr, want)                                                 \
	do {                                                                      \
		int got_ = (expr), want_ = (want);                                \
		if (got_ != want_)                                                \
			_ck_assert_failed(__FILE__, __LINE__, #expr,              \
					  "is %d %s, wanted %d %s", got_,         \
					  errname(got_), want_, errname(want_));  \
	} while (0)
#define assert_ok(expr) assert_result(expr, 0)

#define PTR64(p) ((uint64_t)(uintptr_t)(p))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The device. All return a result or -errno. */
int dev_open(int flags);
/* The same for another bus than the default bus. */
int dev_open_at(const char *path, int flags);
/* Mount a bus on a folder, and unmount it; flags as for mount(2) and umount2(2). */
int dev_mount(const char *where, unsigned long flags, const char *options);
int dev_umount(const char *where, int flags);
int dev_map(int fd, size_t size, int prot, int flags, off_t offset, void **ret);
int dev_protect(void *map, size_t size, int prot);
int dev_unmap(void *map, size_t size);
int dev_ioctl(int fd, unsigned int cmd, void *arg);
int dev_poll(int fd, int timeout_ms);
int dev_close(int fd);
/* Sets the file mode of the device, like chmod(); returns the previous mode. */
int dev_set_mode(unsigned int mode);
/* Read as much of a file as fits, terminated by a 0; dev_debug() reads from debugfs. */
int dev_read_text(const char *path, char *text, size_t size);
int dev_debug(const char *name, char *text, size_t size);
/* Sets a parameter of the driver. Returns the previous value, or -errno. */
int dev_set_param(const char *name, unsigned int value);
/* Makes the kernel reclaim memory from all shrinkers. */
int dev_reclaim(void);

/* Open and map, must; close. A region of 0 bytes is not mapped. */
void raw_open(struct raw *r, size_t region);
void raw_open_at(struct raw *r, const char *path, size_t region);
void raw_close(struct raw *r);
/* After fork: closes the parent's files, so that they die with the parent. */
void raw_drop_inherited(void);

/* Runs an exchange. Sets the size, poisons the event, and checks the form of the returned event. */
int raw_exchange(const struct raw *r, struct ipcbus_exchange *x);

/* Sends only. On failure, the event is stored in @ev unless that is NULL. */
int raw_send(const struct raw *r, const struct ipcbus_send *send, struct ipcbus_event *ev);
/* Waits only, with @flags in addition to IPCBUS_WAIT. */
int raw_next(const struct raw *r, uint32_t flags, struct ipcbus_event *ev);
/* Releases a buffer. */
int raw_free(const struct raw *r, uint64_t id);

int raw_node_ioctl(const struct raw *r, unsigned int cmd, struct ipcbus_node *n);
int raw_handle_ioctl(const struct raw *r, unsigned int cmd, uint32_t handle, uint32_t count,
		     uint64_t cookie);
int raw_claim(const struct raw *r, uint64_t node);
int raw_destroy(const struct raw *r, uint64_t node, uint32_t flags);
int raw_put(const struct raw *r, uint32_t handle, uint32_t count);
int raw_watch(const struct raw *r, uint32_t handle, uint64_t cookie);
int raw_unwatch(const struct raw *r, uint32_t handle);
/* The same with IPCBUS_WATCH_* flags. */
int raw_watch_for(const struct raw *r, uint32_t handle, uint32_t flags, uint64_t cookie);
int raw_unwatch_for(const struct raw *r, uint32_t handle, uint32_t flags);
int raw_cancel(const struct raw *r, uint64_t cookie);
int raw_call_info(const struct raw *r, uint64_t call, struct ipcbus_call_info *ret);
int raw_monitor(const struct raw *r, uint32_t flags, uint32_t pid, uint32_t max_data);
int raw_freeze(const struct raw *r, uint32_t flags, pid_t pid, uint32_t timeout_ms,
	       struct ipcbus_freeze *ret);
int raw_node_info(const struct raw *r, uint64_t node, struct ipcbus_node_info *ret);
/* Returns the sender of an open call, or of a oneway by its buffer; the other argument is 0. */
int raw_caller(const struct raw *r, uint64_t call, uint64_t buffer, struct ipcbus_sender_info *ret);

/* Entries of an object table. */
struct ipcbus_object object_node(uint64_t node);
struct ipcbus_object object_handle(uint32_t handle);
struct ipcbus_object object_fd(int fd);

/* must: a new node; returns its id */
uint64_t raw_node(const struct raw *r, uint32_t flags, uint64_t cookie);
/* must: returns the driver's INFO */
struct ipcbus_info raw_info(const struct raw *r);

/* must: the message is sent; does not wait */
void raw_call(const struct raw *r, uint32_t handle, uint32_t code, const void *data, size_t size);
void raw_oneway(const struct raw *r, uint32_t handle, uint32_t code, const void *data, size_t size);
void raw_reply(const struct raw *r, uint64_t call, const void *data, size_t size);
void raw_error(const struct raw *r, uint64_t call, uint32_t code, const void *data, size_t size);

/* must: an event of this kind is there now (raw_take), or arrives in time (raw_wait) */
void raw_take(const struct raw *r, uint32_t kind, struct ipcbus_event *ev);
void raw_wait(const struct raw *r, uint32_t kind, struct ipcbus_event *ev);
/* must: there is no event for this thread */
void raw_none(const struct raw *r);
/* must: the send fails with this error, stage and index */
void raw_fails(const struct raw *r, const struct ipcbus_send *send, int err, uint32_t stage,
	       uint32_t index);
/* must: the call failed in the driver; takes that event */
void raw_failed(const struct raw *r, int err, uint32_t stage, uint32_t index);

/* must: payload and object table of a message lie in the region */
const void *raw_payload(const struct raw *r, const struct ipcbus_event *ev);
const struct ipcbus_object *raw_objects(const struct raw *r, const struct ipcbus_event *ev);
/* must: the payload equals @data */
void raw_holds(const struct raw *r, const struct ipcbus_event *ev, const void *data, size_t size);
/* must: releases the event's buffer, if there is a buffer */
void raw_release(const struct raw *r, const struct ipcbus_event *ev);

/* must: a whole call between two procs of this thread */
void raw_round_trip(const struct raw *from, uint32_t handle, const struct raw *to,
		    const void *data, size_t size);
/* must: gives @to a handle for @from's node, by way of the manager @by */
uint32_t raw_hand(const struct raw *by, const struct raw *to, const struct raw *from,
		  uint64_t node);
/* must: calls and waits, for a server elsewhere; the caller must release the reply */
void raw_call_wait(const struct raw *r, uint32_t handle, uint32_t code, const void *data,
		   size_t size, struct ipcbus_event *ev);

/* Fill and check bytes that depend on their position and on @seed. */
void pattern_fill(void *data, size_t size, uint32_t seed);
bool pattern_is(const void *data, size_t size, uint32_t seed);

#define raw_open(...) RAW_HERE((raw_open)(__VA_ARGS__))
#define raw_open_at(...) RAW_HERE((raw_open_at)(__VA_ARGS__))
#define raw_node(...) RAW_HERE((raw_node)(__VA_ARGS__))
#define raw_info(...) RAW_HERE((raw_info)(__VA_ARGS__))
#define raw_call(...) RAW_HERE((raw_call)(__VA_ARGS__))
#define raw_oneway(...) RAW_HERE((raw_oneway)(__VA_ARGS__))
#define raw_reply(...) RAW_HERE((raw_reply)(__VA_ARGS__))
#define raw_error(...) RAW_HERE((raw_error)(__VA_ARGS__))
#define raw_take(...) RAW_HERE((raw_take)(__VA_ARGS__))
#define raw_wait(...) RAW_HERE((raw_wait)(__VA_ARGS__))
#define raw_none(...) RAW_HERE((raw_none)(__VA_ARGS__))
#define raw_fails(...) RAW_HERE((raw_fails)(__VA_ARGS__))
#define raw_failed(...) RAW_HERE((raw_failed)(__VA_ARGS__))
#define raw_payload(...) RAW_HERE((raw_payload)(__VA_ARGS__))
#define raw_objects(...) RAW_HERE((raw_objects)(__VA_ARGS__))
#define raw_holds(...) RAW_HERE((raw_holds)(__VA_ARGS__))
#define raw_release(...) RAW_HERE((raw_release)(__VA_ARGS__))
#define raw_round_trip(...) RAW_HERE((raw_round_trip)(__VA_ARGS__))
#define raw_hand(...) RAW_HERE((raw_hand)(__VA_ARGS__))
#define raw_call_wait(...) RAW_HERE((raw_call_wait)(__VA_ARGS__))

#endif /* TESTS_KERNEL_RAW_H */
