// SPDX-License-Identifier: MIT
/*
 * Finding names, on the fake device: requests to the service manager, and the effects of its
 * replies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/proxy.h"
#include "fake-device.h"
#include "method.h"
#include "servicemanager.ipc.h"
#include "test-run.h"
#include "test.ipc.h"

static struct ipc *ipc;
static struct ipc_proxy *found;

static void begin(void)
{
	fake_reset();
	found = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
}

static void end(void)
{
	ipc_unref(ipc);
}

static void push(uint32_t kind, int error, const ProtobufCMessage *message,
		 const struct ipcbus_object *came)
{
	uint8_t data[4096] = { 0 };
	size_t size = message ? protobuf_c_message_pack(message, data) : 0;

	fake_push((struct ipcbus_event){ .kind = kind, .error = error, .buffer = 70 }, data, size,
		  came, came != NULL);
}

/* Get() and Wait() have replies of the same form. */
static void push_found(uint32_t handle)
{
	Ipc__Manager__GetReply reply = IPC__MANAGER__GET_REPLY__INIT;
	struct ipcbus_object came = { .type = IPCBUS_OBJECT_HANDLE, .value = handle, .tag = 4 };
	Ipc__Object object = IPC__OBJECT__INIT;

	object.id = 4;
	if (handle)
		reply.object = &object;
	push(IPCBUS_EVENT_REPLY, 0, &reply.base, handle ? &came : NULL);
}

static const struct fake_sent *check_sent(const char *method)
{
	const struct fake_sent *sent = fake_last();

	ck_assert_uint_eq(sent->send.handle, 0);
	ck_assert_uint_eq(sent->send.code, method_of(&service_manager_interface, method)->number);
	return sent;
}

/* Get() and Wait() have requests of the same form. */
static void check_wanted(const char *method, const char *name, const char *interface)
{
	const struct fake_sent *sent = check_sent(method);
	Ipc__Manager__GetRequest *request =
		ipc__manager__get_request__unpack(NULL, sent->send.data_size, sent->data);

	ck_assert_ptr_nonnull(request);
	ck_assert_str_eq(request->name, name);
	ck_assert_str_eq(request->interface, interface);
	ipc__manager__get_request__free_unpacked(request, NULL);
}

static void check_found(uint32_t handle)
{
	ck_assert_uint_eq(found->handle, handle);
	ipc_proxy_unref(found);
	ck_assert_uint_eq(fake.put_handle, handle);
	found = NULL;
}

START_TEST(got)
{
	Ipc__Object field = IPC__OBJECT__INIT;

	begin();
	push_found(9);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", NULL, &found), 0);
	check_wanted("Get", "some.name", "");
	check_found(9);
	push_found(10);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", test_interface.name, &found), 0);
	check_wanted("Get", "some.name", "ipc.test.Test");
	check_found(10);
	/* The request contains name and interface. */
	push_found(11);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", "ipc.test.Other", &found), 0);
	check_wanted("Get", "some.name", "ipc.test.Other");
	check_found(11);
	push_found(13);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", "", &found), 0);
	check_wanted("Get", "some.name", "");
	check_found(13);
	push_found(12);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", "ipc.test.Other", IPC_NEVER, &found), 0);
	check_wanted("Wait", "some.name", "ipc.test.Other");
	check_found(12);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_proxy_get(NULL, "some.name", NULL, &found), -EINVAL);
	ck_assert_int_eq(test_get(ipc, "some.name", NULL), -EINVAL);
	ck_assert_int_eq(test_take(ipc, &field, NULL), -EINVAL);
	end();
}
END_TEST

START_TEST(not_got)
{
	begin();
	push_found(0);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", NULL, &found), -ENOENT);
	push(IPCBUS_EVENT_ERROR, -EACCES, NULL, NULL);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", NULL, &found), -EACCES);
	push(IPCBUS_EVENT_FAILED, -EOWNERDEAD, NULL, NULL);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", NULL, &found), -ENOTCONN);
	/* The name's provider died. */
	push(IPCBUS_EVENT_ERROR, -EOWNERDEAD, NULL, NULL);
	ck_assert_int_eq(ipc_proxy_get(ipc, "some.name", NULL, &found), -EOWNERDEAD);
	ck_assert_ptr_null(found);
	end();
}
END_TEST

