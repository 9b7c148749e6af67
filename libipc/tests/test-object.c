// SPDX-License-Identifier: MIT
/*
 * Lifetimes of objects: each row of the table in object.h.
 */
#include <errno.h>
#include <pthread.h>

#include "fake-device.h"
#include "core/object.h"
#include "core/proxy.h"
#include "method.h"
#include "servicemanager.ipc.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static uint64_t node;
static const struct test_ops no_ops;
static _Atomic int destroyed;

static void destroy(void *userdata)
{
	ck_assert_ptr_eq(userdata, &destroyed);
	destroyed++;
}

static struct ipc_object *begin(void)
{
	struct ipc_object *object;

	fake_reset();
	destroyed = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(test_object_new(ipc, &no_ops, &destroyed, destroy, &object), 0);
	return object;
}

START_TEST(never_sent)
{
	struct ipc_object *object = begin();

	ck_assert_ptr_eq(ipc_object_ref(object), object);
	ck_assert_ptr_null(ipc_object_unref(object));
	ck_assert_int_eq(destroyed, 0);
	ck_assert_ptr_null(ipc_object_unref(object));
	ck_assert_int_eq(destroyed, 1);
	ck_assert_uint_eq(fake.n_nodes, 0);
	ck_assert_uint_eq(fake.n_settled, 0);
	ipc_unref(ipc);
}
END_TEST

START_TEST(null_is_no_object)
{
	struct ipc_object_info info = { .size = sizeof(info) };
	uint64_t id;

	ck_assert_ptr_null(ipc_object_ref(NULL));
	ck_assert_ptr_null(ipc_object_unref(NULL));
	ck_assert_int_eq(ipc_object_id(NULL, &id), -EINVAL);
	ck_assert_int_eq(ipc_object_info(NULL, &info), -EINVAL);
}
END_TEST

