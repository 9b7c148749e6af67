// SPDX-License-Identifier: MIT
/*
 * Messages that do not fit into the receiver's region, on a fake device: which are sent as files,
 * and that received files are not trusted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ipc/raw.h>

#include "bale.h"
#include "core/call.h"
#include "conn/frame.h"
#include "shm/memfd.h"
#include "core/payload.h"
#include "core/proxy.h"
#include "fake-device.h"
#include "method.h"
#include "pair.h"
#include "test-run.h"
#include "test.ipc.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

PAIR_OF(barn)

static size_t served;		/* bytes of the last straw; 0: no request arrived */
static bool served_right;
static char trace[8];		/* its metadata */
static long served_copied;	/* KiB of the straw's mapping that are copies */

/* Returns -1 if the address is not mapped. */
static long copied_kib(const void *address)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool inside = false;
	char line[512];
	long kib = -1;

	ck_assert_ptr_nonnull(maps);
	while (kib < 0 && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)address >= start && (uintptr_t)address < end;
		else if (inside)
			sscanf(line, "Anonymous: %ld", &kib);
	}
	fclose(maps);
	return kib;
}

static int take_straw(struct ipc_call *call, const Ipc__Test__Bale *request, void *userdata)
{
	uint8_t *expected = bale_pattern(request->straw.len);
	const char *metadata = ipc_call_metadata(call, "trace");

	(void)userdata;
	served = request->straw.len;
	served_copied = copied_kib(request->straw.data);
	served_right = !memcmp(request->straw.data, expected, served);
	strcpy(trace, metadata ? metadata : "");
	free(expected);
	return -ENOMSG;
}

/* The program may write to received bytes. */
static int own(struct ipc_call *call, const Ipc__Test__Bale *request, void *userdata)
{
	take_straw(call, request, userdata);
	memset(request->straw.data, 0, request->straw.len);
	return -ENOMSG;
}

static const struct barn_ops ops = { .store = take_straw, .own = own };

static void begin(void)
{
	begin_pair(&ops, IPC_REGION_DEFAULT);
	ck_assert(fake.node.flags & IPCBUS_NODE_ACCEPT_FDS);
}

/* Calls with @size bytes, for which the receiver's region has no space: it fails with @error. */
static int call_without_space(size_t size, const struct ipc_options *options, int error)
{
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	int r;

	bale.straw = (ProtobufCBinaryData){ size, bale_pattern(size) };
	fake.send_error = error;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	r = barn_store_with(peer, options, &bale, NULL, NULL);
	free(bale.straw.data);
	return r;
}

static int call_that_does_not_fit(size_t size, const struct ipc_options *options)
{
	return call_without_space(size, options, -EMSGSIZE);
}

/* A request with this payload arrives. Returns 0, or the errno of the reply. */
static int take(const char *method, const void *payload, size_t size, int fd)
{
	struct ipcbus_object entry = {
		.type = IPCBUS_OBJECT_FD, .value = (uint64_t)fd, .tag = PAYLOAD_TAG,
	};

	served = 0;
	fake_push((struct ipcbus_event){
			.kind = IPCBUS_EVENT_CALL,
			.cookie = fake.cookie,
			.code = method_of(&barn_interface, method)->number,
			.call = 100,
		}, payload, size, &entry, 1);
	ck_assert_int_eq(ipc_process(ipc), 1);
	return served ? 0 : -(int)fake_last()->send.code;
}

static struct frame_header header_of(size_t size)
{
	return (struct frame_header){
		.magic = FRAME_MAGIC, .message_size = (uint32_t)size, .in_file = 1,
	};
}

static int take_sized(int fd, size_t size)
{
	struct frame_header header = header_of(size);

	return take("Store", &header, sizeof(header), fd);
}

/* Returns a file with a message of @straw bytes. */
static int file_of(size_t straw, int seals, size_t *ret_size)
{
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	uint8_t *data;
	int fd;

	bale.straw = (ProtobufCBinaryData){ straw, bale_pattern(straw) };
	data = bale_pack(&bale, ret_size);
	fd = memory_file(*ret_size);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, *ret_size), (ssize_t)*ret_size);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	free(bale.straw.data);
	free(data);
	return fd;
}

