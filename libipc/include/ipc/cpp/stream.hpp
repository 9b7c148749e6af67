/* SPDX-License-Identifier: MIT */
/*
 * Streams of <ipc/ipc.hpp>. <ipc/stream.h> has the rules: credit, threads that wait, callbacks,
 * and the meaning of each errno.
 */
#ifndef IPC_CPP_STREAM_HPP
#define IPC_CPP_STREAM_HPP

#include <ipc/cpp/message.hpp>

IPC_CPP_BEGIN

/* A message of a stream, which is valid until the next receive() on the stream. */
class item : public received {
public:
	explicit item(const c::ipc_raw_message *m) noexcept : received(m) {}
};

/*
 * A side of a stream. Copies refer to the same side, which is dropped with the last copy. If an
 * open client's side is dropped, the stream is canceled.
 *
 * If the handler of a server's stream returns without an error, has set no functions, and no copy
 * is left at that moment, the stream ends without an error. Otherwise end() or fail() must end it:
 * if the last copy is dropped without that, the client gets ENOMSG.
 */
class stream : public detail::counted<c::ipc_stream, c::ipc_stream_ref, c::ipc_stream_unref> {
public:
	explicit stream(c::ipc_stream *owned) noexcept : counted(owned) {}

	/*
	 * Send a message, which has no method. Waits for credit and space.
	 *
	 *   EAGAIN   There was no credit or space in time.
	 *   EPIPE    This side has ended its messages, or the server has ended the stream.
	 */
	outcome<void> send(const message &m, time_limit wait = never) const
	{
		return detail::check(c::ipc_raw_stream_send(raw, m.c_ptr(), wait.usec()));
	}

	/* Receive a message. The result is empty at the end of the stream. EAGAIN: no message
	 * arrived in time. Any other error: the other side ended its messages with it. Only one
	 * thread at a time may receive. */
	outcome<std::optional<item>> receive(time_limit wait = never) const
	{
		c::ipc_error e = c::no_error();
		const c::ipc_raw_message *m;
		int r = c::ipc_raw_stream_receive(raw, wait.usec(), &m, &e);

		if (r < 0)
			return detail::fail<std::optional<item>>(r, &e);
		if (r == 0)
			return std::optional<item>();
		return std::optional<item>(item(m));
	}

	/* End the messages of this side, with or without an error; a server ends the stream with
	 * that. EALREADY: this side has ended its messages before. */
	outcome<void> end() const { return detail::check(c::ipc_stream_end(raw)); }
	outcome<void> fail(const error &e) const
	{
		return detail::check(error_access::pass(e, [&](const c::ipc_error *out) {
			return c::ipc_stream_fail_with(raw, out);
		}));
	}

	/* End both directions on both sides at once, with ECANCELED. */
	void cancel() const noexcept { c::ipc_stream_cancel(raw); }
	bool is_canceled() const noexcept
	{
		return c::ipc_stream_is_canceled(raw);
	}
	/* The time until the deadline of the stream: see ipc_stream_remaining(). */
	duration remaining() const noexcept
	{
		return detail::from_usec(c::ipc_stream_remaining(raw));
	}

	/* The connection of this side. */
	ipc::connection connection() const noexcept;

	/* For the server: metadata, label and identity of the client's call. nullptr and 0 for a
	 * client's side. The label needs IPC_OBJECT_LABEL: see object::set_flags(). */
	const char *metadata(const char *name) const noexcept
	{
		return c::ipc_stream_metadata(raw, name);
	}
	const char *label() const noexcept { return c::ipc_stream_label(raw); }
	uid_t uid() const noexcept { return c::ipc_stream_uid(raw); }
	gid_t gid() const noexcept { return c::ipc_stream_gid(raw); }
	pid_t pid() const noexcept { return c::ipc_stream_pid(raw); }

	/*
	 * Set functions instead of waiting threads: see ipc_stream_set_ops(). Each may be empty.
	 * on_end gets a result, whose error is the reason for the end of the stream. Their captures
	 * are destroyed when the stream has ended. If a function throws, this side fails the stream
	 * with that error, as for the handler of a call. If this side has ended its messages, it
	 * cancels the stream. EALREADY: the stream has functions.
	 */
	struct functions {
		std::function<void(const stream &)> on_message;
		std::function<void(const stream &)> on_writable;
		std::function<void(const stream &, result<void>)> on_end;
	};
	outcome<void> set_functions(functions f) const
	{
		c::ipc_stream_ops ops = {};
		auto held = std::make_unique<functions>(std::move(f));
		int r;

		ops.size = sizeof(ops);
		if (held->on_message)
			ops.on_message = [](c::ipc_stream *s, void *userdata) {
				run("on_message of a stream", s, [&](const stream &from) {
					static_cast<functions *>(userdata)->on_message(from);
				});
			};
		if (held->on_writable)
			ops.on_writable = [](c::ipc_stream *s, void *userdata) {
				run("on_writable of a stream", s, [&](const stream &from) {
					static_cast<functions *>(userdata)->on_writable(from);
				});
			};
		if (held->on_end)
			ops.on_end = [](c::ipc_stream *s, int code, const c::ipc_error *e,
					void *userdata) {
				run("on_end of a stream", s, [&](const stream &from) {
					static_cast<functions *>(userdata)->on_end(
						from,
						code < 0 ? result<void>(error_access::from_c(code, e)) :
							   result<void>());
				});
			};
		ops.destroy = [](void *userdata) { delete static_cast<functions *>(userdata); };
		r = c::ipc_stream_set_ops(raw, &ops, held.get());
		if (r < 0)
			return detail::check(r);
		held.release();
		return detail::done();
	}

	/* Request on_message again, for messages that it has left: see ipc_stream_resume(). */
	outcome<void> resume() const { return detail::check(c::ipc_stream_resume(raw)); }

private:
	/* Calls a function of the program. */
	template <typename F> static void run(const char *name, c::ipc_stream *s, F function) noexcept
	{
		const stream from(c::ipc_stream_ref(s));
		auto call = [&]() -> outcome<void> {
			function(from);
			return detail::done();
		};
		result<void> r = detail::catching<void>(call, [&] {
			detail::log_callback(name, from.uid(), from.pid());
		});

		if (!r && !detail::catching<void>([&] { return from.fail(r.error()); }))
			from.cancel();
	}
};

inline options &options::parent_stream(const stream &parent)
{
	raw.parent_stream = parent.c_ptr();
	return *this;
}

IPC_CPP_END

#endif /* IPC_CPP_STREAM_HPP */