START_TEST(properties_of_the_node)
{
	const struct ipc_object_limits limits = { .size = sizeof(limits), .streams = 2 };
	const struct ipc_object_limits shorter = { .size = sizeof(limits) - 1 };
	struct {
		struct ipc_object_limits limits;
		uint64_t later;
	} newer = { .limits.size = sizeof(newer), .limits.streams = 2 };
	struct ipc_object *object = begin();

	ck_assert_int_eq(ipc_object_set_flags(NULL, 0), -EINVAL);
	ck_assert_int_eq(ipc_object_set_flags(object, 1U << 2), -EINVAL);
	ck_assert_int_eq(ipc_object_set_limits(NULL, &limits), -EINVAL);
	ck_assert_int_eq(ipc_object_set_limits(object, NULL), -EINVAL);
	ck_assert_int_eq(ipc_object_set_limits(object, &shorter), -EINVAL);
	ck_assert_int_eq(ipc_object_set_limits(object, &limits), 0);
	/* A newer program may use known members, but no unknown members. */
	ck_assert_int_eq(ipc_object_set_limits(object, &newer.limits), 0);
	newer.later = 1;
	ck_assert_int_eq(ipc_object_set_limits(object, &newer.limits), -E2BIG);
	ck_assert_int_eq(ipc_object_set_priority(NULL, 0, 0), -EINVAL);
	ck_assert_int_eq(ipc_object_set_flags(object, IPC_OBJECT_LABEL), 0);
	ck_assert_int_eq(ipc_object_set_priority(object, 1, 7), 0);
	object_id(object);
	ck_assert(fake.node.flags & IPCBUS_NODE_WANT_LABEL);
	ck_assert(fake.node.flags & IPCBUS_NODE_PRIORITY);
	ck_assert_int_eq(fake.node.sched_policy, 1);
	ck_assert_int_eq(fake.node.priority, 7);
	/* Fails after the node was created. */
	ck_assert_int_eq(ipc_object_set_flags(object, 0), -EBUSY);
	ck_assert_int_eq(ipc_object_set_limits(object, &limits), -EBUSY);
	ck_assert_int_eq(ipc_object_set_priority(object, 0, 0), -EBUSY);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

START_TEST(single_node_for_all_ids)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);

	ck_assert(id_is_object(id));
	ck_assert_uint_eq(object_id(object), id);
	ck_assert_uint_eq(fake.n_nodes, 1);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
	ck_assert_ptr_eq(ipc_object_userdata(object), &destroyed);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_uint_eq(fake.n_settled, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(references_to_it)
{
	struct ipc_object *object = begin();
	struct ipc_object_info info = { .size = sizeof(info) };
	struct {
		struct ipc_object_info info;
		uint64_t later;
	} newer = { .later = 7 };

	/* No node was created, so there are no references. */
	ck_assert_int_eq(ipc_object_info(object, &info), 0);
	ck_assert_uint_eq(info.refs + info.pending + info.oneways + info.watches, 0);
	object_id(object);
	ck_assert_int_eq(ipc_object_info(object, &info), 0);
	ck_assert_uint_eq(info.refs, 1);
	ck_assert_uint_eq(info.pending, 2);
	ck_assert_uint_eq(info.oneways, 3);
	ck_assert_uint_eq(info.watches, 4);
	ck_assert_int_eq(ipc_object_info(object, NULL), -EINVAL);
	info.size--;
	ck_assert_int_eq(ipc_object_info(object, &info), -EINVAL);
	newer.info.size = sizeof(newer);
	ck_assert_int_eq(ipc_object_info(object, &newer.info), 0);
	ck_assert_uint_eq(newer.info.size, sizeof(newer));
	ck_assert_uint_eq(newer.info.watches, 4);
	ck_assert_uint_eq(newer.later, 0);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

static const char funcs[1];

/* Its methods take no objects and no bytes, so it accepts no files. */
static int invoke(struct ipc_call *call, const ProtobufCMessage *request, const void *ops,
		  void *userdata)
{
	ck_assert_ptr_eq(request->descriptor, &ipc__test__cargo__descriptor);
	ck_assert_ptr_eq(ops, funcs);
	ck_assert_ptr_eq(userdata, &destroyed);
	return ipc_call_fail(call, EXFULL, NULL, NULL);
}

START_TEST(interfaces_without_codecs)
{
	struct ipc_interface plain = test_interface;
	struct ipc_object *object = begin(), *other;
	struct ipc_method methods[2] = { *method_of(&test_interface, "Carry") };

	methods[0].request_codec = methods[0].reply_codec = NULL;
	methods[0].invoke = invoke;
	methods[0].number = 1;
	methods[1] = methods[0];
	methods[1].number = 2;
	plain.methods = methods;
	plain.n_methods = 2;
	ck_assert_int_eq(ipc_object_new(ipc, &plain, NULL, &destroyed, NULL, &other), -EINVAL);
	ck_assert_int_eq(ipc_object_new(ipc, &plain, funcs, &destroyed, NULL, &other), 0);
	object_id(other);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL,
					 .cookie = fake.cookie,
					 .code = 2,
					 .call = 100 },
		  NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EXFULL);
	ipc_object_unref(other);

	plain.method_size--;
	ck_assert_int_eq(ipc_object_new(ipc, &plain, NULL, NULL, NULL, &other), -EINVAL);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

/* The stub of a newer program: its table of methods has longer entries. */
START_TEST(interfaces_of_other_versions)
{
	struct {
		struct ipc_method method;
		uint64_t later;
	} methods[2] = { 0 };
	struct {
		struct ipc_interface interface;
		uint64_t later;
	} newer = { .interface = test_interface };
	struct ipc_interface old = test_interface;
	struct ipc_object *object = begin(), *other;

	newer.interface.size = sizeof(newer);
	newer.interface.methods = &methods[0].method;
	newer.interface.method_size = sizeof(methods[0]);
	newer.interface.n_methods = 2;
	methods[0].method.number = 1;
	methods[0].later = UINT64_MAX;
	methods[1].method = *method_of(&test_interface, "Carry");
	methods[1].method.invoke = invoke;
	ck_assert_int_eq(ipc_object_new(ipc, &newer.interface, funcs, &destroyed, NULL, &other), 0);
	object_id(other);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL,
					 .cookie = fake.cookie,
					 .code = methods[1].method.number,
					 .call = 100 },
		  NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, EXFULL);
	ipc_object_unref(other);
	methods[1].method.flags = 0;
	ck_assert_int_eq(ipc_object_new(ipc, &newer.interface, funcs, NULL, NULL, &other), 0);
	object_id(other);
	ck_assert(!(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS));
	ipc_object_unref(other);

	newer.later = 1;
	ck_assert_int_eq(ipc_object_new(ipc, &newer.interface, funcs, NULL, NULL, &other), -E2BIG);
	old.size--;
	ck_assert_int_eq(ipc_object_new(ipc, &old, NULL, NULL, NULL, &other), -EINVAL);
	ck_assert_int_eq(ipc_object_new(ipc, NULL, NULL, NULL, NULL, &other), -EINVAL);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

START_TEST(files_only_for_objects_that_accept_them)
{
	struct ipc_object *object;

	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_object_new(ipc, &registrant_interface, funcs, NULL, NULL, &object), 0);
	object_id(object);
	ck_assert_uint_eq(fake.node.flags, 0);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

