// SPDX-License-Identifier: MIT
/*
 * protoc --ipc_out=lang=cpp: proxies and services of desk.proto. With --serve this program serves
 * it until it is killed, for ipcctl.
 */
#include <sys/mman.h>

#include <fstream>
#include <random>

#include "fixture.hpp"

#include "desk.hpp"

namespace {

/* A desk served by a thread, and a client of it. */
struct office {
	explicit office(std::shared_ptr<desk_app::Desk::Service> by = nullptr)
		: server(ipc::connection::open()), client(ipc::connection::open()),
		  object(ipc::make_object(server, by ? std::move(by) : std::make_shared<clerk>(server))),
		  desk((server.register_name("test.desk", object),
			client.get<desk_app::Desk>("test.desk"))),
		  server_thread(server, 5), client_thread(client, 2)
	{
	}
	~office() { server.unregister_name("test.desk"); }

	ipc::connection server, client;
	ipc::object object;
	desk_app::Desk::Proxy desk;
	serving server_thread, client_thread;
};

desk_app::Numbers numbers(std::initializer_list<std::int64_t> list)
{
	desk_app::Numbers m;

	for (std::int64_t n : list)
		m.add_numbers(n);
	return m;
}

ipc::fd note(const char *text)
{
	ipc::fd file(::memfd_create("note", 0));

	CHECK(::write(file.get(), text, strlen(text)) == static_cast<ssize_t>(strlen(text)));
	return file;
}

std::string text_of(const ipc::fd &file)
{
	char text[64] = "";

	return ::pread(file.get(), text, sizeof(text) - 1, 0) > 0 ? text : "";
}

void use_streams(const desk_app::Desk::Proxy &desk)
{
	desk_app::Numbers many;
	for (int i = 1; i <= 100; i++)
		many.add_numbers(i);
	auto count = desk.Count(many);
	std::int64_t n = 0;
	while (auto sum = count.receive())
		CHECK(sum->sum() == ++n);
	CHECK(n == 100);

	auto bad = desk.Count(numbers({ 5, -1 }));
	CHECK(bad.receive()->sum() == 5);
	try {
		bad.receive();
		CHECK(!"failed");
	} catch (const ipc::error &e) {
		CHECK(e.name() == "desk.Negative");
	}

	auto total = desk.Total();
	for (int i = 1; i <= 100; i++)
		total.send(numbers({ i, 1 }));
	CHECK(total.finish().sum() == 5150);
	try {
		total.finish();
		CHECK(!"failed");
	} catch (const ipc::error &e) {
		CHECK(e.number_of_errno() == EALREADY &&
		      e.what() == std::string("finish() has returned the reply before"));
	}

	auto running = desk.Running();
	for (int i = 1; i <= 20; i++) {
		running.send(numbers({ 2 }));
		CHECK(running.receive()->sum() == 2 * i);
	}
	CHECK_FAILS(EAGAIN, running.receive(10ms));
	running.end();
	CHECK(!running.receive());

	auto canceled = desk.Running();
	canceled->cancel();
	CHECK_FAILS(ECANCELED, canceled.receive());
	CHECK_FAILS(ETIMEDOUT, desk.Running(ipc::options().timeout(50ms)).receive());
}

/* Calls that any client can make to any server of desk.proto. */
void use(ipc::connection &conn, const desk_app::Desk::Proxy &desk)
{
	CHECK(desk.Add(numbers({ 1, 2, -5 })).sum() == -2);
	CHECK(desk.Add(desk_app::Numbers()).sum() == 0);

	desk_app::Numbers many;
	for (int i = 0; i < 101; i++)
		many.add_numbers(i);
	try {
		desk.Add(many);
		CHECK(!"failed");
	} catch (const ipc::error &e) {
		CHECK(e.name() == "desk.TooMany" && e.number() == 101);
		CHECK(e.text() == "more than 100 numbers");
	}

	desk_app::Failure failure;
	failure.set_code(ENOENT);
	CHECK_FAILS(ENOENT, desk.Fail(failure));
	CHECK_FAILS(ETIMEDOUT, desk.Nap());
	desk.Nap(ipc::options().timeout(10s));

	std::int64_t before = desk.Poked().sum();
	desk.Poke(numbers({ 3, 4 }));
	for (int i = 0; i < 500 && desk.Poked().sum() == before; i++)
		std::this_thread::sleep_for(10ms);
	CHECK(desk.Poked().sum() == before + 7);

	auto visitor = ipc::make_object(conn, std::make_shared<host>("a visitor"));
	ipc::with_objects<desk_app::VisitRequest> request;
	request.put(*request->mutable_visitor(), visitor);
	request.put(*request->mutable_note(), note("remember"));
	auto reply = desk.Visit(request);
	CHECK(reply->greeting() == "Hello, a visitor");
	CHECK(reply.take<desk_app::Visitor>(reply->host()).Name().name() == "the host");
	CHECK(text_of(reply.take_fd(reply->note())) == "remember");

	use_streams(desk);
}

} // namespace