START_TEST(waited_for)
{
	begin();
	push_found(9);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, IPC_NEVER, &found), 0);
	check_wanted("Wait", "some.name", "");
	ck_assert_uint_eq(fake_last()->send.deadline, 0);
	check_found(9);
	push_found(10);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, 1000000, &found), 0);
	ck_assert_uint_ne(fake_last()->send.deadline, 0);
	check_found(10);
	/* The first manager ended, the second exits: the third gets the request. */
	push(IPCBUS_EVENT_FAILED, -EOWNERDEAD, NULL, NULL);
	push(IPCBUS_EVENT_ERROR, -ENOTCONN, NULL, NULL);
	push_found(11);
	ck_assert_int_eq(
		ipc_proxy_wait(ipc, "some.name", test_interface.name, IPC_NEVER, &found), 0);
	check_wanted("Wait", "some.name", "ipc.test.Test");
	ck_assert_uint_eq(fake.n_sent, 5);
	check_found(11);
	end();
}
END_TEST

START_TEST(not_waited_for)
{
	begin();
	push(IPCBUS_EVENT_FAILED, -ETIMEDOUT, NULL, NULL);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, 1000, &found), -ETIMEDOUT);
	/* A timeout of 0 does not wait, for a name or for a manager. */
	push_found(0);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, 0, &found), -ETIMEDOUT);
	check_wanted("Get", "some.name", "");
	push(IPCBUS_EVENT_FAILED, -EOWNERDEAD, NULL, NULL);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, 0, &found), -ENOTCONN);
	push(IPCBUS_EVENT_ERROR, -EACCES, NULL, NULL);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, 0, &found), -EACCES);
	push_found(12);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, 0, &found), 0);
	check_found(12);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some.name", NULL, IPC_NEVER, NULL), -EINVAL);
	ck_assert_int_eq(test_wait(ipc, "some.name", IPC_NEVER, NULL), -EINVAL);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "some name", NULL, IPC_NEVER, &found), -EINVAL);
	end();
}
END_TEST

static void fill(Ipc__Manager__Entry *entry, const char *name, uint32_t pid)
{
	ipc__manager__entry__init(entry);
	entry->name = (char *)name;
	entry->pid = pid;
	entry->uid = pid + 1;
	entry->interface = "some.Interface";
}

static void push_checked(const char *name, const char *interface)
{
	Ipc__Manager__CheckReply reply = IPC__MANAGER__CHECK_REPLY__INIT;
	Ipc__Manager__Entry entry;

	fill(&entry, name, 7);
	entry.interface = (char *)interface;
	reply.entry = &entry;
	push(IPCBUS_EVENT_REPLY, 0, &reply.base, NULL);
}

START_TEST(checked)
{
	struct ipc_name_info info = { .size = sizeof(info) };

	begin();
	push_checked("some.name", "some.Interface");
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), 0);
	check_wanted("Check", "some.name", "");
	ck_assert_str_eq(info.name, "some.name");
	ck_assert_str_eq(info.interface, "some.Interface");
	ck_assert_int_eq(info.pid, 7);
	ck_assert_uint_eq(info.uid, 8);
	push_checked("some.name", "some.Interface");
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", NULL), 0);
	info.size--;
	push_checked("some.name", "some.Interface");
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), -EINVAL);
	push(IPCBUS_EVENT_FAILED, -EOWNERDEAD, NULL, NULL);
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), -ENOTCONN);
	end();
}
END_TEST

