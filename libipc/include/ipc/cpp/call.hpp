/* SPDX-License-Identifier: MIT */
/*
 * Serving, of <ipc/ipc.hpp>: class call, service and object.
 */
#ifndef IPC_CPP_CALL_HPP
#define IPC_CPP_CALL_HPP

#include <ipc/cpp/stream.hpp>

IPC_CPP_BEGIN

/*
 * A call or oneway that this process serves. It can be moved and not copied. Its owner must reply
 * at most once, from any thread, with reply() or fail(). Both need `std::move(call)` and leave it
 * empty. So a second reply does not compile, or is a use after move that tools report.
 *
 * A call that is destroyed without a reply fails at its caller with ENOMSG. A oneway has no reply:
 * reply() and fail() have the error EINVAL. A oneway delays later oneways to the same object until
 * it is destroyed.
 *
 * A moved-from call is empty: operator bool is false, and all other functions must not be called.
 */
class call {
public:
	call(call &&other) noexcept
		: raw(std::exchange(other.raw, nullptr)), received(other.received)
	{
	}
	call &operator=(call &&other) noexcept
	{
		std::swap(raw, other.raw);
		std::swap(received, other.received);
		return *this;
	}
	~call()
	{
		/* Most calls are moved from. */
		if (raw)
			c::ipc_call_unref(raw);
	}

	explicit operator bool() const noexcept { return raw; }
	const ipc::request &request() const noexcept { return received; }

	/* Whether it is a oneway, which has no reply. */
	bool is_oneway() const noexcept { return c::ipc_call_is_oneway(raw) == 1; }

	/*
	 * Ends the call with a reply. If the reply cannot be sent, both the caller and this
	 * function get the error, for example EMSGSIZE, ENOSPC or EMFILE. A reply without entries
	 * that the handler makes is sent when the handler returns; only the caller gets an error
	 * then. If the caller no longer waits, the reply is discarded.
	 */
	outcome<void> reply(const message &m) && { return std::move(*this).reply_raw(*m.c_ptr()); }
	outcome<void> reply(std::string_view bytes = {}) &&
	{
		return std::move(*this).reply(message(bytes));
	}

	/* Ends the call with an error. The error of a oneway is logged. */
	outcome<void> fail(const error &e) &&
	{
		call ended = std::move(*this);

		return detail::check(fail_raw(ended.raw, e));
	}

	/* The connection that serves the call. */
	ipc::connection connection() const noexcept;

	/* The caller, from the bus: ids as seen in the namespaces of this process. pid and
	 * tid are 0 where they are not visible. */
	uid_t uid() const noexcept { return c::ipc_call_uid(raw); }
	gid_t gid() const noexcept { return c::ipc_call_gid(raw); }
	pid_t pid() const noexcept { return c::ipc_call_pid(raw); }
	pid_t tid() const noexcept { return c::ipc_call_tid(raw); }

	/* A new pidfd of the caller's process: see ipc_call_pidfd(). */
	outcome<fd> pidfd() const
	{
		int r = c::ipc_call_pidfd(raw);

		if (r < 0)
			return detail::fail<fd>(r);
		return fd(r);
	}

	/* The label of the caller by the security module, or nullptr if there is none or the object
	 * does not have IPC_OBJECT_LABEL: see object::set_flags(). Valid as long as the call. */
	const char *label() const noexcept { return c::ipc_call_label(raw); }

	/* The value that the caller set, or nullptr. Valid as long as the call. */
	const char *metadata(const char *name) const noexcept
	{
		return c::ipc_call_metadata(raw, name);
	}

	/* The time until the deadline of the call: see ipc_call_remaining(). */
	duration remaining() const noexcept
	{
		return detail::from_usec(c::ipc_call_remaining(raw));
	}

	/* Whether no reply is needed any more: canceled, expired, or the caller died. See
	 * ipc_call_is_canceled(). */
	bool is_canceled() const noexcept
	{
		return c::ipc_call_is_canceled(raw);
	}

