// SPDX-License-Identifier: MIT
/*
 * Watches of names, on the fake device: the changes that the program is notified of, for any
 * messages from the service manager.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/object.h"
#include "fake-device.h"
#include "method.h"
#include "servicemanager.ipc.h"
#include "test-run.h"

#define PRESENT	IPC__MANAGER__CHANGE_KIND__CHANGE_PRESENT
#define GONE	IPC__MANAGER__CHANGE_KIND__CHANGE_GONE
#define SETTLED	IPC__MANAGER__CHANGE_KIND__CHANGE_SETTLED
#define REPLAY	IPC__MANAGER__CHANGE_KIND__CHANGE_REPLAY

#define NAME_MAX_SIZE	127

static struct ipc *ipc;
static struct ipc_slot *slot;
static uint64_t watcher;
static char story[4096];
static bool ends;

/* "+name", "-name", or "." for settled. */
static void on_change(struct ipc *from, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	ck_assert_ptr_eq(from, ipc);
	ck_assert_ptr_eq(userdata, story);
	if (change == IPC_NAME_SETTLED) {
		ck_assert_ptr_null(info);
		strcat(story, ". ");
	} else {
		ck_assert_uint_eq(info->uid, 7);
		ck_assert_str_eq(info->interface, "some.Interface");
		sprintf(story + strlen(story), "%c%s ", change == IPC_NAME_PRESENT ? '+' : '-',
			info->name);
	}
	if (change != IPC_NAME_PRESENT)
		ck_assert_ptr_null(proxy);
	else if (proxy)
		sprintf(story + strlen(story), "(%u) ", (unsigned int)info->pid);
	if (ends)
		slot = ipc_slot_end_async(slot);
}

static void push_reply(int r)
{
	struct ipcbus_event event = { .kind = IPCBUS_EVENT_REPLY, .error = r, .buffer = 70 };

	if (r)
		event.kind = r == -EOWNERDEAD ? IPCBUS_EVENT_FAILED : IPCBUS_EVENT_ERROR;
	fake_push(event, "", 0, NULL, 0);
}

static void begin(void)
{
	fake_reset();
	ends = false;
	*story = '\0';
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	push_reply(0);
	ck_assert_int_eq(ipc_watch_names(ipc, "some.*", on_change, story, &slot), 0);
	watcher = fake.cookie;
}

static void end(void)
{
	slot = ipc_slot_detach(slot);
	ipc_unref(ipc);
}

/* Checks the last request to the manager. */
static void check_request(const char *method, const char *name, bool prefix, uint64_t cookie)
{
	const struct fake_sent *sent = fake_last();
	Ipc__Manager__WatchRequest *request =
		ipc__manager__watch_request__unpack(NULL, sent->send.data_size, sent->data);

	ck_assert_uint_eq(sent->send.code, method_of(&service_manager_interface, method)->number);
	ck_assert_ptr_nonnull(request);
	ck_assert_str_eq(request->name, name);
	ck_assert_int_eq(request->prefix, prefix);
	ck_assert_uint_eq(request->cookie, cookie);
	ck_assert_uint_ne(request->watcher->id, 0);
	ipc__manager__watch_request__free_unpacked(request, NULL);
}

/* handle 0: without an object. */
static void push_change(Ipc__Manager__ChangeKind kind, const char *name, uint32_t handle,
			uint32_t pid, uint64_t cookie)
{
	Ipc__Manager__Change change = IPC__MANAGER__CHANGE__INIT;
	Ipc__Manager__Entry entry = IPC__MANAGER__ENTRY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	struct ipcbus_object came = { .type = IPCBUS_OBJECT_HANDLE, .value = handle, .tag = 2 };
	uint8_t data[512];

	change.kind = kind;
	change.cookie = cookie;
	entry.name = (char *)name;
	entry.pid = pid;
	entry.uid = 7;
	entry.interface = "some.Interface";
	if (name)
		change.entry = &entry;
	object.id = 2;
	if (handle)
		change.object = &object;
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY,
					 .cookie = watcher,
					 .code = watcher_interface.methods[0].number,
					 .buffer = 80 },
		  data, ipc__manager__change__pack(&change, data), &came, handle != 0);
}

