// SPDX-License-Identifier: MIT
/*
 * How long objects live: each line of the table in object.h.
 */
#include <errno.h>

#include "fake-device.h"
#include "core/object.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static const struct test_ops no_ops;
static int destroyed;

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
	ck_assert_ptr_null(ipc_object_ref(NULL));
	ck_assert_ptr_null(ipc_object_unref(NULL));
	ck_assert_uint_eq(ipc_object_id(NULL), 0);
}
END_TEST

START_TEST(what_the_node_shall_have)
{
	struct ipc_object *object = begin();

	ck_assert_int_eq(ipc_object_set_flags(NULL, 0), -EINVAL);
	ck_assert_int_eq(ipc_object_set_flags(object, 2), -EINVAL);
	ck_assert_int_eq(ipc_object_set_priority(NULL, 0, 0), -EINVAL);
	ck_assert_int_eq(ipc_object_set_flags(object, IPC_OBJECT_LABEL), 0);
	ck_assert_int_eq(ipc_object_set_priority(object, 1, 7), 0);
	ck_assert_uint_ne(ipc_object_id(object), 0);
	ck_assert(fake.node.flags & IPCBUS_NODE_WANT_LABEL);
	ck_assert(fake.node.flags & IPCBUS_NODE_PRIORITY);
	ck_assert_int_eq(fake.node.policy, 1);
	ck_assert_int_eq(fake.node.priority, 7);
	/* Too late. */
	ck_assert_int_eq(ipc_object_set_flags(object, 0), -EBUSY);
	ck_assert_int_eq(ipc_object_set_priority(object, 0, 0), -EBUSY);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

START_TEST(one_node_for_all_ids)
{
	struct ipc_object *object = begin();
	uint64_t id = ipc_object_id(object);

	ck_assert(id_is_object(id));
	ck_assert_uint_eq(ipc_object_id(object), id);
	ck_assert_uint_eq(fake.n_nodes, 1);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
	ck_assert_ptr_eq(ipc_object_userdata(object), &destroyed);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_uint_eq(fake.n_settled, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(held_by_others_until_idle)
{
	struct ipc_object *object = begin();
	uint64_t id = ipc_object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_node(id)), 0);
	ipc_object_unref(object);
	/* Nothing to ask the driver: its word is still to come. */
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

/* IDLE was true when it was said, but then the object was sent again. */
START_TEST(idle_that_is_old)
{
	struct ipc_object *object = begin();
	uint64_t id = ipc_object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_node(id)), 0);
	ipc_object_unref(object);
	fake.settle_error = -EBUSY;
	object_idle(ipc, fake.cookie);
	ck_assert_uint_eq(fake.n_settled, 1);
	ck_assert_int_eq(destroyed, 0);
	/* Calls come and go without more questions. */
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
	uint64_t id = ipc_object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_node(id)), 0);
	object_idle(ipc, fake.cookie);
	ck_assert_uint_eq(fake.n_settled, 0);
	/* The id stays the object's. */
	ck_assert_uint_eq(ipc_object_id(object), id);
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
	uint64_t id = ipc_object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_node(id)), 0);
	object_idle(ipc, fake.cookie);
	/* ... the call returns, and says nothing */
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(not_sent_after_all)
{
	struct ipc_object *object = begin();
	uint64_t id = ipc_object_id(object);

	ck_assert_int_eq(object_sending(ipc, id_node(id)), 0);
	object_unsent(ipc, id_node(id));
	ipc_object_unref(object);
	ck_assert_uint_eq(fake.n_settled, 1);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_int_eq(object_sending(ipc, id_node(id)), -EBADF);
	ipc_unref(ipc);
}
END_TEST

START_TEST(the_end_of_the_connection_ends_what_others_hold)
{
	struct ipc_object *object = begin();

	ck_assert_int_eq(object_sending(ipc, id_node(ipc_object_id(object))), 0);
	ipc_object_unref(object);
	ck_assert_int_eq(destroyed, 0);
	ipc_unref(ipc);
	ck_assert_int_eq(destroyed, 1);
}
END_TEST

/* Against the rules, but it must not crash. */
START_TEST(a_reference_that_outlives_the_connection)
{
	struct ipc_object *object = begin();

	ck_assert_uint_ne(ipc_object_id(object), 0);
	ipc_unref(ipc);
	ck_assert_int_eq(destroyed, 0);
	ck_assert_uint_eq(ipc_object_id(object), 0);
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

int main(void)
{
	return RUN_TESTS("object", never_sent, null_is_no_object, what_the_node_shall_have,
			 one_node_for_all_ids,
			 held_by_others_until_idle, idle_that_is_old, idle_while_in_use_here,
			 idle_overtakes_the_sender, not_sent_after_all,
			 the_end_of_the_connection_ends_what_others_hold,
			 a_reference_that_outlives_the_connection, the_manager_is_kept);
}
