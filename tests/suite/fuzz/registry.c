// SPDX-License-Identifier: MIT
/*
 * servicemanager's registry, compared with a plain array of names. Input: operations of four bytes:
 * operation, name, user, and a spare byte. There are few names, so that operations collide; some
 * are long or invalid. Quotas are reached by adding many names at once.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "input.h"
#include "registry.h"

#define must(condition)                                                                   \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "registry: line %d: %s\n", __LINE__, #condition); \
			abort();                                                          \
		}                                                                         \
	} while (0)

#define MAX 1400

struct own {
	struct registry_entry entry;
	uint32_t hash;		/* of the name, for speed */
	bool in;
};

struct wait {
	struct registry_waiter waiter;
	unsigned int since;	/* 0: not waiting */
};

static struct registry *registry;
static struct own entries[MAX];
static struct wait waits[MAX];
static int n_entries, n_waits;	/* used entries so far */
static unsigned int clock_now;

/* --- The model --------------------------------------------------------------------- */

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	while (*name)
		hash = hash * 33 + (uint8_t)*name++;
	return hash;
}

static struct own *owner_of(const char *name)
{
	uint32_t hash = hash_of(name);

	for (int i = 0; i < n_entries; i++)
		if (entries[i].in && entries[i].hash == hash &&
		    !strcmp(entries[i].entry.name, name))
			return &entries[i];
	return NULL;
}

static unsigned int names_of(uid_t uid)
{
	unsigned int n = 0;

	for (int i = 0; i < n_entries; i++)
		n += entries[i].in && entries[i].entry.uid == uid;
	return n;
}

static struct wait *longest_waiter(const char *name)
{
	struct wait *longest = NULL;

	for (int i = 0; i < n_waits; i++)
		if (waits[i].since && !strcmp(waits[i].waiter.name, name) &&
		    (!longest || waits[i].since < longest->since))
			longest = &waits[i];
	return longest;
}

static unsigned int waits_of(uid_t uid)
{
	unsigned int n = 0;

	for (int i = 0; i < n_waits; i++)
		n += waits[i].since && waits[i].waiter.uid == uid;
	return n;
}

/* Not strcmp(), because the fuzzer would slow down its calls. */
static int by_name(const void *a, const void *b)
{
	const char *x = (*(struct own *const *)a)->entry.name;
	const char *y = (*(struct own *const *)b)->entry.name;

	while (*x && *x == *y)
		x++, y++;
	return (unsigned char)*x - (unsigned char)*y;
}

/* Finds the names with the prefix, in order. Returns their number. */
static size_t names_with(const char *prefix, struct own *found[MAX])
{
	size_t n = 0, length = strlen(prefix);

	for (int i = 0; i < n_entries; i++)
		if (entries[i].in && !strncmp(entries[i].entry.name, prefix, length))
			found[n++] = &entries[i];
	qsort(found, n, sizeof(*found), by_name);
	return n;
}

/* --- Operations ---------------------------------------------------------------------- */

static void name_make(char name[REGISTRY_NAME_MAX + 1], uint8_t which)
{
	memset(name, 0, REGISTRY_NAME_MAX + 1);
	if (which & 0x80)
		memset(name, 'a' + which % 3, REGISTRY_NAME_MAX - which / 16 % 4);
	else
		snprintf(name, REGISTRY_NAME_MAX, "%.*s%u", which / 16 % 4, "a.b", which % 16);
}

static void add(const char *name, uid_t uid)
{
	struct registry_entry *replaced = (void *)name;
	struct own *before = owner_of(name), *own = entries;
	bool replaces = before && before->entry.uid == uid;
	int r;

	while (own < entries + n_entries && own->in)
		own++;
	if (own == entries + MAX)
		return;
	if (own == entries + n_entries)
		n_entries++;
	own->entry.uid = uid;
	own->hash = hash_of(name);
	strcpy(own->entry.name, name);
	r = registry_register(registry, &own->entry, REGISTRY_REPLACE, &replaced);
	if (before && !replaces) {
		must(r == -EEXIST);
	} else if (!before && names_of(uid) >= REGISTRY_USER_NAMES) {
		must(r == -EDQUOT);
	} else {
		must(r == 0);
		must(replaced == (before ? &before->entry : NULL));
		own->in = true;
		if (before)
			before->in = false;
	}
}