/* The manager notifies the watch. */
static void notify(Ipc__Manager__ChangeKind kind, const char *name, uint32_t handle, uint32_t pid,
		   uint64_t cookie)
{
	push_change(kind, name, handle, pid, cookie);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

static void check_story(const char *wanted)
{
	ck_assert_str_eq(story, wanted);
	*story = '\0';
}

START_TEST(each_change_once)
{
	begin();
	check_request("Watch", "some.", true, 1);
	notify(PRESENT, "some.b", 5, 50, 1);
	notify(PRESENT, "some.a", 6, 60, 1);
	check_story("+some.b (50) +some.a (60) ");
	notify(PRESENT, "some.a", 6, 60, 1);
	check_story("");
	notify(SETTLED, NULL, 0, 0, 1);
	notify(SETTLED, NULL, 0, 0, 1);
	check_story(". ");
	/* Another object, another process, and an object that may not be called. */
	notify(PRESENT, "some.a", 7, 60, 1);
	notify(PRESENT, "some.a", 7, 61, 1);
	notify(PRESENT, "some.a", 0, 61, 1);
	check_story("+some.a (60) +some.a (61) +some.a ");
	notify(GONE, "some.a", 0, 0, 1);
	notify(GONE, "some.a", 0, 0, 1);
	notify(GONE, "some", 0, 0, 1);
	notify(GONE, "some.c", 0, 0, 1);
	notify(GONE, NULL, 0, 0, 1);
	notify(IPC__MANAGER__CHANGE_KIND__CHANGE_NONE, "some.b", 0, 0, 1);
	check_story("-some.a ");
	notify(PRESENT, "some.b", 5, 50, 1);
	check_story("");
	end();
}
END_TEST

/* More names than the first table has space for. */
#define NAMES	17

START_TEST(many_names)
{
	char name[16];

	begin();
	/* All names arrive, in a scattered order. */
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "some.%02u", i * 5 % NAMES);
		notify(PRESENT, name, 0, i, 1);
	}
	*story = '\0';
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "some.%02u", i * 5 % NAMES);
		notify(PRESENT, name, 0, i, 1);
	}
	check_story("");
	for (unsigned int i = 0; i < NAMES; i += 2) {
		snprintf(name, sizeof(name), "some.%02u", i);
		notify(GONE, name, 0, 0, 1);
		ck_assert_str_eq(strchr(story, '-') + 1 + strlen(name), " ");
		*story = '\0';
	}
	/* The other names, in the order in which they were reported. */
	notify(REPLAY, NULL, 0, 0, 1);
	notify(SETTLED, NULL, 0, 0, 1);
	for (unsigned int i = 0, at = 0; i < NAMES; i++) {
		if (i * 5 % NAMES % 2 == 0)
			continue;
		snprintf(name, sizeof(name), "-some.%02u ", i * 5 % NAMES);
		ck_assert_mem_eq(story + at, name, 9);
		at += 9;
	}
	end();
}
END_TEST

START_TEST(name_missing_at_a_new_manager_is_gone)
{
	begin();
	notify(PRESENT, "some.a", 5, 50, 1);
	notify(PRESENT, "some.b", 6, 60, 1);
	notify(PRESENT, "some.c", 7, 70, 1);
	notify(SETTLED, NULL, 0, 0, 1);
	check_story("+some.a (50) +some.b (60) +some.c (70) . ");

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_MANAGER }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	check_request("Watch", "some.", true, 2);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY,
					 .buffer = 70,
					 .cookie = fake_last()->send.cookie },
		  "", 0, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	notify(PRESENT, "some.b", 6, 60, 2);
	check_story("");
	/* The last messages of the old manager. */
	notify(GONE, "some.b", 0, 0, 1);
	notify(PRESENT, "some.d", 8, 80, 1);
	notify(SETTLED, NULL, 0, 0, 1);
	check_story("");
	notify(SETTLED, NULL, 0, 0, 2);
	check_story("-some.a -some.c ");
	end();
}
END_TEST

START_TEST(a_replay_begins_anew)
{
	begin();
	notify(PRESENT, "some.a", 5, 50, 1);
	notify(PRESENT, "some.b", 6, 60, 1);
	notify(SETTLED, NULL, 0, 0, 1);
	notify(REPLAY, NULL, 0, 0, 1);
	notify(PRESENT, "some.a", 5, 50, 1);
	check_story("+some.a (50) +some.b (60) . ");
	notify(SETTLED, NULL, 0, 0, 1);
	check_story("-some.b ");
	end();
}
END_TEST

