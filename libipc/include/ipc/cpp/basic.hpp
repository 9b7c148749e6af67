/* SPDX-License-Identifier: MIT */
/* Common parts of <ipc/ipc.hpp>: file descriptors, times, slots, cancellations, options. */
#ifndef IPC_CPP_BASIC_HPP
#define IPC_CPP_BASIC_HPP

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ipc/cpp/error.hpp>

IPC_CPP_BEGIN

class connection;
class call;
class stream;

/* --- Times ------------------------------------------------------------------- */

using duration = std::chrono::microseconds;

/* No timeout. */
inline constexpr duration never = duration::max();

/*
 * A duration as an argument: of any unit of std::chrono. If it is longer than 290,000 years, there is
 * no timeout. A negative duration is as 0.
 */
class time_limit {
public:
	template <typename Rep, typename Period>
	constexpr time_limit(std::chrono::duration<Rep, Period> d) noexcept : value(saturated(d))
	{
	}

	/* As the C library takes it. */
	constexpr std::uint64_t usec() const noexcept
	{
		return value == never ? UINT64_MAX : static_cast<std::uint64_t>(value.count());
	}

	/* The same where 0 would mean that there is no setting. */
	constexpr std::uint64_t setting_usec() const noexcept { return usec() ? usec() : 1; }

private:
	template <typename D> static constexpr duration saturated(D d) noexcept
	{
		const double usec = std::chrono::duration<double, std::micro>(d).count();

		if (!(usec < 9.2e18))
			return never;
		return usec > 0 ? std::chrono::duration_cast<duration>(d) : duration::zero();
	}

	duration value;
};

namespace detail {

inline duration from_usec(std::uint64_t n)
{
	return n >= static_cast<std::uint64_t>(never.count()) ? never :
		duration(static_cast<duration::rep>(n));
}

} // namespace detail

/* --- File descriptors ---------------------------------------------------------- */

/* Owns a file descriptor and closes it. -1: none. */
class fd {
public:
	fd() = default;
	explicit fd(int number) noexcept : number(number) {}
	fd(fd &&other) noexcept : number(other.release()) {}
	fd &operator=(fd &&other) noexcept
	{
		if (this != &other)
			reset(other.release());
		return *this;
	}
	~fd() { reset(); }

	int get() const noexcept { return number; }
	explicit operator bool() const noexcept { return number >= 0; }

	/* Gives up the file descriptor, which the caller must close. */
	int release() noexcept { return std::exchange(number, -1); }
	void reset(int other = -1) noexcept
	{
		if (number >= 0)
			::close(number);
		number = other;
	}

	/* A second file descriptor of the same file, O_CLOEXEC. */
	outcome<fd> duplicate() const
	{
		int copy = ::fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (copy < 0)
			return detail::fail<fd>(errno);
		return fd(copy);
	}

private:
	int number = -1;
};

/* --- Slots ------------------------------------------------------------------------ */

/*
 * A way to end a callback or an async call. The destructor ends it: when it has returned, the
 * callback does not run any more, and its captures are destroyed. It blocks until the callback has
 * returned on other threads, so the caller must not hold a lock that the callback takes. A callback
 * may destroy its own slot.
 *
 * After detach() the callback goes on for the lifetime of its connection, object or call.
 */
class slot {
public:
	slot() = default;
	explicit slot(c::ipc_slot *owned) noexcept : raw(owned) {}
	slot(slot &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
	slot &operator=(slot &&other) noexcept
	{
		if (this != &other)
			c::ipc_slot_end(std::exchange(raw, std::exchange(other.raw, nullptr)));
		return *this;
	}
	~slot() { end(); }

	explicit operator bool() const noexcept { return raw; }
	void end() noexcept { c::ipc_slot_end(std::exchange(raw, nullptr)); }

	/* Ends the callback without waiting while it runs. For use in callbacks, and under
	 * locks. */
	void end_async() noexcept { c::ipc_slot_end_async(std::exchange(raw, nullptr)); }

	/* Empties the slot without ending its callback. */
	void detach() noexcept
	{
		c::ipc_slot_detach(std::exchange(raw, nullptr));
	}

private:
	c::ipc_slot *raw = nullptr;
};

namespace detail {

/*
 * Sets a callback: begin(userdata, &slot) calls the C function, which returns an errno. The
 * function object is destroyed when the callback has ended.
 */
template <typename F, typename Begin> int enroll(F function, Begin begin, slot *ret_slot)
{
	auto holder = std::make_unique<F>(std::move(function));
	c::ipc_slot *raw = nullptr;
	int r = begin(holder.get(), &raw);

	if (r < 0)
		return r;
	c::ipc_slot_set_destroy(raw, [](void *userdata) { delete static_cast<F *>(userdata); });
	holder.release();
	*ret_slot = slot(raw);
	return 0;
}

} // namespace detail

/* --- Cancellations and options ----------------------------------------------------- */

/*
 * Ends calls and streams early: see ipc_cancellation_new() in <ipc/ipc.h>. Copies are the same
 * cancellation. Any thread may call cancel(), which does not wait.
 */
class cancellation {
public:
	inline static outcome<cancellation> create(const connection &conn);

