// SPDX-License-Identifier: MIT
/*
 * A connection of <ipc/ipc.hpp> that survives its bus: ipcbusd is killed and started again 20
 * times, with a server and a client in one process.
 */
#include "fixture.hpp"

static const int restarts = 20;

/* A bus at a constant path. */
class killed_bus {
public:
	killed_bus()
	{
		CHECK(mkdtemp(folder));
		start();
	}
	~killed_bus()
	{
		kill();
		unlink((path() + ".lock").c_str());
		unlink(path().c_str());
		rmdir(folder);
	}

	std::string path() const { return std::string(folder) + "/bus"; }

	void start()
	{
		const char *set = getenv("B");
		const std::string build = set ? set : "build", daemon = build + "/daemon/ipcbusd",
				  manager = build + "/servicemanager/servicemanager", at = path();
		int fds[2];
		char byte;

		CHECK(pipe(fds) == 0);
		pid = fork();
		if (!pid) {
			dup2(fds[1], 1);
			close(fds[0]);
			execl(daemon.c_str(), daemon.c_str(), "--bus", at.c_str(), "--print-path=1", "--",
			      manager.c_str(), nullptr);
			_exit(1);
		}
		close(fds[1]);
		CHECK(read(fds[0], &byte, 1) == 1);
		close(fds[0]);
	}

	void kill()
	{
		::kill(pid, SIGKILL);
		waitpid(pid, nullptr, 0);
	}

private:
	char folder[32] = "/tmp/ipc-cpp-restart-XXXXXX";
	pid_t pid;
};

/* Calls until the service is available again. */
static bool comes_back(const ipc::proxy &proxy)
{
	for (int i = 0; i < 1000; i++) {
		try {
			return proxy.call(ipc::message(1)).bytes() == "served";
		} catch (const ipc::error &e) {
			int r = e.number_of_errno();

			CHECK(r == ECONNRESET || r == ENOTCONN || r == ENOENT);
		}
		std::this_thread::sleep_for(20ms);
	}
	return false;
}

CASE(objects_names_and_proxies_survive)
{
	killed_bus bus;
	event down, up, died, present;

	CHECK(ipc::c::ipc_wait_manager(bus.path().c_str(), IPC_NEVER) == 1);
	auto server = ipc::connection::open(bus.path().c_str());
	auto client = ipc::connection::open(bus.path().c_str());
	auto slot = server.set_reconnect([&](ipc::bus_event e) {
		(e == ipc::bus_event::down ? down : up).set();
	});
	client.set_reconnect();
	auto object = ipc::object::create(server, { "test.Restart" },
					  [](ipc::call c) { std::move(c).reply("served"); });
	server.register_name("test.restart", object);
	std::thread serving([&] { server.run(); });
	std::thread watching([&] { client.run(); });
	auto watch = client.watch_names("test.restart",
					[&](ipc::name_change change, auto &&...) {
						if (change == ipc::name_change::present)
							present.set();
					});
	auto proxy = client.get("test.restart");

	/* Otherwise the first report may be lost with the bus. */
	CHECK(present.wait(1));
	for (int i = 1; i <= restarts; i++) {
		CHECK(comes_back(proxy));
		auto death = proxy.on_death([&] { died.set(); });
		bus.kill();
		CHECK(died.wait(i) && down.wait(i));
		bus.start();
		CHECK(up.wait(i) && present.wait(i + 1));
	}
	CHECK(comes_back(proxy));
	CHECK(died.times() == restarts && down.times() == restarts && up.times() == restarts);
	watch.end();
	client.stop();
	server.stop();
	watching.join();
	serving.join();
}

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
