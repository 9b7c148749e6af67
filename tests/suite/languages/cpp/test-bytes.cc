// SPDX-License-Identifier: MIT
/*
 * <ipc/ipc.hpp>, messages of bytes, with errors as exceptions.
 */
#include "fixture.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <mutex>
#include <type_traits>

/* --- Code that must not compile ----------------------------------------------------------- */

template <typename T, typename = void> struct replies_as_lvalue : std::false_type {};
template <typename T>
struct replies_as_lvalue<T, std::void_t<decltype(std::declval<T &>().reply(""))>>
	: std::true_type {};

static_assert(!std::is_copy_constructible_v<ipc::call>);
static_assert(!std::is_copy_assignable_v<ipc::call>);
static_assert(std::is_nothrow_move_constructible_v<ipc::call>);
static_assert(!replies_as_lvalue<ipc::call>::value, "a reply consumes the call");
static_assert(!std::is_copy_constructible_v<ipc::fd> && !std::is_copy_constructible_v<ipc::reply> &&
	      !std::is_copy_constructible_v<ipc::slot>);
static_assert(std::is_nothrow_copy_constructible_v<ipc::error>);

/* --- Calls ------------------------------------------------------------------------------ */

CASE(a_call_has_a_reply)
{
	std::atomic<ipc::c::ipc *> served_by{ nullptr };
	pair p([&](ipc::call c) {
		served_by = c.connection().c_ptr();
		CHECK(c.request().method() == 7);
		CHECK(c.pid() == getpid() && c.uid() == getuid());
		std::move(c).reply("got " + std::string(c.request().bytes()));
	});
	ipc::reply r = p.proxy.call(ipc::message(7, "this"));

	CHECK(r.bytes() == "got this");
	CHECK(r.size() == 0);
	CHECK(served_by == p.server.c_ptr());
	p.proxy.ping();
}

CASE(a_reply_leaves_the_call_empty)
{
	std::atomic<bool> empty{ false };
	pair p([&](ipc::call c) {
		std::move(c).reply("");
		empty = !c;
	});

	CHECK(p.proxy.call(ipc::message(1)).bytes().empty());
	CHECK(empty);
}

CASE(a_dropped_call_fails)
{
	pair p([](ipc::call) {});

	CHECK_FAILS(ENOMSG, p.proxy.call(ipc::message(1)));
}

CASE(a_call_is_dropped_on_another_thread)
{
	std::promise<std::thread> other;
	pair p([&](ipc::call c) {
		other.set_value(std::thread([c = std::move(c)]() mutable {
			std::this_thread::sleep_for(10ms);
			ipc::call dropped = std::move(c);
		}));
	});

	CHECK_FAILS(ENOMSG, p.proxy.call(ipc::message(1)));
	other.get_future().get().join();
}

CASE(a_reply_comes_from_another_thread)
{
	std::promise<std::thread> other;
	pair p([&](ipc::call c) {
		other.set_value(std::thread([c = std::move(c)]() mutable {
			std::this_thread::sleep_for(10ms);
			std::string text(c.request().bytes());
			std::move(c).reply(text + " later");
		}));
	});

	CHECK(p.proxy.call(ipc::message(1, "it comes")).bytes() == "it comes later");
	other.get_future().get().join();
}

class counter : public ipc::service {
public:
	explicit counter(std::atomic<int> *alive) : alive(alive) { ++*alive; }
	~counter() override { --*alive; }
	void serve(ipc::call c) override { std::move(c).reply(std::to_string(++calls)); }

private:
	std::atomic<int> *alive;
	int calls = 0;
};

CASE(a_service_is_a_class)
{
	std::atomic<int> alive{ 0 };
	pair p([&](ipc::call c) {
		auto conn = ipc::connection(ipc::c::ipc_ref(ipc::c::ipc_call_ipc(c.c_ptr())));
		auto made = ipc::object::create(conn, { "test.Counter" },
						std::make_shared<counter>(&alive));

		std::move(c).reply(ipc::message().add(5, made));
	});
	{
		ipc::reply r = p.proxy.call(ipc::message(1));

		CHECK_FAILS(EXDEV, r.take_object(5));
		CHECK_FAILS(EBADF, r.take_fd(5));
		ipc::proxy counting = r.take_proxy(5);
		CHECK_FAILS(ENOENT, r.take_proxy(5));
		CHECK_FAILS(ENOENT, r.take_proxy(6));
		try {
			r.take_proxy(5);
		} catch (const ipc::error &e) {
			CHECK(e.what() == std::string("the field is empty, or its object or file "
						      "ended or was taken before"));
		}
		CHECK(counting.call(ipc::message(1)).bytes() == "1");
		CHECK(counting.call(ipc::message(1)).bytes() == "2");
		CHECK(alive == 1);
	}
	/* No process has a reference of the object any more, so its service is destroyed. */
	for (int i = 0; i < 500 && alive; i++)
		std::this_thread::sleep_for(10ms);
	CHECK(alive == 0);
}

