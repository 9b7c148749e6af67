/* SPDX-License-Identifier: MIT */
/*
 * Calling, of <ipc/ipc.hpp>: class proxy and connection.
 */
#ifndef IPC_CPP_CONNECTION_HPP
#define IPC_CPP_CONNECTION_HPP

#include <future>

#include <ipc/cpp/call.hpp>

IPC_CPP_BEGIN

namespace detail {

/* Gives a future its value or error. */
template <typename T> void settle(std::promise<outcome<T>> &promise, result<T> ended)
{
#if IPC_RESULTS
	promise.set_value(std::move(ended));
#else
	if (!ended)
		promise.set_exception(std::make_exception_ptr(ended.error()));
	else if constexpr (std::is_void_v<T>)
		promise.set_value();
	else
		promise.set_value(*std::move(ended));
#endif
}

/* Calls start(function), which starts an operation that ends with function(result<T>). */
template <typename T, typename Start> std::future<outcome<T>> future_of(Start start)
{
	auto promise = std::make_shared<std::promise<outcome<T>>>();
	std::future<outcome<T>> future = promise->get_future();
	result<void> started = catching<void>([&] {
		return start([promise](result<T> r) { settle(*promise, std::move(r)); });
	});

	if (!started)
		settle(*promise, result<T>(started.error()));
	return future;
}

} // namespace detail

/* --- Proxies --------------------------------------------------------------------------- */

/*
 * An object of another process. Copies are the same proxy, and proxies of the same object are
 * equal. Any thread may use it. A proxy does not keep its connection open: after the connection is
 * closed, calls fail with EINVAL.
 */
class proxy : public detail::counted_proxy {
public:
	explicit proxy(c::ipc_proxy *owned) noexcept : counted(owned) {}

	/*
	 * Call the object and block until its reply. Fails with any error of a call in <ipc/ipc.h>,
	 * or an error of the server. Nested handlers (see <ipc/ipc.h>) run on this thread.
	 */
	outcome<reply> call(const message &request, const options &with) const
	{
		return call(request, with.c_ptr());
	}
	outcome<reply> call(const message &request) const { return call(request, nullptr); }

	/*
	 * Send a message without a reply. Returns when the message is queued. If the receiver has
	 * no space, blocks only with a timeout in the options.
	 *
	 *   EAGAIN     The receiver has no space now: see connection::on_writable().
	 *   ETIMEDOUT  The receiver had no space in time.
	 *
	 * A reply is not ordered with oneways that were sent before it: see "Order" in <ipc/ipc.h>.
	 */
	outcome<void> oneway(const message &m) const
	{
		return detail::check(c::ipc_raw_oneway(raw, m.c_ptr(), nullptr));
	}
	outcome<void> oneway(const message &m, const options &with) const
	{
		return detail::check(c::ipc_raw_oneway(raw, m.c_ptr(), with.c_ptr()));
	}

	/*
	 * Start a call and return. function(ipc::result<ipc::reply>) runs once, on a serving thread,
	 * or inside the end of the connection with ECANCELED. To cancel the call, use
	 * options::cancellation(). If starting fails, this function reports it and
	 * function does not run.
	 */
	template <typename F>
	outcome<void> call_async(const message &request, F function,
				 const options &with = {}) const
	{
		slot s;
		int r = start(request, std::move(function), with, &s);

		s.detach();
		return detail::check(r);
	}

	/*
	 * Start a call and return its future, which gets the reply or throws the error. With
	 * IPC_RESULTS it is a std::future<ipc::result<ipc::reply>>. While a thread waits for the
	 * future, another thread must serve the connection.
	 */
	std::future<outcome<reply>> call_future(const message &request,
						const options &with = {}) const
	{
		return detail::future_of<reply>([&](auto function) {
			return call_async(request, std::move(function), with);
		});
	}

	/* Open a stream of a method, and block until the server has accepted it. The timeout in the
	 * options is that of the whole stream. See ipc_raw_stream_open(). */
	outcome<stream> open_stream(std::uint32_t method, const options &with = {}) const
	{
		c::ipc_error e = c::no_error();
		c::ipc_stream *opened;
		int r = c::ipc_raw_stream_open(raw, method, with.c_ptr(), &opened, &e);

		if (r < 0)
			return detail::fail<stream>(r, &e);
		return stream(opened);
	}

