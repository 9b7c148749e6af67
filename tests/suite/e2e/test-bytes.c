// SPDX-License-Identifier: MIT
/*
 * Fields of type bytes between processes, empty to large: they arrive unchanged, and large fields
 * are in read-only memory, unless the method requests copies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ipc/raw.h>
#include <ipc/rpc.h>

#include "fixture.h"

/* --- The server ------------------------------------------------------------------- */

static int copy(struct ipc_call *call, const E2e__Pile *pile, void *userdata)
{
	(void)userdata;
	return depot_reply_copy(call, pile);
}

static int invert(struct ipc_call *call, const E2e__Pile *pile, void *userdata)
{
	(void)userdata;
	for (size_t i = 0; i < pile->data.len; i++)
		pile->data.data[i] = (uint8_t)~pile->data.data[i];
	return depot_reply_invert(call, pile);
}

static const struct depot_ops handlers = { .copy = copy, .invert = invert };

static int serve(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = depot_object_new(ipc, &handlers, NULL, NULL, &object);
	return r < 0 ? r : ipc_set_manager(ipc, object);
}

/* --- The client ------------------------------------------------------------------- */

static pid_t pid;
static struct ipc *ipc;
static struct depot *depot;

static void begin_with(size_t ours, size_t theirs)
{
	struct server_options options = { .threads = 1, .prepare = serve, .region_size = theirs };
	struct ipc_proxy *proxy;

	pid = start_server(&options);
	ck_assert_int_eq(ipc_open_sized(&ipc, NULL, ours), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	depot = depot_from_proxy(proxy);
}

static void begin_sized(size_t ours)
{
	begin_with(ours, IPC_REGION_DEFAULT);
}

static void end(void)
{
	depot_unref(depot);
	ipc_unref(ipc);
	kill_server(pid);
}

static uint8_t *pattern(size_t size, unsigned int seed)
{
	uint8_t *data = malloc(size + 1);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 251 + seed);
	return data;
}

static void check_bytes(ProtobufCBinaryData got, ProtobufCBinaryData want)
{
	ck_assert_uint_eq(got.len, want.len);
	if (want.len)
		ck_assert_mem_eq(got.data, want.data, want.len);
}

/* Around the sizes at which the transport changes: 4, 8 and 16 KB. */
static const size_t sizes[] = { 0,    1,     4000,  4095,  4096,   8191,
				8192, 16380, 16384, 65536, 262144, 1000000 };
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

START_TEST(every_size)
{
	begin_sized(IPC_REGION_DEFAULT);
	for (size_t i = 0; i < N_SIZES; i++) {
		ipc_auto(depot_copy_reply_free) E2e__Pile *back = NULL;
		E2e__Pile pile = E2E__PILE__INIT;

		pile.data = (ProtobufCBinaryData){ sizes[i], pattern(sizes[i], 0) };
		pile.label = "label";
		ck_assert_int_eq(depot_copy(depot, &pile, &back, NULL), 0);
		check_bytes(back->data, pile.data);
		ck_assert_str_eq(back->label, "label");
		free(pile.data.data);
	}
	end();
}
END_TEST

/* Large fields travel as files, in both directions, with and without ipc.copy. */
static void send_larger(size_t ours, size_t theirs, size_t size)
{
	ipc_auto(depot_copy_reply_free) E2e__Pile *back = NULL;
	ipc_auto(depot_invert_reply_free) E2e__Pile *inverted = NULL;
	E2e__Pile pile = E2E__PILE__INIT;

	begin_with(ours, theirs);
	pile.data = (ProtobufCBinaryData){ size, pattern(size, 0) };
	pile.label = "label";
	ck_assert_int_eq(depot_copy(depot, &pile, &back, NULL), 0);
	check_bytes(back->data, pile.data);
	ck_assert_str_eq(back->label, "label");
	ck_assert_int_eq(depot_invert(depot, &pile, &inverted, NULL), 0);
	ck_assert_uint_eq(inverted->data.len, size);
	for (size_t i = 0; i < size; i += 4095)
		ck_assert_uint_eq((uint8_t)~inverted->data.data[i], pile.data.data[i]);
	free(pile.data.data);
	end();
}

START_TEST(larger_than_the_region)
{
	send_larger(IPC_REGION_DEFAULT, IPC_REGION_DEFAULT, 17 << 20);
	send_larger(IPC_REGION_DEFAULT, 65536, 500000);
}
END_TEST