static void add_many(uint8_t which, uid_t uid)
{
	char name[REGISTRY_NAME_MAX + 1];

	/* Sometimes as many as a user may have, and more. */
	for (unsigned int i = 0; i < (which >= 0xfc ? REGISTRY_USER_NAMES + 9 : which % 8U); i++) {
		snprintf(name, sizeof(name), "many/%u/%u", uid, i);
		add(name, uid);
	}
}

static void remove_name(const char *name)
{
	struct own *own = owner_of(name);

	must(registry_find(registry, name) == (own ? &own->entry : NULL));
	if (!own)
		return;
	registry_unregister(registry, &own->entry);
	own->in = false;
}

static void walk(const char *prefix, const char *from)
{
	static struct own *found[MAX];
	size_t n = names_with(prefix, found);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(found[i]->entry.name, from) <= 0)
			continue;
		must(registry_next(registry, prefix, from) == &found[i]->entry);
		from = found[i]->entry.name;
	}
	must(!registry_next(registry, prefix, from));
}

static void wait_for(const char *name, uid_t uid)
{
	struct wait *w = waits;
	int r;

	while (w < waits + n_waits && w->since)
		w++;
	if (w == waits + MAX || owner_of(name))
		return;
	if (w == waits + n_waits)
		n_waits++;
	w->waiter.uid = uid;
	strcpy(w->waiter.name, name);
	r = registry_wait(registry, &w->waiter);
	must(r == (waits_of(uid) >= REGISTRY_USER_WAITERS ? -EDQUOT : 0));
	if (!r)
		w->since = ++clock_now;
}

static void unwait(const char *name)
{
	struct wait *w = longest_waiter(name);

	if (!w)
		return;
	registry_unwait(registry, &w->waiter);
	w->since = 0;
}

static void take(const char *name)
{
	struct wait *w = longest_waiter(name);

	must(registry_waiters(registry, name) == (w ? &w->waiter : NULL));
	if (!w)
		return;
	registry_unwait(registry, &w->waiter);
	w->since = 0;
}

/* Names from the input: valid if every character is, and each part begins with a valid character.
 * */
static void validate(struct input *input)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
	const uint8_t *data;
	size_t size = input_bytes(input, input_byte(input), &data), length;
	char name[257] = "";
	bool valid = true, starts = true, begun = true;

	memcpy(name, data, size);
	length = strlen(name);
	for (size_t i = 0; i < length; i++)
		valid &= strchr(good, name[i]) != NULL;
	for (size_t i = 0; i < length; i++) {
		begun &= !starts || !strchr("./-", name[i]);
		starts = name[i] == '/';
	}
	must(registry_prefix_is_valid(name) == (valid && begun && length <= REGISTRY_NAME_MAX));
	must(registry_name_is_valid(name) ==
	     (valid && begun && !starts && length <= REGISTRY_NAME_MAX));
	for (size_t i = 0; i < length; i++)
		valid &= name[i] != '/' && name[i] != '-';
	must(registry_interface_is_valid(name) == (valid && length <= REGISTRY_INTERFACE_MAX));
}

static void operate(struct input *input)
{
	char name[REGISTRY_NAME_MAX + 1];
	uint8_t what = input_byte(input), which = input_byte(input);
	uid_t uid = input_byte(input) % 3;

	name_make(name, which);
	switch (what % 32) {
	case 0:
		add_many(which, uid);
		break;
	case 1:
		walk(which & 1 ? "" : name, which & 2 ? "" : name);
		break;
	case 2: case 3: case 17:
		unwait(name);
		break;
	case 4: case 5: case 18:
		take(name);
		break;
	case 6: case 7: case 8: case 19: case 20:
		remove_name(name);
		break;
	case 9: case 10: case 11: case 21: case 22: case 23:
		wait_for(name, uid);
		break;
	case 12:
		validate(input);
		break;
	default:
		add(name, uid);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	n_entries = n_waits = clock_now = 0;
	registry = registry_new();
	while (!input_ended(&input))
		operate(&input);
	walk("", "");
	for (int i = 0; i < n_entries; i++)
		if (entries[i].in)
			registry_unregister(registry, &entries[i].entry);
	for (int i = 0; i < n_waits; i++)
		if (waits[i].since)
			registry_unwait(registry, &waits[i].waiter);
	memset(entries, 0, n_entries * sizeof(*entries));
	memset(waits, 0, n_waits * sizeof(*waits));
	registry_free(registry);
	return 0;
}