CASE(methods_are_called)
{
	office o;

	use(o.client, o.desk);
}

CASE(methods_are_called_later)
{
	office o;
	event replied;
	std::int64_t sum = 0;
	auto future = o.desk.Add_future(numbers({ 4, 5 }));
	desk_app::Failure failure;
	auto bad = (failure.set_name("desk.Bad"), o.desk.Fail_future(failure));
	auto nap = o.desk.Nap_future();

	o.desk.Add_async(numbers({ 1, 1 }), [&](ipc::result<desk_app::Sum> r) {
		sum = r ? r->sum() : -1;
		replied.set();
	});
	CHECK(replied.wait() && sum == 2);
	CHECK(future.get().sum() == 9);
	CHECK_FAILS(EREMOTEIO, bad.get());
	CHECK_FAILS(ETIMEDOUT, nap.get());
	o.desk->ping();
}

CASE(nothing_is_served)
{
	class nothing : public desk_app::Desk::Service {};
	office o(std::make_shared<nothing>());

	try {
		o.desk.Add(numbers({}));
		CHECK(!"failed");
	} catch (const ipc::error &e) {
		CHECK(e.number_of_errno() == EOPNOTSUPP);
		CHECK(e.text() == "desk.app.Desk.Add is not implemented");
	}
	/* There is no such method. */
	try {
		(*o.desk).call(ipc::message(12345));
		CHECK(!"failed");
	} catch (const ipc::error &e) {
		CHECK(e.text() == "desk.app.Desk has no method with the number 0x3039");
	}
}

static std::uint32_t code_of(const char *method)
{
	return number_of(std::string("desk.app.Desk/") + method);
}

CASE(text_that_is_not_utf8_or_has_a_nul_is_not_sent)
{
	office o;
	desk_app::Failure failure;

	failure.set_code(ENOENT);
	for (std::string_view text : { "\0"sv, "12345678\0"sv, "ä\0b"sv, "12345678\xff"sv,
				       "\xed\xa0\x80"sv }) {
		failure.set_text(std::string(text));
		CHECK_FAILS(EINVAL, o.desk.Fail(failure));
	}
	failure.set_text("ä € \xf0\x9f\x98\x80");
	CHECK_FAILS(ENOENT, o.desk.Fail(failure));
}