/* --- Sending ---------------------------------------------------------------------------- */

START_TEST(large_message_goes_as_a_file)
{
	static const char *const metadata[] = { "trace", "one", NULL };
	struct ipc_options options = { .metadata = metadata };
	const struct fake_sent *sent;
	unsigned int tried;

	begin();
	for (int i = 0; i < 2; i++) {
		fake.keep_fds = true;
		tried = fake.exchanges;
		ck_assert_int_eq(call_that_does_not_fit(200000, i ? &options : NULL), 0);
		ck_assert_uint_eq(fake.exchanges - tried, 2);
		sent = fake_last();
		ck_assert_uint_eq(sent->send.object_count, 1);
		ck_assert_uint_eq(sent->send.data_size, sizeof(struct frame_header));
		ck_assert_int_eq(take("Store", sent->data, sent->send.data_size,
				      (int)sent->objects[0].value), 0);
		ck_assert_uint_eq(served, 200000);
		ck_assert(served_right);
		ck_assert_str_eq(trace, i ? "one" : "");
	}
	end();
}
END_TEST

START_TEST(small_messages_fail)
{
	unsigned int tried;

	begin();
	tried = fake.exchanges;
	ck_assert_int_eq(call_that_does_not_fit(4000, NULL), -EMSGSIZE);
	ck_assert_uint_eq(fake.exchanges - tried, 1);
	end();
}
END_TEST

START_TEST(file_that_does_not_fit_either)
{
	begin();
	fake.send_error_more = 1;
	ck_assert_int_eq(call_that_does_not_fit(200000, NULL), -EMSGSIZE);
	end();
}
END_TEST

START_TEST(large_message_goes_as_a_file_while_the_region_is_full)
{
	begin();
	ck_assert_int_eq(call_without_space(200000, NULL, -ENOSPC), 0);
	ck_assert_uint_eq(fake_last()->send.data_size, sizeof(struct frame_header));
	ck_assert_int_eq(call_without_space(4000, NULL, -ENOSPC), -ENOSPC);
	/* The receiver takes no files, or has no space for the header. */
	fake.send_error_more = 1;
	ck_assert_int_eq(call_without_space(200000, NULL, -ENOSPC), -ENOSPC);
	end();
}
END_TEST

START_TEST(file_that_cannot_be_made)
{
	struct rlimit files, size;

	begin();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &size), 0);
	files.rlim_cur = (rlim_t)dup(0);
	close((int)files.rlim_cur);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(call_that_does_not_fit(200000, NULL), -EMFILE);
	files.rlim_cur += 20;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	size.rlim_cur = 200000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &size), 0);
	ck_assert_int_eq(call_that_does_not_fit(200000, NULL), -EFBIG);
	end();
}
END_TEST

/* --- Oneways ------------------------------------------------------------------------------ */

#define STRAW ((size_t)200000)

static uint8_t oneway[STRAW + 16];
static unsigned int waits;

/* Sends straw as a oneway, which goes as a file and at first finds no space. */
static int oneway_that_waits(uint64_t timeout_usec)
{
	const struct ipc_options options = { .timeout_usec = timeout_usec };
	struct ipc_raw_message message = { .method = 1, .data = oneway };
	Ipc__Test__Bale bale = IPC__TEST__BALE__INIT;
	uint8_t *bytes = bale_pattern(STRAW);

	bale.straw = (ProtobufCBinaryData){ STRAW, bytes };
	message.size = ipc__test__bale__pack(&bale, oneway);
	free(bytes);
	fake.send_max = 4096;
	fake.send_error = -EAGAIN;
	fake.send_error_kind = IPCBUS_SEND_ONEWAY;
	fake.send_error_more = 3;
	waits = 0;
	return ipc_raw_oneway(barn_proxy(peer), &message, &options);
}