/* --- Errors --------------------------------------------------------------------------------- */

static ipc::error caught(const ipc::proxy &proxy, std::uint32_t method)
{
	try {
		proxy.call(ipc::message(method));
	} catch (const ipc::error &e) {
		return e;
	}
	return ipc::error(0, "no error");
}

CASE(an_error_has_name_and_details)
{
	pair p([](ipc::call c) {
		const int code = c.request().method() == 1 ? EREMOTEIO : ENOENT;

		std::move(c).fail(
			ipc::error("test.Bad", "too bad", 42, std::string("a\0b", 3), code));
	});
	ipc::error e = caught(p.proxy, 2);

	CHECK(e.number_of_errno() == ENOENT && e.name() == "test.Bad");
	CHECK(e.is(ipc::errc::service_error) && !e.is(ipc::errc::not_found));
	e = caught(p.proxy, 1);
	CHECK(e.code() == std::errc(EREMOTEIO) && e.is(ipc::errc::service_error));
	CHECK(e.name() == "test.Bad" && e.text() == "too bad" && e.number() == 42);
	CHECK(e.details() == std::string("a\0b", 3));
	CHECK(e.origin() == ipc::origin::peer);
	CHECK(e.what() == std::string("test.Bad: too bad"));
}

/* Runs tests/suite/languages/foreign/server during its lifetime. */
class foreign_server {
public:
	foreign_server() : pid(fork())
	{
		const char *build = std::getenv("B");
		std::string program = std::string(build ? build : "build") +
				      "/tests/suite/languages/foreign/server";

		if (pid == 0) {
			execl(program.c_str(), program.c_str(), nullptr);
			_exit(127);
		}
	}
	~foreign_server()
	{
		kill(pid, SIGKILL);
		waitpid(pid, nullptr, 0);
	}

private:
	pid_t pid;
};

CASE(a_hostile_text_is_printable)
{
	foreign_server server;
	auto bus = ipc::connection::open();
	ipc::proxy foreign = bus.wait("test.foreign", 30s);
	const std::string a_kilobyte = std::string(1020, 'x') + "...";
	const std::pair<std::string, std::string> texts[] = {
		{ "\x1b]2;owned\a\x1b[31mred\x7f\r\nroot# ", "?]2;owned??[31mred???root# " },
		{ "\xc2\x9b" "31mred", "??31mred" },
		{ "\xff\x9b" "31m\xe2\x82|\xed\xa0\x80", "??31m??|???" },
		{ "a\xe2\x80\xae" "b\xe2\x80\x8b" "c\xd8\x9c", "a???b???c??" },
		{ std::string(64 << 10, 'x'), a_kilobyte },
	};
	std::uint32_t method = 0;

	for (const auto &[raw, shown] : texts) {
		ipc::error e = caught(foreign, ++method);

		CHECK(e.what() == shown + ": " + shown);
		CHECK(e.name() == raw && e.text() == raw);
		CHECK(e.details() == std::string(64 << 10, 'x'));
	}
	ipc::error plain = caught(foreign, 100);
	CHECK(plain.code() == std::errc::is_a_directory && plain.name().empty());
	CHECK(plain.what() == texts[0].second && plain.text() == texts[0].first);
}

CASE(an_error_is_an_errno)
{
	pair p([](ipc::call c) {
		if (c.request().method() == 1)
			std::move(c).fail(ipc::error(-ENOENT));
		else
			std::move(c).fail(ipc::error(EISDIR, "that is a folder"));
	});
	ipc::error e = caught(p.proxy, 1);

	CHECK(e.is(ipc::errc::not_found) && !e.is(ipc::errc::service_error));
	CHECK(e.code() == std::errc::no_such_file_or_directory && e.name().empty());
	CHECK(e.what() == std::string("the server reports ENOENT: No such file or directory"));
	e = caught(p.proxy, 2);
	CHECK(e.code() == std::errc::is_a_directory);
	CHECK(e.what() == std::string("that is a folder"));
}

