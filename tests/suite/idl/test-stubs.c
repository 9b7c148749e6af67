// SPDX-License-Identifier: MIT
/*
 * What generated code does: the stubs of golden/{kinds,depths,echo}.proto over
 * a libipc that only writes down how it is called.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/rpc.h>

#include "depths.ipc.h"
#include "echo.ipc.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "kinds.ipc.h"
#include "presence.ipc.h"

/* --- A libipc that writes down ---------------------------------------------------- */

static struct {
	const char *function;
	const void *who; /* connection, proxy or call */
	const struct ipc_method *method;
	const struct ipc_options *options;
	const ProtobufCMessage *message;
	const char *name;
	const struct ipc_interface *interface;
	const void *ops;
	void *userdata;
	struct ipc_error *error;
	bool wants_reply;
	uint64_t timeout_usec;
	uint64_t id;
	int result;
} last;

/* Only addresses. */
static char a_proxy[1], a_call[1], a_connection[1], a_slot[1];
#define PROXY	   ((struct ipc_proxy *)a_proxy)
#define CALL	   ((struct ipc_call *)a_call)
#define CONNECTION ((struct ipc *)a_connection)
#define A_SLOT	   ((struct ipc_slot *)a_slot)

int ipc_rpc_call_with(struct ipc_proxy *proxy, const struct ipc_method *method,
		      const struct ipc_options *options, const ProtobufCMessage *request,
		      ProtobufCMessage **ret_reply, struct ipc_error *error)
{
	last.function = __func__;
	last.who = proxy;
	last.method = method;
	last.options = options;
	last.message = request;
	last.error = error;
	last.wants_reply = ret_reply != NULL;
	if (last.result < 0)
		return last.result;

	if (ret_reply) {
		*ret_reply = malloc(method->reply->sizeof_message);
		protobuf_c_message_init(method->reply, *ret_reply);
	}

	return last.result;
}

int ipc_rpc_oneway_with(struct ipc_proxy *proxy, const struct ipc_method *method,
			const struct ipc_options *options, const ProtobufCMessage *request)
{
	last.function = __func__;
	last.who = proxy;
	last.method = method;
	last.options = options;
	last.message = request;
	return last.result;
}

/* Completes at once, with an empty reply or the result. */
int ipc_rpc_call_async(struct ipc_proxy *proxy, const struct ipc_method *method,
		       const struct ipc_options *options, const ProtobufCMessage *request,
		       ipc_rpc_complete complete, ipc_rpc_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	struct ipc_error error = { .code = last.result };
	ProtobufCMessage *reply = NULL;

	last.function = __func__;
	last.who = proxy;
	last.method = method;
	last.options = options;
	last.message = request;
	if (ret_slot)
		*ret_slot = A_SLOT;
	if (last.result == 0) {
		reply = malloc(method->reply->sizeof_message);
		protobuf_c_message_init(method->reply, reply);
	}
	complete(last.result, reply, &error, cb, userdata);
	free(reply);
	return 0;
}

void ipc_rpc_keep(ProtobufCMessage *reply)
{
	last.function = __func__;
	last.message = reply;
}

int ipc_rpc_reply(struct ipc_call *call, const struct ipc_method *method,
		  const ProtobufCMessage *reply)
{
	last.function = __func__;
	last.who = call;
	last.method = method;
	last.message = reply;
	return last.result;
}

void ipc_rpc_free(ProtobufCMessage *reply)
{
	free(reply);
}

int ipc_rpc_register(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		  const void *ops, void *userdata)
{
	last.function = __func__;
	last.who = ipc;
	last.name = name;
	last.interface = interface;
	last.ops = ops;
	last.userdata = userdata;
	return last.result;
}

int ipc_object_new(struct ipc *ipc, const struct ipc_interface *interface, const void *ops,
		   void *userdata, void (*destroy)(void *userdata),
		   struct ipc_object **ret_object)
{
	(void)destroy;
	(void)ret_object;
	last.function = __func__;
	last.who = ipc;
	last.interface = interface;
	last.ops = ops;
	last.userdata = userdata;
	return last.result;
}

static int found(const char *function, struct ipc *ipc, const char *name,
		 struct ipc_proxy **ret_proxy)
{
	last.function = function;
	last.who = ipc;
	last.name = name;
	if (last.result == 0)
		*ret_proxy = PROXY;