/* A file that is created after this has other bytes. */
static int spoil_straw(void *unused)
{
	(void)unused;
	waits++;
	memset(oneway + sizeof(oneway) / 2, 0, 100);
	return 0;
}

START_TEST(file_is_made_once_while_a_oneway_waits)
{
	const struct fake_sent *sent;

	begin();
	fake.keep_fds = true;
	ck_assert_int_eq(ipc_raw_set_interrupt(ipc, spoil_straw, NULL), 0);
	ck_assert_int_eq(oneway_that_waits(IPC_NEVER), 0);
	ck_assert_uint_ge(waits, 2);
	sent = fake_last();
	ck_assert_int_eq(take("Store", sent->data, sent->send.data_size,
			      (int)sent->objects[0].value), 0);
	ck_assert_uint_eq(served, STRAW);
	ck_assert(served_right);
	end();
}
END_TEST

START_TEST(time_limit_of_a_oneway_ends_making_its_file)
{
	unsigned int tried;

	begin();
	tried = fake.exchanges;
	ck_assert_int_eq(oneway_that_waits(1), -ETIMEDOUT);
	ck_assert_uint_eq(fake.exchanges - tried, 1);
	end();
}
END_TEST

/* --- Requests ----------------------------------------------------------------------------- */

START_TEST(bytes_of_a_file_may_be_written)
{
	struct frame_header header;
	size_t size;
	int fd;

	begin();
	fd = file_of(200000, SEALS, &size);
	header = header_of(size);
	ck_assert_int_eq(take("Own", &header, sizeof(header), fd), 0);
	ck_assert(served_right);
	end();
}
END_TEST

START_TEST(locked_memory_is_not_copied)
{
	size_t size;
	int fd, r;

	begin();
	for (int locked = 0; locked < 2; locked++) {
		fd = file_of(200000, SEALS, &size);
		if (locked)
			ck_assert_int_eq(mlockall(MCL_FUTURE), 0);
		r = take_sized(fd, size);
		munlockall();
		ck_assert_int_eq(r, 0);
		ck_assert(served_right);
		ck_assert_int_eq(served_copied, 0);
	}
	end();
}
END_TEST

/* @straw bytes; the header claims @more additional bytes. */
static int take_file(size_t straw, int seals, size_t more)
{
	size_t size;
	int fd = file_of(straw, seals, &size);

	return take_sized(fd, size + more);
}

START_TEST(files_that_may_change)
{
	begin();
	ck_assert_int_eq(take_sized(open("/dev/zero", O_RDONLY | O_CLOEXEC), 4096), -EBADMSG);
	ck_assert_int_eq(take_file(5000, 0, 0), -EBADMSG);
	ck_assert_int_eq(take_file(5000, SEALS & ~F_SEAL_WRITE, 0), -EBADMSG);
	ck_assert_int_eq(take_file(5000, SEALS & ~F_SEAL_SHRINK, 0), -EBADMSG);
	ck_assert_int_eq(take_file(5000, SEALS, 1), -EBADMSG);
	ck_assert_int_eq(take_file(5000, SEALS, (size_t)-1), -EBADMSG);
	ck_assert_int_eq(take_file(5000, SEALS, 0), 0);
	ck_assert(served_right);
	end();
}
END_TEST

/* A file claims a size without having pages: it is not mapped, and no memory is allocated. */
START_TEST(files_with_holes)
{
	static const off_t sizes[] = { 8192, 900 << 20 };

	begin();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int where = 0; where < 3; where++) {
			int fd = memory_file((size_t)sizes[i]);

			ck_assert_int_ge(fd, 0);
			/* A page at the start or beyond the end does not hide the hole. */
			if (where == 1)
				ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
			if (where == 2)
				ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, sizes[i],
							   1 << 20), 0);
			ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
			ck_assert_int_eq(take_sized(fd, (size_t)sizes[i]), -EBADMSG);
		}
	end();
}
END_TEST