CASE(a_handler_that_throws_is_an_error)
{
	pair p([](ipc::call c) {
		ipc::call mine = std::move(c);

		switch (mine.request().method()) {
		case 1:
			throw ipc::error("test.Thrown", "out");
		case 2:
			throw std::bad_alloc();
		case 3:
			throw std::runtime_error("a secret");
		case 4:
			std::move(mine).reply("first");
			throw ipc::error(EIO);
		}
	});
	const std::string caller = " (uid " + std::to_string(getuid()) + ", pid " +
				   std::to_string(getpid()) + "): ";
	captured_stderr log;
	ipc::error e = caught(p.proxy, 1);

	CHECK(e.name() == "test.Thrown" && e.text() == "out");
	CHECK(caught(p.proxy, 2).code() == std::errc::not_enough_memory);
	e = caught(p.proxy, 3);
	CHECK(e.name() == "ipc.Unhandled");
	CHECK(std::string(e.what()).find("secret") == std::string::npos);
	CHECK(p.proxy.call(ipc::message(4)).bytes() == "first");
	CHECK(!log.has("method 0x1 ") && !log.has("method 0x4 "));
	CHECK(log.has("ipc: test.Cpp method 0x2" + caller));
	CHECK(log.has("ipc: test.Cpp method 0x3" + caller + "unhandled exception: a secret\n"));
}

CASE(a_program_gets_the_log)
{
	std::mutex lock;
	std::string lines;
	auto n = [&] {
		std::lock_guard<std::mutex> guard(lock);

		return std::count(lines.begin(), lines.end(), '\n');
	};

	ipc::set_log([&](int priority, const char *text) {
		std::lock_guard<std::mutex> guard(lock);

		lines += std::to_string(priority) + ' ' + text + '\n';
	});
	{
		pair p([](ipc::call c) {
			if (c.request().method() == 7)
				throw std::runtime_error("a secret");
			if (c.is_oneway())
				throw ipc::error("test.Full", "no space");
			std::move(c).reply();
		});
		captured_stderr log;

		CHECK(caught(p.proxy, 7).name() == "ipc.Unhandled");
		CHECK(!log.has("secret"));
		p.proxy.oneway(ipc::message(7));
		p.proxy.oneway(ipc::message(8));
		while (n() < 3)
			std::this_thread::yield();
	}
	ipc::set_log(nullptr);
	CHECK(n() == 3);
	CHECK(lines.find("4 ipc: test.Cpp method 0x8 (uid ") != std::string::npos);
	CHECK(lines.find("a oneway failed: test.Full: no space\n") != std::string::npos);
	CHECK(lines.find("3 ipc: test.Cpp method 0x7 (uid ") == 0);
	CHECK(lines.find("unhandled exception: a secret\n") != std::string::npos);
}

CASE(an_error_behind_a_service_has_a_cause)
{
	pair p([](ipc::call c) { std::move(c).fail(ipc::error(EOWNERDEAD)); });
	ipc::error e = caught(p.proxy, 1);

	CHECK(e.code() == std::errc(EREMOTEIO));
	CHECK(e.origin() == ipc::origin::behind && e.cause() == EOWNERDEAD);
}

CASE(a_reply_that_cannot_be_sent_fails_on_both_sides)
{
	std::atomic<int> seen{ 0 };
	pair p([&](ipc::call c) {
		try {
			ipc::message m;

			for (int i = 0; i < 65; i++)
				m.add(1, ipc::fd(::dup(0)));
			std::move(c).reply(m);
		} catch (const ipc::error &e) {
			seen = e.number_of_errno();
		}
	});

	CHECK_FAILS(E2BIG, p.proxy.call(ipc::message(1)));
	CHECK(seen == E2BIG);
}

/* --- Oneways ---------------------------------------------------------------------------------- */

CASE(a_oneway_has_no_reply)
{
	event served;
	std::atomic<int> refused{ 0 };
	pair p([&](ipc::call c) {
		try {
			std::move(c).reply("");
		} catch (const ipc::error &e) {
			refused = e.number_of_errno();
		}
		served.set();
	});

	p.proxy.oneway(ipc::message(1, "a"));
	p.proxy.oneway(ipc::message(2, "b"), ipc::options().timeout(1s));
	CHECK(served.wait(2));
	CHECK(refused == EINVAL);
}

/* --- Async ------------------------------------------------------------------------------------- */

static void echo(ipc::call c)
{
	if (c.request().method() == 99)
		throw ipc::error("test.NinetyNine", "");
	std::move(c).reply(c.request().bytes());
}

CASE(a_callback_gets_the_reply)
{
	event replied;
	std::string text;
	pair p(echo);

	p.proxy.call_async(ipc::message(1, "to and fro"), [&](ipc::result<ipc::reply> r) {
		if (r)
			text = r->bytes();
		replied.set();
	});
	CHECK(replied.wait());
	CHECK(text == "to and fro");
	p.proxy.call_async(ipc::message(99), [&](ipc::result<ipc::reply> r) {
		text = r ? "a reply" : r.error().name();
		replied.set();
	});
	CHECK(replied.wait(2));
	CHECK(text == "test.NinetyNine");
}

