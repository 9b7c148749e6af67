/* SPDX-License-Identifier: MIT */
/*
 * Support for the files of protoc --ipc_out=lang=cpp. Programs use only call_for, with_objects and
 * typed_service; all other names in ipc::typed are for generated code. Messages are protobuf's C++
 * classes, so the program must link libprotobuf.
 *
 * If a received message does not match its type, or nests deeper than 100, the function fails with
 * EBADMSG. If a message to send has a string that is not UTF-8 or has a NUL byte, the function
 * fails with EINVAL; protobuf's lite runtime does not check this. Unlike generated C, this code
 * does not limit the memory of a parsed message. For objects, ipc_object_set_limits() limits the
 * size of a request.
 *
 * If the options of a call have no timeout, option timeout_ms of the method applies. It takes
 * precedence over proxy::set_timeout().
 */
#ifndef IPC_CPP_PROTOBUF_HPP
#define IPC_CPP_PROTOBUF_HPP

#include <atomic>

#include <ipc/cpp/objects.hpp>

IPC_CPP_BEGIN

/* --- Descriptions ------------------------------------------------------------------- */

/* An interface, for tools and the service manager. Generated. */
struct interface {
	const char *name;
	const unsigned char *descriptor;
	std::size_t descriptor_size;
	bool accept_fds;
};

/* A method. Generated. */
struct method {
	std::uint32_t number;
	std::uint32_t timeout_ms;
	bool accept_fds;
};

/* --- Calls ---------------------------------------------------------------------------------- */

/*
 * A call of a method without a reply yet. Like class call, it can only be moved, reply() and fail()
 * consume it, and without either the caller gets ENOMSG. -> gives access to the caller, the
 * deadline and the cancellation.
 */
template <typename Reply> class call_for {
public:
	explicit call_for(call c) noexcept : held(std::move(c)) {}

	const call *operator->() const noexcept { return &held; }
	call *operator->() noexcept { return &held; }
	explicit operator bool() const noexcept { return static_cast<bool>(held); }

	/* The argument has the type Reply; no argument if the method has no reply. See
	 * call::reply(). */
	outcome<void> reply(const Reply &m) && { return typed_access::reply(std::move(held), m); }
	outcome<void> fail(const error &e) && { return std::move(held).fail(e); }

private:
	call held;
};

template <> class call_for<void> {
public:
	explicit call_for(call c) noexcept : held(std::move(c)) {}

	const call *operator->() const noexcept { return &held; }
	call *operator->() noexcept { return &held; }
	explicit operator bool() const noexcept { return static_cast<bool>(held); }

	outcome<void> reply() && { return std::move(held).reply(); }
	outcome<void> fail(const error &e) && { return std::move(held).fail(e); }

private:
	call held;
};

/* --- Streams ------------------------------------------------------------------------------- */

namespace typed {

/* Ends the messages of a client, unless they have ended. The server may have ended the stream
 * already. Its messages can still be received; if it died, the first receive fails. */
inline int end_requests(const stream &s)
{
	int r = c::ipc_stream_end(s.c_ptr());

	return r == -EALREADY || r == -EOWNERDEAD ? 0 : r;
}

/* A handler of a stream that runs on this thread. It holds a reference of the stream. */
class stream_handler {
public:
	explicit stream_handler(const stream &s) noexcept : served(s.c_ptr()), outer(innermost)
	{
		innermost = this;
	}
	stream_handler(const stream_handler &) = delete;
	~stream_handler() { innermost = outer; }

	/* The handler's thread dropped the last copy of the server's side. */
	bool has_released() const noexcept { return is_released; }

	/* The last copy of a server's side is dropped. Returns false if its handler does not run on
	 * this thread. */
	static bool release(const stream &s) noexcept
	{
		stream_handler *h = innermost;

		while (h && h->served != s.c_ptr())
			h = h->outer;
		if (h)
			h->is_released = true;
		return h;
	}

private:
	static inline thread_local stream_handler *innermost = nullptr;

	const c::ipc_stream *served;
	stream_handler *outer;
	bool is_released = false;
};

} // namespace typed

/*
 * A side of a stream of a method: it sends Out and receives In, either of which may be no_message.
 * Copies refer to the same side. -> gives access to the functions of all streams, such as cancel().
 *
 * A server's side that the handler does not give away ends when the handler returns or throws.
 * Otherwise end(), reply() or fail() must end it: if the last copy is dropped before, the client
 * gets ENOMSG.
 */