CASE(what_is_malformed_is_refused)
{
	office o;
	const ipc::proxy &raw = *o.desk;
	std::uint32_t code = code_of("Add");

	CHECK(raw.call(ipc::message(code, "")).bytes().empty());
	CHECK_FAILS(EBADMSG, raw.call(ipc::message(code, "\x0a\xff")));
	/* A call of a oneway, and a call sent as a oneway. */
	CHECK_FAILS(EPROTO, raw.call(ipc::message(7, "")));
	raw.oneway(ipc::message(code, ""));
	raw.oneway(ipc::message(7, "\xff"));
	/* Calls of streams, opening of calls, and streams without their request. */
	CHECK_FAILS(EPROTO, raw.call(ipc::message(code_of("Total"))));
	CHECK_FAILS(EOPNOTSUPP, raw.open_stream(code).receive());
	ipc::stream empty = raw.open_stream(code_of("Count"));
	empty.end();
	CHECK_FAILS(ENOMSG, empty.receive());
	ipc::stream wrong = raw.open_stream(code_of("Count"));
	wrong.send(ipc::message("\x0a\xff"));
	CHECK_FAILS(EBADMSG, wrong.receive());
	ipc::stream twice = raw.open_stream(code_of("Count"));
	twice.send(ipc::message(""));
	twice.receive();
	ipc::stream total = raw.open_stream(code_of("Total"));
	total.send(ipc::message("\xff"));
	CHECK_FAILS(EBADMSG, total.receive());
	/* A field without an object, and an object without a field. */
	ipc::with_objects<desk_app::VisitRequest> request;
	request->mutable_visitor()->set_id(17);
	CHECK_FAILS(ENOENT, o.desk.Visit(request));
	/* The message has no descriptor for the field, whose number is an open file here. */
	ipc::with_objects<desk_app::VisitRequest> noted;
	noted.put(*noted->mutable_visitor(),
		  ipc::make_object(o.client, std::make_shared<host>("a visitor")));
	noted->mutable_note()->set_fd(0);
	CHECK_FAILS(ENOENT, o.desk.Visit(noted));
	CHECK(o.desk.Add(numbers({ 1 })).sum() == 1);
}

/* A server that replies with random messages: each reply must be valid or an error. */
CASE(a_hostile_server_is_refused)
{
	pair p([](ipc::call c) {
		ipc::message m(c.request().bytes());

		/* The files and objects that the fields of a VisitReply refer to, or could refer
		 * to. */
		m.add(1, ipc::fd(::dup(0)));
		std::move(c).reply(m);
	});
	std::minstd_rand random(1);
	/* Protobuf prints messages that it cannot parse. */
	auto *log = google::protobuf::SetLogHandler(nullptr);
	int good = 0, bad = 0;

	for (int i = 0; i < 1000; i++) {
		desk_app::VisitReply seed;
		seed.set_greeting("Hello");
		seed.mutable_host()->set_id(1);
		seed.mutable_note()->set_fd(i % 2);
		std::string bytes = seed.SerializeAsString();
		for (unsigned int n = random() % 4; n; n--)
			bytes[random() % bytes.size()] = static_cast<char>(random());
		if (random() % 8 == 0)
			bytes.resize(random() % bytes.size());
		try {
			/* As generated code does, with a request whose bytes determine the
			 * reply. */
			auto reply = ipc::typed::unpack<ipc::with_objects<desk_app::VisitReply>>(
				p.proxy.call(std::move(ipc::message(1, bytes).accept_fds())));

			CHECK_FAILS(reply->host().id() == 1 ? EBADF : ENOENT,
				    reply.take<desk_app::Visitor>(reply->host()));
			try {
				CHECK(reply.take_fd(reply->note()));
				good++;
			} catch (const ipc::error &e) {
				CHECK(e.number_of_errno() == ENOENT);
			}
		} catch (const ipc::error &e) {
			CHECK(e.number_of_errno() == EBADMSG);
			bad++;
		}
	}
	google::protobuf::SetLogHandler(log);
	CHECK(good > 10 && bad > 10);
}

CASE(an_object_has_another_interface)
{
	office o;
	auto none = ipc::object::create(o.server, { "" }, [](ipc::call c) {
		std::move(c).reply();
	});

	CHECK(o.server.register_name("test.other", std::make_shared<host>("x")));
	CHECK_FAILS(EEXIST, o.server.register_name("test.other", std::make_shared<host>("y")));
	o.server.register_name("test.none", none);
	CHECK_FAILS(EPROTOTYPE, o.client.get<desk_app::Desk>("test.other"));
	CHECK(o.client.wait<desk_app::Visitor>("test.other").Name().name() == "x");
	o.client.get<desk_app::Desk>("test.none").Poked();
	CHECK(o.client.check_name("test.other").interface == "desk.app.Visitor");
	CHECK_FAILS(ENOENT, o.client.check_name("test.nobody"));
	o.server.unregister_name("test.other");
}