CASE(a_future_gets_the_reply)
{
	pair p(echo);
	auto one = p.proxy.call_future(ipc::message(1, "one"));
	auto two = p.proxy.call_future(ipc::message(1, "two"));
	auto bad = p.proxy.call_future(ipc::message(99));
	/* A call that cannot be started. */
	ipc::message too_many(1);

	for (int i = 0; i < 65; i++)
		too_many.add(1, ipc::fd(::dup(0)));
	auto not_sent = p.proxy.call_future(too_many);

	CHECK(two.get().bytes() == "two");
	CHECK(one.get().bytes() == "one");
	CHECK_FAILS(EREMOTEIO, bad.get());
	CHECK_FAILS(E2BIG, not_sent.get());
}

CASE(a_reply_outlives_its_callback)
{
	std::promise<ipc::reply> kept;
	auto future = kept.get_future();
	pair p(echo);

	p.proxy.call_async(ipc::message(1, "kept"), [&](ipc::result<ipc::reply> r) {
		kept.set_value(*std::move(r));
	});
	ipc::reply reply = future.get();
	/* The replies of other calls do not overwrite it. */
	for (int i = 0; i < 50; i++)
		p.proxy.call_future(ipc::message(1, "other")).get();
	CHECK(reply.bytes() == "kept");
}

CASE(what_a_callback_captures_is_destroyed)
{
	auto token = std::make_shared<int>(1);
	event replied;
	pair p(echo);

	p.proxy.call_async(ipc::message(1), [token, &replied](ipc::result<ipc::reply>) {
		replied.set();
	});
	CHECK(replied.wait());
	for (int i = 0; i < 500 && token.use_count() > 1; i++)
		std::this_thread::sleep_for(10ms);
	CHECK(token.use_count() == 1);
}

CASE(a_closed_connection_ends_async_calls)
{
	auto token = std::make_shared<int>(1);
	std::promise<ipc::call> promise;
	std::atomic<int> code{ 0 };
	pair p([&](ipc::call c) { promise.set_value(std::move(c)); });
	{
		ipc::connection second = ipc::connection::open();
		ipc::proxy proxy = second.get("test.cpp");

		proxy.call_async(ipc::message(1), [&code, token](ipc::result<ipc::reply> r) {
			code = r ? -1 : r.error().number_of_errno();
		});
		promise.get_future().get();
		second = p.client;
		/* The proxy outlived its connection. */
		CHECK_FAILS(EINVAL, proxy.call(ipc::message(1)));
	}
	CHECK(code == ENOMSG || code == ECANCELED);
	CHECK(token.use_count() == 1);
}

/* --- Time and cancellation --------------------------------------------------------------------- */

CASE(a_time_limit_ends_a_call)
{
	event canceled;
	std::atomic<bool> had_limit{ false };
	std::promise<ipc::call> kept;
	ipc::slot slot;
	pair p([&](ipc::call c) {
		had_limit = c.remaining() > 0us && c.remaining() <= 300ms;
		slot = c.on_cancel([&] { canceled.set(); });
		kept.set_value(std::move(c));
	});

	CHECK_FAILS(ETIMEDOUT, p.proxy.call(ipc::message(1), ipc::options().timeout(300ms)));
	CHECK(had_limit);
	CHECK(canceled.wait());
	ipc::call late = kept.get_future().get();
	CHECK(late.is_canceled() && late.remaining() == 0us);
	/* The caller no longer waits, so the reply is discarded. */
	std::move(late).reply("late");
}

CASE(a_call_without_limit_has_none)
{
	pair p([](ipc::call c) { std::move(c).reply(c.remaining() == ipc::never ? "none" : "some"); });

	CHECK(p.proxy.call(ipc::message(1)).bytes() == "none");
	p.proxy.set_timeout(10s);
	CHECK(p.proxy.call(ipc::message(1)).bytes() == "some");
	CHECK(p.proxy.call(ipc::message(1), ipc::options().timeout(ipc::never)).bytes() == "none");
	CHECK_FAILS(ETIMEDOUT, p.proxy.call(ipc::message(1), ipc::options().timeout(-5ms)));
}

