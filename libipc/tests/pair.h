/* SPDX-License-Identifier: MIT */
/*
 * Setup of most tests of typed calls: a connection on a new fake device, an object of an interface,
 * and a proxy for a peer's object of the same interface.
 */
#ifndef IPC_TEST_PAIR_H
#define IPC_TEST_PAIR_H

#include "core/object.h"
#include "core/proxy.h"
#include "fake-device.h"
#include "test-run.h"

/* Defines a proxy and an object of an interface. begin_pair() takes the ops of the object. */
#define PAIR_OF(interface)                                                                         \
	static struct ipc *ipc;                                                                    \
	static struct interface *peer;                                                             \
	static struct ipc_object *object;                                                          \
	static void begin_pair(const struct interface##_ops *pair_ops, uint64_t region_size)       \
	{                                                                                          \
		struct ipc_proxy *proxy;                                                           \
		fake_reset();                                                                      \
		ck_assert_int_eq(ipc_open_sized(&ipc, NULL, region_size), 0);                      \
		ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);                       \
		peer = interface##_from_proxy(proxy);                                              \
		ck_assert_int_eq(interface##_object_new(ipc, pair_ops, NULL, NULL, &object), 0);   \
		object_id(object);                                                                 \
	}                                                                                          \
	static void end(void)                                                                      \
	{                                                                                          \
		interface##_unref(peer);                                                           \
		ipc_object_unref(object);                                                          \
		ipc_unref(ipc);                                                                    \
	}

#endif /* IPC_TEST_PAIR_H */
