// SPDX-License-Identifier: MIT
/*
 * Programs of different age: an old client with a new server, and the reverse. Also the
 * methods that every object has, for any client.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ipc/rpc.h>

#include "evolve-new.ipc.h"
#include "evolve-old.ipc.h"
#include "fixture.h"

/* --- Servers of each version ------------------------------------------------------------ */

static int old_put(struct ipc_call *call, const Old__Item *request, void *userdata)
{
	(void)userdata;
	return old_store_reply_put(call, request);
}

static int old_count(struct ipc_call *call, void *userdata)
{
	Old__Total reply = OLD__TOTAL__INIT;

	(void)userdata;
	reply.items = 7;
	return old_store_reply_count(call, &reply);
}

static const struct old_store_ops old_ops = { .put = old_put, .count = old_count };

static int new_put(struct ipc_call *call, const New__Thing *request, void *userdata)
{
	New__Thing thing = *request;
	char *tags[] = { "checked", "stored" };

	(void)userdata;
	thing.tags = tags;
	thing.n_tags = 2;
	return new_store_reply_put(call, &thing);
}

static int new_count(struct ipc_call *call, void *userdata)
{
	New__Total reply = NEW__TOTAL__INIT;

	(void)userdata;
	reply.items = 8;
	reply.bytes = 4096;
	return new_store_reply_count(call, &reply);
}

static int dump(struct ipc_call *call, int fd, char *const *args, size_t n_args, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq(ipc_call_uid(call), getuid());
	dprintf(fd, "two things stored");
	for (size_t i = 0; i < n_args; i++)
		dprintf(fd, ", %s", args[i]);
	return 0;
}

static const struct new_store_ops new_ops = { .put = new_put, .count = new_count };

static int make_old(struct ipc *ipc, struct ipc_object **ret_object)
{
	return old_store_object_new(ipc, &old_ops, NULL, NULL, ret_object);
}

static int make_new(struct ipc *ipc, struct ipc_object **ret_object)
{
	int r = new_store_object_new(ipc, &new_ops, NULL, NULL, ret_object);

	return r < 0 ? r : ipc_object_set_dump(*ret_object, dump);
}

static void serve(int (*make)(struct ipc *, struct ipc_object **), int ready)
{
	struct ipc_object *object = NULL;
	struct ipc *ipc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ipc_open(&ipc, NULL) < 0 || make(ipc, &object) < 0 ||
	    ipc_set_manager(ipc, object) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	_exit(ipc_run(ipc) < 0);
}