CASE(a_stream_has_functions)
{
	office o;
	event over;
	std::atomic<int> received{ 0 };
	ipc::stream s = (*o.desk).open_stream(code_of("Running"));
	ipc::stream::functions f;

	f.on_message = [&](const ipc::stream &from) {
		if (from.receive(0us))
			received++;
	};
	f.on_end = [&](const ipc::stream &, ipc::result<void> r) {
		if (r)
			over.set();
	};
	s.set_functions(std::move(f));
	for (int i = 0; i < 30; i++)
		s.send(ipc::message(numbers({ i }).SerializeAsString()));
	s.end();
	CHECK(over.wait());
	CHECK(received == 30);
}

/* The only serving thread may use names in a handler. It cannot wait for a stream. */
CASE(the_only_thread_does_not_wait_for_streams)
{
	office o;
	ipc::connection lonely = ipc::connection::open();
	auto object = ipc::object::create(lonely, { "test.Lonely" }, [&](ipc::call c) {
		ipc::proxy desk = *lonely.wait<desk_app::Desk>("test.desk");

		CHECK_FAILS(EDEADLK, desk.open_stream(code_of("Running")).receive());
		std::move(c).reply("");
	});
	serving serve(lonely, 1);

	lonely.register_name("test.lonely", object);
	o.client.get("test.lonely").call(ipc::message(1));
	lonely.unregister_name("test.lonely");
}

CASE(a_stream_is_opened_later)
{
	office o;
	event replied, failed;
	std::int64_t sums = 0;

	o.desk.Count_async(numbers({ 4, 5 }), [&](auto opened) {
		auto stream = opened.value();

		/* This runs on a serving thread, so it must not wait. */
		ipc::stream::functions f;
		f.on_message = [&, stream](const ipc::stream &) {
			if (auto sum = stream.receive(0us))
				sums += sum->sum();
		};
		f.on_end = [&](const ipc::stream &, ipc::result<void>) { replied.set(); };
		stream->set_functions(std::move(f));
	});
	CHECK(replied.wait());
	CHECK(sums == 9);

	auto counted = o.desk.Count_future(numbers({ 1, -1 })).get();
	CHECK(counted.receive()->sum() == 1);
	CHECK_FAILS(EREMOTEIO, counted.receive());
	auto total = o.desk.Total_future().get();
	total.send(numbers({ 20, 22 }));
	CHECK(total.finish().sum() == 42);
	auto running = o.desk.Running_future(ipc::options().timeout(100ms)).get();
	running.send(numbers({ 2 }));
	CHECK(running.receive()->sum() == 2);
	CHECK_FAILS(ETIMEDOUT, running.receive());
	(*o.desk).open_stream_future(code_of("Running")).get().cancel();

	/* A cancellation that was canceled before, and an object that no longer exists. */
	auto cancellation = ipc::cancellation::create(o.client);
	cancellation.cancel();
	CHECK_FAILS(ECANCELED,
		    o.desk.Total_future(ipc::options().cancellation(cancellation)).get());
	class nothing : public desk_app::Desk::Service {};
	auto mortal = std::make_unique<ipc::connection>(ipc::connection::open());
	mortal->register_name("test.mortal", ipc::make_object(*mortal, std::make_shared<nothing>()));
	auto dead = o.client.get<desk_app::Desk>("test.mortal");
	mortal.reset();
	CHECK_FAILS(EOWNERDEAD, dead.Count_future(numbers({ 1 })).get());
}

/* Opening a stream at a server that never accepts it ends with the cancellation. */
CASE(opening_a_stream_is_canceled)
{
	office o;
	auto deaf = ipc::connection::open();
	class nothing : public desk_app::Desk::Service {};

	deaf.register_name("test.deaf", ipc::make_object(deaf, std::make_shared<nothing>()));
	auto desk = o.client.get<desk_app::Desk>("test.deaf");
	auto cancellation = ipc::cancellation::create(o.client);
	auto future = desk.Count_future(numbers({ 1 }), ipc::options().cancellation(cancellation));
	CHECK(future.wait_for(20ms) == std::future_status::timeout);
	cancellation.cancel();
	CHECK_FAILS(ECANCELED, future.get());
	deaf.unregister_name("test.deaf");
}