template <typename Out, typename In> class stream_of {
public:
	explicit stream_of(stream s) : held(std::make_shared<const end_of>(std::move(s), false)) {}

	/* For generated code: calls function(server's side). */
	template <typename F> static outcome<void> serve(const stream &s, F function)
	{
		typed::stream_handler handler(s);
#if IPC_RESULTS
		result<void> r = function(stream_of(std::make_shared<const end_of>(s, true)));

		if (!r)
			return r;
#else
		function(stream_of(std::make_shared<const end_of>(s, true)));
#endif
		if (handler.has_released())
			c::ipc_stream_end(s.c_ptr());
		return detail::done();
	}

	const stream *operator->() const noexcept { return &held->s; }

	/* See stream::send(). */
	outcome<void> send(const Out &m, time_limit wait = never) const
	{
		return typed_access::send(0, m, [&](const message &out) {
			return held->s.send(out, wait);
		});
	}

	/* The next message, or empty at the end. Objects in it are valid until the next receive().
	 * EBADMSG: the message does not match its type. See stream::receive(). */
	outcome<std::optional<In>> receive(time_limit wait = never) const
	{
		using Got = std::optional<In>;
#if IPC_RESULTS
		result<std::optional<item>> r = held->s.receive(wait);

		if (!r)
			return r.error();
		const std::optional<item> &got = *r;
#else
		const std::optional<item> got = held->s.receive(wait);
#endif
		if (!got)
			return Got();
		Got m{ In() };

		if (!typed_access::receive(*m, *got))
			return detail::fail<Got>(EBADMSG);
		return m;
	}

	/* For a client of a method with a single reply: end its messages, and wait for the reply.
	 *
	 *   ENOMSG    The server ended the stream without a reply.
	 *   EALREADY  An earlier finish() has returned the reply.
	 */
	outcome<In> finish(time_limit wait = never) const
	{
		if (held->finished)
			return detail::fail<In>(
				error(EALREADY, "finish() has returned the reply before"));
		int ended = typed::end_requests(held->s);

		if (ended < 0)
			return detail::fail<In>(ended);
#if IPC_RESULTS
		result<std::optional<In>> r = receive(wait);

		if (!r)
			return r.error();
		std::optional<In> m = *std::move(r);
#else
		std::optional<In> m = receive(wait);
#endif
		if (!m)
			return detail::fail<In>(ENOMSG);
		held->finished = true;
		return *std::move(m);
	}

	/* For a server of a method with a single reply: send the reply, and end the stream. */
	outcome<void> reply(const Out &m) const
	{
#if IPC_RESULTS
		result<void> sent = send(m);

		if (!sent)
			return sent;
#else
		send(m);
#endif
		return held->s.end();
	}

	outcome<void> end() const { return held->s.end(); }
	outcome<void> fail(const error &e) const { return held->s.fail(e); }

private:
	struct end_of {
		end_of(stream s, bool is_served) : s(std::move(s)), is_served(is_served) {}
		end_of(const end_of &) = delete;
		~end_of()
		{
			/* The stream may have ended. */
			if (is_served && !typed::stream_handler::release(s))
				c::ipc_stream_fail(s.c_ptr(), -ENOMSG, nullptr, nullptr);
		}

		stream s;
		bool is_served;
		mutable std::atomic<bool> finished{ false };
	};

	explicit stream_of(std::shared_ptr<const end_of> held) : held(std::move(held)) {}

	std::shared_ptr<const end_of> held;
};

namespace typed {
inline std::string describe(const interface &i);
}

/* The base of each generated class Service. */
class typed_service : public service {
public:
	virtual const interface &ipc_served() const noexcept = 0;
	inline outcome<void> serve(call c) final;
	bool has_streams() const noexcept final { return true; }
	outcome<void> serve_stream(stream s, std::uint32_t method) final
	{
		return ipc_open(std::move(s), method, nullptr);
	}
	outcome<void> serve_request(stream s, std::uint32_t method, const item &request) final
	{
		return ipc_open(std::move(s), method, &request);
	}

protected:
	virtual outcome<void> ipc_open(stream s, std::uint32_t, const item *)
	{
		return s.fail(error(EOPNOTSUPP, std::string(ipc_served().name) +
							" has no such stream"));
	}
	virtual outcome<void> ipc_dispatch(call c) = 0;

private:
	__attribute__((noinline)) outcome<void> ipc_describe(call c) const
	{
		return std::move(c).reply(typed::describe(ipc_served()));
	}
};

