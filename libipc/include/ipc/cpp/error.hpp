/* SPDX-License-Identifier: MIT */
/* Errors of <ipc/ipc.hpp>: class error, result<T>, and outcome<T>, which is T or result<T>. */
#ifndef IPC_CPP_ERROR_HPP
#define IPC_CPP_ERROR_HPP

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ipc/cpp/c.hpp>

/*
 * IPC_RESULTS: if 1, functions return result<T> instead of throwing. The default is 1 if the
 * compiler has exceptions turned off. Sources of both kinds can be linked: the types of each kind
 * have different symbol names.
 */
#ifndef IPC_RESULTS
#ifdef __cpp_exceptions
#define IPC_RESULTS 0
#else
#define IPC_RESULTS 1
#endif
#endif

#if IPC_RESULTS
#define IPC_CPP_BEGIN namespace ipc { inline namespace results {
#else
#define IPC_CPP_BEGIN namespace ipc { inline namespace throwing {
#endif
#define IPC_CPP_END } }

IPC_CPP_BEGIN

/* The origin of an error: see enum ipc_origin in <ipc/error.h>. */
enum class origin {
	here = c::IPC_ORIGIN_HERE,
	bus = c::IPC_ORIGIN_BUS,
	peer = c::IPC_ORIGIN_PEER,
	behind = c::IPC_ORIGIN_BEHIND,
};

/* The errnos of enum ipc_errno in <ipc/error.h>, by the same names: e.is(ipc::errc::dead_object). */
enum class errc {
	invalid_argument = c::IPC_INVALID_ARGUMENT,
	canceled = c::IPC_CANCELED,
	deadline_exceeded = c::IPC_DEADLINE_EXCEEDED,
	not_found = c::IPC_NOT_FOUND,
	permission_denied = c::IPC_PERMISSION_DENIED,
	name_taken = c::IPC_NAME_TAKEN,
	activation_failed = c::IPC_ACTIVATION_FAILED,
	no_manager = c::IPC_NO_MANAGER,
	bus_ended = c::IPC_BUS_ENDED,
	dead_object = c::IPC_DEAD_OBJECT,
	peer_frozen = c::IPC_PEER_FROZEN,
	unimplemented = c::IPC_UNIMPLEMENTED,
	interface_mismatch = c::IPC_INTERFACE_MISMATCH,
	protocol_error = c::IPC_PROTOCOL_ERROR,
	bad_message = c::IPC_BAD_MESSAGE,
	message_too_large = c::IPC_MESSAGE_TOO_LARGE,
	would_block = c::IPC_WOULD_BLOCK,
	quota_exceeded = c::IPC_QUOTA_EXCEEDED,
	no_reply = c::IPC_NO_REPLY,
	forked = c::IPC_FORKED,
	service_error = c::IPC_SERVICE_ERROR,
};

/*
 * An error, from this library or from a server. It is an exception, and a value that can be
 * stored and copied. Copies share their texts.
 *
 * code() is the errno: `e.code() == std::errc::timed_out`. <ipc/ipc.h> describes each errno. what()
 * is for people, escaped by ipc_error_text(), so a server can neither send commands to a terminal
 * nor fill a log. name(), text() and details() are unchanged from the server.
 *
 * A server throws or returns an error to report it: error("echo.Empty", "no text") arrives with
 * that name and EREMOTEIO, error(ENOENT) with that errno.
 */
class error : public std::system_error {
public:
	/* number and details are the server's own. code may be positive or negative. */
	error(std::string name, std::string text, int number = 0, std::string details = {},
	      int code = EREMOTEIO)
		: error(code, contents{ std::move(name), std::move(text), std::move(details), {},
					number, origin::here, 0 })
	{
	}

	explicit error(int code, std::string text = {})
		: error(code, contents{ {}, std::move(text), {}, {}, 0, origin::here, 0 })
	{
	}

	const char *what() const noexcept override { return shared->what.c_str(); }

	/* An error with a name is a service_error only, whatever its errno. */
	bool is(errc kind) const noexcept
	{
		return (name().empty() ? number_of_errno() : EREMOTEIO) == static_cast<int>(kind);
	}

	/* The errno, positive. */
	int number_of_errno() const noexcept { return code().value(); }

	/* Empty or 0 if the server did not set it. References are valid as long as a copy. */
	const std::string &name() const noexcept { return shared->name; }
	const std::string &text() const noexcept { return shared->text; }
	const std::string &details() const noexcept { return shared->details; }
	int number() const noexcept { return shared->number; }

