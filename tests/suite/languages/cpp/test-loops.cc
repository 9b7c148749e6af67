// SPDX-License-Identifier: MIT
/* Servers that do not wait: functions of streams, and the loops of libsystemd and GLib. */
#include "fixture.hpp"

#include "desk.hpp"

#include <ipc/glib.h>
#include <ipc/monitor.h>
#include <ipc/sd-event.h>
#include <ipc/test.h>

namespace {

/* Sends as many sums as the first number, by functions. */
class counter : public desk_app::Desk::Service {
public:
	event writable, ended;
	std::atomic<int> error{ -1 };

	void Count(const desk_app::Numbers &request,
		   ipc::stream_of<desk_app::Sum, ipc::no_message> out) override
	{
		auto left = std::make_shared<std::int64_t>(request.numbers(0));
		auto send = [out, left](const ipc::stream &) {
			desk_app::Sum sum;

			try {
				for (; *left > 0; --*left) {
					sum.set_sum(*left);
					out.send(sum, 0us);
				}
				out.end();
			} catch (const ipc::error &e) {
				if (e.number_of_errno() != EAGAIN)
					throw;
			}
		};
		ipc::stream::functions f;

		f.on_writable = [this, send](const ipc::stream &s) {
			writable.set();
			send(s);
		};
		f.on_end = [this](const ipc::stream &, ipc::result<void> r) {
			error = r ? 0 : r.error().number_of_errno();
			ended.set();
		};
		out->set_functions(std::move(f));
		CHECK_FAILS(EALREADY, out->set_functions({}));
		send(*out.operator->());
	}
};

desk_app::Numbers number(std::int64_t n)
{
	desk_app::Numbers m;

	m.add_numbers(n);
	return m;
}

struct counting {
	counting() : server(ipc::connection::open()), client(ipc::connection::open()),
		     by(std::make_shared<counter>())
	{
		server.register_name("test.count", ipc::make_object(server, by));
	}
	~counting() { server.unregister_name("test.count"); }

	desk_app::Desk::Proxy desk() const { return client.get<desk_app::Desk>("test.count"); }

	/* Calls run() on this thread, and a client on another thread, which calls stop() at last. */
	template <typename Run, typename Stop> void use(Run run, Stop stop)
	{
		std::thread user([&] {
			auto sums = desk().Count(number(50));

			for (std::int64_t n = 50; n > 0; n--)
				CHECK(sums.receive()->sum() == n);
			CHECK(!sums.receive());
			stop();
			/* An event, with which the loop sees that it is to stop. */
			desk().Poke(number(1));
		});

		run();
		user.join();
	}

	ipc::connection server, client;
	std::shared_ptr<counter> by;
};

} // namespace

/* One thread serves: a handler that waited would get EDEADLK. */
CASE(a_server_of_a_stream_of_replies_sets_functions)
{
	counting c;
	serving thread(c.server, 1);

	{
		auto sums = c.desk().Count(number(100));

		for (std::int64_t n = 100; n > 0; n--)
			CHECK(sums.receive()->sum() == n);
		CHECK(!sums.receive());
	}
	CHECK(c.by->writable.times() > 0);

	auto sums = c.desk().Count(number(100));
	CHECK(sums.receive()->sum() == 100);
	sums->cancel();
	CHECK(c.by->ended.wait());
	CHECK(c.by->error == ECANCELED);
}

CASE(a_stream_without_its_request_fails)
{
	counting c;
	serving thread(c.server, 1);
	ipc::stream s = c.client.get("test.count").open_stream(number_of("desk.app.Desk/Count"));

	s.end();
	CHECK_FAILS(ENOMSG, s.receive());

	s = c.client.get("test.count").open_stream(number_of("desk.app.Desk/Count"));
	s.send(ipc::message("\xff"));
	CHECK_FAILS(EBADMSG, s.receive());
}

CASE(a_connection_is_served_by_sd_event)
{
	counting c;
	sd_event *loop;

	CHECK(sd_event_new(&loop) >= 0);
	CHECK(ipc_attach_event(c.server.c_ptr(), loop, 0, nullptr) == 0);
	std::atomic<bool> stopped{ false };
	c.use([&] { while (!stopped && sd_event_run(loop, UINT64_MAX) >= 0) ; }, [&] { stopped = true; });
	sd_event_unref(loop);
}

CASE(a_connection_is_served_by_glib)
{
	counting c;
	GMainLoop *loop = g_main_loop_new(g_main_context_new(), FALSE);
	int error = 0;

	CHECK(ipc_attach_glib(c.server.c_ptr(), loop, G_PRIORITY_DEFAULT, &error));
	c.use([&] { g_main_loop_run(loop); }, [&] { g_main_loop_quit(loop); });
	CHECK(error == 0);
	g_main_context_unref(g_main_loop_get_context(loop));
	g_main_loop_unref(loop);
}

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
