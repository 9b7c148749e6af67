// SPDX-License-Identifier: MIT
/*
 * The window that a client chooses for a stream, on the fake device: the credit that it grants, and
 * wrong windows. test-limits.c has the window of a server, test-channel-window.c both, with a
 * daemon.
 */
#include <errno.h>

#include "core/proxy.h"
#include "stream-run.h"

static struct ipc *ipc;
static struct ipc_proxy *peer;
static struct ipc_stream *stream;

static void begin_with(const struct ipc_options *options)
{
	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &peer), 0);
	push_opened();
	ck_assert_int_eq(ipc_raw_stream_open(peer, 1, options, &stream, NULL), 0);
}

static void end(void)
{
	ipc_stream_unref(stream);
	ipc_proxy_unref(peer);
	ipc_unref(ipc);
}

static void arrive(uint64_t cookie)
{
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_ONEWAY,
					 .code = STREAM_MESSAGE,
					 .cookie = cookie,
					 .buffer = 8 },
		  "message", 7, NULL, 0);
	ck_assert_int_eq(ipc_process(ipc), 1);
}

/* Of the StreamOpen that this side sent last. */
static unsigned int sent_window(void)
{
	const struct fake_sent *sent = fake_last();
	Ipc__StreamOpen *open = ipc__stream_open__unpack(NULL, sent->send.data_size, sent->data);
	unsigned int window;

	ck_assert_ptr_nonnull(open);
	window = open->window;
	ipc__stream_open__free_unpacked(open, NULL);
	return window;
}

/* The credit that this side granted since it had sent n messages. */
static unsigned int granted_since(unsigned int n)
{
	unsigned int sum = 0;

	for (; n < fake.n_sent; n++) {
		Ipc__StreamCredit *credit;

		if (fake.sent[n].send.code != STREAM_CREDIT)
			continue;
		credit = ipc__stream_credit__unpack(NULL, fake.sent[n].send.data_size,
						    fake.sent[n].data);
		sum += credit->messages;
		ipc__stream_credit__free_unpacked(credit, NULL);
	}
	return sum;
}

static unsigned int called, n_sent_in_callback;

static void receive_it(struct ipc_stream *ready, void *userdata)
{
	const struct ipc_raw_message *received;

	(void)userdata;
	called++;
	ck_assert_int_eq(ipc_raw_stream_receive(ready, 0, &received, NULL), 1);
	n_sent_in_callback = fake.n_sent;
}

static void never(int result, struct ipc_stream *opened, const struct ipc_error *error,
		  void *userdata)
{
	(void)result, (void)opened, (void)error, (void)userdata;
	ck_abort();
}

static const uint32_t windows[] = { 1, 2, 3, 15, 16 };

START_TEST(client_grants_only_its_window)
{
	const struct ipc_raw_message *received;
	unsigned int before;
	uint64_t cookie;

	begin_with(NULL);
	ck_assert_uint_eq(sent_window(), 16);
	end();
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		begin_with(&(struct ipc_options){ .window = windows[i] });
		ck_assert_uint_eq(sent_window(), windows[i]);
		cookie = opened_cookie(0);
		before = fake.n_sent;
		for (uint32_t n = 0; n < windows[i]; n++)
			arrive(cookie);
		/* The message that was received last counts until the next function. */
		for (uint32_t n = 0; n < windows[i]; n++) {
			ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), 1);
			ck_assert_uint_le(granted_since(before), n);
		}
		ck_assert_int_eq(ipc_raw_stream_receive(stream, 0, &received, NULL), -EAGAIN);
		ck_assert_uint_gt(granted_since(before), windows[i] / 2);
		ck_assert_uint_le(granted_since(before), windows[i]);
		end();
	}
}
END_TEST

START_TEST(callback_grants_credit_when_it_returns)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_message = receive_it };
	unsigned int before;
	uint64_t cookie;

	called = 0;
	begin_with(&(struct ipc_options){ .window = 1 });
	cookie = opened_cookie(0);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &ops, NULL), 0);
	for (unsigned int n = 1; n <= 3; n++) {
		before = n_sent_in_callback = fake.n_sent;
		arrive(cookie);
		serve_all_of(ipc);
		ck_assert_uint_eq(called, n);
		ck_assert_uint_eq(n_sent_in_callback, before);
		ck_assert_uint_eq(granted_since(before), 1);
	}
	ipc_stream_cancel(stream);
	serve_all_of(ipc);
	end();
}
END_TEST

START_TEST(message_beyond_the_window_ends_the_stream)
{
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		uint64_t cookie;

		begin_with(&(struct ipc_options){ .window = windows[i] });
		cookie = opened_cookie(0);
		for (uint32_t n = 0; n <= windows[i]; n++) {
			ck_assert(!ipc_stream_is_canceled(stream));
			arrive(cookie);
		}
		ck_assert_int_eq(stream->broken, -EPROTO);
		end();
	}
}
END_TEST

START_TEST(windows_are_checked)
{
	static const uint32_t wrong[] = { STREAM_WINDOW + 1, UINT32_MAX };
	const struct ipc_raw_message message = { .method = 1 };
	struct ipc_options options = { .window = 1 };
	struct ipc_raw_message *reply;

	begin_with(NULL);
	ipc_stream_unref(stream);
	stream = NULL;
	ck_assert_int_eq(ipc_raw_call(peer, &message, &options, &reply, NULL), -EINVAL);
	ck_assert_int_eq(ipc_raw_oneway(peer, &message, &options), -EINVAL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		options.window = wrong[i];
		ck_assert_int_eq(ipc_raw_stream_open(peer, 1, &options, &stream, NULL), -EINVAL);
		ck_assert_int_eq(ipc_raw_stream_open_async(peer, 1, &options, never, NULL),
				 -EINVAL);
	}
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("window", client_grants_only_its_window,
			 callback_grants_credit_when_it_returns,
			 message_beyond_the_window_ends_the_stream, windows_are_checked);
}
