// SPDX-License-Identifier: MIT
/*
 * Questions of a client about an object, on a fake device: whether it exists, and its interface.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/rpc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/proxy.h"
#include "fake-device.h"
#include "servicemanager.ipc.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static struct ipc_proxy *peer;
static struct ipc_error error;

static void begin(void)
{
	fake_reset();
	error = (struct ipc_error)IPC_ERROR_INIT;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
}

static void end(void)
{
	ipc_error_done(&error);
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}

static void push_reply(const ProtobufCMessage *message)
{
	static uint8_t data[FAKE_PAYLOAD];

	ck_assert_uint_le(protobuf_c_message_get_packed_size(message), sizeof(data));
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 50 }, data,
		  protobuf_c_message_pack(message, data), NULL, 0);
}

START_TEST(descriptions)
{
	Ipc__Description sent = IPC__DESCRIPTION__INIT, *description;

	begin();
	sent.interface = "some.Other";
	push_reply(&sent.base);
	ck_assert_int_eq(ipc_rpc_describe(peer, &description, &error), 0);
	ck_assert_str_eq(description->interface, "some.Other");
	ipc_rpc_free(&description->base);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .error = -EACCES }, NULL, 0,
		  NULL, 0);
	ck_assert_int_eq(ipc_rpc_describe(peer, &description, &error), -EACCES);
	ck_assert_int_eq(error.code, -EACCES);
	ck_assert_int_eq(ipc_rpc_describe(peer, NULL, &error), -EINVAL);
	end();
}
END_TEST

START_TEST(pings_and_dumps)
{
	static const char *const args[] = { "one", "two" };
	Ipc__None none = IPC__NONE__INIT;

	begin();
	push_reply(&none.base);
	ck_assert_int_eq(ipc_proxy_ping(peer, &error), 0);
	ck_assert_uint_eq(fake_last()->send.code, IPC_NUMBER_PING);
	push_reply(&none.base);
	ck_assert_int_eq(ipc_proxy_dump(peer, 0, args, 2, &error), 0);
	ck_assert_uint_eq(fake_last()->send.code, IPC_NUMBER_DUMP);
	ck_assert_uint_eq(fake_last()->send.object_count, 1);
	ck_assert_ptr_nonnull(memmem(fake_last()->data, fake_last()->send.data_size, "two", 3));

	/* The bus refuses a file to an object that accepts none; a server may refuse it too. */
	fake.send_error = -EPERM;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(ipc_proxy_dump(peer, 0, NULL, 1, &error), -EINVAL);
	ck_assert_int_eq(ipc_proxy_dump(peer, 0, NULL, 0, &error), -EOPNOTSUPP);
	ck_assert_int_eq(error.code, -EOPNOTSUPP);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ERROR, .error = -EPERM }, NULL, 0,
		  NULL, 0);
	ck_assert_int_eq(ipc_proxy_dump(peer, 0, NULL, 0, &error), -EPERM);
	fake.send_error = -EPERM;
	ck_assert_int_eq(ipc_proxy_dump(peer, 0, NULL, 0, NULL), -EOPNOTSUPP);
	end();
}
END_TEST

/* --- Local objects ---------------------------------------------------------------------- */

static const struct test_ops ops;
static int dumped;

static int dump(struct ipc_call *call, int fd, char *const *args, size_t n_args, void *userdata)
{
	ck_assert_ptr_nonnull(call);
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_eq(userdata, &dumped);
	ck_assert_uint_eq(n_args, 1);
	dumped++;
	return strcmp(args[0], "fail") ? 0 : -EIO;
}

static void dump_arrives(uint64_t cookie, uid_t uid, const char *arg)
{
	struct ipcbus_object came = { IPCBUS_OBJECT_FD, .tag = 5 };
	Ipc__DumpRequest request = IPC__DUMP_REQUEST__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	char *args[] = { (char *)arg };
	uint8_t data[64];

	came.value = (uint64_t)memfd_create("dump", MFD_CLOEXEC);
	fd.fd = 5;
	request.fd = &fd;
	request.args = args;
	request.n_args = 1;
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_CALL, .call = 100, .buffer = 50,
					 .code = IPC_NUMBER_DUMP, .cookie = cookie, .uid = uid },
		  data, ipc__dump_request__pack(&request, data), &came, 1);
	ck_assert_int_eq(ipc_process(ipc), 1);
	/* The file was closed. */
	ck_assert_int_eq(close((int)came.value), -1);
}

static void check_refused(int code)
{
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_ERROR);
	ck_assert_uint_eq(fake_last()->send.code, (uint32_t)code);
}

START_TEST(an_object_that_dumps)
{
	struct ipc_object *object;

	begin();
	ck_assert_int_eq(ipc_object_new(ipc, &registrant_interface, &ops, &dumped, NULL, &object),
			 0);
	ck_assert_int_eq(ipc_object_set_dump(NULL, dump), -EINVAL);
	ck_assert_int_eq(ipc_object_set_dump(object, dump), 0);
	object_id(object);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
	dump_arrives(fake.cookie, 0, "all");
	ck_assert_uint_eq(fake_last()->send.kind, IPCBUS_SEND_REPLY);
	dump_arrives(fake.cookie, geteuid(), "fail");
	check_refused(EIO);
	ck_assert_int_eq(dumped, 2);
	dump_arrives(fake.cookie, geteuid() + 1, "all");
	check_refused(EPERM);
	ck_assert_int_eq(ipc_object_set_dump(object, NULL), -EBUSY);
	ipc_object_unref(object);
	ck_assert_int_eq(ipc_object_new(ipc, &registrant_interface, &ops, &dumped, NULL, &object),
			 0);
	object_id(object);
	dump_arrives(fake.cookie, 0, "all");
	check_refused(EOPNOTSUPP);
	ck_assert_int_eq(dumped, 2);
	ipc_object_unref(object);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("introspect", descriptions, pings_and_dumps, an_object_that_dumps);
}