	cancellation(const cancellation &other) noexcept
		: raw(c::ipc_cancellation_ref(other.raw))
	{
	}
	cancellation(cancellation &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
	cancellation &operator=(cancellation other) noexcept
	{
		std::swap(raw, other.raw);
		return *this;
	}
	~cancellation() { c::ipc_cancellation_unref(raw); }

	outcome<void> cancel() const { return detail::check(c::ipc_cancel(raw)); }
	bool is_canceled() const noexcept
	{
		return c::ipc_cancellation_is_canceled(raw);
	}
	c::ipc_cancellation *c_ptr() const noexcept { return raw; }

private:
	explicit cancellation(c::ipc_cancellation *owned) noexcept : raw(owned) {}

	c::ipc_cancellation *raw;
};

/*
 * Options of a call, oneway or stream. Members that are not set have no effect.
 *
 *	proxy.call(request, ipc::options().timeout(100ms).metadata("trace", id));
 *
 *   timeout      Call: at most that of the call that this thread serves. Oneway:
 *                how long to wait for space.
 *   cancellation The cancellation that ends it. The options keep a copy of it.
 *   parent       Make the call for this call, which may be served on another thread. The
 *                parent must outlive the options.
 *   parent_stream  Make the call or stream for this stream, either side of one. Not with parent:
 *                EINVAL. The parent must outlive the options.
 *   metadata     A name and a value for the server's call::metadata().
 *   replace      Oneway: replace an older oneway to the same method that is still queued.
 *   detached     Call or stream: make it for no call, also in a handler. A handler whose call has
 *                ended cleans up with it. Not with a parent: EINVAL.
 */
class options {
public:
	options() = default;
	options(const options &other)
		: raw(other.raw), more(other.more ? std::make_unique<extra>(*other.more) : nullptr)
	{
	}
	options(options &&) = default;
	options &operator=(options other) noexcept
	{
		std::swap(raw, other.raw);
		more.swap(other.more);
		return *this;
	}

	options &timeout(time_limit limit)
	{
		raw.timeout_usec = limit.setting_usec();
		return *this;
	}
	bool has_timeout() const noexcept { return raw.timeout_usec; }
	options &cancellation(ipc::cancellation with)
	{
		raw.cancellation = with.c_ptr();
		extras().kept = std::move(with);
		return *this;
	}
	inline options &parent(const call &parent);
	inline options &parent_stream(const stream &parent);
	options &metadata(std::string name, std::string value)
	{
		extras().pairs.push_back(std::move(name));
		extras().pairs.push_back(std::move(value));
		return *this;
	}
	options &replace()
	{
		raw.flags |= IPC_REPLACE;
		return *this;
	}
	options &detached()
	{
		raw.flags |= IPC_DETACHED;
		return *this;
	}
	/* For a stream: how many messages the server may send ahead, 1 to 16. EINVAL: another
	 * number, or no stream is opened. */
	options &window(unsigned int messages)
	{
		/* In C, 0 is the default, so use another wrong number instead. */
		raw.window = messages ? messages : UINT32_MAX;
		return *this;
	}

	/* For ipc::c. Valid until the options change. */
	const c::ipc_options *c_ptr() const
	{
		if (more)
			return with_more();
		return raw.timeout_usec || raw.parent || raw.parent_stream || raw.flags ||
				       raw.window ?
			       &raw :
			       nullptr;
	}

private:
	/* Rarely used members. */
	struct extra {
		std::optional<ipc::cancellation> kept;
		std::vector<std::string> pairs;
		std::vector<const char *> pointers;
		c::ipc_options completed;

		const c::ipc_options *complete(const c::ipc_options &raw)
		{
			pointers.clear();
			for (const std::string &s : pairs)
				pointers.push_back(s.c_str());
			pointers.push_back(nullptr);
			completed = raw;
			completed.metadata = pointers.data();
			return &completed;
		}
	};

	const c::ipc_options *with_more() const
	{
		return more->pairs.empty() ? &raw : more->complete(raw);
	}

	extra &extras()
	{
		if (!more)
			more = std::make_unique<extra>();
		return *more;
	}

	c::ipc_options raw = {};
	std::unique_ptr<extra> more;
};

/* The default options. */
inline const options no_options;

IPC_CPP_END

#endif /* IPC_CPP_BASIC_HPP */