	return last.result;
}

int ipc_rpc_connect(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		    struct ipc_proxy **ret_proxy)
{
	last.interface = interface;
	return found(__func__, ipc, name, ret_proxy);
}

int ipc_rpc_await(struct ipc *ipc, const char *name, const struct ipc_interface *interface,
		  uint64_t timeout_usec, struct ipc_proxy **ret_proxy)
{
	last.interface = interface;
	last.timeout_usec = timeout_usec;
	return found(__func__, ipc, name, ret_proxy);
}

int ipc_take_proxy(struct ipc *ipc, uint64_t *id, struct ipc_proxy **ret_proxy)
{
	last.id = *id;
	*id = 0;
	return found(__func__, ipc, NULL, ret_proxy);
}

struct ipc_proxy *ipc_proxy_ref(struct ipc_proxy *proxy)
{
	last.function = __func__;
	last.who = proxy;
	return proxy;
}

struct ipc_proxy *ipc_proxy_unref(struct ipc_proxy *proxy)
{
	last.function = __func__;
	last.who = proxy;
	return NULL;
}

int ipc_proxy_on_death(struct ipc_proxy *proxy, ipc_death_cb cb, void *userdata,
		       struct ipc_slot **ret_slot)
{
	(void)cb;
	last.function = __func__;
	last.who = proxy;
	last.userdata = userdata;
	*ret_slot = A_SLOT;
	return last.result;
}

static void setup(void)
{
	memset(&last, 0, sizeof(last));
}

/* --- The interface ------------------------------------------------------------------ */

#define KINDS  (&kinds_of_url_interface)
#define DEPTHS (&depths_interface)

static const struct ipc_method *method_of(const struct ipc_interface *interface,
					  const char *name)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (!strcmp(interface->methods[i].name, name))
			return &interface->methods[i];

	ck_abort_msg("no method %s", name);
}

START_TEST(the_table_is_complete_and_sorted)
{
	const struct ipc_interface *interface = KINDS;

	ck_assert_str_eq(interface->name, "my_app.V2.io.KindsOfURL");
	ck_assert_uint_eq(interface->n_methods, 6);
	for (size_t i = 0; i < interface->n_methods; i++) {
		const struct ipc_method *m = &interface->methods[i];

		ck_assert(i == 0 || m[-1].code < m->code);
		ck_assert_ptr_nonnull(m->request);
		ck_assert_ptr_nonnull(m->reply);
		ck_assert_ptr_nonnull(m->invoke);
	}
}
END_TEST

/* FNV-1a, once more and on its own. */
static uint32_t derived(const char *path)
{
	uint32_t hash = 2166136261u;

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * 16777619u;

	return hash | IPC_CODE_DERIVED;
}

START_TEST(numbers_are_explicit_or_derived)
{
	ck_assert_uint_eq(method_of(KINDS, "Seventh")->code, 7);
	ck_assert_uint_eq(method_of(KINDS, "Last")->code, 65535);
	ck_assert_uint_eq(method_of(KINDS, "Stop")->code,
			  derived("my_app.V2.io.KindsOfURL/Stop"));
	ck_assert_uint_eq(method_of(&echo_interface, "Say")->code, derived("echo.Echo/Say"));
	ck_assert_uint_ge(IPC_CODE_BUILTIN, 65536);
}
END_TEST