CASE(a_limit_that_is_too_long_is_none)
{
	using years = std::chrono::duration<int, std::ratio<31556952>>;
	const ipc::time_limit none[] = {
		ipc::never,
		std::chrono::microseconds::max() - 1us,
		std::chrono::milliseconds::max(),
		std::chrono::seconds::max(),
		std::chrono::hours::max(),
		years::max(),
		std::chrono::duration<double>(1e300),
	};
	const ipc::time_limit over[] = {
		std::chrono::nanoseconds::min(),
		std::chrono::hours::min(),
		-1us,
		0s,
	};
	pair p([](ipc::call c) { std::move(c).reply(c.remaining() == ipc::never ? "none" : "some"); });

	for (ipc::time_limit limit : none) {
		CHECK(p.proxy.call(ipc::message(1), ipc::options().timeout(limit)).bytes() == "none");
		CHECK(p.client.wait("test.cpp", limit) == p.proxy);
	}
	for (ipc::time_limit limit : over) {
		CHECK_FAILS(ETIMEDOUT, p.proxy.call(ipc::message(1), ipc::options().timeout(limit)));
		CHECK_FAILS(ETIMEDOUT, p.client.wait("test.nobody", limit));
	}
	p.proxy.set_timeout(std::chrono::seconds::max());
	CHECK(p.proxy.call(ipc::message(1)).bytes() == "none");
	CHECK(ipc::time_limit(1500ns).usec() == 1 && ipc::time_limit(2h).usec() == 7200000000);
	CHECK(ipc::time_limit(std::chrono::nanoseconds::max()).usec() == 9223372036854775);
}

CASE(a_cancellation_ends_a_call)
{
	std::promise<ipc::call> kept;
	event arrived;
	pair p([&](ipc::call c) {
		kept.set_value(std::move(c));
		arrived.set();
	});
	ipc::cancellation stop = ipc::cancellation::create(p.client);
	std::thread canceler([&] {
		arrived.wait();
		stop.cancel();
	});

	CHECK_FAILS(ECANCELED, p.proxy.call(ipc::message(1), ipc::options().cancellation(stop)));
	CHECK(stop.is_canceled());
	canceler.join();
	/* Canceled before it is sent. */
	CHECK_FAILS(ECANCELED, p.proxy.call(ipc::message(1), ipc::options().cancellation(stop)));
}

/* A program with a loop: it is the only thread of its connection. */
CASE(names_do_not_block)
{
	pair p(echo);
	const ipc::cancellation stop = ipc::cancellation::create(p.client);
	auto named = ipc::object::create(p.client, { "test.Named" }, echo);
	const pid_t manager = std::atoi(std::getenv("MANAGER"));
	std::vector<int> errors(9, -1);
	std::atomic<std::size_t> ended{ 0 };
	std::atomic<bool> settled{ false };
	auto into = [&](int &error) {
		return [&](auto r) {
			error = r ? 0 : r.error().number_of_errno();
			ended++;
		};
	};

	CHECK(kill(manager, SIGSTOP) == 0);
	p.client.get_async("test.cpp", into(errors[0]));
	p.client.get_async("test.nobody", into(errors[1]));
	p.client.wait_async("test.cpp", ipc::never, into(errors[2]));
	p.client.wait_async("test.nobody", ipc::never, into(errors[3]),
			    ipc::options().cancellation(stop));
	p.client.register_name_async("test.async", named, into(errors[4]));
	p.client.register_name_async("test.cpp", named, into(errors[5]));
	p.client.check_name_async("test.cpp", [&](ipc::result<ipc::name_info> r) {
		CHECK(r->name == "test.cpp");
		into(errors[6])(r);
	});
	p.client.list_names_async("test.cpp*", [&](ipc::result<std::vector<ipc::name_info>> r) {
		CHECK(r->at(0).name == "test.cpp");
		into(errors[7])(r);
	});
	{
		ipc::slot watch = p.client.watch_names_async(
			"test.async",
			[&](ipc::name_change change, const ipc::name_info &, const ipc::proxy &) {
				if (change == ipc::name_change::settled)
					settled = true;
			},
			into(errors[8]));

		CHECK_FAILS(ENOENT, p.client.unregister_name_async("test.nobody", [](auto) {}));
		/* The bus may report the manager, which ends no operation. */
		while (p.client.process())
			;
		CHECK(ended == 0 && !settled);
		CHECK(kill(manager, SIGCONT) == 0);
		stop.cancel();
		while (ended < errors.size() || !settled)
			p.client.process();
	}
	CHECK(errors == std::vector<int>({ 0, ENOENT, 0, ECANCELED, 0, EEXIST, 0, 0, 0 }));
	p.client.unregister_name_async("test.async", into(errors[0]));
	while (ended == errors.size())
		p.client.process();
	CHECK(errors[0] == 0);
	CHECK_FAILS(ENOENT, p.client.check_name("test.async"));
}

CASE(a_parent_hands_its_limit_down)
{
	std::atomic<bool> limited{ false };
	std::promise<std::thread> other;
	pair inner([&](ipc::call c) {
		limited = c.remaining() <= 5s;
		std::move(c).reply("");
	});
	ipc::connection server = ipc::connection::open();
	auto outer = ipc::object::create(server, { "test.Outer" }, [&](ipc::call c) {
		/* A proxy of the connection that serves. */
		ipc::proxy proxy = server.get("test.cpp");

		other.set_value(std::thread([c = std::move(c), proxy]() mutable {
			ipc::reply r = proxy.call(ipc::message(1), ipc::options().parent(c));

			std::move(c).reply(r.bytes());
		}));
	});
	serving serve(server, 2);

	server.register_name("test.outer", outer);
	inner.client.get("test.outer").call(ipc::message(1), ipc::options().timeout(5s));
	other.get_future().get().join();
	CHECK(limited);
}