START_TEST(larger_than_the_callers_region)
{
	send_larger(65536, IPC_REGION_DEFAULT, 500000);
}
END_TEST

START_TEST(bytes_in_messages_in_messages)
{
	ipc_auto(depot_copy_reply_free) E2e__Pile *back = NULL;
	E2e__Pile piles[3] = { E2E__PILE__INIT, E2E__PILE__INIT, E2E__PILE__INIT };
	ProtobufCBinaryData bags[N_SIZES];

	begin_sized(IPC_REGION_DEFAULT);
	for (size_t i = 0; i < N_SIZES; i++)
		bags[i] = (ProtobufCBinaryData){ sizes[i] / 2,
						 pattern(sizes[i] / 2, (unsigned int)i) };
	for (size_t i = 0; i < 3; i++) {
		piles[i].data = bags[N_SIZES - 1 - i];
		piles[i].label = "label";
		piles[i].inner = i < 2 ? &piles[i + 1] : NULL;
	}
	piles[1].bags = bags;
	piles[1].n_bags = N_SIZES;
	ck_assert_int_eq(depot_copy(depot, &piles[0], &back, NULL), 0);
	check_bytes(back->data, piles[0].data);
	check_bytes(back->inner->data, piles[1].data);
	check_bytes(back->inner->inner->data, piles[2].data);
	ck_assert_uint_eq(back->inner->n_bags, N_SIZES);
	for (size_t i = 0; i < N_SIZES; i++) {
		check_bytes(back->inner->bags[i], bags[i]);
		free(bags[i].data);
	}
	end();
}
END_TEST

static sigjmp_buf fault;

static void on_fault(int number)
{
	(void)number;
	siglongjmp(fault, 1);
}

static bool is_writable(uint8_t *byte)
{
	struct sigaction action = { .sa_handler = on_fault }, old;
	volatile bool writable = false;

	ck_assert_int_eq(sigaction(SIGSEGV, &action, &old), 0);
	if (!sigsetjmp(fault, 1)) {
		*(volatile uint8_t *)byte = *(volatile uint8_t *)byte;
		writable = true;
	}
	ck_assert_int_eq(sigaction(SIGSEGV, &old, NULL), 0);
	return writable;
}

START_TEST(only_copies_can_be_written_to)
{
	ipc_auto(depot_copy_reply_free) E2e__Pile *small = NULL;
	ipc_auto(depot_copy_reply_free) E2e__Pile *large = NULL;
	ipc_auto(depot_invert_reply_free) E2e__Pile *inverted = NULL;
	E2e__Pile pile = E2E__PILE__INIT;

	begin_sized(IPC_REGION_DEFAULT);
	pile.data = (ProtobufCBinaryData){ 100, pattern(100000, 0) };
	ck_assert_int_eq(depot_copy(depot, &pile, &small, NULL), 0);
	ck_assert(is_writable(small->data.data));
	pile.data.len = 100000;
	ck_assert_int_eq(depot_copy(depot, &pile, &large, NULL), 0);
	ck_assert(!is_writable(large->data.data));
	ck_assert(!is_writable(large->data.data + 99999));
	ck_assert_int_eq(depot_invert(depot, &pile, &inverted, NULL), 0);
	ck_assert(is_writable(inverted->data.data));
	for (size_t i = 0; i < 100000; i++)
		ck_assert_uint_eq((uint8_t)~inverted->data.data[i], pile.data.data[i]);
	free(pile.data.data);
	end();
}
END_TEST

static unsigned int n_came;

static void came(int result, E2e__Pile *pile, const struct ipc_error *error, void *userdata)
{
	const ProtobufCBinaryData *want = userdata;

	(void)error;
	ck_assert_int_eq(result, 0);
	check_bytes(pile->data, *want);
	n_came++;
}

/* The requests, and the replies, are together larger than a region. The last call ends after all
 * replies were sent, but before one is received. */