START_TEST(flags_say_what_messages_can_hold)
{
	static const struct {
		const struct ipc_interface *interface;
		const char *method;
		uint32_t flags;
	} cases[] = {
		{ KINDS, "Stop", 0 },
		{ KINDS, "Kick", IPC_METHOD_ONEWAY },
		{ KINDS, "NotOneway", 0 },
		{ DEPTHS, "OpenAll", IPC_METHOD_REPLY_OBJECTS },
		{ DEPTHS, "Climb", IPC_METHOD_REQUEST_OBJECTS },
		{ DEPTHS, "Tie", 0 },
		{ DEPTHS, "Toss", IPC_METHOD_ONEWAY | IPC_METHOD_REQUEST_OBJECTS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t flags = method_of(cases[i].interface, cases[i].method)->flags;

		/* Which of them have codecs is in what suite/idl/golden has. */
		flags &= ~(IPC_METHOD_REQUEST_CODEC | IPC_METHOD_REPLY_CODEC);
		ck_assert_msg(flags == cases[i].flags, "%s", cases[i].method);
	}
}
END_TEST

START_TEST(types_are_those_of_the_file)
{
	const struct ipc_method *part = method_of(DEPTHS, "Part");
	const struct ipc_method *tie = method_of(DEPTHS, "Tie");

	ck_assert_str_eq(part->request->name, "my_app.V2.io.HTTPRequest2Go.inner_part");
	ck_assert_str_eq(part->reply->name, "my_app.V2.io.Pong");
	ck_assert_str_eq(tie->reply->name, "my_app.V2.io._odd1Name");
}
END_TEST

START_TEST(the_descriptor_can_be_read)
{
	Google__Protobuf__FileDescriptorSet *set = google__protobuf__file_descriptor_set__unpack(
		NULL, kinds_of_url_interface.descriptor_size, kinds_of_url_interface.descriptor);

	ck_assert_ptr_nonnull(set);
	ck_assert_uint_eq(set->n_file, 3);
	ck_assert_str_eq(set->file[0]->name, "ipc/ipc.proto");
	ck_assert_str_eq(set->file[1]->name, "ipc/options.proto");
	ck_assert_str_eq(set->file[2]->name, "kinds.proto");
	ck_assert_uint_eq(set->file[2]->n_service, 1);
	ck_assert_str_eq(set->file[2]->service[0]->method[0]->name, "Stop");
	/* Options survive. So do comments of the file itself, but no positions. */
	ck_assert_uint_eq(set->file[2]->service[0]->method[2]->options->base.n_unknown_fields, 1);
	ck_assert_ptr_null(set->file[0]->source_code_info);
	ck_assert_ptr_null(set->file[1]->source_code_info);
	ck_assert_ptr_nonnull(set->file[2]->source_code_info);
	for (size_t i = 0; i < set->file[2]->source_code_info->n_location; i++) {
		ck_assert_ptr_nonnull(
			set->file[2]->source_code_info->location[i]->leading_comments);
		ck_assert_uint_eq(set->file[2]->source_code_info->location[i]->n_span, 0);
	}
	google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}
END_TEST

/* --- The client ------------------------------------------------------------------------ */

START_TEST(a_proxy_is_found_kept_and_dropped)
{
	struct echo *echo = NULL;
	struct ipc_slot *slot = NULL;

	ck_assert_int_eq(echo_connect(CONNECTION, "demo.echo", &echo), 0);
	ck_assert_str_eq(last.function, "ipc_rpc_connect");
	ck_assert_ptr_eq(last.interface, &echo_interface);
	ck_assert_str_eq(last.name, "demo.echo");
	ck_assert_ptr_eq(last.who, CONNECTION);
	ck_assert_ptr_eq(echo_proxy(echo), PROXY);
	ck_assert_ptr_eq(echo_from_proxy(PROXY), echo);

	ck_assert_int_eq(echo_await(CONNECTION, "demo.echo", 5, &echo), 0);
	ck_assert_str_eq(last.function, "ipc_rpc_await");
	ck_assert_ptr_eq(last.interface, &echo_interface);
	ck_assert_uint_eq(last.timeout_usec, 5);

	ck_assert_ptr_eq(echo_ref(echo), echo);
	ck_assert_str_eq(last.function, "ipc_proxy_ref");
	ck_assert_ptr_null(echo_unref(echo));
	ck_assert_str_eq(last.function, "ipc_proxy_unref");

	ck_assert_int_eq(echo_on_death(echo, NULL, &last, &slot), 0);
	ck_assert_str_eq(last.function, "ipc_proxy_on_death");
	ck_assert_ptr_eq(last.userdata, &last);
	ck_assert_ptr_eq(slot, A_SLOT);
}
END_TEST

START_TEST(what_fails_writes_no_output)
{
	struct echo *const untouched = (struct echo *)a_call;
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	Echo__SayReply *reply = (Echo__SayReply *)a_call;
	Ipc__Object field = IPC__OBJECT__INIT;
	struct echo *echo = untouched;

	last.result = -ENOENT;
	ck_assert_int_eq(echo_connect(CONNECTION, "x", &echo), -ENOENT);
	ck_assert_int_eq(echo_await(CONNECTION, "x", IPC_NEVER, &echo), -ENOENT);
	ck_assert_int_eq(echo_take(CONNECTION, &field, &echo), -ENOENT);
	ck_assert_ptr_eq(echo, untouched);
	ck_assert_int_eq(echo_say(echo, &request, &reply, NULL), -ENOENT);
	ck_assert_ptr_eq(reply, (Echo__SayReply *)a_call);
}
END_TEST

START_TEST(an_object_is_taken_out_of_a_field)
{
	Ipc__Object field = IPC__OBJECT__INIT;
	struct echo *echo = NULL;

	field.id = 42;
	ck_assert_int_eq(echo_take(CONNECTION, &field, &echo), 0);
	ck_assert_uint_eq(last.id, 42);
	ck_assert_uint_eq(field.id, 0);
	ck_assert_ptr_eq(echo_proxy(echo), PROXY);

	last.function = NULL;
	ck_assert_int_eq(echo_take(CONNECTION, NULL, &echo), -ENOENT);
	ck_assert_ptr_null(last.function);
}
END_TEST

START_TEST(a_call_passes_everything_on)
{
	struct echo *echo = echo_from_proxy(PROXY);
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	ipc_auto(echo_say_reply_free) Echo__SayReply *reply = NULL;
	struct ipc_error error = IPC_ERROR_INIT;

	ck_assert_int_eq(echo_say(echo, &request, &reply, &error), 0);
	ck_assert_str_eq(last.function, "ipc_rpc_call_with");
	ck_assert_ptr_eq(last.who, PROXY);
	ck_assert_ptr_eq(last.method, method_of(&echo_interface, "Say"));
	ck_assert_ptr_eq(last.message, &request.base);
	ck_assert_ptr_eq(last.error, &error);
	ck_assert_str_eq(reply->text, "");

	ck_assert_int_eq(echo_say(echo, &request, NULL, NULL), 0);
	ck_assert(!last.wants_reply);
}
END_TEST

START_TEST(a_oneway_is_sent)
{
	Echo__LogRequest request = ECHO__LOG_REQUEST__INIT;

	last.result = -EAGAIN;
	ck_assert_int_eq(echo_log(echo_from_proxy(PROXY), &request), -EAGAIN);
	ck_assert_str_eq(last.function, "ipc_rpc_oneway_with");
	ck_assert_ptr_eq(last.method, method_of(&echo_interface, "Log"));
	ck_assert_ptr_eq(last.message, &request.base);
}
END_TEST

START_TEST(nothing_is_sent_for_none)
{
	struct kinds_of_url *kinds = kinds_of_url_from_proxy(PROXY);
	MyApp__V2__Io__Chain *chain = NULL;

	ck_assert_int_eq(kinds_of_url_stop(kinds, NULL), 0);
	ck_assert_str_eq(last.function, "ipc_rpc_call_with");
	ck_assert_ptr_eq(last.message->descriptor, &ipc__none__descriptor);
	ck_assert(!last.wants_reply);

	ck_assert_int_eq(kinds_of_url_kick(kinds), 0);
	ck_assert_str_eq(last.function, "ipc_rpc_oneway_with");
	ck_assert_ptr_eq(last.message->descriptor, &ipc__none__descriptor);

	ck_assert_int_eq(kinds_of_url_get_status(kinds, &chain, NULL), 0);
	ck_assert_ptr_eq(chain->base.descriptor, &my_app__v2__io__chain__descriptor);
	kinds_of_url_get_status_reply_free(chain);
}
END_TEST

static const struct ipc_options some_options;
static int completed;
static int completed_with;

static void said(int result, Echo__SayReply *reply, const struct ipc_error *error, void *userdata)
{
	ck_assert_ptr_eq(userdata, &completed);
	ck_assert_ptr_nonnull(error);
	ck_assert(!reply == (result < 0));
	completed++;
	completed_with = result;
	if (!reply)
		return;
	ck_assert_str_eq(reply->text, "");
	echo_say_reply_keep(reply);
	ck_assert_str_eq(last.function, "ipc_rpc_keep");
}

static void watched(int result, const struct ipc_error *error, void *userdata)
{
	ck_assert_ptr_eq(error, userdata ? userdata : error);
	completed++;
	completed_with = result;
}

START_TEST(an_async_call_completes_with_its_types)
{
	Echo__WatchRequest watch = ECHO__WATCH_REQUEST__INIT;
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	struct echo *echo = echo_from_proxy(PROXY);
	struct ipc_slot *slot = NULL;

	completed = 0;
	ck_assert_int_eq(echo_say_async(echo, &some_options, &request, said, &completed, &slot), 0);
	ck_assert_ptr_eq(last.options, &some_options);
	ck_assert_int_eq(completed, 1);
	ck_assert_int_eq(completed_with, 0);
	ck_assert_ptr_eq(slot, A_SLOT);

	last.result = -ETIMEDOUT;
	ck_assert_int_eq(echo_say_async(echo, NULL, &request, said, &completed, NULL), 0);
	ck_assert_ptr_eq(last.method, method_of(&echo_interface, "Say"));
	ck_assert_ptr_eq(last.message, &request.base);
	ck_assert_int_eq(completed_with, -ETIMEDOUT);
	ck_assert_int_eq(echo_watch_async(echo, NULL, &watch, watched, NULL, NULL), 0);
	ck_assert_int_eq(completed, 3);
}
END_TEST

START_TEST(options_are_passed_on)
{
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	Echo__LogRequest line = ECHO__LOG_REQUEST__INIT;
	struct echo *echo = echo_from_proxy(PROXY);

	ck_assert_int_eq(echo_say(echo, &request, NULL, NULL), 0);
	ck_assert_ptr_null(last.options);
	ck_assert_int_eq(echo_say_with(echo, &some_options, &request, NULL, NULL), 0);
	ck_assert_ptr_eq(last.options, &some_options);
	last.options = NULL;
	ck_assert_int_eq(echo_log_with(echo, &some_options, &line), 0);
	ck_assert_ptr_eq(last.options, &some_options);
}
END_TEST

/* --- The server ------------------------------------------------------------------------ */

static const void *handled;

static int handle_say(struct ipc_call *call, const Echo__SayRequest *request, void *userdata)
{
	ck_assert_ptr_eq(call, CALL);
	ck_assert_ptr_eq(userdata, &handled);
	handled = request;
	return 5;
}

static int handle_stop(struct ipc_call *call, void *userdata)
{
	ck_assert_ptr_eq(call, CALL);
	handled = userdata;
	return 6;
}

START_TEST(a_request_reaches_its_handler)
{
	const struct kinds_of_url_ops kinds_ops = { .stop = handle_stop };
	const struct echo_ops ops = { .say = handle_say };
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	Ipc__None none = IPC__NONE__INIT;

	ck_assert_int_eq(method_of(&echo_interface, "Say")->invoke(CALL, &request.base, &ops, &handled),
			 5);
	ck_assert_ptr_eq(handled, &request);
	ck_assert_int_eq(method_of(KINDS, "Stop")
				 ->invoke(CALL, &none.base, &kinds_ops, &handled),
			 6);
	ck_assert_ptr_eq(handled, &handled);
}
END_TEST

START_TEST(no_handler_is_no_such_method)
{
	const struct echo_ops ops = { 0 };

	for (size_t i = 0; i < echo_interface.n_methods; i++)
		ck_assert_int_eq(echo_interface.methods[i].invoke(CALL, NULL, &ops, NULL),
				 -EOPNOTSUPP);
}
END_TEST

START_TEST(a_reply_is_of_its_method)
{
	Echo__SayReply reply = ECHO__SAY_REPLY__INIT;

	last.result = -EALREADY;
	ck_assert_int_eq(echo_reply_say(CALL, &reply), -EALREADY);
	ck_assert_ptr_eq(last.who, CALL);
	ck_assert_ptr_eq(last.method, method_of(&echo_interface, "Say"));
	ck_assert_ptr_eq(last.message, &reply.base);

	last.result = 0;
	ck_assert_int_eq(echo_reply_watch(CALL), 0);
	ck_assert_ptr_eq(last.method, method_of(&echo_interface, "Watch"));
	ck_assert_ptr_eq(last.message->descriptor, &ipc__none__descriptor);
}
END_TEST

START_TEST(objects_are_made_with_the_interface)
{
	const struct echo_ops ops = { 0 };

	ck_assert_int_eq(echo_object_new(CONNECTION, &ops, &handled, NULL, NULL), 0);
	ck_assert_str_eq(last.function, "ipc_object_new");
	ck_assert_ptr_eq(last.interface, &echo_interface);
	ck_assert_ptr_eq(last.ops, &ops);
	ck_assert_ptr_eq(last.userdata, &handled);

	ck_assert_int_eq(echo_register(CONNECTION, "demo.echo", &ops, NULL), 0);
	ck_assert_str_eq(last.function, "ipc_rpc_register");
	ck_assert_str_eq(last.name, "demo.echo");
	ck_assert_ptr_eq(last.interface, &echo_interface);
}
END_TEST

/* The fields of the message that bits names are present, with the value zero. */
static Presence__Fields present(unsigned int bits)
{
	Presence__Fields fields = PRESENCE__FIELDS__INIT;

	fields._text_case = bits & 1 ? PRESENCE__FIELDS___TEXT_TEXT : 0;
	fields.text = bits & 1 ? (char *)"" : NULL;
	fields._data_case = bits & 2 ? PRESENCE__FIELDS___DATA_DATA : 0;
	fields._number_case = bits & 4 ? PRESENCE__FIELDS___NUMBER_NUMBER : 0;
	fields._flag_case = bits & 8 ? PRESENCE__FIELDS___FLAG_FLAG : 0;
	fields._ratio_case = bits & 16 ? PRESENCE__FIELDS___RATIO_RATIO : 0;
	fields._zigzag_case = bits & 32 ? PRESENCE__FIELDS___ZIGZAG_ZIGZAG : 0;
	fields._fixed_case = bits & 64 ? PRESENCE__FIELDS___FIXED_FIXED : 0;
	return fields;
}

START_TEST(a_codec_keeps_the_presence_of_optional_fields)
{
	const struct ipc_codec *codec = presence_interface.methods[0].request_codec;

	for (unsigned int bits = 0; bits < 128; bits++) {
		Presence__Fields fields = present(bits);
		uint8_t expected[64], got[128], *end, *memory;
		uint64_t space[128];
		size_t size = presence__fields__pack(&fields, expected);
		ProtobufCMessage *unpacked;

		end = codec->pack(&fields.base, got, got + sizeof(got));
		ck_assert_mem_eq(got, expected, size);
		ck_assert_ptr_eq(end, got + size);

		memory = (uint8_t *)space;
		unpacked = codec->unpack(got, end, &memory, (uint8_t *)(space + 128));
		ck_assert_ptr_nonnull(unpacked);
		memset(got, 0xff, sizeof(got));
		ck_assert_uint_eq(protobuf_c_message_pack(unpacked, got), size);
		ck_assert_mem_eq(got, expected, size);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("stubs");
	Suite *suite = suite_create("stubs");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, the_table_is_complete_and_sorted);
	tcase_add_test(tcase, numbers_are_explicit_or_derived);
	tcase_add_test(tcase, flags_say_what_messages_can_hold);
	tcase_add_test(tcase, types_are_those_of_the_file);
	tcase_add_test(tcase, the_descriptor_can_be_read);
	tcase_add_test(tcase, a_proxy_is_found_kept_and_dropped);
	tcase_add_test(tcase, what_fails_writes_no_output);
	tcase_add_test(tcase, an_object_is_taken_out_of_a_field);
	tcase_add_test(tcase, a_call_passes_everything_on);
	tcase_add_test(tcase, a_oneway_is_sent);
	tcase_add_test(tcase, nothing_is_sent_for_none);
	tcase_add_test(tcase, an_async_call_completes_with_its_types);
	tcase_add_test(tcase, options_are_passed_on);
	tcase_add_test(tcase, a_request_reaches_its_handler);
	tcase_add_test(tcase, no_handler_is_no_such_method);
	tcase_add_test(tcase, a_reply_is_of_its_method);
	tcase_add_test(tcase, objects_are_made_with_the_interface);
	tcase_add_test(tcase, a_codec_keeps_the_presence_of_optional_fields);
	suite_add_tcase(suite, tcase);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