CASE(a_detached_call_outlives_the_limit_of_its_handler)
{
	pair inner([](ipc::call c) { std::move(c).reply("clean"); });
	ipc::connection server = ipc::connection::open();
	event begun, cleaned;
	auto outer = ipc::object::create(server, { "test.Outer" }, [&](ipc::call c) {
		ipc::proxy proxy = server.get("test.cpp");
		const auto detached = ipc::options().detached();

		begun.set();
		while (!c.is_canceled())
			std::this_thread::sleep_for(1ms);
		CHECK_FAILS(ETIMEDOUT, proxy.call(ipc::message(1)));
		CHECK(proxy.call(ipc::message(1), detached).bytes() == "clean");
		CHECK(proxy.call_future(ipc::message(1), detached).get().bytes() == "clean");
		CHECK_FAILS(EINVAL, proxy.call(ipc::message(1), ipc::options(detached).parent(c)));
		cleaned.set();
	});
	serving serve(server, 3);

	server.register_name("test.outer", outer);
	auto proxy = inner.client.get("test.outer");
	/* On a slow machine the time may expire before the handler runs. */
	for (auto limit = 50ms; !begun.times(); limit *= 2)
		CHECK_FAILS(ETIMEDOUT, proxy.call(ipc::message(1), ipc::options().timeout(limit)));
	CHECK(cleaned.wait(begun.times()));
	server.unregister_name("test.outer");
}

CASE(metadata_arrives)
{
	pair p([](ipc::call c) {
		const char *trace = c.metadata("trace");

		std::move(c).reply(std::string(trace ? trace : "-") + " " +
				   std::string(c.request().bytes()));
	});
	ipc::options with;

	with.metadata("trace", "4711").metadata("user", "me");
	CHECK(p.proxy.call(ipc::message(1, "bytes"), with).bytes() == "4711 bytes");
	CHECK(p.proxy.call(ipc::message(1, "bytes")).bytes() == "- bytes");
	with.metadata("large", std::string(65536, 'x'));
	CHECK_FAILS(EMSGSIZE, p.proxy.call(ipc::message(1), with));
	CHECK_FAILS(EMSGSIZE, p.proxy.open_stream(1, with));
}

/* Sends until it would have to wait, and returns the number of sent messages. */
static unsigned int send_ahead(const ipc::stream &stream)
{
	unsigned int n = 0;

	for (;; n++) {
		try {
			stream.send(ipc::message(0), 0us);
		} catch (const ipc::error &e) {
			CHECK(e.number_of_errno() == EAGAIN);
			return n;
		}
	}
}

/* Each side sends as much as it may. The window of a server is a limit of its object. */
CASE(windows_limit_both_sides)
{
	class ahead : public ipc::service {
	public:
		explicit ahead(event &e) : counted(e) {}
		ipc::outcome<void> serve(ipc::call) override { throw ipc::error(EOPNOTSUPP); }
		bool has_streams() const noexcept override { return true; }
		void serve_stream(ipc::stream s, std::uint32_t) override
		{
			const unsigned int n = send_ahead(s);

			counted.set();
			s.send(ipc::message(0, std::to_string(n)));
		}

	private:
		event &counted;
	};
	/* The handler of the last stream may still run when the next one waits. */
	pair p([](ipc::call c) { std::move(c).reply(""); }, /* threads= */ 8);

	for (unsigned int window : { 0, 1, 3, 16 }) {
		event counted;
		auto o = ipc::object::create(p.server, { "test.Ahead" },
					     std::make_shared<ahead>(counted));
		ipc::c::ipc_object_limits limits = {};
		ipc::options with;

		limits.size = sizeof(limits);
		limits.window = window;
		CHECK(ipc::c::ipc_object_set_limits(o.c_ptr(), &limits) == 0);
		p.server.register_name("test.ahead", o);
		if (window)
			with.window(window);
		else
			window = 16;
		ipc::stream s = p.client.get("test.ahead").open_stream(1, with);
		CHECK(send_ahead(s) == window);
		CHECK(counted.wait());
		for (unsigned int i = 0; i < window; i++)
			CHECK(s.receive()->bytes().empty());
		CHECK(s.receive()->bytes() == std::to_string(window));
		p.server.unregister_name("test.ahead");
	}
	for (unsigned int wrong : { 0u, 17u, ~0u })
		CHECK_FAILS(EINVAL, p.proxy.open_stream(1, ipc::options().window(wrong)));
	CHECK_FAILS(EINVAL, p.proxy.call(ipc::message(1), ipc::options().window(1)));
}

