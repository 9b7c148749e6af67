// SPDX-License-Identifier: MIT
/*
 * Well-behaved programs on the attacked bus, with libipc: a caller, which measures, and a server,
 * which also passes objects between hostile processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <ipc/ipc.h>
#include <ipc/raw.h>

#include "cells.h"

#define KEPT	   4
#define LARGE	   (64UL << 10)
#define PAUSE_USEC 200

static void give_up(const char *what, int r)
{
	fprintf(stderr, "honest: %s: %s\n", what, strerror(-r));
	_exit(1);
}

/* --- The server -------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ipc_proxy *kept[KEPT];
static unsigned int next_kept;

static void keep(struct ipc_proxy *proxy)
{
	pthread_mutex_lock(&lock);
	ipc_proxy_unref(kept[next_kept]);
	kept[next_kept] = proxy ? ipc_proxy_ref(proxy) : NULL;
	next_kept = (next_kept + 1) % KEPT;
	pthread_mutex_unlock(&lock);
}

static int give(struct ipc_call *call)
{
	struct ipc_raw_entry entries[KEPT + 1];
	struct ipc_raw_message reply = { .entries = entries };
	int r, fd = memfd_create("given", MFD_CLOEXEC);

	if (fd >= 0)
		entries[reply.n_entries++] = (struct ipc_raw_entry){ .type = IPC_RAW_FD, .fd = fd };
	pthread_mutex_lock(&lock);
	for (int i = 0; i < KEPT; i++)
		if (kept[i])
			entries[reply.n_entries++] = (struct ipc_raw_entry){
				.type = IPC_RAW_PROXY, .proxy = ipc_proxy_ref(kept[i])
			};
	pthread_mutex_unlock(&lock);
	r = ipc_raw_reply(call, &reply);
	for (size_t i = 0; i < reply.n_entries; i++)
		if (entries[i].type == IPC_RAW_PROXY)
			ipc_proxy_unref(entries[i].proxy);
	if (fd >= 0)
		close(fd);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct ipc_raw_message reply = { .data = request->data, .size = request->size };

	(void)userdata;
	if (request->method == SERVER_KEEP)
		for (size_t i = 0; i < request->n_entries; i++)
			if (request->entries[i].type == IPC_RAW_PROXY)
				keep(request->entries[i].proxy);
	if (request->method == SERVER_FORGET)
		for (int i = 0; i < KEPT; i++)
			keep(NULL);
	if (request->method == SERVER_GIVE)
		return give(call);
	return ipc_raw_reply(call, &reply);
}

void honest_server(void)
{
	static const struct ipc_raw_ops ops = { .flags = IPC_RAW_ACCEPT_FDS, .serve = serve };
	struct ipc_object *object;
	struct ipc *ipc;
	int r = ipc_open(&ipc, NULL);

	if (r == 0)
		r = ipc_raw_object_new(ipc, &ops, NULL, &object);
	if (r == 0)
		r = ipc_set_threads(ipc, 2);
	if (r == 0)
		r = ipc_set_manager(ipc, object);
	if (r == 0)
		r = ipc_run(ipc);
	give_up("the server", r);
	_exit(1);
}

/* --- The victim of kills -------------------------------------------------------------- */

/* A call with everything that a message can contain, depending on @n. */
static void call_with_all(struct ipc_proxy *manager, struct ipc_object *object, unsigned int n)
{
	static uint8_t data[LARGE];
	struct ipc_raw_entry entries[] = {
		{ .tag = 1, .type = IPC_RAW_OBJECT, .object = object },
		{ .tag = 2, .type = IPC_RAW_FD, .fd = STDIN_FILENO },
	};
	struct ipc_raw_message request = { .data = data, .size = n % 5 ? n % 512 : LARGE };
	struct ipc_raw_message *reply;

	if (n % 3 == 0) {
		request.method = SERVER_KEEP;
		request.entries = entries;
		request.n_entries = 2;
	} else if (n % 3 == 1) {
		request.method = SERVER_GIVE;
		request.flags = IPC_RAW_ACCEPT_FDS;
	}
	if (n % 4 == 3)
		ipc_raw_oneway(manager, &request, NULL);
	else if (ipc_raw_call(manager, &request, NULL, &reply, NULL) == 0)
		ipc_raw_free(reply);
}

