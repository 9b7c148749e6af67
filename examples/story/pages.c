// SPDX-License-Identifier: MIT
/*
 * One copy: the server returns the page frames of a request, from its page table and from the
 * driver's list of pages (where.c). The driver copies from the memory of the client into its pages.
 * If the server reads the same pages, there was no second copy.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "client.h"

#define DATA_SIZE	((size_t)64 << 10)
#define SHOWN		3

/* Random bytes, which do not occur elsewhere in memory. */
static int fill(uint8_t *data, size_t size, uint64_t *ret_sum)
{
	uint64_t sum = 0;

	for (size_t done = 0; done < size; done += 256)
		if (getrandom(data + done, 256, 0) != 256)
			return -EIO;
	for (size_t i = 0; i < size; i++)
		sum += data[i];
	*ret_sum = sum;
	return 0;
}

static int compare(const Story__WhereReply *reply)
{
	show("page of its region", "the server reads     the driver wrote to");
	for (size_t i = 0; i < reply->n_pages; i++) {
		const Story__Page *page = reply->pages[i];

		if (i < SHOWN)
			printf("    0x%-20" PRIx64 "  frame 0x%-10" PRIx64 "  frame 0x%" PRIx64 "\n",
			       page->offset, page->mapped, page->written);
		if (!page->mapped || page->mapped != page->written)
			return fail("page 0x%" PRIx64 ": frame 0x%" PRIx64 " is not 0x%" PRIx64,
				    page->offset, page->mapped, page->written);
	}
	if (reply->n_pages < DATA_SIZE / 4096)
		return fail("%zu pages cannot hold the request", reply->n_pages);
	show("...", "all %zu pages of the request are identical", reply->n_pages);
	return 0;
}

static int ask(struct story *story, const Story__WhereRequest *request, uint64_t sum)
{
	ipc_auto(story_where_reply_free) Story__WhereReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r;

	r = story_where(story, request, &reply, &error);
	if (r < 0)
		return ipc_print_error("where", r, &error);

	show("server", "adds them up in its region: the sum is %" PRIu64, reply->sum);
	if (reply->sum != sum)
		return fail("these are other bytes");
	return compare(reply);
}

int step_pages(struct ipc *ipc, struct story *story)
{
	Story__WhereRequest request = STORY__WHERE_REQUEST__INIT;
	uint8_t *data;
	uint64_t sum;
	int status, r;

	(void)ipc;
	data = malloc(DATA_SIZE);
	if (!data)
		return ipc_print_error("make a request", -ENOMEM, NULL);

	r = fill(data, DATA_SIZE, &sum);
	if (r == 0)
		show("client", "sends %zu random bytes; their sum is %" PRIu64, DATA_SIZE, sum);
	request.data.data = data;
	request.data.len = DATA_SIZE;
	status = r < 0 ? ipc_print_error("make random bytes", r, NULL) : ask(story, &request, sum);
	free(data);
	return status;
}
