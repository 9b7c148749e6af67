/* SPDX-License-Identifier: MIT */
/*
 * co_await, of <ipc/ipc.hpp>, with C++20. In C++17 this header is empty.
 *
 *	ipc::reply r = co_await ipc::call_await(proxy, ipc::message(GET));
 *
 * The coroutine continues on a serving thread when the reply has arrived. If the connection ends,
 * it continues inside that with ECANCELED. If the call cannot be started, it continues at once. The
 * call refers to the request and the options, so it must be awaited in the same expression.
 *
 * A coroutine may be destroyed while it waits. The call then continues, and its reply is discarded;
 * an opened stream is canceled. options::cancellation() cancels the call too. As with any
 * coroutine, no other thread may be about to resume it: destroy it on the only thread that serves
 * the connection, or while no thread serves.
 */
#ifndef IPC_CPP_COROUTINE_HPP
#define IPC_CPP_COROUTINE_HPP

#include <ipc/cpp/connection.hpp>

#ifdef __cpp_impl_coroutine
#include <atomic>
#include <coroutine>

IPC_CPP_BEGIN

/* Start is called with a callback for result<T>, and returns outcome<void>. */
template <typename T, typename Start> class [[nodiscard]] awaitable {
public:
	explicit awaitable(Start start) : start(std::move(start)) {}
	awaitable(const awaitable &) = delete;
	awaitable &operator=(const awaitable &) = delete;
	~awaitable()
	{
		if (place)
			*place = nullptr;
	}

	bool await_ready() const noexcept { return false; }

	/* The coroutine, and this object with it, may be destroyed when begin() returns or calls
	 * the callback. */
	bool await_suspend(std::coroutine_handle<> waiting)
	{
		auto where = std::make_shared<std::atomic<awaitable *>>(this);
		Start begin = std::move(start);

		place = where;
		result<void> started = detail::catching<void>([&] {
			return begin([where, waiting](result<T> r) {
				if (awaitable *self = where->exchange(nullptr)) {
					self->ended = std::move(r);
					waiting.resume();
				}
			});
		});

		if (started)
			return true;
		ended = started.error();
		return false;
	}

	outcome<T> await_resume()
	{
#if IPC_RESULTS
		return *std::move(ended);
#else
		return std::move(*ended).value();
#endif
	}

private:
	Start start;
	std::optional<result<T>> ended;
	/* The address of this object for the callback, as long as the coroutine waits. */
	std::shared_ptr<std::atomic<awaitable *>> place;
};

/* As proxy::call_async(), to be awaited. */
inline auto call_await(const proxy &p, const message &request, const options &with = {})
{
	auto start = [&](auto function) {
		return p.call_async(request, std::move(function), with);
	};

	return awaitable<reply, decltype(start)>(std::move(start));
}

/* As proxy::open_stream_async(), to be awaited. */
inline auto open_await(const proxy &p, std::uint32_t method, const options &with = {})
{
	auto start = [&p, method, &with](auto function) {
		return p.open_stream_async(method, std::move(function), with);
	};

	return awaitable<stream, decltype(start)>(std::move(start));
}

/*
 * Return when the object is dead, as proxy::on_death(): co_await ipc::wait_dead(proxy).
 * While the coroutine waits, the connection stays open. The watch ends with a coroutine that is
 * destroyed.
 */
class [[nodiscard]] wait_dead {
public:
	explicit wait_dead(proxy p) : watched(std::move(p)) {}
	wait_dead(const wait_dead &) = delete;
	wait_dead &operator=(const wait_dead &) = delete;

	bool await_ready() const noexcept { return false; }

	/* The callback may run before on_death() has returned. The later of both resumes. */
	bool await_suspend(std::coroutine_handle<> waiting)
	{
		auto is_second = std::make_shared<std::atomic<bool>>(false);
		result<slot> made = detail::catching<slot>([&] {
			return watched.on_death([is_second, waiting] {
				if (is_second->exchange(true))
					waiting.resume();
			});
		});

		if (!made) {
			ended = made.error();
			return false;
		}
		watch = *std::move(made);
		return !is_second->exchange(true);
	}

	outcome<void> await_resume() const
	{
#if IPC_RESULTS
		return ended;
#else
		ended.value();
#endif
	}

private:
	proxy watched;
	slot watch;
	result<void> ended;
};

IPC_CPP_END

#endif /* __cpp_impl_coroutine */
#endif /* IPC_CPP_COROUTINE_HPP */