CASE(a_stream_that_nobody_serves_ends)
{
	class nothing : public desk_app::Desk::Service {};
	office o(std::make_shared<nothing>());

	CHECK_FAILS(EOPNOTSUPP, o.desk.Count(numbers({ 1 })).receive());
	CHECK_FAILS(EOPNOTSUPP, o.desk.Running().receive());
}

CASE(a_request_waits_five_seconds_for_space)
{
	class slow : public desk_app::Desk::Service {
	public:
		void Poke(const desk_app::Numbers &, const ipc::call &) override { gate.wait(1, 60s); }
		event gate;
	};
	auto by = std::make_shared<slow>();
	office o(by);
	auto begin = std::chrono::steady_clock::now();

	/* Its handler waits, and all later oneways wait for it. */
	o.desk.Poke(numbers({ 1 }));
	for (std::size_t size = 65536; size; size /= 2)
		try {
			for (;;)
				o.desk->oneway(ipc::message(7, std::string(size, '\0')));
		} catch (const ipc::error &e) {
			CHECK(e.number_of_errno() == EAGAIN);
		}
	CHECK_FAILS(EAGAIN, o.desk.Count(numbers({ 1 })));
	CHECK(std::chrono::steady_clock::now() - begin >= 5s);
	by->gate.set();
}

/* Gives its streams away, or fails. */
class careless : public desk_app::Desk::Service {
public:
	/* "handler": drops the end itself. "thread": another thread drops the end before the
	 * handler returns. "later": another thread drops it afterwards. "throw": gives the end
	 * away, and throws. */
	explicit careless(std::string way) : way(std::move(way)) {}
	~careless() override
	{
		for (std::thread &t : dropping)
			t.join();
	}

	void Count(const desk_app::Numbers &,
		   ipc::stream_of<desk_app::Sum, ipc::no_message> out) override
	{
		drop(std::move(out));
	}
	void Running(ipc::stream_of<desk_app::Sum, desk_app::Numbers> both) override
	{
		drop(std::move(both));
	}

private:
	template <typename End> void drop(End end)
	{
		desk_app::Sum sum;

		sum.set_sum(1);
		end.send(sum);
		if (way == "handler")
			return;
		if (way == "later") {
			std::lock_guard<std::mutex> handler(mutex);
			dropping.emplace_back([this, end = std::move(end)]() mutable {
				End mine = std::move(end);
				std::lock_guard<std::mutex> after_the_handler(mutex);
			});
			return;
		}
		std::thread([end = std::move(end)]() mutable { End mine = std::move(end); }).join();
		if (way == "throw")
			throw std::runtime_error("a secret");
	}

	const std::string way;
	std::mutex mutex;
	std::vector<std::thread> dropping;
};

CASE(an_end_of_a_stream_that_is_dropped_elsewhere_fails)
{
	captured_stderr log;

	for (std::string way : { "handler", "thread", "later", "throw" }) {
		office o(std::make_shared<careless>(way));
		auto check = [&](auto stream) {
			int code = 0;

			CHECK(stream.receive()->sum() == 1);
			try {
				CHECK(!stream.receive());
			} catch (const ipc::error &e) {
				code = e.number_of_errno();
			}
			CHECK(code == (way == "handler" ? 0 : ENOMSG));
		};

		check(o.desk.Count(numbers({ 1 })));
		check(o.desk.Running());
	}
	CHECK(log.has("ipc: desk.app.Desk.Count (uid "));
	CHECK(log.has("ipc: desk.app.Desk.Running (uid "));
}

CASE(a_large_message_arrives)
{
	office o;
	desk_app::Failure failure;

	failure.set_name("desk.Large");
	failure.set_text(std::string(100000, 'x'));
	try {
		o.desk.Fail(failure);
	} catch (const ipc::error &e) {
		CHECK(e.text().size() == 100000);
	}
}