	/*
	 * Calls function() once, on a serving thread, when no reply is needed any more. The watch
	 * ends with the call. ECANCELED: no reply is needed any more already.
	 */
	template <typename F> [[nodiscard]] outcome<slot> on_cancel(F function)
	{
		slot s;
		int r = detail::enroll(
			std::move(function),
			[this](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_call_on_cancel(
					raw,
					[](c::ipc_call *c, void *held) {
						detail::guarded("on_cancel",
								*static_cast<F *>(held),
								c::ipc_call_uid(c),
								c::ipc_call_pid(c));
					},
					userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

	/* For ipc::c, without a new reference. */
	c::ipc_call *c_ptr() const noexcept { return raw; }

private:
	friend struct object_access;
	friend struct typed_access;

	outcome<void> reply_raw(const c::ipc_raw_message &m) &&
	{
		call ended = std::move(*this);
		int r = c::ipc_raw_reply(ended.raw, &m);

		if (r < 0)
			c::ipc_call_fail(ended.raw, r, nullptr, nullptr);
		return detail::check(r);
	}

	call(c::ipc_call *from_c, const c::ipc_raw_message *m, std::string_view bytes) noexcept
		: raw(c::ipc_call_ref(from_c)), received(m, bytes)
	{
	}

	static int fail_raw(c::ipc_call *raw, const error &e)
	{
		return error_access::pass(e, [&](const c::ipc_error *out) {
			return c::ipc_call_fail_with(raw, out);
		});
	}

	c::ipc_call *raw;
	ipc::request received;
};

inline options &options::parent(const call &parent)
{
	raw.parent = parent.c_ptr();
	return *this;
}

/* --- Objects ---------------------------------------------------------------------- */

/*
 * The base class for servers of objects of bytes.
 *
 * serve() runs on a serving thread, concurrently if several threads serve. It replies with
 * `std::move(call).reply()`, or moves the call elsewhere and returns. If it throws an error, or
 * returns an error with IPC_RESULTS, and the call has no reply, the caller gets that error;
 * std::bad_alloc arrives as ENOMEM. Other exceptions arrive as the error "ipc.Unhandled", without
 * their text, which may be confidential.
 */
class service {
public:
	virtual ~service() = default;
	virtual outcome<void> serve(call c) = 0;

	/*
	 * Serves a stream that a client opens with the number of a method. It uses the stream until
	 * it returns, keeps a copy, or sets functions: see class stream. An error ends the stream.
	 * It is called only if has_streams() returns true.
	 */
	virtual outcome<void> serve_stream(stream s, std::uint32_t)
	{
		return s.fail(error(EOPNOTSUPP));
	}
	virtual bool has_streams() const noexcept { return false; }

	/* Returns whether a client of this number sends a single request. serve_request() then
	 * serves the stream in place of serve_stream(), when the request has arrived. */
	virtual bool has_request(std::uint32_t) const noexcept { return false; }
	virtual outcome<void> serve_request(stream s, std::uint32_t, const item &)
	{
		return s.fail(error(EOPNOTSUPP));
	}

	/* The name of a method for the log, or nullptr. Generated. */
	virtual const char *ipc_method_name(std::uint32_t) const noexcept { return nullptr; }
};

/*
 * An object that other processes may call. Copies are the same object. It lives while there are
 * copies here or proxies in other processes. Then its service is destroyed: on the thread that
 * dropped the last copy, or on a serving thread. It ends with its connection.
 */
class object : public detail::counted_object {
public:
	struct settings {
		std::string interface;	/* for names and tools: "notes.Notes"; or empty */
		bool accept_fds = false; /* requests may contain files */
	};

	/* Create an object that a service serves, or a function: void (ipc::call). */
	inline static outcome<object> create(const connection &conn, settings with,
					     std::shared_ptr<service> by);
	inline static outcome<object> create(const connection &conn, settings with,
					     std::function<outcome<void>(call)> by);

	explicit object(c::ipc_object *owned) noexcept : counted(owned) {}

	/* Request features for its handlers, before it is registered or sent:
	 * IPC_OBJECT_LABEL. See ipc_object_set_flags(). EBUSY: it is already in use. */
	outcome<void> set_flags(unsigned int flags) const
	{
		return detail::check(c::ipc_object_set_flags(raw, flags));
	}

	/* Counts its users: proxies in other processes and messages with it; unfinished messages to
	 * it; death watches. */
	struct usage {
		unsigned int refs, pending, watches;
	};
	outcome<usage> info() const
	{
		struct c::ipc_object_info info = {};
		int r;

		info.size = sizeof(info);
		r = c::ipc_object_info(raw, &info);
		if (r < 0)
			return detail::fail<usage>(r);
		return usage{ info.refs, info.pending, info.watches };
	}
};

/* Between objects and the C library. Not for programs. */
struct object_access {
	struct holder {
		object::settings settings;
		std::shared_ptr<service> by;
		c::ipc_raw_ops ops;
	};

	static int serve(c::ipc_call *raw, const c::ipc_raw_message *m, void *userdata) noexcept
	{
		holder &held = *static_cast<holder *>(userdata);
		const void *bytes = m->data;
		std::size_t size = m->size;

		if (size && *static_cast<const unsigned char *>(bytes) == IPC_RAW_FRAME) {
			int code = c::ipc_payload_message(m->data, m->size, &bytes, &size);

			if (code < 0)
				return code;
		}
#ifdef __cpp_exceptions
		try {
#endif
			std::string_view message(static_cast<const char *>(bytes), size);
#if IPC_RESULTS
			return ended(held, raw, m->method, held.by->serve(call(raw, m, message)));
#else
			held.by->serve(call(raw, m, message));
			return 0;
#endif
#ifdef __cpp_exceptions
		} catch (...) {
			bool logged = false;
			result<void> r = detail::catching<void>([]() -> outcome<void> { throw; }, [&] {
				log(held, m->method, c::ipc_call_uid(raw), c::ipc_call_pid(raw));
				logged = true;
			});

			return logged && c::ipc_call_is_oneway(raw) ? 0 : ended(held, raw, m->method, r);
		}
#endif
	}
	static int ended(const holder &held, c::ipc_call *raw, std::uint32_t method,
			 const result<void> &r) noexcept
	{
		if (r)
			return 0;
		if (c::ipc_call_is_oneway(raw)) {
			log_oneway(held, raw, method, r.error());
			return 0;
		}
		call::fail_raw(raw, r.error());
		return -r.error().number_of_errno();
	}

	static int open(c::ipc_stream *raw, std::uint32_t method, void *userdata) noexcept
	{
		return open_with(raw, method, nullptr, userdata);
	}
	static int open_with(c::ipc_stream *raw, std::uint32_t method,
			     const c::ipc_raw_message *request, void *userdata) noexcept
	{
		holder &held = *static_cast<holder *>(userdata);
		auto handler = [&] {
			stream s(c::ipc_stream_ref(raw));

			return request ? held.by->serve_request(std::move(s), method, item(request)) :
					 held.by->serve_stream(std::move(s), method);
		};
		result<void> r = detail::catching<void>(handler, [&] {
			log(held, method, c::ipc_stream_uid(raw), c::ipc_stream_pid(raw));
		});

		if (r)
			return 0;
		(void)detail::catching<void>([&] {
			return stream(c::ipc_stream_ref(raw)).fail(r.error());
		});
		return -r.error().number_of_errno();
	}

	static int has_request(std::uint32_t method, void *userdata) noexcept
	{
		return static_cast<holder *>(userdata)->by->has_request(method);
	}

	/* As the library logs it, but with the name of the method. */
	static void log_oneway(const holder &held, c::ipc_call *raw, std::uint32_t method,
			       const error &e) noexcept
	{
		const char *name = held.by->ipc_method_name(method);

		if (!name)
			call::fail_raw(raw, e);
		else
			c::ipc_log(/* LOG_WARNING */ 4, "ipc: %s (uid %u, pid %d): a oneway failed: %s",
				   name, c::ipc_call_uid(raw), c::ipc_call_pid(raw), e.what());
	}

	/* A handler's exception. */
	static void log(const holder &held, std::uint32_t method, uid_t uid, pid_t pid) noexcept
	{
		if (const char *name = held.by->ipc_method_name(method))
			detail::log_exception("ipc: %s (uid %u, pid %d)", name, uid, pid);
		else
			detail::log_exception("ipc: %s method %#x (uid %u, pid %d)",
					      held.settings.interface.c_str(), method, uid, pid);
	}

	static void destroy(void *userdata) { delete static_cast<holder *>(userdata); }

	static outcome<object> create(c::ipc *ipc, object::settings with,
				      std::shared_ptr<service> by)
	{
		auto h = std::make_unique<holder>(
			holder{ std::move(with), std::move(by), {} });
		c::ipc_object *raw;
		int r;

		if (!h->by)
			return detail::fail<object>(EINVAL);
		h->ops.interface = h->settings.interface.empty() ? nullptr :
								   h->settings.interface.c_str();
		h->ops.flags = h->settings.accept_fds ? IPC_RAW_ACCEPT_FDS : 0;
		h->ops.serve = serve;
		if (h->by->has_streams()) {
			h->ops.flags |= IPC_RAW_STREAM_REQUESTS;
			h->ops.stream = open;
			h->ops.has_request = has_request;
			h->ops.stream_request = open_with;
		}
		h->ops.destroy = destroy;
		r = c::ipc_raw_object_new(ipc, &h->ops, h.get(), &raw);
		if (r < 0)
			return detail::fail<object>(r);
		h.release();
		return object(raw);
	}
};

IPC_CPP_END

#endif /* IPC_CPP_CALL_HPP */