	/*
	 * Start to open a stream and return. function(ipc::result<ipc::stream>) runs once, on a serving
	 * thread. Until then the connection stays open; a cancellation, parent or timeout in the
	 * options ends the opening. If starting fails, this function reports it and function does not
	 * run.
	 */
	template <typename F>
	outcome<void> open_stream_async(std::uint32_t method, F function,
					const options &with = {}) const
	{
		auto holder = std::make_unique<F>(std::move(function));
		int r = c::ipc_raw_stream_open_async(raw, method, with.c_ptr(), opened<F>,
						     holder.get());

		if (r < 0)
			return detail::fail<void>(r);
		holder.release();
		return detail::done();
	}

	/* Start to open a stream and return its future. While a thread waits for the future,
	 * another thread must serve the connection. */
	std::future<outcome<stream>> open_stream_future(std::uint32_t method,
							const options &with = {}) const
	{
		return detail::future_of<stream>([&](auto function) {
			return open_stream_async(method, std::move(function), with);
		});
	}

	/* Return when a thread of the object's process has served the ping. Blocks as a call
	 * does. */
	outcome<void> ping() const
	{
		c::ipc_error e = c::no_error();
		int r = c::ipc_proxy_ping(raw, &e);

		return r < 0 ? detail::fail<void>(r, &e) : detail::done();
	}

	/* Set the timeout of later calls; see ipc_set_timeout(). */
	outcome<void> set_timeout(time_limit limit) const
	{
		return detail::check(c::ipc_proxy_set_timeout(raw, limit.setting_usec()));
	}