/* --- Files and objects ----------------------------------------------------------------------------- */

/* Stubs for C may number files and objects like this. */
CASE(a_file_may_have_the_tag_of_an_object)
{
	pair p([](ipc::call c) {
		auto conn = ipc::connection(ipc::c::ipc_ref(ipc::c::ipc_call_ipc(c.c_ptr())));
		auto made = ipc::object::create(conn, { "test.Made" }, [](ipc::call) {});
		auto add_file = [](ipc::message &m) { m.add(9, ipc::fd(::memfd_create("test", 0))); };
		ipc::message m;

		if (c.request().method() == 1)
			add_file(m);
		m.add(9, made);
		if (c.request().method() == 2)
			add_file(m);
		std::move(c).reply(m);
	});

	for (std::uint32_t method : { 1, 2 }) {
		ipc::reply r = p.proxy.call(ipc::message(method).accept_fds());

		CHECK(r.take_fd(9).get() >= 0);
		CHECK(r.take_proxy(9).c_ptr());
	}
}

CASE(files_travel_both_ways)
{
	pair p([](ipc::call c) {
		ipc::fd got = c.request().take_fd(3);

		CHECK(got);
		std::move(c).reply(ipc::message().add(4, std::move(got)));
	});
	int memory = ::memfd_create("test", 0);
	char text[8] = "";

	CHECK(::write(memory, "in it", 5) == 5);
	ipc::message m(1);
	m.add(3, ipc::fd(memory)).accept_fds();
	ipc::reply r = p.proxy.call(m);
	ipc::fd back = r.take_fd(4);

	CHECK(back.get() != memory);
	CHECK(::pread(back.get(), text, sizeof(text), 0) == 5 && !std::strcmp(text, "in it"));
	CHECK_FAILS(ENOENT, r.take_fd(4));
	CHECK(back.duplicate().get() != back.get());
	CHECK_FAILS(EBADF, ipc::fd().duplicate());

	ipc::message unready(1);
	unready.add(3, back.duplicate());
	CHECK_FAILS(EPERM, p.proxy.call(unready));
}

CASE(an_object_refuses_files)
{
	pair p(echo, 1, /* accept_fds= */ false);

	CHECK_FAILS(EPERM, p.proxy.call(ipc::message(1).add(3, ipc::fd(::dup(0)))));
}

CASE(an_object_is_an_argument)
{
	event called;
	pair p([&](ipc::call c) {
		ipc::proxy callback = c.request().take_proxy(9);

		callback.call(ipc::message(2, "back"));
		/* The client finds its own object in the reply. */
		std::move(c).reply(ipc::message().add(10, callback));
	});
	auto callback = ipc::object::create(p.client, { "test.Callback" }, [&](ipc::call c) {
		CHECK(c.request().bytes() == "back");
		called.set();
		std::move(c).reply();
	});
	ipc::message m(1);

	m.add(9, callback);
	ipc::reply r = p.proxy.call(m);
	CHECK(called.times() == 1);
	CHECK_FAILS(EXDEV, r.take_proxy(10));
	CHECK(r.take_object(10) == callback);
	CHECK_FAILS(ENOENT, r.take_object(10));
	CHECK(callback.info().pending == 0);
}

/* --- Death, names ----------------------------------------------------------------------------------- */

CASE(death_is_reported)
{
	event died;
	auto token = std::make_shared<int>(1);
	pair p(echo);
	auto server = std::make_unique<ipc::connection>(ipc::connection::open());
	{
		auto mortal = ipc::object::create(*server, { "test.Mortal" }, echo);

		server->register_name("test.mortal", mortal);
	}
	ipc::proxy proxy = p.client.get("test.mortal");
	ipc::slot watch = proxy.on_death([&died, token] { died.set(); });
	{
		/* The slot ends before the callback can run. */
		ipc::slot unwatched = proxy.on_death([token] { CHECK(!"called"); });

		CHECK(token.use_count() == 3);
	}
	CHECK(token.use_count() == 2);
	server.reset();
	CHECK(died.wait());
	watch.end();
	CHECK(token.use_count() == 1);
	CHECK_FAILS(EOWNERDEAD, proxy.call(ipc::message(1)));
}