START_TEST(remote_references_keep_it_until_idle)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), 0);
	ipc_object_unref(object);
	/* The driver need not be asked: its IDLE event is still to come. */
	ck_assert_uint_eq(fake.n_settled, 0);
	ck_assert_int_eq(destroyed, 0);
	ck_assert_ptr_eq(object_from_cookie(ipc, fake.cookie), object);
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 0);

	object_idle(ipc, fake.cookie);
	ck_assert_uint_eq(fake.n_settled, 1);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_ptr_null(object_from_cookie(ipc, fake.cookie));
	object_idle(ipc, fake.cookie);
	ipc_unref(ipc);
}
END_TEST

/* --- Lookup without a lock ------------------------------------------------------------ */

START_TEST(served_only_while_it_is_there)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);
	struct thread *t;

	ck_assert_int_eq(thread_get(ipc, &t), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(object_served(t, fake.cookie), object);
		ck_assert_uint_eq(atomic_load(&object->refs), 2);
		ipc_object_unref(object);
		ck_assert_ptr_null(atomic_load(&t->looking));
	}
	ck_assert_ptr_null(object_served(t, fake.cookie + 1));
	/* Only other processes hold it. */
	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), 0);
	ipc_object_unref(object);
	ck_assert_ptr_eq(object_served(t, fake.cookie), object);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 0);
	object_idle(ipc, fake.cookie);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_ptr_null(object_served(t, fake.cookie));
	ipc_unref(ipc);
}
END_TEST

/* While a thread uses an object, its memory is kept until another object ends. */
START_TEST(looked_at_while_it_ends)
{
	struct ipc_object *object = begin(), *other;
	struct thread *t;

	object_id(object);
	ck_assert_int_eq(thread_get(ipc, &t), 0);
	ck_assert_ptr_eq(object_served(t, fake.cookie), object);
	ipc_object_unref(object);
	atomic_store(&t->looking, object);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_ptr_eq(LIST_FIRST(&ipc->ended), object);
	ck_assert(!refs_take_unless_none(&object->refs));
	atomic_store(&t->looking, NULL);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(test_object_new(ipc, &no_ops, &destroyed, destroy, &other), 0);
		object_id(other);
		/* In the end the connection is closed during a lookup. */
		atomic_store(&t->looking, i ? other : NULL);
		ipc_object_unref(other);
		ck_assert_ptr_eq(LIST_FIRST(&ipc->ended), i ? other : NULL);
	}
	ipc_unref(ipc);
}
END_TEST

#define ENDS	2000

static _Atomic uint64_t current;	/* the cookie of the newest object; 0: no more follow */
static _Atomic int others;		/* lookups that found another object */

static void *serve_current(void *data)
{
	struct ipc_object *object;
	struct thread *t;
	uint64_t cookie;

	(void)data;
	if (thread_get(ipc, &t) < 0)
		return NULL;
	while ((cookie = atomic_load(&current))) {
		object = object_served(t, cookie);
		others += object && object->wants.cookie != cookie;
		ipc_object_unref(object);
	}
	return NULL;
}

/* Some threads serve an object while another thread ends it. */
START_TEST(served_while_it_ends)
{
	struct ipc_object *object = begin();
	pthread_t threads[2];

	object_id(object);
	atomic_store(&current, fake.cookie);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, serve_current, NULL), 0);
	for (int i = 0; i < ENDS; i++) {
		ipc_object_unref(object);
		ck_assert_int_eq(test_object_new(ipc, &no_ops, &destroyed, destroy, &object), 0);
		object_id(object);
		atomic_store(&current, fake.cookie);
		if (i % 64 == 0)
			usleep(1000);
	}
	atomic_store(&current, 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ipc_object_unref(object);
	ck_assert_int_eq(others, 0);
	ck_assert_int_eq(destroyed, ENDS + 1);
	ck_assert(LIST_EMPTY(&ipc->ended));
	ipc_unref(ipc);
}
END_TEST

/* --- Events of the driver ---------------------------------------------------------------- */

/* IDLE was true when it was queued, but then the object was sent again. */
START_TEST(idle_that_is_old)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), 0);
	ipc_object_unref(object);
	fake.settle_error = -EBUSY;
	object_idle(ipc, fake.cookie);
	ck_assert_uint_eq(fake.n_settled, 1);
	ck_assert_int_eq(destroyed, 0);
	/* Further calls cause no further requests. */
	ipc_object_unref(object_from_cookie(ipc, fake.cookie));
	ck_assert_uint_eq(fake.n_settled, 1);
	fake.settle_error = 0;
	object_idle(ipc, fake.cookie);
	ck_assert_int_eq(destroyed, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(idle_while_in_use_here)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), 0);
	object_idle(ipc, fake.cookie);
	ck_assert_uint_eq(fake.n_settled, 0);
	/* The object keeps its id. */
	ck_assert_uint_eq(object_id(object), id);
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 1);
	ck_assert_int_eq(destroyed, 1);
	ipc_unref(ipc);
}
END_TEST