/* Keeps its calls and its ends of streams, and reports canceled calls. */
class keeper : public desk_app::Desk::Service {
public:
	void Add(const desk_app::Numbers &, ipc::call_for<desk_app::Sum> call) override
	{
		std::lock_guard<std::mutex> lock(mutex);

		slots.push_back(call->on_cancel([this] { canceled.set(); }));
		calls.push_back(std::move(call));
		arrived.set();
	}
	void Running(ipc::stream_of<desk_app::Sum, desk_app::Numbers> both) override
	{
		std::lock_guard<std::mutex> lock(mutex);

		ends.push_back(std::move(both));
	}
	/* They would keep the connection open. */
	void drop()
	{
		std::lock_guard<std::mutex> lock(mutex);

		slots.clear();
		calls.clear();
		ends.clear();
	}

	event arrived, canceled;

private:
	std::mutex mutex;
	std::vector<ipc::call_for<desk_app::Sum>> calls;
	std::vector<ipc::slot> slots;
	std::vector<ipc::stream_of<desk_app::Sum, desk_app::Numbers>> ends;
};

/* Reports what it knows of its clients. */
class witness : public clerk {
public:
	using clerk::clerk;

	desk_app::Sum Add(const desk_app::Numbers &, const ipc::call &call) override
	{
		label = call.label() ? call.label() : "";
		return sum_of(call.pidfd());
	}
	void Count(const desk_app::Numbers &,
		   ipc::stream_of<desk_app::Sum, ipc::no_message> out) override
	{
		stream_label = out->label() ? out->label() : "";
		desk_app::Sum pid;

		pid.set_sum(out->pid());
		out.send(pid);
	}

	std::string label = "none", stream_label = "none";

private:
	static desk_app::Sum sum_of(const ipc::fd &pidfd)
	{
		std::ifstream info("/proc/self/fdinfo/" + std::to_string(pidfd.get()));
		desk_app::Sum pid;

		for (std::string line; std::getline(info, line);)
			if (!line.compare(0, 4, "Pid:"))
				pid.set_sum(std::stoi(line.substr(4)));
		return pid;
	}
};

CASE(a_server_gets_label_and_process_of_its_clients)
{
	office o;
	auto server = ipc::connection::open();
	auto by = std::make_shared<witness>(server);
	auto object = ipc::make_object(server, by);
	std::ifstream attribute("/proc/self/attr/current");
	std::string label;

	std::getline(attribute, label);
	object.set_flags(IPC_OBJECT_LABEL);
	server.register_name("test.witness", object);
	CHECK_FAILS(EBUSY, object.set_flags(0));
	serving thread(server);
	auto desk = o.client.get<desk_app::Desk>("test.witness");

	CHECK(desk.Add(numbers({})).sum() == ::getpid());
	CHECK(desk.Count(numbers({})).receive()->sum() == ::getpid());
	CHECK(by->label == label.c_str() && by->stream_label == label.c_str());
}

CASE(a_call_ends_with_its_parent_stream)
{
	office o;
	auto parent = o.desk.Total();
	const auto with = ipc::options().parent_stream(*parent.operator->());

	CHECK(o.desk.Add(numbers({ 1 }), with).sum() == 1);
	parent->cancel();
	CHECK_FAILS(ECANCELED, o.desk.Add(numbers({ 1 }), with));
}

#ifdef __cpp_impl_coroutine
/* A coroutine that starts at once, and runs to its end by itself. */
struct running {
	struct promise_type {
		running get_return_object() { return {}; }
		std::suspend_never initial_suspend() noexcept { return {}; }
		std::suspend_never final_suspend() noexcept { return {}; }
		void return_void() {}
		void unhandled_exception() { std::terminate(); }
	};
};