CASE(a_process_that_dies_is_reported)
{
	event died;
	int ready[2];
	char byte;

	CHECK(::pipe(ready) == 0);
	pid_t child = ::fork();
	if (!child) {
		auto server = ipc::connection::open();
		auto o = ipc::object::create(server, { "test.Child" }, [](ipc::call) { ::_exit(0); });

		server.register_name("test.child", o);
		if (::write(ready[1], "", 1) != 1)
			::_exit(1);
		server.run();
		::_exit(1);
	}
	CHECK(::read(ready[0], &byte, 1) == 1);
	pair p(echo);
	ipc::proxy proxy = p.client.get("test.child");
	ipc::slot watch = proxy.on_death([&] { died.set(); });

	CHECK_FAILS(EOWNERDEAD, proxy.call(ipc::message(1)));
	CHECK(died.wait());
	::waitpid(child, nullptr, 0);
	::close(ready[0]);
	::close(ready[1]);
}

CASE(names_are_found_listed_and_watched)
{
	event present, gone;
	pair p(echo);
	ipc::slot watch = p.client.watch_names(
		"test.named*", [&](ipc::name_change change, const ipc::name_info &info,
				   const ipc::proxy &proxy) {
			if (change == ipc::name_change::present && info.interface == "test.Named" &&
			    proxy)
				present.set();
			if (change == ipc::name_change::gone && info.name == "test.named/1")
				gone.set();
		});
	auto named = ipc::object::create(p.server, { "test.Named" }, echo);

	try {
		(void)p.client.get("test.named/1");
		CHECK(!"failed");
	} catch (const ipc::error &e) {
		CHECK(e.code() == std::errc::no_such_file_or_directory);
		CHECK(e.what() == std::string("test.named/1: no process has registered the name"));
	}
	CHECK_FAILS(ETIMEDOUT, p.client.wait("test.named/1", 20ms));
	CHECK_FAILS(EINVAL, p.client.get("no name"));
	p.server.register_name("test.named/1", named);
	CHECK(p.client.wait("test.named/1").call(ipc::message(1, "x")).bytes() == "x");
	CHECK(present.wait());
	auto list = p.client.list_names("test.named*");
	CHECK(list.size() == 1 && list[0].name == "test.named/1" && list[0].pid == getpid());
	CHECK(p.client.get("test.named/1") == p.client.get("test.named/1"));
	p.server.unregister_name("test.named/1");
	CHECK(gone.wait());
}

CASE(names_are_replaced_and_queued)
{
	event acquired, lost;
	pair p(echo);
	auto first = ipc::object::create(p.server, { "test.First" }, echo);
	auto second = ipc::object::create(p.client, { "test.Second" }, echo);
	auto note = [&](const std::string &name, ipc::registration_event what, const ipc::error &e) {
		if (name == "test.one" && what == ipc::registration_event::lost &&
		    !e.number_of_errno())
			lost.set();
		if (name == "test.one" && what == ipc::registration_event::acquired)
			acquired.set();
	};
	ipc::slot of_server = p.server.on_registration(note), of_client = p.client.on_registration(note);

	CHECK(p.server.register_name("test.one", first));
	CHECK_FAILS(EEXIST, p.client.register_name("test.one", second));
	CHECK(p.client.register_name("test.one", second, ipc::name_conflict::replace));
	CHECK(lost.wait());
	CHECK(p.client.list_names("test.one").at(0).interface == "test.Second");
	CHECK(!p.server.register_name("test.one", first, ipc::name_conflict::queue));
	p.client.unregister_name("test.one");
	CHECK(acquired.wait());
	CHECK(p.client.list_names("test.one").at(0).interface == "test.First");
	p.server.unregister_name("test.one");
}

/* --- Connections --------------------------------------------------------------------------------------- */

CASE(there_is_no_bus)
{
	CHECK_FAILS(ENOENT, ipc::connection::open("/nowhere"));
	try {
		(void)ipc::connection::open("/nowhere");
	} catch (const ipc::error &e) {
		CHECK(std::string(e.what()) ==
		      "cannot open the bus /nowhere: there is no bus; start it: ipcbusd --bus /nowhere");
	}
}

CASE(an_event_loop_serves)
{
	pair p(echo);
	ipc::connection looped = ipc::connection::open();
	auto o = ipc::object::create(looped, { "test.Looped" }, echo);
	pollfd poll = { looped.get_fd(), POLLIN, 0 };

	looped.register_name("test.looped", o);
	auto future = p.client.get("test.looped").call_future(ipc::message(1, "looped"));
	while (future.wait_for(0s) != std::future_status::ready) {
		::poll(&poll, 1, 100);
		while (looped.process())
			;
	}
	CHECK(future.get().bytes() == "looped");
}

CASE(a_child_opens_its_own)
{
	pair p(echo);
	int status = 0;
	pid_t child = ::fork();

	if (!child) {
		int code = 0;

		try {
			p.proxy.call(ipc::message(1));
		} catch (const ipc::error &e) {
			code = e.number_of_errno();
		}
		::_exit(code == ECHILD ? 0 : 1);
	}
	::waitpid(child, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
