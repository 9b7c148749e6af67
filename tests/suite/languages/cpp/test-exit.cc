// SPDX-License-Identifier: MIT
/*
 * Processes that exit during calls, streams and running handlers, or with objects in static
 * storage. Each must exit at once, with its own status. `exit.COMPILER --end HOW` is such a
 * process.
 */
#include "fixture.hpp"

#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <vector>

/* --- Ends -------------------------------------------------------------------------------- */

constexpr std::uint32_t REPLY = 1, NEVER = 2, EXIT = 3;
constexpr int STATUS = 7;

/* exit() runs their destructors in reverse order, while threads still serve. */
static std::vector<ipc::call> kept;
static std::optional<ipc::connection> server, client;
static std::optional<ipc::object> object;
static std::optional<ipc::proxy> proxy;
static std::vector<ipc::slot> slots;
static event arrived;

static void serve(ipc::call call)
{
	if (call.request().method() == EXIT)
		std::exit(STATUS);
	if (call.request().method() == REPLY) {
		std::move(call).reply("");
		return;
	}
	kept.push_back(std::move(call));
	arrived.set();
}

static void open_all()
{
	server = ipc::connection::open();
	client = ipc::connection::open();
	object = ipc::object::create(*server, { "test.Exit" }, serve);
	server->register_name("test.exit", *object);
	proxy = client->get("test.exit");
	/* A serving thread must have a copy, so that the last copy is not destroyed in the
	 * meantime. */
	for (const ipc::connection &conn : { *server, *client })
		std::thread([conn] { conn.run(); }).detach();
	proxy->call(ipc::message(REPLY));
}

static void end_with_a_blocked_call()
{
	std::thread([] {
		try {
			proxy->call(ipc::message(NEVER));
		} catch (const ipc::error &) {
			/* If the destructors are fast, the connection closes here. */
		}
	}).detach();
	arrived.wait();
}

static void end_with_an_async_call()
{
	proxy->call_async(ipc::message(NEVER), [](ipc::result<ipc::reply>) {});
	arrived.wait();
}

static void end_with_a_future()
{
	static auto reply = proxy->call_future(ipc::message(NEVER));

	arrived.wait();
}

static void end_with_watches()
{
	slots.push_back(proxy->on_death([] {}));
	slots.push_back(client->on_writable([] {}));
}

static void end_in_a_handler()
{
	try {
		proxy->call(ipc::message(EXIT));
	} catch (const ipc::error &) {
		/* exit() closes the connection, and then ends this thread. */
	}
	pause();
}

static const struct {
	const char *how;
	void (*end)();
} ends[] = {
	{ "nothing", [] {} },
	{ "blocked", end_with_a_blocked_call },
	{ "async", end_with_an_async_call },
	{ "future", end_with_a_future },
	{ "watches", end_with_watches },
	{ "handler", end_in_a_handler },
};

/* --- Cases ------------------------------------------------------------------------------- */

/* Returns whether a process that exits like this has its own status, before an alarm kills it. */
static bool ends_at_once(const char *how)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		execl("/proc/self/exe", "exit", "--end", how, nullptr);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != STATUS)
		std::printf("# --end %s: status 0x%x\n", how, static_cast<unsigned int>(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == STATUS;
}

CASE(static_objects_end_in_exit) { CHECK(ends_at_once("nothing")); }
CASE(exit_does_not_wait_for_a_blocked_call) { CHECK(ends_at_once("blocked")); }
CASE(exit_does_not_wait_for_an_async_call) { CHECK(ends_at_once("async")); }
CASE(exit_does_not_wait_for_a_future) { CHECK(ends_at_once("future")); }
CASE(slots_may_be_static) { CHECK(ends_at_once("watches")); }
CASE(a_handler_may_exit) { CHECK(ends_at_once("handler")); }

int main(int argc, char **argv)
{
	if (argc == 3 && !std::strcmp(argv[1], "--end")) {
		for (const auto &each : ends) {
			if (std::strcmp(each.how, argv[2]))
				continue;
			open_all();
			each.end();
			return STATUS;
		}
		return 2;
	}
	return run_cases(argc, argv);
}