	/* The origin; and with origin::behind, the underlying errno, positive, or 0. */
	ipc::origin origin() const noexcept { return shared->from; }
	int cause() const noexcept { return shared->cause; }

private:
	struct contents {
		std::string name, text, details, what;
		int number;
		ipc::origin from;
		int cause;
	};

	static int positive(int code) { return code < 0 ? -code : code; }

	static std::string describe(int code, const contents &t)
	{
		char buffer[IPC_ERROR_TEXT_MAX];
		c::ipc_error e = c::no_error();

		e.name = t.name.empty() ? nullptr : const_cast<char *>(t.name.c_str());
		e.text = t.text.empty() ? nullptr : const_cast<char *>(t.text.c_str());
		e.origin = static_cast<c::ipc_origin>(t.from);
		e.cause = t.cause;
		return c::ipc_error_text(buffer, sizeof(buffer), code, &e);
	}

	error(int code, contents t)
		: std::system_error(positive(code), std::generic_category())
	{
		t.what = describe(code, t);
		shared = std::make_shared<const contents>(std::move(t));
	}

	friend struct error_access;
	std::shared_ptr<const contents> shared;
};

/* Between error and the C library. Not for programs. */
struct error_access {
	static error from_c(int code, const c::ipc_error *e)
	{
		error::contents t{ {}, {}, {}, {}, 0, origin::here, 0 };

		if (e && e->code) {
			t.name = e->name ? e->name : "";
			t.text = e->text ? e->text : "";
			t.details.assign(static_cast<const char *>(e->details), e->details_size);
			t.number = e->number;
			t.from = static_cast<origin>(e->origin);
			t.cause = error::positive(e->cause);
		}
		return error(code, std::move(t));
	}

	/* Returns fail(the C error), which fails a call or stream. */
	template <typename Fail> static int pass(const error &e, Fail fail)
	{
		c::ipc_error out = c::no_error();

		out.code = -e.number_of_errno();
		out.number = e.number();
		out.name = e.name().empty() ? nullptr : const_cast<char *>(e.name().c_str());
		out.text = e.text().empty() ? nullptr : const_cast<char *>(e.text().c_str());
		out.details = const_cast<char *>(e.details().data());
		out.details_size = e.details().size();
		return fail(&out);
	}
};

#if !IPC_RESULTS
[[noreturn]] inline void raise(error e) { throw e; }
#else
/* Ends the program: value() without a value, if there are no exceptions. */
[[noreturn]] inline void raise(const error &e)
{
	(void)e;
	std::abort();
}
#endif

/*
 * A value or an error. Callbacks and futures always get a result<T>; other functions return
 * outcome<T>.
 *
 *	ipc::result<ipc::reply> r = ...;
 *	if (!r)
 *		std::cerr << r.error().what();
 *	else
 *		use(r->data());
 *
 * operator bool and has_value() are true for a value. * and -> require a value, and error() an
 * error. If it is an error, value() throws it, or aborts if there are no exceptions.
 */
template <typename T> class [[nodiscard]] result {
public:
	using value_type = T;

	result(T value) : v(std::move(value)) {}
	result(ipc::error e) : failure(std::make_shared<const ipc::error>(std::move(e))) {}

	bool has_value() const noexcept { return !failure; }
	explicit operator bool() const noexcept { return has_value(); }

	T &operator*() & noexcept { return *v; }
	const T &operator*() const & noexcept { return *v; }
	T &&operator*() && noexcept { return *std::move(v); }
	T *operator->() noexcept { return &*v; }
	const T *operator->() const noexcept { return &*v; }
	const ipc::error &error() const noexcept { return *failure; }

	T &value() &
	{
		check();
		return **this;
	}
	T &&value() &&
	{
		check();
		return *std::move(*this);
	}
	template <typename U> T value_or(U &&other) &&
	{
		return has_value() ? *std::move(*this) : static_cast<T>(std::forward<U>(other));
	}

private:
	void check() const
	{
		if (!has_value())
			raise(error());
	}

	std::optional<T> v;
	std::shared_ptr<const ipc::error> failure;
};

template <> class [[nodiscard]] result<void> {
public:
	using value_type = void;

	result() = default;
	result(ipc::error e) : failure(std::make_shared<const ipc::error>(std::move(e))) {}

	bool has_value() const noexcept { return !failure; }
	explicit operator bool() const noexcept { return has_value(); }
	const ipc::error &error() const noexcept { return *failure; }
	void value() const
	{
		if (!has_value())
			raise(error());
	}

private:
	std::shared_ptr<const ipc::error> failure;
};