START_TEST(large_messages_at_once)
{
	E2e__Pile pile = E2E__PILE__INIT, small = E2E__PILE__INIT;
	E2e__Pile *back;

	begin_sized(IPC_REGION_DEFAULT);
	pile.data = (ProtobufCBinaryData){ 4 << 20, pattern(4 << 20, 0) };
	pile.label = small.label = "label";
	n_came = 0;
	for (unsigned int i = 0; i < 6; i++)
		ck_assert_int_eq(depot_copy_async(depot, NULL, &pile, came, &pile.data,
						  NULL), 0);
	ck_assert_int_eq(depot_copy(depot, &small, &back, NULL), 0);
	depot_copy_reply_free(back);
	while (n_came < 6)
		ck_assert_int_ge(ipc_process(ipc), 0);
	free(pile.data.data);
	end();
}
END_TEST

/* The kept replies exceed the region many times. Calls succeed, and replies stay intact. */
START_TEST(replies_that_are_kept)
{
	E2e__Pile *replies[60];

	begin_sized(1 << 20);
	for (unsigned int i = 0; i < 60; i++) {
		E2e__Pile pile = E2E__PILE__INIT;

		pile.data = (ProtobufCBinaryData){ 60000, pattern(60000, i) };
		ck_assert_int_eq(depot_copy(depot, &pile, &replies[i], NULL), 0);
		free(pile.data.data);
	}
	for (unsigned int i = 0; i < 60; i++) {
		ProtobufCBinaryData want = { 60000, pattern(60000, i) };

		check_bytes(replies[i]->data, want);
		/* The first replies lie in the region. The last are copies. */
		if (i == 0 || i == 59)
			ck_assert(is_writable(replies[i]->data.data) == (i == 59));
		free(want.data);
		depot_copy_reply_free(replies[i]);
	}
	end();
}
END_TEST

/* Received bytes are sent again directly from where they lie. */
START_TEST(passed_on)
{
	ipc_auto(depot_copy_reply_free) E2e__Pile *first = NULL;
	ipc_auto(depot_copy_reply_free) E2e__Pile *second = NULL;
	E2e__Pile pile = E2E__PILE__INIT;

	begin_sized(IPC_REGION_DEFAULT);
	pile.data = (ProtobufCBinaryData){ 300000, pattern(300000, 3) };
	ck_assert_int_eq(depot_copy(depot, &pile, &first, NULL), 0);
	ck_assert_int_eq(depot_copy(depot, first, &second, NULL), 0);
	check_bytes(second->data, pile.data);
	free(pile.data.data);
	end();
}
END_TEST

#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"

static bool may_have_huge_pages(void)
{
	FILE *f = fopen(HUGE_PAGES, "r+e");
	unsigned int n = 1;

	if (!f)
		return false;
	ck_assert_int_eq(fscanf(f, "%u", &n), 1);
	fclose(f);
	return !n;
}

static void set_huge_pages(unsigned int n)
{
	FILE *f = fopen(HUGE_PAGES, "we");

	ck_assert(f && fprintf(f, "%u\n", n) > 0 && !fclose(f));
}

/* The first huge page of the file is a hole. All huge pages reach beyond its end. */
static int huge_file(off_t size)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	off_t end = size;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, end, size) == 0)
		end += size;
	ck_assert_int_gt(end, size);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return fd;
}

/* Only as root, and if huge pages are unused, as in the guest. Reading the hole is SIGBUS. */
START_TEST(payload_of_huge_pages_is_refused)
{
	const struct {
		uint8_t magic, zero[3];
		uint32_t size, metadata_size, in_file;
	} header = { .magic = IPC_RAW_FRAME, .size = 2 << 20, .in_file = 1 };
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .tag = IPC_RAW_FILE_TAG };
	const struct ipc_raw_message message = {
		.method = depot_interface.methods[0].number,
		.data = &header,
		.size = sizeof(header),
		.entries = &entry,
		.n_entries = 1,
	};

	if (!may_have_huge_pages())
		return;
	set_huge_pages(2);
	entry.fd = huge_file(header.size);
	begin_sized(IPC_REGION_DEFAULT);
	ck_assert_int_eq(ipc_raw_call(depot_proxy(depot), &message, NULL, NULL, NULL), -EBADMSG);
	end();
	close(entry.fd);
	set_huge_pages(0);
}
END_TEST

int main(void)
{
	return RUN_TESTS("bytes", every_size, larger_than_the_region,
			 larger_than_the_callers_region, bytes_in_messages_in_messages,
			 only_copies_can_be_written_to, replies_that_are_kept,
			 large_messages_at_once, passed_on,
			 payload_of_huge_pages_is_refused);
}