namespace typed {

/* An ipc.Description. */
inline void append_varint(std::string &out, std::uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		out += static_cast<char>(0x80 | (n & 0x7f));
	out += static_cast<char>(n);
}

inline std::string describe(const interface &i)
{
	std::string out = "\x0a";
	std::size_t size = std::char_traits<char>::length(i.name);

	append_varint(out, size);
	out.append(i.name, size) += '\x12';
	append_varint(out, i.descriptor_size);
	return out.append(reinterpret_cast<const char *>(i.descriptor), i.descriptor_size);
}

inline outcome<void> unknown(call c, const interface &i)
{
	char number[16];

	std::snprintf(number, sizeof(number), "%#x", c.request().method());
	return std::move(c).fail(error(EOPNOTSUPP, std::string(i.name) +
						   " has no method with the number " + number));
}

template <typename Reply> outcome<Reply> unserved(const char *path)
{
	return detail::fail<Reply>(error(EOPNOTSUPP, std::string(path) + " is not implemented"));
}

/* Calls function(const call &), and replies with its result. */
template <typename Reply, typename F> outcome<void> reply_with(call_for<Reply> c, F function)
{
#if IPC_RESULTS
	result<Reply> r = function(*c.operator->());

	if (!r)
		return std::move(c).fail(r.error());
	if constexpr (std::is_void_v<Reply>)
		return std::move(c).reply();
	else
		return std::move(c).reply(*r);
#else
	if constexpr (std::is_void_v<Reply>) {
		function(*c.operator->());
		return std::move(c).reply();
	} else {
		return std::move(c).reply(function(*c.operator->()));
	}
#endif
}

inline outcome<void> malformed(call c, const char *path)
{
	return std::move(c).fail(error(EBADMSG, std::string(path) + ": the request is not valid"));
}

/* The request of a call. */
template <typename T> class received_request {
public:
	received_request() = default;
	received_request(const received_request &) = delete;

	T &operator*() noexcept { return m; }
	bool parse(const request &from) { return typed_access::receive(m, from); }

private:
	T m;
};

/*
 * As above, for a type with a codec. The thread keeps a message for its next call, to reuse the
 * memory of its strings.
 */
template <typename T> class kept_request {
public:
	kept_request() : m(std::exchange(spare, nullptr))
	{
		if (!m)
			m = std::make_unique<T>();
	}
	kept_request(const kept_request &) = delete;
	~kept_request()
	{
		static thread_local thread_end end;

		/* A message parsed by protobuf may have unknown fields, which a codec would not
		 * clear. */
		if (is_small && !spare && !is_ending)
			spare = m.release();
	}

	T &operator*() noexcept { return *m; }
	bool parse(const request &from) { return parse(from.bytes()); }
	bool parse(std::string_view bytes)
	{
		is_small = typed_access::take(*m, bytes);
		return is_small || typed_access::parse_other(*m, bytes);
	}

private:
	struct thread_end {
		~thread_end()
		{
			delete std::exchange(spare, nullptr);
			is_ending = true;
		}
	};

	/* They outlive thread_end too: static destructors may serve calls. */
	static inline thread_local T *spare = nullptr;
	static inline thread_local bool is_ending = false;

	std::unique_ptr<T> m;
	bool is_small = false;
};

template <typename T>
using request_of = std::conditional_t<codec<T>::exists, kept_request<T>, received_request<T>>;

template <typename Request, typename Reply, typename F>
outcome<void> serve(call &&c, const char *path, F function)
{
	/* A oneway of a method with a reply is of another version of the interface. */
	if (c.is_oneway())
		return detail::done();
	if constexpr (std::is_void_v<Request>) {
		return function(call_for<Reply>(std::move(c)));
	} else {
		/* The request's objects stay in place while the handler runs, even if it moves the
		 * call away. */
		const std::conditional_t<typed_access::is_bytes<Request>, const request &, request> from =
			c.request();
		request_of<Request> m;

		if (!m.parse(from))
			return malformed(std::move(c), path);
		return function(std::as_const(*m), call_for<Reply>(std::move(c)));
	}
}

template <typename Request, typename F>
outcome<void> serve_oneway(call c, const char *path, F function)
{
	if (!c.is_oneway())
		return std::move(c).fail(
			error(EPROTO, std::string(path) + " is oneway: it has no reply"));
	if constexpr (std::is_void_v<Request>) {
		return function(static_cast<const call &>(c));
	} else {
		request_of<Request> m;

		if (!m.parse(c.request()))
			return detail::done();
		return function(std::as_const(*m), static_cast<const call &>(c));
	}
}

/* A method with streams must be opened instead of called. */
inline outcome<void> serve_called(call c, const char *path)
{
	return std::move(c).fail(error(EPROTO, std::string(path) + " has streams"));
}

/* A stream of requests: function(end). */
template <typename Request, typename Reply, typename F>
outcome<void> serve_requests(stream s, F function)
{
	return stream_of<Reply, Request>::serve(s, std::move(function));
}

/* A single request and a stream of replies: function(request, end). */
template <typename Request, typename Reply, typename F>
outcome<void> serve_replies(stream s, const item *from, const char *path, F function)
{
	Request m;

	if (!from || !typed_access::receive(m, *from))
		return s.fail(error(EBADMSG, std::string(path) + ": the request is not valid"));
	return stream_of<Reply, no_message>::serve(s, [&](auto &&end) {
		return function(std::as_const(m), std::move(end));
	});
}

/* --- Calling -------------------------------------------------------------------------------- */

/* The options, with the timeout of the method unless they have their own. */
inline options limited_by(const method &to, options with)
{
	if (to.timeout_ms && !with.has_timeout())
		with.timeout(std::chrono::milliseconds(to.timeout_ms));
	return with;
}

/* Calls function with the message and the options of the method. */
template <typename M, typename F>
auto with_method(const method &to, const M &m, const options &with, F function)
{
	return typed_access::send(to.number, m, [&](message out) {
		if (to.accept_fds)
			out.accept_fds();
		if (!to.timeout_ms || with.has_timeout())
			return function(out, with);
		return function(out, limited_by(to, with));
	});
}

template <typename Reply> outcome<Reply> unpack(ipc::reply from)
{
	if constexpr (std::is_void_v<Reply>) {
		(void)from;
		return detail::done();
	} else {
#if IPC_RESULTS
		outcome<Reply> m{ Reply() };
		bool good = typed_access::receive(*m, std::move(from));
#else
		Reply m;
		bool good = typed_access::receive(m, std::move(from));
#endif
		if (!good)
			return detail::fail<Reply>(EBADMSG);
		return m;
	}
}

template <typename Reply> result<Reply> unpack_result(result<ipc::reply> from)
{
	if (!from)
		return from.error();
	return detail::catching<Reply>([&] { return unpack<Reply>(*std::move(from)); });
}

template <typename Reply, typename M>
outcome<Reply> call(const proxy &p, const method &to, const M &m, const options &with)
{
	if constexpr (typed_access::is_bytes<Reply> && typed_access::is_bytes<M>) {
		if (__builtin_expect(to.timeout_ms && !with.has_timeout(), 0))
			return typed_access::call_bytes<Reply>(p, to.number, to.accept_fds, m,
							       limited_by(to, with));
		return typed_access::call_bytes<Reply>(p, to.number, to.accept_fds, m, with);
	} else {
		return with_method(to, m, with, [&](const message &out,
						    const options &o) -> outcome<Reply> {
#if IPC_RESULTS
			result<ipc::reply> r = p.call(out, o);

			if (!r)
				return r.error();
			return unpack<Reply>(*std::move(r));
#else
			return unpack<Reply>(p.call(out, o));
#endif
		});
	}
}

template <typename M>
outcome<void> send(const proxy &p, const method &to, const M &m, const options &with)
{
	/* The timeout of a oneway is for space only: the method's does not apply. */
	return typed_access::send(to.number, m, [&](const message &out) { return p.oneway(out, with); });
}

template <typename Reply, typename M, typename F>
outcome<void> call_async(const proxy &p, const method &to, const M &m, F function,
			 const options &with)
{
	return with_method(to, m, with, [&](const message &out, const options &o) {
		return p.call_async(
			out,
			[function = std::move(function)](result<ipc::reply> r) mutable {
				function(unpack_result<Reply>(std::move(r)));
			},
			o);
	});
}

template <typename Reply, typename M>
std::future<outcome<Reply>> call_future(const proxy &p, const method &to, const M &m,
					const options &with)
{
	return detail::future_of<Reply>([&](auto function) {
		return call_async<Reply>(p, to, m, std::move(function), with);
	});
}

/* A stream of requests. */
template <typename Request, typename Reply>
outcome<stream_of<Request, Reply>> open(const proxy &p, const method &to, const options &with)
{
	options limited = limited_by(to, with);
#if IPC_RESULTS
	result<stream> s = p.open_stream(to.number, limited);

	if (!s)
		return s.error();
	return stream_of<Request, Reply>(*std::move(s));
#else
	return stream_of<Request, Reply>(p.open_stream(to.number, limited));
#endif
}

/* The single request of a method with a stream of replies. */
template <typename Reply, typename M>
outcome<void> send_only(const stream_of<no_message, Reply> &to, const M &m, time_limit wait)
{
#if IPC_RESULTS
	result<void> sent = typed_access::send(0, m, [&](const message &out) {
		return to->send(out, wait);
	});

	if (!sent)
		return sent;
#else
	typed_access::send(0, m, [&](const message &out) { to->send(out, wait); });
#endif
	return detail::check(end_requests(*to.operator->()));
}

/* How long the client waits for space for the request. */
inline constexpr duration request_wait = std::chrono::seconds(5);

/* A single request, and a stream of replies. The stream is canceled if the request cannot be
 * sent. */
template <typename Reply, typename M>
outcome<stream_of<no_message, Reply>> open_with(const proxy &p, const method &to, const M &m,
						const options &with)
{
#if IPC_RESULTS
	result<stream_of<no_message, Reply>> r = open<no_message, Reply>(p, to, with);

	if (!r)
		return r;
	result<void> sent = send_only(*r, m, request_wait);

	if (!sent)
		return sent.error();
	return r;
#else
	stream_of<no_message, Reply> s = open<no_message, Reply>(p, to, with);

	send_only(s, m, request_wait);
	return s;
#endif
}

/* As above without waiting: function(result<stream_of<...>>) gets the stream. */
template <typename Request, typename Reply, typename F>
outcome<void> open_async(const proxy &p, const method &to, F function, const options &with)
{
	using Opened = stream_of<Request, Reply>;

	return p.open_stream_async(
		to.number,
		[function = std::move(function)](result<stream> r) mutable {
			function(r ? result<Opened>(Opened(*std::move(r))) : result<Opened>(r.error()));
		},
		limited_by(to, with));
}

/* A serving thread sends the request, which must not wait for space. If there is none, fails with
 * EAGAIN. */
template <typename Reply, typename M, typename F>
outcome<void> open_with_async(const proxy &p, const method &to, M m, F function, const options &with)
{
	using Opened = stream_of<no_message, Reply>;

	return open_async<no_message, Reply>(
		p, to,
		[m = std::move(m), function = std::move(function)](result<Opened> r) mutable {
			result<void> sent = r ? detail::catching<void>([&] {
				return send_only(*r, m, duration(0));
			}) : result<void>(r.error());

			function(sent ? std::move(r) : result<Opened>(sent.error()));
		},
		with);
}

template <typename Request, typename Reply>
std::future<outcome<stream_of<Request, Reply>>> open_future(const proxy &p, const method &to,
							    const options &with)
{
	return detail::future_of<stream_of<Request, Reply>>([&](auto function) {
		return open_async<Request, Reply>(p, to, std::move(function), with);
	});
}

template <typename Reply, typename M>
std::future<outcome<stream_of<no_message, Reply>>>
open_with_future(const proxy &p, const method &to, M m, const options &with)
{
	return detail::future_of<stream_of<no_message, Reply>>([&](auto function) {
		return open_with_async<Reply>(p, to, std::move(m), std::move(function), with);
	});
}

#ifdef __cpp_impl_coroutine
template <typename Reply, typename M>
auto call_await(const proxy &p, const method &to, const M &m, const options &with)
{
	auto start = [&p, to, &m, &with](auto function) {
		return call_async<Reply>(p, to, m, std::move(function), with);
	};

	return awaitable<Reply, decltype(start)>(std::move(start));
}

template <typename Request, typename Reply>
auto open_await(const proxy &p, const method &to, const options &with)
{
	auto start = [&p, to, &with](auto function) {
		return open_async<Request, Reply>(p, to, std::move(function), with);
	};

	return awaitable<stream_of<Request, Reply>, decltype(start)>(std::move(start));
}

template <typename Reply, typename M>
auto open_with_await(const proxy &p, const method &to, M m, const options &with)
{
	auto start = [&p, to, m = std::move(m), &with](auto function) mutable {
		return open_with_async<Reply>(p, to, std::move(m), std::move(function), with);
	};

	return awaitable<stream_of<no_message, Reply>, decltype(start)>(std::move(start));
}
#endif

} // namespace typed

inline outcome<void> typed_service::serve(call c)
{
	if (__builtin_expect(c.request().method() == IPC_NUMBER_DESCRIBE, 0) && !c.is_oneway())
		return ipc_describe(std::move(c));
	return ipc_dispatch(std::move(c));
}

/* --- Finding and offering ---------------------------------------------------------------------- */

/* ipc::object::create() for a generated class Service. */
template <typename S, typename = std::enable_if_t<std::is_base_of_v<typed_service, S>>>
outcome<object> make_object(const connection &conn, std::shared_ptr<S> by)
{
	const interface &i = by->ipc_served();

	return object::create(conn, { i.name, i.accept_fds }, std::shared_ptr<service>(std::move(by)));
}

IPC_CPP_END

#endif /* IPC_CPP_PROTOBUF_HPP */