static running add_up(const desk_app::Desk::Proxy &desk, std::int64_t &sum, int &code, event &done)
{
	for (int i = 1; i <= 3; i++)
		sum += (co_await desk.Add_await(numbers({ i, i }))).sum();
	try {
		co_await desk.Nap_await();
	} catch (const ipc::error &e) {
		code = e.number_of_errno();
	}
	ipc::reply raw = co_await ipc::call_await(*desk, ipc::message(IPC_NUMBER_PING));
	sum += static_cast<std::int64_t>(raw.bytes().size());
	auto count = co_await desk.Count_await(numbers({ 100 }));
	sum += count.receive()->sum();
	auto total = co_await desk.Total_await();
	total.send(numbers({ 200 }));
	sum += total.finish().sum();
	(co_await ipc::open_await(*desk, code_of("Running"))).cancel();
	done.set();
}

CASE(a_coroutine_awaits)
{
	office o;
	event done;
	std::int64_t sum = 0;
	int code = 0;

	add_up(o.desk, sum, code, done);
	CHECK(done.wait());
	CHECK(sum == 312);
	CHECK(code == ETIMEDOUT);
}

static running fail_with(const desk_app::Desk::Proxy &desk, const desk_app::Numbers &request,
			 std::atomic<int> &code, event &done)
{
	try {
		co_await desk.Add_await(request);
	} catch (const ipc::error &e) {
		code = e.number_of_errno();
	}
	done.set();
}

CASE(a_coroutine_goes_on_inside_the_end_of_its_connection)
{
	auto by = std::make_shared<keeper>();
	office o(by);
	auto client = std::make_unique<ipc::connection>(ipc::connection::open());
	auto desk = client->get<desk_app::Desk>("test.desk");
	std::atomic<int> code{ 0 };
	event done;

	fail_with(desk, numbers({ 1 }), code, done);
	CHECK(by->arrived.wait());
	client.reset();
	CHECK(done.times() == 1 && code == ECANCELED);
	by->drop();
}

/* A coroutine that starts at once, and that the test destroys. */
struct destroyed {
	struct promise_type {
		destroyed get_return_object()
		{
			return { std::coroutine_handle<promise_type>::from_promise(*this) };
		}
		std::suspend_never initial_suspend() noexcept { return {}; }
		std::suspend_always final_suspend() noexcept { return {}; }
		void return_void() {}
		void unhandled_exception() { std::terminate(); }
	};
	std::coroutine_handle<promise_type> handle;
};

template <typename Await> static destroyed wait_for(Await await, std::atomic<bool> &went_on)
{
	co_await await();
	went_on = true;
}

static running wait_for_deaths(const ipc::proxy &proxy, event &dead)
{
	co_await ipc::wait_dead(proxy);
	dead.set();
	/* It is dead already. */
	co_await ipc::wait_dead(proxy);
	dead.set();
}

CASE(a_coroutine_awaits_a_death)
{
	office o;
	event dead;
	auto server = std::make_unique<ipc::connection>(ipc::connection::open());
	std::atomic<bool> went_on{ false };

	server->register_name("test.mortal",
			      ipc::object::create(*server, { "test.Mortal" }, [](ipc::call) {}));
	ipc::proxy proxy = o.client.get("test.mortal");
	auto destroyed = wait_for([&] { return ipc::wait_dead(proxy); }, went_on);
	wait_for_deaths(proxy, dead);
	CHECK(dead.times() == 0);
	destroyed.handle.destroy();
	server.reset();
	CHECK(dead.wait(2) && !went_on);
}

CASE(a_coroutine_is_destroyed_while_its_call_is_under_way)
{
	auto by = std::make_shared<keeper>();
	office o(by);
	std::atomic<bool> went_on{ false };
	const desk_app::Numbers request = numbers({ 1 });
	const std::string bytes = request.SerializeAsString();
	const ipc::message message(code_of("Add"), bytes);
	destroyed waiting[] = {
		wait_for([&] { return o.desk.Add_await(request); }, went_on),
		wait_for([&] { return ipc::call_await(*o.desk, message, ipc::no_options); }, went_on),
	};

	CHECK(by->arrived.wait(2));
	for (destroyed &coroutine : waiting)
		coroutine.handle.destroy();
	/* The replies arrive, or the connection ends. */
	by->drop();
	o.desk->ping();
	CHECK(!went_on);
}

