// SPDX-License-Identifier: MIT
/*
 * See heap.h. Objects have size classes: multiples of 16 up to 1 KiB, then powers of two. Each
 * class has a free list. Each object is preceded by its size and class, and followed by at least 8
 * bytes of a pattern, up to the end of its class's size.
 */
#include "heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA		(16UL << 30)	/* of address space */
#define SMALL		1024UL
#define GRAIN		16UL
#define N_SMALL		(SMALL / GRAIN)
#define N_CLASSES	(N_SMALL + 30)
#define MARGIN		8		/* bytes after each object that are checked */
#define BEHIND		0xfb
#define WAITING		4096		/* freed objects that are not checked yet */

enum state {
	IN_USE = 0x5e1f0001,
	IS_FREE = 0x5e1f0002,
};

struct head {
	union {
		size_t size;
		struct head *next;	/* in a free list */
	};
	uint32_t class;
	uint32_t state;
};

_Static_assert(sizeof(struct head) == GRAIN, "objects are aligned");

static struct head *free_list[N_CLASSES];
static struct head *waiting[WAITING];
static unsigned int n_waiting;
static char *arena, *arena_end;
static unsigned char freed[4096];

/* --- Classes ------------------------------------------------------------------------- */

static unsigned int class_of(size_t size)
{
	unsigned int class = N_SMALL;
	size_t larger = 2 * SMALL;

	if (size <= SMALL)
		return (size + GRAIN - 1) / GRAIN - 1;
	for (; larger < size; larger *= 2)
		class++;
	return class;
}

static size_t size_of_class(unsigned int class)
{
	return class < N_SMALL ? (class + 1) * GRAIN : 2 * SMALL << (class - N_SMALL);
}

static void *body(struct head *head)
{
	return head + 1;
}

static struct head *from_arena(unsigned int class)
{
	size_t size = sizeof(struct head) + size_of_class(class);
	struct head *head;

	if (!arena) {
		arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (arena == MAP_FAILED)
			heap_found("no addresses for the heap");
		arena_end = arena + ARENA;
		memset(freed, HEAP_FREED, sizeof(freed));
	}
	if (size > (size_t)(arena_end - arena))
		return NULL;
	head = (struct head *)arena;
	arena += size;
	return head;
}

/* --- Checks --------------------------------------------------------------------------- */

static void check_behind(struct head *head)
{
	const unsigned char *at = (const unsigned char *)body(head) + head->size;
	const unsigned char *end = (const unsigned char *)body(head) + size_of_class(head->class);

	for (end = at + MARGIN < end ? at + MARGIN : end; at < end; at++)
		if (*at != BEHIND)
			heap_found("heap: written behind the end of an object");
}

static void check_freed(struct head *head)
{
	size_t left = head->size;
	const char *at = body(head);

	for (size_t n; left; left -= n, at += n) {
		n = left < sizeof(freed) ? left : sizeof(freed);
		if (memcmp(at, freed, n))
			heap_found("heap: written to after it was freed");
	}
}

void heap_settle(void)
{
	for (; n_waiting; n_waiting--) {
		struct head *head = waiting[n_waiting - 1];

		check_freed(head);
		head->next = free_list[head->class];
		free_list[head->class] = head;
	}
}

/* --- The C library's functions ------------------------------------------------------------ */

void *malloc(size_t size)
{
	struct head *head;
	unsigned int class;

	if (size > ARENA / 4) {
		errno = ENOMEM;
		return NULL;
	}
	class = class_of(size + MARGIN);
	head = free_list[class];
	if (head)
		free_list[class] = head->next;
	else
		head = from_arena(class);
	if (!head) {
		errno = ENOMEM;
		return NULL;
	}
	head->size = size;
	head->class = class;
	head->state = IN_USE;
	memset((char *)body(head) + size, BEHIND, MARGIN);
	return body(head);
}

void free(void *object)
{
	struct head *head = (struct head *)object - 1;

	if (!object)
		return;
	if (head->state != IN_USE)
		heap_found(head->state == IS_FREE ? "heap: freed twice" :
						    "heap: freed memory is not an object, or was "
						    "written before its begin");
	check_behind(head);
	head->state = IS_FREE;
	memset(object, HEAP_FREED, head->size);
	if (n_waiting == WAITING)
		heap_settle();
	waiting[n_waiting++] = head;
}

void *calloc(size_t count, size_t size)
{
	void *object;

	if (__builtin_mul_overflow(count, size, &size)) {
		errno = ENOMEM;
		return NULL;
	}
	object = malloc(size);
	if (object)
		memset(object, 0, size);
	return object;
}

void *realloc(void *object, size_t size)
{
	size_t before = object ? ((struct head *)object - 1)->size : 0;
	void *more = malloc(size);

	if (more && object)
		memcpy(more, object, before < size ? before : size);
	if (more)
		free(object);
	return more;
}