static void on_failure(struct ipc *conn, const char *pattern, enum ipc_registration_event event,
		       int error, void *userdata)
{
	ck_assert_int_eq(event, IPC_REGISTRATION_FAILED);
	ck_assert_ptr_eq(conn, ipc);
	ck_assert_str_eq(pattern, "some.*");
	*(int *)userdata = error;
}

START_TEST(a_change_that_cannot_be_taken)
{
	char name[200];
	int failure = 0;

	begin();
	ck_assert_int_eq(ipc_on_registration(ipc, on_failure, &failure, NULL), 0);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	notify(PRESENT, name, 5, 50, 1);
	check_story("");
	ck_assert_int_eq(failure, -EBADMSG);
	/* Its object was released. */
	ck_assert_uint_eq(fake.n_puts, 1);
	end();
}
END_TEST

START_TEST(unwatched_in_its_callback)
{
	begin();
	notify(PRESENT, "some.a", 5, 50, 1);
	notify(PRESENT, "some.b", 6, 60, 1);
	notify(REPLAY, NULL, 0, 0, 1);
	*story = '\0';
	ends = true;
	push_change(SETTLED, NULL, 0, 0, 1);
	push_reply(0);
	ck_assert_int_eq(ipc_process(ipc), 1);
	check_story("-some.a ");
	check_request("Unwatch", "some.", true, 2);
	notify(PRESENT, "some.c", 0, 0, 1);
	check_story("");
	ck_assert_ptr_null(slot);
	end();
}
END_TEST

START_TEST(one_of_two)
{
	struct ipc_slot *second;

	begin();
	push_reply(0);
	ck_assert_int_eq(ipc_watch_names(ipc, "other.name", on_change, story, &second), 0);
	check_request("Watch", "other.name", false, 1);
	ck_assert_ptr_ne(second, slot);
	push_reply(0);
	slot = ipc_slot_end(slot);
	check_request("Unwatch", "some.", true, 2);
	/* The manager's reply may be an error. */
	push_reply(-ENOENT);
	ipc_slot_end(second);
	check_request("Unwatch", "other.name", false, 2);
	end();
}
END_TEST

START_TEST(patterns)
{
	static const char *const bad[] = { "", "a b", "a*b", "**", "*a", "a**", NULL };
	char name[NAME_MAX_SIZE + 2];
	unsigned int sent;

	begin();
	sent = fake.n_sent;
	for (int i = 0; bad[i]; i++)
		ck_assert_int_eq(ipc_watch_names(ipc, bad[i], on_change, story, NULL), -EINVAL);
	ck_assert_int_eq(ipc_watch_names(ipc, NULL, on_change, story, NULL), -EINVAL);
	ck_assert_int_eq(ipc_watch_names(ipc, "*", NULL, NULL, NULL), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[NAME_MAX_SIZE + 1] = '\0';
	ck_assert_int_eq(ipc_watch_names(ipc, name, on_change, story, NULL), -EINVAL);
	ck_assert_uint_eq(fake.n_sent, sent);
	name[NAME_MAX_SIZE] = '\0';
	push_reply(0);
	ck_assert_int_eq(ipc_watch_names(ipc, name, on_change, story, NULL), 0);
	push_reply(0);
	ck_assert_int_eq(ipc_watch_names(ipc, "*", on_change, story, NULL), 0);
	check_request("Watch", "", true, 1);
	/* Without a manager, the watch is set at the next manager. */
	push_reply(-EOWNERDEAD);
	ck_assert_int_eq(ipc_watch_names(ipc, "a", on_change, story, NULL), 0);
	push_reply(-EACCES);
	ck_assert_int_eq(ipc_watch_names(ipc, "b", on_change, story, NULL), -EACCES);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("name-watch", each_change_once, many_names,
			 name_missing_at_a_new_manager_is_gone, a_replay_begins_anew,
			 a_change_that_cannot_be_taken, unwatched_in_its_callback, one_of_two,
			 patterns);
}