void honest_victim(unsigned int n)
{
	static const struct ipc_raw_ops ops = { .serve = serve };

	for (;;) {
		struct ipc_proxy *manager = NULL;
		struct ipc_object *object = NULL;
		struct ipc *ipc;
		int r = ipc_open(&ipc, NULL);

		if (r == 0)
			r = ipc_get_manager(ipc, &manager);
		if (r == 0)
			r = ipc_raw_object_new(ipc, &ops, NULL, &object);
		if (r < 0)
			give_up("the victim", r);
		/* Also opens and closes connections. */
		for (unsigned int i = 0; i < 20; i++)
			call_with_all(manager, object, n++);
		ipc_object_unref(object);
		ipc_proxy_unref(manager);
		ipc_unref(ipc);
	}
}

/* --- The caller --------------------------------------------------------------------------- */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void count(struct report *report, uint64_t time)
{
	unsigned int i = 0;

	for (uint64_t us = time / 1000; us && i < 31; us >>= 1)
		i++;
	__atomic_fetch_add(&report->times[i], 1, __ATOMIC_RELAXED);
	if (time > report->longest)
		report->longest = time;
	__atomic_fetch_add(&report->calls, 1, __ATOMIC_RELEASE);
}

_Noreturn static void fail(struct report *report, const char *what, int r)
{
	snprintf(report->text, sizeof(report->text), "%s after %llu calls: %s", what,
		 (unsigned long long)report->calls, r ? strerror(-r) : "wrong");
	__atomic_store_n(&report->failed, 1, __ATOMIC_RELEASE);
	_exit(1);
}

/* A hostile process of the same user may use up the user's quota for a while. */
static bool may_pass(int r)
{
	return r == -EDQUOT || r == -EAGAIN || r == -ENOSPC || r == -ENOBUFS || r == -ENOMEM;
}

static int call(const struct report *report, struct ipc_proxy *proxy,
		const struct ipc_raw_message *request)
{
	struct ipc_options options = { .timeout_usec = report->limit * 1000000ULL };
	struct ipc_raw_message *reply;
	int r = ipc_raw_call(proxy, request, &options, &reply, NULL);

	if (r < 0)
		return r;
	r = reply->size != request->size || memcmp(reply->data, request->data, reply->size);
	ipc_raw_free(reply);
	return r ? -EBADMSG : 0;
}

static void call_in_time(struct report *report, struct ipc_proxy *proxy,
			 const struct ipc_raw_message *request)
{
	uint64_t begin = now(), time;
	int r;

	do {
		r = call(report, proxy, request);
		time = now() - begin;
	} while (may_pass(r) && time < report->limit * 1000000000ULL);
	if (r)
		fail(report, "a call failed", r);
	count(report, time);
}

void honest_caller(struct report *report)
{
	struct ipc_proxy *manager = NULL;
	struct ipc *ipc;
	uint64_t *data = malloc(LARGE);
	int r = ipc_wait_manager(NULL, report->limit * 1000000ULL);

	if (r >= 0)
		r = r ? ipc_open(&ipc, NULL) : -ETIMEDOUT;
	if (r == 0)
		r = ipc_get_manager(ipc, &manager);
	if (r || !data)
		fail(report, "the caller cannot begin", r ?: -ENOMEM);
	for (uint64_t n = 0;; n++) {
		struct ipc_raw_message request = { .data = data,
						   .size = n % 16 ? 64 : LARGE };

		for (size_t i = 0; i < request.size / sizeof(*data); i++)
			data[i] = n + i;
		if (__atomic_exchange_n(&report->forget, 0, __ATOMIC_ACQUIRE))
			request.method = SERVER_FORGET;
		call_in_time(report, manager, &request);
		usleep(PAUSE_USEC);
	}
}