/* Another thread handles IDLE before the sending call has returned. */
START_TEST(idle_overtakes_the_sender)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), 0);
	object_idle(ipc, fake.cookie);
	/* The call returns without an effect on the object. */
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(not_sent_after_all)
{
	struct ipc_object *object = begin();
	uint64_t id = object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), 0);
	object_idle(ipc, id_cookie(id));
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 1);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_int_eq(object_sending(ipc, id_cookie(id), &node), -EBADF);
	ipc_unref(ipc);
}
END_TEST

START_TEST(end_of_the_connection_ends_remotely_held_objects)
{
	struct ipc_object *object = begin();

	ck_assert_int_eq(object_sending(ipc, id_cookie(object_id(object)), &node), 0);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 0);
	ipc_unref(ipc);
	ck_assert_int_eq(destroyed, 1);
}
END_TEST

/* Violates the rules, but must not crash. */
START_TEST(a_reference_that_outlives_the_connection)
{
	struct ipc_object *object = begin();
	uint64_t id;

	object_id(object);
	ipc_unref(ipc);
	ck_assert_int_eq(destroyed, 0);
	ck_assert_int_eq(ipc_object_id(object, &id), -EINVAL);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(the_manager_is_kept)
{
	struct ipc_object *object = begin();

	ck_assert_int_eq(ipc_set_manager(ipc, object), 0);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 0);
	ipc_unref(ipc);
	ck_assert_int_eq(destroyed, 1);
}
END_TEST

/* --- In messages ------------------------------------------------------------------------ */

static void ignore(int result, ProtobufCMessage *reply, const struct ipc_error *error,
		   ipc_rpc_cb cb, void *userdata)
{
	(void)result, (void)reply, (void)error, (void)cb, (void)userdata;
}

static void send_fails(uint32_t kind)
{
	fake.send_error = -ENOSPC;
	fake.send_error_kind = kind;
}

/* Returns whether the driver may consider it idle: not while a message may hold it. */
START_TEST(sent_or_not)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	struct ipc_object *object = begin();
	Ipc__Object id = IPC__OBJECT__INIT;
	const struct ipc_method *carry = method_of(&test_interface, "Carry");
	struct ipc_proxy *proxy;
	struct test *peer;

	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	peer = test_from_proxy(proxy);
	id.id = object_id(object);
	cargo.object = &id;

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(test_carry(peer, &cargo, NULL, NULL), 0);
	ck_assert(!object->maybe_idle);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_FAILED, .error = -EOWNERDEAD },
		  NULL, 0, NULL, 0);
	ck_assert_int_eq(test_carry(peer, &cargo, NULL, NULL), -EOWNERDEAD);
	ck_assert(object->maybe_idle);

	ck_assert_int_eq(test_drop(peer, &cargo), 0);
	ck_assert(!object->maybe_idle);
	send_fails(IPCBUS_SEND_ONEWAY);
	ck_assert_int_eq(test_drop(peer, &cargo), -ENOSPC);
	ck_assert(object->maybe_idle);

	ck_assert_int_eq(ipc_rpc_call_async(proxy, carry, NULL, &cargo.base, ignore,
					    (ipc_rpc_cb)ignore, NULL, NULL), 0);
	ck_assert(!object->maybe_idle);
	send_fails(IPCBUS_SEND_CALL);
	ck_assert_int_eq(ipc_rpc_call_async(proxy, carry, NULL, &cargo.base, ignore,
					    (ipc_rpc_cb)ignore, NULL, NULL), -ENOSPC);
	ck_assert(object->maybe_idle);

	test_unref(peer);
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(ended_while_held_remotely)
{
	struct ipc_object *object = begin();

	ck_assert_int_eq(ipc_object_end(NULL), -EINVAL);
	ck_assert_int_eq(ipc_object_end(object), -ENOENT);
	object_id(object);
	ck_assert_uint_eq(fake.n_destroyed, 0);
	ck_assert_int_eq(ipc_object_end(object), 0);
	ck_assert_uint_eq(fake.n_destroyed, 1);
	ck_assert_int_eq(destroyed, 0);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("object", never_sent, null_is_no_object, properties_of_the_node,
			 single_node_for_all_ids, references_to_it, interfaces_without_codecs,
			 interfaces_of_other_versions,
			 files_only_for_objects_that_accept_them,
			 remote_references_keep_it_until_idle,
			 idle_that_is_old, idle_while_in_use_here, idle_overtakes_the_sender,
			 not_sent_after_all, end_of_the_connection_ends_remotely_held_objects,
			 a_reference_that_outlives_the_connection, the_manager_is_kept,
			 sent_or_not, ended_while_held_remotely, served_only_while_it_is_there,
			 looked_at_while_it_ends, served_while_it_ends);
}