START_TEST(headers_that_are_none)
{
	struct frame_header header;
	size_t size;
	int fd;

	begin();
	for (int i = 0; i < 4; i++) {
		fd = file_of(5000, SEALS, &size);
		header = header_of(i == 0 ? 0 : size);
		if (i == 1)
			header.magic++;
		if (i == 2)
			header.in_file++;
		ck_assert_int_eq(take("Store", &header, sizeof(header) - (i == 3), fd), -EBADMSG);
	}
	end();
}
END_TEST

START_TEST(files_over_the_limit)
{
	size_t size;
	int fd;

	begin();
	fd = file_of(5000, SEALS, &size);
	ck_assert_int_eq(ipc_set_message_max(ipc, size - 1), 0);
	ck_assert_int_eq(take_sized(fd, size), -EMSGSIZE);
	ck_assert_int_eq(ipc_set_message_max(ipc, size), 0);
	ck_assert_int_eq(take_file(5000, SEALS, 0), 0);
	end();
}
END_TEST

/* --- Replies ------------------------------------------------------------------------------ */

/* The next call gets this file as its reply; @right: with its correct size. */
static void push_reply(size_t straw, bool right)
{
	struct ipcbus_object entry = { .type = IPCBUS_OBJECT_FD, .tag = PAYLOAD_TAG };
	struct frame_header header;
	size_t size;

	entry.value = (uint64_t)file_of(straw, SEALS, &size);
	header = header_of(right ? size : size + 1);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 7 }, &header,
		  sizeof(header), &entry, 1);
}

START_TEST(replies_that_are_files)
{
	Ipc__Test__Bale request = IPC__TEST__BALE__INIT, *reply;
	uint8_t *expected = bale_pattern(200000);

	begin();
	for (int i = 0; i < 4; i++) {
		bool own = i & 1;
		size_t size = i & 2 ? 100 : 200000;

		push_reply(size, true);
		ck_assert_int_eq(own ? barn_own(peer, &request, &reply, NULL) :
				       barn_store(peer, &request, &reply, NULL), 0);
		ck_assert(fake_last()->send.flags & IPCBUS_SEND_ACCEPT_FDS);
		ck_assert_uint_eq(reply->straw.len, size);
		ck_assert_mem_eq(reply->straw.data, expected, size);
		if (own)
			memset(reply->straw.data, 0, size);
		barn_store_reply_free(reply);
	}
	push_reply(200000, false);
	ck_assert_int_eq(barn_store(peer, &request, &reply, NULL), -EBADMSG);
	/* A call that ignores its reply. */
	push_reply(200000, true);
	ck_assert_int_eq(barn_store(peer, &request, NULL, NULL), 0);
	free(expected);
	end();
}
END_TEST

START_TEST(raw_replies_that_are_files)
{
	const struct ipc_raw_message request = { .method = 1, .flags = IPC_RAW_ACCEPT_FDS };
	struct ipc_raw_message *reply;

	begin();
	push_reply(200000, true);
	ck_assert_int_eq(ipc_raw_call(barn_proxy(peer), &request, NULL, &reply, NULL), 0);
	ck_assert_uint_gt(reply->size, 200000);
	ck_assert_uint_eq(reply->n_entries, 0);
	ck_assert_uint_eq(((const uint8_t *)reply->data)[0], 1 << 3 | 2);
	ipc_raw_free(reply);
	push_reply(200000, false);
	ck_assert_int_eq(ipc_raw_call(barn_proxy(peer), &request, NULL, &reply, NULL), -EBADMSG);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("payload", large_message_goes_as_a_file, small_messages_fail,
			 file_that_does_not_fit_either,
			 large_message_goes_as_a_file_while_the_region_is_full,
			 file_that_cannot_be_made,
			 file_is_made_once_while_a_oneway_waits,
			 time_limit_of_a_oneway_ends_making_its_file,
			 bytes_of_a_file_may_be_written, locked_memory_is_not_copied,
			 files_that_may_change, files_with_holes, headers_that_are_none,
			 files_over_the_limit, replies_that_are_files, raw_replies_that_are_files);
}