	/*
	 * Call function() once, on a serving thread, when the object is dead: its process has
	 * ended it, or died. If it is dead already, function is called soon. If the connection
	 * closes first, function is not called. The watch ends with the slot.
	 */
	template <typename F> [[nodiscard]] outcome<slot> on_death(F function) const
	{
		slot s;
		int r = detail::enroll(
			std::move(function),
			[this](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_proxy_on_death(raw, ended<F>, userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

private:
	outcome<reply> call(const message &request, const c::ipc_options *with) const
	{
		c::ipc_error e = c::no_error();
		c::ipc_raw_message *m = nullptr;
		int r = c::ipc_raw_call(raw, request.c_ptr(), with, &m, &e);

		if (r < 0)
			return detail::fail<reply>(r, &e);
		return reply(m);
	}

	template <typename F>
	int start(const message &request, F function, const options &with, slot *ret_slot) const
	{
		return detail::enroll(
			std::move(function),
			[&](void *userdata, c::ipc_slot **ret) {
				return c::ipc_raw_call_async(raw, request.c_ptr(), with.c_ptr(),
							     replied<F>, userdata, ret);
			},
			ret_slot);
	}

	template <typename F>
	static void replied(int r, c::ipc_raw_message *m, const c::ipc_error *e,
			    void *userdata) noexcept
	{
		F &function = *static_cast<F *>(userdata);

		detail::guarded("call_async", [&] {
			if (r < 0) {
				function(result<reply>(error_access::from_c(r, e)));
			} else {
				c::ipc_raw_keep(m);
				function(result<reply>(reply(m)));
			}
		});
	}

	template <typename F>
	static void opened(int r, c::ipc_stream *s, const c::ipc_error *e, void *userdata) noexcept
	{
		std::unique_ptr<F> function(static_cast<F *>(userdata));

		detail::guarded("open_stream_async", [&] {
			(*function)(r < 0 ? result<stream>(error_access::from_c(r, e)) :
					    result<stream>(stream(s)));
		});
	}

	template <typename F> static void ended(c::ipc_proxy *, void *userdata) noexcept
	{
		detail::guarded("on_death", *static_cast<F *>(userdata));
	}
};

inline message &message::add(std::uint64_t tag, const object &o)
{
	append(tag, c::IPC_RAW_OBJECT).object = c::ipc_object_ref(o.c_ptr());
	return *this;
}

inline message &message::add(std::uint64_t tag, const proxy &p)
{
	append(tag, c::IPC_RAW_PROXY).proxy = c::ipc_proxy_ref(p.c_ptr());
	return *this;
}

inline outcome<proxy> received::take_proxy(std::uint64_t tag) const
{
	c::ipc_raw_entry *entry = find(tag, false);

	if (!entry)
		return detail::no_entry<proxy>();
	if (entry->type != c::IPC_RAW_PROXY)
		return detail::fail<proxy>(entry->type == c::IPC_RAW_OBJECT ? EXDEV : EBADF);
	return proxy(std::exchange(entry->proxy, nullptr));
}

inline outcome<object> received::take_object(std::uint64_t tag) const
{
	c::ipc_raw_entry *entry = find(tag, false);

	if (!entry)
		return detail::no_entry<object>();
	if (entry->type != c::IPC_RAW_OBJECT)
		return detail::fail<object>(entry->type == c::IPC_RAW_PROXY ? EXDEV : EBADF);
	return object(std::exchange(entry->object, nullptr));
}

/* --- Connections -------------------------------------------------------------------- */

/* A registered name. */
struct name_info {
	std::string name;
	std::string interface;	/* "" if unknown */
	pid_t pid;		/* of the process that registered it; 0 if not visible */
	uid_t uid;
};

/* Policy if a living object of this user has the name: see ipc_register_name_with(). */
enum class name_conflict {
	fail = 0,			/* EEXIST */
	replace = c::IPC_NAME_REPLACE,	/* the object loses the name */
	queue = c::IPC_NAME_QUEUE,	/* wait until its registration ends */
};

/* Events of the registrations and watches of this connection: see ipc_on_registration(). */
enum class registration_event {
	acquired = c::IPC_REGISTRATION_ACQUIRED,	/* it was in the queue, and has the name now */
	lost = c::IPC_REGISTRATION_LOST,		/* replaced, or unregistered elsewhere */
	failed = c::IPC_REGISTRATION_FAILED,		/* it could not be replayed */
};

enum class name_change {
	present = c::IPC_NAME_PRESENT,	/* registered, or replaced by another object */
	gone = c::IPC_NAME_GONE,	/* unregistered, or its process died */
	settled = c::IPC_NAME_SETTLED,	/* all names that exist were reported */
};

enum class bus_event {
	down = c::IPC_BUS_DOWN,	/* the bus has ended */
	up = c::IPC_BUS_UP,	/* the connection is open again */
};

/*
 * An open bus. Copies are the same connection, which closes with the last copy; slots,
 * cancellations and calls keep it open too. When it closes, its objects end and its async calls
 * complete with ECANCELED. A handler or callback must not drop the last copy. While a thread is in
 * run(), the last copy must not be dropped, so that thread must hold a copy.
 *
 * Any thread may use it. It is unusable in a child process after fork(): functions fail with
 * ECHILD there.
 */
class connection : public detail::counted_connection {
public:
	/*
	 * Open a bus. Without a path, $IPCBUS_BUS or /dev/ipcbus or ipcbusd's socket.
	 * region_size is the number of bytes of messages that may be waiting here: see ipc_open().
	 *
	 *   ENOENT   There is no bus; the module may not be loaded.
	 *   EACCES   The caller may not open the bus.
	 *   EDQUOT   The bus has as many connections as it allows.
	 */
	static outcome<connection> open(const char *bus = nullptr,
					std::size_t region_size = IPC_REGION_DEFAULT)
	{
		c::ipc *raw;
		int r = c::ipc_open_sized(&raw, bus, region_size);

		if (r < 0) {
			char text[IPC_ERROR_TEXT_MAX];

			c::ipc_open_error_text(text, sizeof(text), bus, r);
			return detail::fail<connection>(error(r, text));
		}
		return connection(raw);
	}

	explicit connection(c::ipc *owned) noexcept : counted(owned) {}

	/* --- Serving --- */

	/* How many threads may serve, 1 to 1024, including the threads that call run(). */
	outcome<void> set_threads(unsigned int threads) const
	{
		return detail::check(c::ipc_set_threads(raw, threads));
	}

	/* Serve on this thread. Blocks until stop(). */
	outcome<void> run() const { return detail::check(c::ipc_run(raw)); }
	/* Make run() return on all threads when their handlers have returned. */
	void stop() const noexcept { c::ipc_stop(raw); }

	/* Open the bus again after its end: see ipc_set_reconnect() for the effects. Must be called
	 * before other threads use the connection. */
	outcome<void> set_reconnect() const
	{
		return detail::check(c::ipc_set_reconnect(raw, nullptr, nullptr, nullptr));
	}

	/* As above, and call function(bus_event) on a serving thread each time the bus has ended or
	 * is back. */
	template <typename F> [[nodiscard]] outcome<slot> set_reconnect(F function) const
	{
		slot s;
		int r = detail::enroll(
			std::move(function),
			[this](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_set_reconnect(raw, bus_changed<F>, userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

	/* For event loops: when the file descriptor is readable, call process() until it returns
	 * false, at the latest after 64 events, although more may be pending. The connection still owns the file descriptor. */
	outcome<int> get_fd() const
	{
		int r = c::ipc_get_fd(raw);

		if (r < 0)
			return detail::fail<int>(r);
		return r;
	}
	outcome<bool> process() const
	{
		int r = c::ipc_process(raw);

		if (r < 0)
			return detail::fail<bool>(r);
		return r > 0;
	}

	/* Set the timeout of later calls; see ipc_set_timeout(). */
	outcome<void> set_timeout(time_limit limit) const
	{
		return detail::check(c::ipc_set_timeout(raw, limit.setting_usec()));
	}

	/* Call function() once, on a serving thread, when a oneway that failed with EAGAIN may be
	 * tried again. */
	template <typename F> [[nodiscard]] outcome<slot> on_writable(F function) const
	{
		slot s;
		int r = detail::enroll(
			std::move(function),
			[this](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_on_writable(
					raw,
					[](c::ipc *, void *held) {
						detail::guarded("on_writable",
								*static_cast<F *>(held));
					},
					userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

	/* --- Names; <ipc/name.h> has the rules and errors. All but the _async functions block. --- */

	/* Find the object with that name. ENOENT: no process has registered the name. */
	outcome<proxy> get(const std::string &name) const
	{
		c::ipc_proxy *found;
		int r = c::ipc_proxy_get(raw, name.c_str(), nullptr, &found);

		if (r < 0)
			return fail<proxy>(name, r);
		return proxy(found);
	}

	/* The same, but wait until a process registers the name; with 0, wait like get().
	 *   ETIMEDOUT  No process registered it in time.
	 *   ENOTCONN   The time is over, and no service manager is running. */
	outcome<proxy> wait(const std::string &name, time_limit limit = never) const
	{
		c::ipc_proxy *found;
		int r = c::ipc_proxy_wait(raw, name.c_str(), nullptr, limit.usec(), &found);

		if (r < 0)
			return fail<proxy>(name, r);
		return proxy(found);
	}

	/*
	 * As above, for an object of a generated interface: `bus.get<echo::Echo>("demo.echo")`. An
	 * object that was registered without an interface is accepted.
	 *
	 *   EPROTOTYPE  The object has another interface.
	 */
	template <typename Service> outcome<typename Service::Proxy> get(const std::string &name) const
	{
		c::ipc_proxy *found = nullptr;
		int r = c::ipc_proxy_get(raw, name.c_str(), Service::ipc_interface.name, &found);

		return as<Service>(name, r, found);
	}
	template <typename Service>
	outcome<typename Service::Proxy> wait(const std::string &name,
					      time_limit limit = never) const
	{
		c::ipc_proxy *found = nullptr;
		int r = c::ipc_proxy_wait(raw, name.c_str(), Service::ipc_interface.name,
					  limit.usec(), &found);

		return as<Service>(name, r, found);
	}

	/* Register an object. The connection keeps it until its end, or until the name is
	 * unregistered. Returns false if the object waits in the queue of the name.
	 * EEXIST: a living process has registered the name. */
	outcome<bool> register_name(const std::string &name, const object &o,
				    name_conflict conflict = name_conflict::fail) const
	{
		int r = c::ipc_register_name_with(raw, name.c_str(), o.c_ptr(),
						  static_cast<unsigned int>(conflict), nullptr);

		if (r < 0)
			return fail<bool>(name, r);
		return r == 0;
	}
	/* As above for a generated class Service: makes its object. */
	template <typename S>
	outcome<bool> register_name(const std::string &name, std::shared_ptr<S> by,
				    name_conflict conflict = name_conflict::fail) const
	{
#if IPC_RESULTS
		result<object> made = make_object(*this, std::move(by));

		if (!made)
			return made.error();
		return register_name(name, *made, conflict);
#else
		return register_name(name, make_object(*this, std::move(by)), conflict);
#endif
	}
	/* ENOENT: this connection has not registered the name, or has lost it. */
	outcome<void> unregister_name(const std::string &name) const
	{
		int r = c::ipc_unregister_name(raw, name.c_str());

		if (r == -ENOENT)
			return detail::fail<void>(error(r, name + ": " IPC_NAME_NOT_OWNED));
		return r < 0 ? fail<void>(name, r) : detail::done();
	}

	/* Returns the interface and owner of a name. ENOENT: no process has registered the name. */
	outcome<name_info> check_name(const std::string &name) const
	{
		c::ipc_name_info info = {};
		int r;

		info.size = sizeof(info);
		r = c::ipc_check_name(raw, name.c_str(), &info);
		if (r < 0)
			return fail<name_info>(name, r);
		return from_c(info);
	}
	/* The names that match pattern, sorted: a name, or a prefix with '*'. */
	outcome<std::vector<name_info>> list_names(const std::string &pattern = "*") const
	{
		c::ipc_name_info **infos;
		int n = c::ipc_list_names(raw, pattern.c_str(), &infos);

		if (n < 0)
			return detail::fail<std::vector<name_info>>(n);
		std::unique_ptr<c::ipc_name_info *, decltype(&std::free)> owned(infos, std::free);

		return from_c(infos, n);
	}

	/*
	 * Call function(ipc::name_change, const ipc::name_info &, const ipc::proxy &) on a serving
	 * thread for each matching name: see ipc_watch_names(). pattern is a name, or a prefix with
	 * '*'. The proxy is empty if the name is gone, may not be called, or belongs to this
	 * connection. The watch ends with the slot.
	 */
	template <typename F>
	[[nodiscard]] outcome<slot> watch_names(const std::string &pattern, F function) const
	{
		slot s;
		int r = detail::enroll(
			std::move(function),
			[&](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_watch_names(raw, pattern.c_str(), changed<F>,
							  userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

	/*
	 * Functions of names that do not block, for event loops. function(ipc::result<T>) runs once, on
	 * a serving thread, or inside the end of the connection with ECANCELED. T is the value of the
	 * function that blocks. To cancel a function, use options::cancellation(). If starting
	 * fails, this is reported here and function does not run.
	 */
	template <typename F>
	outcome<void> get_async(const std::string &name, F function, const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_proxy_get_async(raw, name.c_str(), nullptr, with.c_ptr(),
						      found<F>, held, nullptr);
		});
	}
	template <typename Service, typename F>
	outcome<void> get_async(const std::string &name, F function, const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_proxy_get_async(raw, name.c_str(), Service::ipc_interface.name,
						      with.c_ptr(), found_as<Service, F>, held,
						      nullptr);
		});
	}
	template <typename F>
	outcome<void> wait_async(const std::string &name, time_limit limit, F function,
				 const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_proxy_wait_async(raw, name.c_str(), nullptr, limit.usec(),
						       with.c_ptr(), found<F>, held, nullptr);
		});
	}
	template <typename Service, typename F>
	outcome<void> wait_async(const std::string &name, time_limit limit, F function,
				 const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_proxy_wait_async(raw, name.c_str(),
						       Service::ipc_interface.name, limit.usec(),
						       with.c_ptr(), found_as<Service, F>, held,
						       nullptr);
		});
	}
	template <typename F>
	outcome<void> register_name_async(const std::string &name, const object &o, F function,
					  name_conflict conflict = name_conflict::fail,
					  const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_register_name_async(raw, name.c_str(), o.c_ptr(),
							  static_cast<unsigned int>(conflict),
							  with.c_ptr(), added<F>, held, nullptr);
		});
	}
	template <typename F>
	outcome<void> unregister_name_async(const std::string &name, F function,
					    const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_unregister_name_async(raw, name.c_str(), with.c_ptr(),
							    removed<F>, held, nullptr);
		});
	}
	template <typename F>
	outcome<void> check_name_async(const std::string &name, F function,
				       const options &with = {}) const
	{
		return start(name, std::move(function), [&](void *held) {
			return c::ipc_check_name_async(raw, name.c_str(), with.c_ptr(), checked<F>,
						       held, nullptr);
		});
	}
	template <typename F>
	outcome<void> list_names_async(const std::string &pattern, F function,
				       const options &with = {}) const
	{
		return start(pattern, std::move(function), [&](void *held) {
			return c::ipc_list_names_async(raw, pattern.c_str(), with.c_ptr(), listed<F>,
						       held, nullptr);
		});
	}
	/* As watch_names(). done(ipc::result<void>) runs once, perhaps after the first changes. The
	 * watch ends with the slot, also if it failed. */
	template <typename F, typename D>
	[[nodiscard]] outcome<slot> watch_names_async(const std::string &pattern, F function, D done,
						      const options &with = {}) const
	{
		slot s;
		int r = detail::enroll(
			watching<F, D>{ std::move(function), std::move(done) },
			[&](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_watch_names_async(
					raw, pattern.c_str(), changed<watching<F, D>>, with.c_ptr(),
					watched<watching<F, D>>, userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

	/*
	 * Call function(const std::string &name, ipc::registration_event, const ipc::error &) on a
	 * serving thread when this connection has acquired or lost a name, or when a registration
	 * or a watch could not be renewed at a new service manager: see ipc_on_registration(). name
	 * is the name, or the pattern of the watch. The error has an errno only for failed. The
	 * callback ends with the slot.
	 */
	template <typename F> [[nodiscard]] outcome<slot> on_registration(F function) const
	{
		slot s;
		int r = detail::enroll(
			std::move(function),
			[&](void *userdata, c::ipc_slot **ret_slot) {
				return c::ipc_on_registration(raw, registered<F>, userdata, ret_slot);
			},
			&s);

		if (r < 0)
			return detail::fail<slot>(r);
		return s;
	}

private:
	template <typename F>
	static void bus_changed(c::ipc *, c::ipc_bus_event event, void *userdata) noexcept
	{
		detail::guarded("set_reconnect", [&] {
			(*static_cast<F *>(userdata))(static_cast<bus_event>(event));
		});
	}

	template <typename T> static outcome<T> fail(const std::string &name, int r)
	{
		char text[512];

		return detail::fail<T>(
			error(r, c::ipc_name_error_text(text, sizeof(text), name.c_str(), r)));
	}

	template <typename Service>
	static outcome<typename Service::Proxy> as(const std::string &name, int r, c::ipc_proxy *found)
	{
		using Proxy = typename Service::Proxy;

		if (r < 0)
			return fail<Proxy>(name, r);
		return Proxy(proxy(found));
	}

	static name_info from_c(const c::ipc_name_info &info)
	{
		return { info.name, info.interface, info.pid, info.uid };
	}

	/* A callback of the functions that do not block. */
	template <typename F> struct named {
		F function;
		std::string name;

		template <typename T, typename Make> void end(int r, Make make) noexcept
		{
			std::unique_ptr<named> self(this);

			detail::guarded("a function of names", [&] {
				char text[512];

				if (r < 0)
					function(result<T>(error(r, c::ipc_name_error_text(
						text, sizeof(text), name.c_str(), r))));
				else
					function(result<T>(make()));
			});
		}
	};

	template <typename F, typename Begin>
	static outcome<void> start(const std::string &name, F function, Begin begin)
	{
		std::unique_ptr<named<F>> held(new named<F>{ std::move(function), name });
		int r = begin(held.get());

		if (r < 0)
			return fail<void>(name, r);
		held.release();
		return detail::done();
	}

	template <typename F> static void found(int r, c::ipc_proxy *p, void *held) noexcept
	{
		static_cast<named<F> *>(held)->template end<proxy>(r, [&] { return proxy(p); });
	}

	template <typename Service, typename F>
	static void found_as(int r, c::ipc_proxy *p, void *held) noexcept
	{
		using Proxy = typename Service::Proxy;

		static_cast<named<F> *>(held)->template end<Proxy>(r,
								   [&] { return Proxy(proxy(p)); });
	}

	template <typename F> static void added(int r, void *held) noexcept
	{
		static_cast<named<F> *>(held)->template end<bool>(r, [&] { return r == 0; });
	}

	template <typename F> static void removed(int r, void *held) noexcept
	{
		static_cast<named<F> *>(held)->template end<void>(r, [] { return result<void>(); });
	}

	template <typename F>
	static void checked(int r, const c::ipc_name_info *info, void *held) noexcept
	{
		static_cast<named<F> *>(held)->template end<name_info>(
			r, [&] { return from_c(*info); });
	}

	template <typename F>
	static void listed(int n, c::ipc_name_info **infos, void *held) noexcept
	{
		std::unique_ptr<c::ipc_name_info *, decltype(&std::free)> owned(infos, std::free);

		static_cast<named<F> *>(held)->template end<std::vector<name_info>>(
			n, [&] { return from_c(infos, n); });
	}

	static std::vector<name_info> from_c(c::ipc_name_info *const *infos, int n)
	{
		std::vector<name_info> list;

		for (int i = 0; i < n; i++)
			list.push_back(from_c(*infos[i]));
		return list;
	}

	template <typename F, typename D> struct watching {
		F function;
		D done;

		void operator()(name_change change, const name_info &info, const proxy &found)
		{
			function(change, info, found);
		}
	};

	template <typename W> static void watched(int r, void *held) noexcept
	{
		detail::guarded("watch_names_async", [&] {
			static_cast<W *>(held)->done(r < 0 ? result<void>(error(r)) : result<void>());
		});
	}

	template <typename F>
	static void changed(c::ipc *, c::ipc_name_change change, const c::ipc_name_info *info,
			    c::ipc_proxy *found, void *userdata) noexcept
	{
		detail::guarded("watch_names", [&] {
			(*static_cast<F *>(userdata))(static_cast<name_change>(change),
						      info ? from_c(*info) : name_info{ {}, {}, 0, 0 },
						      proxy(c::ipc_proxy_ref(found)));
		});
	}

	template <typename F>
	static void registered(c::ipc *, const char *name, c::ipc_registration_event event, int code,
			       void *userdata) noexcept
	{
		detail::guarded("on_registration", [&] {
			(*static_cast<F *>(userdata))(std::string(name),
						      static_cast<registration_event>(event), error(code));
		});
	}
};

inline ipc::connection call::connection() const noexcept
{
	return ipc::connection(c::ipc_ref(c::ipc_call_ipc(raw)));
}

inline ipc::connection stream::connection() const noexcept
{
	return ipc::connection(c::ipc_ref(c::ipc_stream_ipc(raw)));
}

inline outcome<cancellation> cancellation::create(const connection &conn)
{
	c::ipc_cancellation *raw;
	int r = c::ipc_cancellation_new(conn.c_ptr(), &raw);

	if (r < 0)
		return detail::fail<cancellation>(r);
	return cancellation(raw);
}

namespace detail {

class function_service : public service {
public:
	explicit function_service(std::function<outcome<void>(ipc::call)> by) : by(std::move(by)) {}
	outcome<void> serve(ipc::call c) override { return by(std::move(c)); }

private:
	std::function<outcome<void>(ipc::call)> by;
};

} // namespace detail

inline outcome<object> object::create(const connection &conn, settings with,
				      std::shared_ptr<service> by)
{
	return object_access::create(conn.c_ptr(), std::move(with), std::move(by));
}

inline outcome<object> object::create(const connection &conn, settings with,
				      std::function<outcome<void>(call)> by)
{
	return create(conn, std::move(with),
		      std::make_shared<detail::function_service>(std::move(by)));
}

IPC_CPP_END

#endif /* IPC_CPP_CONNECTION_HPP */