static pid_t start(int (*make)(struct ipc *, struct ipc_object **))
{
	int ready[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		serve(make, ready[1]);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static struct ipc *ipc;
static struct ipc_proxy *proxy;

static pid_t begin(int (*make)(struct ipc *, struct ipc_object **))
{
	pid_t pid = start(make);

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	return pid;
}

static void end(pid_t pid)
{
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	kill_server(pid);
}

/* --- Old with new ------------------------------------------------------------------- */

START_TEST(old_client_and_new_server)
{
	pid_t pid = begin(make_new);
	struct old_store *store = old_store_from_proxy(ipc_proxy_ref(proxy));
	Old__Item item = OLD__ITEM__INIT, *stored;
	Old__Total *total;

	item.name = "notes";
	item.size = 12;
	item.kind = OLD__KIND__FOLDER;
	ck_assert_int_eq(old_store_put(store, &item, &stored, NULL), 0);
	ck_assert_str_eq(stored->name, "notes");
	ck_assert_uint_eq(stored->size, 12);
	ck_assert_int_eq(stored->kind, OLD__KIND__FOLDER);
	/* The tags that the server added are kept as unknown fields. */
	ck_assert_uint_eq(stored->base.n_unknown_fields, 2);
	old_store_put_reply_free(stored);

	ck_assert_int_eq(old_store_count(store, &total, NULL), 0);
	ck_assert_uint_eq(total->items, 8);
	old_store_count_reply_free(total);

	old_store_unref(store);
	end(pid);
}
END_TEST

/* Sets all fields of the new version. */
static void fill(New__Thing *thing)
{
	static New__Thing__Owner owner = NEW__THING__OWNER__INIT;
	static New__Thing__CountsEntry counts[2] = { NEW__THING__COUNTS_ENTRY__INIT,
						     NEW__THING__COUNTS_ENTRY__INIT };
	static New__Thing__CountsEntry *list[] = { &counts[0], &counts[1] };
	static Evolve__Types__Legacy legacy = EVOLVE__TYPES__LEGACY__INIT;
	static int32_t offsets[] = { -1, 0, 1 << 30 };
	static uint32_t marks[] = { 3, 4 };

	owner.name = "nobody";
	owner.uid = 65534;
	counts[0].key = "reads";
	counts[0].value = 3;
	counts[1].key = "writes";
	counts[1].value = 4;
	legacy.number = 9;
	legacy.marks = marks;
	legacy.n_marks = 2;

	thing->name = "all of it";
	thing->kind = NEW__KIND__LINK;
	thing->counts = list;
	thing->n_counts = 2;
	thing->place_case = NEW__THING__PLACE_HELD_BY;
	thing->held_by = &owner;
	thing->offsets = offsets;
	thing->n_offsets = 3;
	thing->weight = 0.5;
	thing->digest.data = (uint8_t *)"\0\1\2";
	thing->digest.len = 3;
	thing->legacy = &legacy;
}

static void check_filled(const New__Thing *thing)
{
	ck_assert_str_eq(thing->name, "all of it");
	ck_assert_int_eq(thing->kind, NEW__KIND__LINK);
	ck_assert_uint_eq(thing->n_counts, 2);
	ck_assert_str_eq(thing->counts[1]->key, "writes");
	ck_assert_uint_eq(thing->counts[1]->value, 4);
	ck_assert_int_eq(thing->place_case, NEW__THING__PLACE_HELD_BY);
	ck_assert_str_eq(thing->held_by->name, "nobody");
	ck_assert_uint_eq(thing->n_offsets, 3);
	ck_assert_int_eq(thing->offsets[0], -1);
	ck_assert_int_eq(thing->offsets[2], 1 << 30);
	ck_assert(thing->weight == 0.5);
	ck_assert_uint_eq(thing->digest.len, 3);
	ck_assert_int_eq(memcmp(thing->digest.data, "\0\1\2", 3), 0);
	ck_assert_uint_eq(thing->legacy->number, 9);
	ck_assert_int_eq(thing->legacy->mode, EVOLVE__TYPES__LEGACY__MODE__ON);
	ck_assert_str_eq(thing->legacy->text, "as ever");
	ck_assert_uint_eq(thing->legacy->n_marks, 2);
	ck_assert_uint_eq(thing->legacy->marks[1], 4);
}

START_TEST(new_client_and_old_server)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	pid_t pid = begin(make_old);
	struct new_store *store = new_store_from_proxy(ipc_proxy_ref(proxy));
	New__Thing thing = NEW__THING__INIT, *stored;
	New__Query query = NEW__QUERY__INIT;
	New__Total *total;

	/* The old server does not know most fields, and returns all of them. */
	fill(&thing);
	ck_assert_int_eq(new_store_put(store, &thing, &stored, NULL), 0);
	check_filled(stored);
	new_store_put_reply_free(stored);

	ck_assert_int_eq(new_store_count(store, &total, NULL), 0);
	ck_assert_uint_eq(total->items, 7);
	ck_assert_uint_eq(total->bytes, 0);
	new_store_count_reply_free(total);

	ck_assert_int_eq(new_store_find(store, &query, NULL, &error), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(error.text, "evolve.Store has no method with the number"));

	new_store_unref(store);
	end(pid);
}
END_TEST

START_TEST(new_client_and_new_server)
{
	pid_t pid = begin(make_new);
	struct new_store *store = new_store_from_proxy(ipc_proxy_ref(proxy));
	New__Thing thing = NEW__THING__INIT, *stored;

	fill(&thing);
	ck_assert_int_eq(new_store_put(store, &thing, &stored, NULL), 0);
	check_filled(stored);
	ck_assert_uint_eq(stored->n_tags, 2);
	ck_assert_str_eq(stored->tags[1], "stored");
	ck_assert_uint_eq(stored->base.n_unknown_fields, 0);
	new_store_put_reply_free(stored);
	new_store_unref(store);
	end(pid);
}
END_TEST

/* --- Methods of every object ------------------------------------------------------------ */

START_TEST(ping_and_describe)
{
	pid_t pid = begin(make_new);
	Ipc__Description *description;

	ck_assert_int_eq(ipc_proxy_ping(proxy, NULL), 0);
	ck_assert_int_eq(ipc_rpc_describe(proxy, &description, NULL), 0);
	ck_assert_str_eq(description->interface, "evolve.Store");
	ck_assert_uint_eq(description->descriptor_set.len, new_store_interface.descriptor_size);
	ck_assert_int_eq(memcmp(description->descriptor_set.data, new_store_interface.descriptor,
				new_store_interface.descriptor_size),
			 0);
	ipc_rpc_free(&description->base);
	ck_assert_int_eq(ipc_rpc_describe(proxy, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_proxy_ping(NULL, NULL), -EINVAL);
	end(pid);
}
END_TEST

START_TEST(dead_objects_do_not_reply)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	pid_t pid = begin(make_new);

	ck_assert_int_eq(ipc_proxy_ping(proxy, NULL), 0);
	kill_server(pid);
	ck_assert_int_eq(ipc_proxy_ping(proxy, &error), -ENOTCONN);
	ck_assert_int_eq(error.code, -ENOTCONN);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}
END_TEST

START_TEST(dump_writes_to_a_file)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	static const char *const args[] = { "-v", "now" };
	pid_t pid = begin(make_new);
	char text[100] = "";
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(ipc_proxy_dump(proxy, fds[1], args, 2, NULL), 0);
	close(fds[1]);
	ck_assert_int_gt(read(fds[0], text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "two things stored, -v, now");
	/* The server has closed its copy. */
	ck_assert_int_eq(read(fds[0], text, sizeof(text)), 0);
	close(fds[0]);
	ck_assert_int_eq(ipc_proxy_dump(proxy, -1, NULL, 0, NULL), -EBADF);
	end(pid);

	pid = begin(make_old);
	ck_assert_int_eq(ipc_proxy_dump(proxy, STDOUT_FILENO, NULL, 0, &error), -EOPNOTSUPP);
	ck_assert_int_eq(error.code, -EOPNOTSUPP);
	end(pid);
}
END_TEST

static int dump_as_nobody(void *data)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *own = NULL;

	(void)data;
	if (ipc_open(&own, NULL) < 0 || setresuid(65534, 65534, 65534) < 0 ||
	    ipc_get_manager(own, &manager) < 0 || ipc_proxy_ping(manager, NULL) < 0)
		return 1;
	return ipc_proxy_dump(manager, STDOUT_FILENO, NULL, 0, NULL) != -EPERM;
}

START_TEST(dump_is_not_for_strangers)
{
	pid_t pid = begin(make_new);

	run_child(dump_as_nobody, NULL);
	end(pid);
}
END_TEST

int main(void)
{
	return RUN_TESTS("evolve", old_client_and_new_server, new_client_and_old_server,
			 new_client_and_new_server,
			 ping_and_describe, dead_objects_do_not_reply, dump_writes_to_a_file,
			 dump_is_not_for_strangers);
}
