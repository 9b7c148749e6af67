// SPDX-License-Identifier: MIT
/*
 * Size limits of received messages, on a fake device: replies, and memory files in a message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake-device.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"
#include "shm/memfd.h"

PAIR_OF(test)
static int shipped;

static int ship(struct ipc_call *call, const Ipc__Test__Crate *crate, void *userdata)
{
	(void)call, (void)crate, (void)userdata;
	shipped++;
	return 0;
}

static const struct test_ops ops = { .ship = ship };

static void begin(void)
{
	begin_pair(&ops, IPC_REGION_DEFAULT);
}

/* --- Memory --------------------------------------------------------------------------- */

static int sized(uint64_t size, int seals)
{
	int fd = memory_file(size);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The file arrives as memory. Returns the result of the message. */
static int take_memory(int fd)
{
	Ipc__Test__Crate crate = IPC__TEST__CRATE__INIT;
	Ipc__Memory field = IPC__MEMORY__INIT;
	Ipc__Fd number = IPC__FD__INIT;
	struct ipcbus_object entry = {
		.type = IPCBUS_OBJECT_FD, .value = (uint64_t)fd, .tag = 7,
	};
	uint64_t payload[16];
	size_t size;

	number.fd = 7;
	field.fd = &number;
	crate.memory = &field;
	size = ipc__test__crate__pack(&crate, (uint8_t *)payload);
	shipped = 0;
	fake_push((struct ipcbus_event){
			.kind = IPCBUS_EVENT_CALL,
			.cookie = fake.cookie,
			.code = method_of(&test_interface, "Ship")->number,
			.call = 100,
		}, payload, size, &entry, 1);
	ck_assert_int_eq(ipc_process(ipc), 1);
	return shipped ? 0 : -(int)fake_last()->send.code;
}

START_TEST(memory_over_the_limit)
{
	int fixed = F_SEAL_SHRINK | F_SEAL_GROW, before = dup(0);

	/* The next fd will have this number. */
	close(before);
	begin();
	ck_assert_int_eq(take_memory(sized((uint64_t)1 << 40, fixed)), -EMSGSIZE);
	ck_assert_int_eq(take_memory(sized(IPC_MESSAGE_MAX + 1, fixed)), -EMSGSIZE);
	ck_assert_int_eq(take_memory(sized(IPC_MESSAGE_MAX, fixed)), 0);
	ck_assert_int_eq(ipc_set_message_max(ipc, 8192), 0);
	ck_assert_int_eq(take_memory(sized(8193, fixed)), -EMSGSIZE);
	ck_assert_int_eq(take_memory(sized(8192, fixed)), 0);
	/* It could grow after the check. */
	ck_assert_int_eq(take_memory(sized(1, F_SEAL_SHRINK)), -EBADMSG);
	ck_assert_int_eq(take_memory(open("/dev/zero", O_RDONLY | O_CLOEXEC)), -EBADMSG);
	end();
	ck_assert_int_eq(dup(0), before);
	close(before);
}
END_TEST

/* --- Replies --------------------------------------------------------------------------- */

/* Returns the result of a call. Its reply, or error @number, has @size unknown bytes. */
static int call_of_noise(size_t size, int number, struct ipc_error *error)
{
	ipc_auto(test_echo_reply_free) Ipc__Test__EchoReply *reply = NULL;
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	char *noise = calloc(1, size);
	int r;

	ck_assert_ptr_nonnull(noise);
	for (size_t i = 0; i < size; i += 2)
		noise[i] = 15 << 3;
	fake_push((struct ipcbus_event){
			.kind = number ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
			.error = number,
			.buffer = 7,
		}, noise, size, NULL, 0);
	r = test_echo(peer, &request, &reply, error);
	free(noise);
	return r;
}

START_TEST(large_replies)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;

	begin();
	ck_assert_int_eq(ipc_set_message_max(NULL, 1), -EINVAL);
	ck_assert_int_eq(ipc_set_message_max(ipc, 0), -EINVAL);
	ck_assert_int_eq(ipc_set_message_max(ipc, IPC_MESSAGE_MAX + 1), -EINVAL);
	ck_assert_int_eq(ipc_set_message_max(ipc, 256 << 10), 0);
	ck_assert_int_eq(call_of_noise((256 << 10) + 2, 0, &error), -EMSGSIZE);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
	ck_assert_int_eq(call_of_noise(256 << 10, 0, NULL), 0);
	ck_assert_int_eq(call_of_noise((256 << 10) + 2, -EIO, NULL), -EMSGSIZE);
	ck_assert_int_eq(call_of_noise(256 << 10, -EIO, NULL), -EIO);
	ck_assert_int_eq(ipc_set_message_max(ipc, IPC_MESSAGE_MAX), 0);
	ck_assert_int_eq(call_of_noise((256 << 10) + 2, 0, NULL), 0);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("sizes", memory_over_the_limit, large_replies);
}