/* A server that does not serve accepts the streams after the coroutines are gone. */
CASE(a_coroutine_is_destroyed_while_its_stream_is_opened)
{
	office o;
	auto deaf = ipc::connection::open();
	std::atomic<bool> went_on{ false };

	deaf.register_name("test.deaf", ipc::make_object(deaf, std::make_shared<clerk>(deaf)));
	auto desk = o.client.get<desk_app::Desk>("test.deaf");
	destroyed waiting[] = {
		wait_for([&] { return desk.Count_await(numbers({ 1 })); }, went_on),
		wait_for([&] { return desk.Total_await(); }, went_on),
		wait_for([&] { return ipc::open_await(*desk, code_of("Running"), ipc::no_options); },
			 went_on),
	};

	for (destroyed &coroutine : waiting)
		coroutine.handle.destroy();
	{
		serving late(deaf, 4);

		desk->ping();
	}
	o.desk->ping();
	CHECK(!went_on);
	deaf.unregister_name("test.deaf");
}

static running fail_early(const ipc::proxy &proxy, int &code, event &done)
{
	ipc::message many(1);

	for (int i = 0; i < 65; i++)
		many.add(1, ipc::fd(::dup(0)));
	try {
		co_await ipc::call_await(proxy, many);
	} catch (const ipc::error &e) {
		code = e.number_of_errno();
	}
	done.set();
}

CASE(a_coroutine_goes_on_if_nothing_is_sent)
{
	office o;
	event done;
	int code = 0;

	fail_early(*o.desk, code, done);
	CHECK(done.times() == 1 && code == E2BIG);
}
#endif

CASE(everything_that_waits_ends_with_the_bus)
{
	mortal_bus bus;
	auto by = std::make_shared<keeper>();
	ipc::connection server = bus.open(), client = bus.open();
	auto object = ipc::make_object(server, by);
	const desk_app::Numbers request = numbers({ 1 });
	std::vector<std::future<void>> ended;
	auto start = [&](auto function) {
		ended.push_back(std::async(std::launch::async, [function] {
			CHECK_FAILS(ECONNRESET, function());
		}));
	};

	server.set_threads(4);
	server.register_name("test.desk", object);
	start([&] { server.run(); });
	auto desk = client.get<desk_app::Desk>("test.desk");
	start([&] { client.run(); });

	auto future = desk.Add_future(request);
	event done, over;
	std::atomic<int> async{ 0 }, on_end{ 0 };
	int calls = 3;
	desk.Add_async(request, [&](ipc::result<desk_app::Sum> r) {
		async = r ? 0 : r.error().number_of_errno();
		done.set();
	});
	start([&] { desk.Add(request); });
#ifdef __cpp_impl_coroutine
	std::atomic<int> coroutine{ 0 };
	event resumed;
	fail_with(desk, request, coroutine, resumed);
	calls++;
#endif
	CHECK(by->arrived.wait(calls));

	auto received = desk.Running();
	start([&] { received.receive(); });
	ipc::stream::functions f;
	f.on_message = [](const ipc::stream &) {};
	f.on_end = [&](const ipc::stream &, ipc::result<void> r) {
		on_end = r ? 0 : r.error().number_of_errno();
		over.set();
	};
	desk.Running()->set_functions(std::move(f));
	start([&] { client.wait("test.nobody"); });

	bus.kill();
	CHECK_FAILS(ECONNRESET, future.get());
	CHECK(done.wait() && async == ECONNRESET);
	CHECK(over.wait() && on_end == ECONNRESET);
	CHECK(by->canceled.wait(calls));
#ifdef __cpp_impl_coroutine
	CHECK(resumed.wait() && coroutine == ECONNRESET);
#endif
	for (std::future<void> &f : ended)
		f.get();
	CHECK_FAILS(ECONNRESET, desk.Add_future(request).get());
	CHECK_FAILS(ECONNRESET, desk.Running());
	by->drop();
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--serve")) {
		auto conn = ipc::connection::open();

		conn.set_threads(4);
		conn.register_name("test.peer", ipc::make_object(conn, std::make_shared<clerk>(conn)));
		conn.run();
		return 0;
	}
	return run_cases(argc, argv);
}
