// SPDX-License-Identifier: MIT
/*
 * Finds the physical pages of a received request, from two independent sources: the page table of
 * this process (/proc/self/pagemap), from which it reads, and the driver's list of the pages that
 * it writes (debugfs). Both need root.
 *
 * A server does not need this. It shows that a message is copied once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define PAGE		((uintptr_t)4096)
#define MAX_PAGES	64

#define PAGEMAP_PRESENT	(UINT64_C(1) << 63)
#define PAGEMAP_FRAME	((UINT64_C(1) << 55) - 1)

/* Returns the start of the mapping that contains an address, or 0. */
static uintptr_t mapping_start(uintptr_t address)
{
	uintptr_t start, end, found = 0;
	char line[512];
	FILE *maps;

	maps = fopen("/proc/self/maps", "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 &&
		    address >= start && address < end)
			found = start;
	if (maps)
		fclose(maps);
	return found;
}

/* Returns the page frame of an address in this process, or 0 if it is unknown. */
static uint64_t mapped_frame(uintptr_t address)
{
	uint64_t entry = 0;
	int fd;

	/* A page is mapped by the first read of it. */
	*(const volatile char *)address;

	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), address / PAGE * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry & PAGEMAP_PRESENT ? entry & PAGEMAP_FRAME : 0;
}

/* Returns the page frame that the driver has at an offset of this process's region, or 0. A line of
 * the file is "PID OFFSET PFN". */
static uint64_t written_frame(uint64_t offset)
{
	uint64_t at, frame, found = 0;
	FILE *pages;
	int pid;

	pages = fopen("/sys/kernel/debug/ipcbus/pages", "re");
	while (pages && !found &&
	       fscanf(pages, "%d %" SCNx64 " %" SCNx64, &pid, &at, &frame) == 3)
		if (pid == getpid() && at == offset)
			found = frame;
	if (pages)
		fclose(pages);
	return found;
}

static void look_at(Story__Page *page, uintptr_t address, uintptr_t region)
{
	story__page__init(page);
	page->offset = address - region;
	page->mapped = mapped_frame(address);
	page->written = written_frame(page->offset);
}

/* Adds up the bytes of the request in the region, not of the unpacked copy. */
static uint64_t sum_in_place(const void *payload, size_t size, const ProtobufCBinaryData *data)
{
	const uint8_t *at = memmem(payload, size, data->data, data->len);
	uint64_t sum = 0;

	for (size_t i = 0; at && i < data->len; i++)
		sum += at[i];
	return sum;
}

int serve_where(struct ipc_call *call, const Story__WhereRequest *request, void *userdata)
{
	Story__WhereReply reply = STORY__WHERE_REPLY__INIT;
	Story__Page pages[MAX_PAGES], *pointers[MAX_PAGES];
	size_t size;
	uintptr_t payload = (uintptr_t)ipc_call_payload(call, &size);
	uintptr_t region = mapping_start(payload);

	(void)userdata;
	if (geteuid() != 0)
		return ipc_call_fail(call, 0, "story.NotRoot", "only root may read page frames");

	for (uintptr_t page = payload & ~(PAGE - 1); page < payload + size; page += PAGE) {
		if (reply.n_pages == MAX_PAGES)
			return ipc_call_fail(call, -E2BIG, NULL, "at most %d pages", MAX_PAGES);
		look_at(&pages[reply.n_pages], page, region);
		pointers[reply.n_pages] = &pages[reply.n_pages];
		reply.n_pages++;
	}
	reply.pages = pointers;
	reply.sum = sum_in_place((const void *)payload, size, &request->data);
	return story_reply_where(call, &reply);
}