/* The return type of functions that can fail: T, and failures throw an error; or with IPC_RESULTS,
 * result<T>. */
#if IPC_RESULTS
template <typename T> using outcome = result<T>;
#else
template <typename T> using outcome = T;
#endif

/* Pass errors that no caller sees to function, with a priority of syslog(3): see ipc_set_log(). Must
 * be called before the first connection is opened. */
inline void set_log(std::function<void(int priority, const char *text)> function)
{
	static std::function<void(int, const char *)> kept;
	c::ipc_log_cb log = [](int priority, const char *text, void *) noexcept { kept(priority, text); };

	kept = std::move(function);
	c::ipc_set_log(kept ? log : nullptr, nullptr);
}

/* Programs need these only to write functions that work in both kinds of sources. */
namespace detail {

/* The end of a function that returns outcome<T>. */
template <typename T> outcome<T> fail(ipc::error e)
{
#if IPC_RESULTS
	return result<T>(std::move(e));
#else
	raise(std::move(e));
#endif
}

template <typename T> outcome<T> fail(int code, c::ipc_error *e = nullptr)
{
	ipc::error made = error_access::from_c(code, e);

	c::ipc_error_done(e);
	return fail<T>(std::move(made));
}

/* The message has no such object or file, or no longer. */
template <typename T> outcome<T> no_entry()
{
	return fail<T>(ipc::error(
		ENOENT, "the field is empty, or its object or file ended or was taken before"));
}

inline outcome<void> done()
{
#if IPC_RESULTS
	return {};
#endif
}

inline outcome<void> check(int r)
{
	return r < 0 ? fail<void>(r) : done();
}

/*
 * Logs "WHERE: unhandled exception: TEXT" with ipc_log(), of the exception that is being handled.
 * format is that of WHERE.
 */
__attribute__((cold, format(printf, 1, 2))) inline void log_exception(const char *format, ...) noexcept
{
	const char *text = "it is no std::exception";
	char where[512];
	va_list args;
	auto print = [&] {
		c::ipc_error shown = c::no_error();

		shown.name = const_cast<char *>("unhandled exception");
		shown.text = const_cast<char *>(text);
		char line[IPC_ERROR_TEXT_MAX];

		c::ipc_log(/* LOG_ERR */ 3, "%s: %s", where,
			   c::ipc_error_text(line, sizeof(line), -EREMOTEIO, &shown));
	};

	va_start(args, format);
	std::vsnprintf(where, sizeof(where), format, args);
	va_end(args);
#ifdef __cpp_exceptions
	try {
		throw;
	} catch (const std::exception &e) {
		text = e.what();
		return print();
	} catch (...) {
	}
#endif
	print();
}

/* The same for a callback on behalf of a caller, or with pid 0 without a caller. */
inline void log_callback(const char *callback, uid_t uid = 0, pid_t pid = 0) noexcept
{
	if (pid)
		log_exception("ipc: %s (uid %u, pid %d)", callback, uid, pid);
	else
		log_exception("ipc: %s", callback);
}

/*
 * Returns the value or exception of a function as a result. If the exception is no ipc::error,
 * calls log(), which must call log_exception().
 */
template <typename T, typename F, typename Log>
result<T> catching(F &&function, Log log) noexcept
{
#ifdef __cpp_exceptions
	try {
#endif
#if !IPC_RESULTS
		if constexpr (std::is_void_v<T>) {
			function();
			return {};
		} else
#endif
			return function();
#ifdef __cpp_exceptions
	} catch (error &e) {
		return std::move(e);
	} catch (const std::bad_alloc &) {
		log();
		return error(ENOMEM);
	} catch (...) {
		log();
		return error("ipc.Unhandled", "the handler failed");
	}
#else
	(void)log;
#endif
}

template <typename T, typename F> result<T> catching(F &&function) noexcept
{
	return catching<T>(function, [] {});
}

/* Calls a callback below a frame of C. Logs an exception and does not propagate it. */
template <typename F>
void guarded(const char *callback, F &&function, uid_t uid = 0, pid_t pid = 0) noexcept
{
#ifdef __cpp_exceptions
	try {
		function();
	} catch (...) {
		log_callback(callback, uid, pid);
	}
#else
	(void)callback, (void)uid, (void)pid;
	function();
#endif
}

} // namespace detail

IPC_CPP_END

#endif /* IPC_CPP_ERROR_HPP */