START_TEST(too_long_names)
{
	struct ipc_name_info info = { .size = sizeof(info) };
	char text[300];

	begin();
	memset(text, 'x', sizeof(text));
	text[sizeof(info.name)] = '\0';
	ck_assert_int_eq(ipc_check_name(ipc, text, &info), -EINVAL);
	push_checked(text, "");
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), -EBADMSG);
	text[sizeof(info.name) - 1] = '\0';
	push_checked(text, "");
	ck_assert_int_eq(ipc_check_name(ipc, text, &info), 0);
	ck_assert_str_eq(info.name, text);

	memset(text, 'x', sizeof(text));
	text[sizeof(info.interface)] = '\0';
	push_checked("some.name", text);
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), -EBADMSG);
	text[sizeof(info.interface) - 1] = '\0';
	push_checked("some.name", text);
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), 0);
	ck_assert_str_eq(info.interface, text);
	/* An empty reply. */
	push(IPCBUS_EVENT_REPLY, 0, NULL, NULL);
	ck_assert_int_eq(ipc_check_name(ipc, "some.name", &info), -EBADMSG);
	end();
}
END_TEST

/* A page of a list: each character of @names is a name. */
static void push_page(const char *names, bool more)
{
	Ipc__Manager__ListReply reply = IPC__MANAGER__LIST_REPLY__INIT;
	Ipc__Manager__Entry entries[8], *list[8];
	char texts[8][2] = { "" };

	reply.entries = list;
	reply.more = more;
	for (size_t i = 0; names[i]; i++) {
		texts[i][0] = names[i];
		fill(&entries[i], texts[i], (uint32_t)names[i]);
		list[i] = &entries[i];
		reply.n_entries++;
	}
	push(IPCBUS_EVENT_REPLY, 0, &reply.base, NULL);
}

static void check_listed(const char *prefix, const char *after)
{
	const struct fake_sent *sent = check_sent("List");
	Ipc__Manager__ListRequest *request =
		ipc__manager__list_request__unpack(NULL, sent->send.data_size, sent->data);

	ck_assert_ptr_nonnull(request);
	ck_assert_str_eq(request->prefix, prefix);
	ck_assert_str_eq(request->after, after);
	ipc__manager__list_request__free_unpacked(request, NULL);
}

START_TEST(listed)
{
	struct ipc_name_info **infos;

	begin();
	push_page("", false);
	ck_assert_int_eq(ipc_list_names(ipc, "*", &infos), 0);
	check_listed("", "");
	free(infos);

	push_page("abc", true);
	push_page("d", true);
	push_page("efgh", false);
	ck_assert_int_eq(ipc_list_names(ipc, "some.*", &infos), 8);
	check_listed("some.", "d");
	for (unsigned int i = 0; i < 8; i++) {
		ck_assert_int_eq(infos[i]->name[0], 'a' + (int)i);
		ck_assert_int_eq(infos[i]->pid, 'a' + (int)i);
	}
	free(infos);

	/* A name is the first that begins with itself. */
	push_page("abc", true);
	ck_assert_int_eq(ipc_list_names(ipc, "a", &infos), 1);
	check_listed("a", "");
	ck_assert_str_eq(infos[0]->name, "a");
	free(infos);
	push_page("abc", true);
	ck_assert_int_eq(ipc_list_names(ipc, "b", &infos), 0);
	free(infos);
	ck_assert_int_eq(ipc_list_names(ipc, "a b", &infos), -EINVAL);
	ck_assert_int_eq(ipc_list_names(ipc, NULL, &infos), -EINVAL);

	/* A page without names is the last, even if it announces more. */
	push_page("ab", true);
	push_page("", true);
	ck_assert_int_eq(ipc_list_names(ipc, "*", &infos), 2);
	free(infos);
	end();
}
END_TEST

START_TEST(not_listed)
{
	struct ipc_name_info **infos = NULL;

	begin();
	push_page("ab", true);
	push(IPCBUS_EVENT_ERROR, -EACCES, NULL, NULL);
	ck_assert_int_eq(ipc_list_names(ipc, "*", &infos), -EACCES);
	push(IPCBUS_EVENT_FAILED, -EOWNERDEAD, NULL, NULL);
	ck_assert_int_eq(ipc_list_names(ipc, "*", &infos), -ENOTCONN);
	ck_assert_ptr_null(infos);
	ck_assert_int_eq(ipc_list_names(ipc, "*", NULL), -EINVAL);
	ck_assert_int_eq(ipc_list_names(NULL, "*", &infos), -EINVAL);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("find", got, not_got, waited_for, not_waited_for, checked,
			 too_long_names, listed, not_listed);
}
